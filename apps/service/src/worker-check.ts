import { setTimeout as sleep } from 'node:timers/promises'
import { isSluiceError, type Logger, type Worker } from '@sluice/core'

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
