import type { Runtime, Logger, SluiceError } from '@sluice/core'
import { sideOf } from '../engine-errors.js'
import type { WorkEvent } from '../work-event.js'

/** What an {@link OutageLog} reports to. */
export interface OutageLogOptions {
  readonly logger: Logger
  readonly emit: (event: WorkEvent) => void
  readonly runtime: Pick<Runtime, 'monotonicMs'>
}

/** Between two reminders of an outage: a silent log looks like a service that hangs. */
const REMINDER_MS = 60_000

/**
 * Reports an outage when it begins, when its code changes, once a minute, and when it ends; not at every
 * tick.
 */
export class OutageLog {
  readonly #logger: Logger
  readonly #emit: (event: WorkEvent) => void
  readonly #runtime: Pick<Runtime, 'monotonicMs'>
  #standing: SluiceError | undefined
  #sinceMonotonic = 0
  #reportedAtMonotonic = 0

  constructor({ logger, emit, runtime }: OutageLogOptions) {
    this.#logger = logger
    this.#emit = emit
    this.#runtime = runtime
  }

  note(error: SluiceError | undefined): void {
    const before = this.#standing
    this.#standing = error
    if (before?.code === error?.code) {
      if (error !== undefined) this.#remind(error)
      return
    }
    if (error === undefined) this.#reportEnd(before)
    else this.#report(error)
  }

  #report(error: SluiceError): void {
    const of = sideOf(error)
    this.#sinceMonotonic = this.#reportedAtMonotonic = this.#runtime.monotonicMs()
    const denied = error.code === 'SLUICE_WORKER_DENIED'
    const what = denied
      ? 'the worker refuses the credentials: no job starts until they are fixed'
      : `the ${of} can't be used now: no item fails, and it is tried again`
    this.#logger[denied ? 'error' : 'warn']({ err: error, code: error.code }, what)
    this.#emit({ kind: 'outage', of, error })
  }

  #remind(error: SluiceError): void {
    const nowMonotonic = this.#runtime.monotonicMs()
    if (nowMonotonic - this.#reportedAtMonotonic < REMINDER_MS) return
    this.#reportedAtMonotonic = nowMonotonic
    const seconds = Math.round((nowMonotonic - this.#sinceMonotonic) / 1000)
    this.#logger.warn({ err: error, code: error.code, seconds }, `the ${sideOf(error)} still can't be used`)
  }

  #reportEnd(error: SluiceError | undefined): void {
    if (error === undefined) return
    const of = sideOf(error)
    this.#logger.info({ code: error.code }, `the ${of} can be used again`)
    this.#emit({ kind: 'outage-over', of })
  }
}
