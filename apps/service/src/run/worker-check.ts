import {
  SluiceError,
  isSluiceError,
  type CheckUse,
  type Logger,
  type Runtime,
  type Worker,
} from '@sluice/core'
import type { Config } from '../config/config.js'
import type { LoadedConfig } from '../config/load-config.js'

const RETRY_MS = 2_000

export interface CheckOptions {
  readonly logger: Logger
  /** Its abort ends the wait for the answer. */
  readonly signal: AbortSignal
  /** A check has stalled after this time, or after twice the worker's longest call if that is more. */
  readonly stallMs: number
  readonly runtime: Pick<Runtime, 'sleep'>
  /** What the configuration will ask of it. */
  readonly use?: CheckUse
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

async function answered(worker: Worker, { signal, stallMs, runtime, use }: CheckOptions): Promise<boolean> {
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
    return await Promise.race([worker.check(use).then(() => true), stalled()])
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
  { signal, runtime, use }: Pick<CheckOptions, 'signal' | 'runtime' | 'use'>,
): Promise<void> {
  for (;;) {
    await runtime.sleep(RETRY_MS, signal)
    if (signal.aborted) return
    try {
      await worker.check?.(use)
      return
    } catch (error) {
      if (signal.aborted) return
      if (!isSluiceError(error) || !error.retryable) throw error
    }
  }
}

type Demanding = Pick<LoadedConfig, 'placeOf'> & {
  readonly config: Pick<Config, 'jobs' | 'deadlines' | 'stragglers' | 'retry'>
}

/**
 * @throws SluiceError SLUICE_CONFIG_INVALID, with the place of the setting, where jobs are to be cancelled or
 * started with overrides, and the worker does not support it
 */
export function assertSupported(
  { supports }: Pick<Worker, 'supports'>,
  { config, placeOf }: Demanding,
): void {
  const lacking = [
    ...(supports.cancelJob ? [] : cancelling(config).map((path) => ({ path, lacks: 'can’t cancel jobs' }))),
    ...(supports.overrides === true
      ? []
      : escalating(config).map((path) => ({ path, lacks: 'starts no jobs with overrides' }))),
  ]
  const [first] = lacking
  if (first === undefined) return
  const place = placeOf(first.path)
  throw new SluiceError(
    'SLUICE_CONFIG_INVALID',
    `${first.path.join('.')} is set${place === undefined ? '' : ` (${place})`}, and this worker ${first.lacks}: remove the setting, or use a worker that can.`,
  )
}

/** The settings by which jobs are cancelled. */
function cancelling({ jobs, deadlines, stragglers }: Demanding['config']): string[][] {
  return [
    ...(jobs.pendingTimeoutMs === undefined ? [] : [['jobs', 'pendingTimeoutMs']]),
    ...(deadlines.attemptMs === undefined ? [] : [['deadlines', 'attemptMs']]),
    ...(deadlines.itemMs === undefined ? [] : [['deadlines', 'itemMs']]),
    ...(stragglers?.action === 'retry' ? [['stragglers', 'action']] : []),
  ]
}

function escalating({ retry: { rules = [] } }: Demanding['config']): string[][] {
  return rules.flatMap(({ escalate }, at) =>
    escalate === undefined ? [] : [['retry', 'rules', String(at), 'escalate']],
  )
}
