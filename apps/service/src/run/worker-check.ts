import { SluiceError, isSluiceError, type Logger, type Runtime, type Worker } from '@sluice/core'
import type { Config } from '../config/config.js'

const RETRY_MS = 2_000

export interface CheckOptions {
  readonly logger: Logger
  /** Its abort ends the wait for the answer. */
  readonly signal: AbortSignal
  /** A check has stalled after this time, or after twice the worker's longest call if that is more. */
  readonly stallMs: number
  readonly runtime: Pick<Runtime, 'sleep'>
}

/**
 * Asks a worker whether it can be used as configured, before anything is sent to it.
 *
 * @returns `false` where it is unreachable: an outage is waited out
 * @throws SluiceError that is not retryable; SLUICE_WORKER_UNAVAILABLE, not retryable, when it does not
 * answer at all
 */
export async function checkWorker(worker: Worker, options: CheckOptions): Promise<boolean> {
  try {
    return await answered(worker, options)
  } catch (error) {
    if (!isSluiceError(error) || !error.retryable) throw error
    options.logger.error(
      { code: error.code, reason: error.message },
      'the worker is unreachable: retrying until it answers',
    )
    return false
  }
}

async function answered(worker: Worker, { signal, stallMs, runtime }: CheckOptions): Promise<boolean> {
  if (worker.check === undefined) return true
  const waitMs = Math.max(stallMs, 2 * (worker.supports.longestCallMs ?? 0))
  const ended = new AbortController()
  const stalled = async (): Promise<boolean> => {
    await runtime.sleep(waitMs, AbortSignal.any([signal, ended.signal]))
    if (signal.aborted || ended.signal.aborted) return false
    const attempted = `the check of the worker did not answer within ${Math.round(waitMs / 1_000)} s`
    throw new SluiceError('SLUICE_WORKER_UNAVAILABLE', `${attempted}: no job was started; try again later`, {
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
 * Repeats the check until the worker answers. Without it, after an outage at the start, a wrong template or a
 * missing permission would fail item by item.
 *
 * @returns resolves when the worker can be used, or the signal aborts
 * @throws SluiceError that is not retryable
 */
export async function checkAgain(
  worker: Worker,
  { signal, runtime }: Pick<CheckOptions, 'signal' | 'runtime'>,
): Promise<void> {
  for (;;) {
    await runtime.sleep(RETRY_MS, signal)
    if (signal.aborted) return
    try {
      await worker.check?.()
      return
    } catch (error) {
      if (signal.aborted) return
      if (!isSluiceError(error) || !error.retryable) throw error
    }
  }
}

/**
 * @throws SluiceError SLUICE_CONFIG_INVALID where jobs are to be cancelled and the worker does not support it
 */
export function assertCanCancel({ supports }: Worker, { jobs }: Pick<Config, 'jobs'>): void {
  if (jobs.pendingTimeoutMs === undefined || supports.cancelJob) return
  throw new SluiceError(
    'SLUICE_CONFIG_INVALID',
    'jobs.pendingTimeoutMs is set, and this worker can’t cancel jobs: remove the setting, or use a worker that can.',
  )
}
