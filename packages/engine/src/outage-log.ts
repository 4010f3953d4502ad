import type { Logger, SluiceError } from '@sluice/core'
import type { WorkEvent } from './work-event.js'

/** Tells of an outage when it begins, when it becomes another one, and when it is over; not at every tick between. */
export class OutageLog {
  readonly #logger: Logger
  readonly #emit: (event: WorkEvent) => void
  #standing: SluiceError | undefined

  constructor(logger: Logger, emit: (event: WorkEvent) => void) {
    this.#logger = logger
    this.#emit = emit
  }

  note(error: SluiceError | undefined): void {
    const before = this.#standing
    this.#standing = error
    if (before?.code === error?.code) return
    if (error === undefined) this.#tellOver(before)
    else this.#tell(error)
  }

  #tell(error: SluiceError): void {
    const of = sideOf(error)
    const denied = error.code === 'SLUICE_WORKER_DENIED'
    const what = denied
      ? 'the worker refuses the credentials: nothing starts until they are right'
      : `the ${of} can't be used now: nothing fails for it, and it is tried again`
    this.#logger[denied ? 'error' : 'warn']({ err: error, code: error.code }, what)
    this.#emit({ kind: 'outage', of, error })
  }

  #tellOver(error: SluiceError | undefined): void {
    if (error === undefined) return
    const of = sideOf(error)
    this.#logger.info({ code: error.code }, `the ${of} can be used again`)
    this.#emit({ kind: 'outage-over', of })
  }
}

function sideOf(error: SluiceError): 'queue' | 'worker' {
  return error.code.startsWith('SLUICE_QUEUE_') ? 'queue' : 'worker'
}
