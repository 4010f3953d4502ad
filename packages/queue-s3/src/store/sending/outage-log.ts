import type { Logger, SluiceError } from '@sluice/core'

/** Shorter outages are common, and end with the next retry. */
const TOLD_AFTER_MS = 2_000
/** Between two lines on the same outage. */
const REMINDER_MS = 60_000

interface Outage {
  readonly sinceMonotonic: number
  loggedAtMonotonic: number | undefined
}

/**
 * Logs that one kind of request has had no clear answer for two seconds, while calls still retry: an operator
 * sees the cause of a wait long before it ends. Once a minute after that, and when it is over.
 */
export class OutageLog {
  readonly #logger: Logger
  readonly #outages = new Map<string, Outage>()

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** A request of this kind had a clear answer. */
  answered(kind: string): void {
    const outage = this.#outages.get(kind)
    if (outage === undefined) return
    this.#outages.delete(kind)
    if (outage.loggedAtMonotonic !== undefined)
      this.#logger.info({ kind }, 'the store answers such requests again')
  }

  /** A request sent at `sentAtMonotonic` had none. */
  failed(
    kind: string,
    error: SluiceError,
    { sentAtMonotonic, nowMonotonic }: { sentAtMonotonic: number; nowMonotonic: number },
  ): void {
    const outage = this.#outages.get(kind) ?? {
      sinceMonotonic: sentAtMonotonic,
      loggedAtMonotonic: undefined,
    }
    this.#outages.set(kind, outage)
    const unloggedMs = nowMonotonic - (outage.loggedAtMonotonic ?? outage.sinceMonotonic)
    if (unloggedMs < (outage.loggedAtMonotonic === undefined ? TOLD_AFTER_MS : REMINDER_MS)) return
    outage.loggedAtMonotonic = nowMonotonic
    const seconds = Math.round((nowMonotonic - outage.sinceMonotonic) / 1_000)
    this.#logger.warn(
      { err: error, kind, seconds },
      'the store does not answer such requests: they are repeated',
    )
  }
}
