import { setTimeout as sleep } from 'node:timers/promises'
import { SluiceError, isSluiceError, type Logger, type Worker } from '@sluice/core'
import type { Config } from '../config/config-schema.js'

const AGAIN_MS = 2_000

export interface CheckOptions {
  readonly logger: Logger
  /** From its abort on the answer is not waited for. */
  readonly signal: AbortSignal
  /** A check without an answer for so long has stalled, or for twice as long as the worker's longest call takes. */
  readonly stallMs: number
}

/**
 * Asks a worker whether it can be used as it is configured, before anything is sent to it.
 *
 * @returns `false` when it can't be reached: an outage is waited out
 * @throws SluiceError that no waiting mends; SLUICE_WORKER_UNAVAILABLE, not retryable, when it does not answer at all
 */
export async function checkWorker(worker: Worker, options: CheckOptions): Promise<boolean> {
  try {
    return await answered(worker, options)
  } catch (error) {
    if (!isSluiceError(error) || !error.retryable) throw error
    options.logger.error(
      { code: error.code, reason: error.message },
      "the worker can't be reached yet; the service waits for it",
    )
    return false
  }
}

async function answered(worker: Worker, { signal, stallMs }: CheckOptions): Promise<boolean> {
  if (worker.check === undefined) return true
  const waitMs = Math.max(stallMs, 2 * (worker.supports.longestCallMs ?? 0))
  const ended = new AbortController()
  const stalled = async (): Promise<boolean> => {
    // It rejects when it is aborted, and for nothing else.
    await sleep(waitMs, undefined, { signal: AbortSignal.any([signal, ended.signal]) }).catch(() => undefined)
    if (signal.aborted || ended.signal.aborted) return false
    const attempted = `check of the worker has not ended for ${Math.round(waitMs / 1_000)} s`
    throw new SluiceError('SLUICE_WORKER_UNAVAILABLE', `${attempted}: nothing was started; try again later`, {
      retryable: false,
    })
  }
  try {
    return await Promise.race([worker.check().then(() => true), stalled()])
  } finally {
    ended.abort()
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
