import { setTimeout as sleep } from 'node:timers/promises'
import { SluiceError, isSluiceError, type Logger, type Worker } from '@sluice/core'
import type { Config } from './config/config-schema.js'

const AGAIN_MS = 2_000

/**
 * Asks a worker whether it can be used as it is configured, before anything is sent to it.
 *
 * @returns `false` when it can't be reached: an outage is waited out
 * @throws SluiceError that no waiting mends
 */
export async function checkWorker(worker: Worker, logger: Logger): Promise<boolean> {
  try {
    await worker.check?.()
    return true
  } catch (error) {
    if (!isSluiceError(error) || !error.retryable) throw error
    logger.error(
      { code: error.code, reason: error.message },
      "the worker can't be reached yet; the service waits for it",
    )
    return false
  }
}

/**
 * Asks again until the worker answers: a wrong template or a missing permission would otherwise be found out item by item, after an outage
 * at the start.
 *
 * @returns resolves when the worker can be used, or the signal aborts
 * @throws SluiceError that no waiting mends
 */
export async function checkAgain(worker: Worker, signal: AbortSignal, everyMs = AGAIN_MS): Promise<void> {
  while (!signal.aborted) {
    try {
      await sleep(everyMs, undefined, { signal })
      await worker.check?.()
      return
    } catch (error) {
      if (signal.aborted) return
      if (!isSluiceError(error) || !error.retryable) throw error
    }
  }
}

/** @throws SluiceError SLUICE_CONFIG_INVALID when jobs are to be cancelled by a worker that can't */
export function assertCanCancel({ supports }: Worker, { jobs }: Pick<Config, 'jobs'>): void {
  if (jobs.pendingTimeoutMs === undefined || supports.cancelJob) return
  throw new SluiceError(
    'SLUICE_CONFIG_INVALID',
    'jobs.pendingTimeoutMs is set, and this worker can’t end jobs: leave it out, or use a worker that can.',
  )
}
