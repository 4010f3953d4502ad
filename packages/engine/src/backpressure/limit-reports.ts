import type { LoweredLimit } from './effective-limit.js'

/** A change of the effective limit, for events, the log and other processes. */
export interface LimitChange extends LoweredLimit {
  /** The effective limit before; absent: only the policy limited. */
  readonly before?: number
  /** The most that policy and live limits allow; absent without a limit. */
  readonly most?: number
}

/** From one report to the next, but for the first and the last. */
const EVERY_MS = 5_000
/** Smaller changes are not reported. */
const SMALL_SHARE = 0.1

export interface LimitNow {
  readonly nowMonotonic: number
  /** `Infinity`: only the policy limits. */
  readonly limit: number
  readonly most: number
  readonly lowered: LoweredLimit | undefined
}

/** Which changes of the effective limit are reported: few enough for a log, and each that matters. */
export class LimitReports {
  #last: LoweredLimit | undefined
  #lastAtMonotonic = Number.NEGATIVE_INFINITY

  /** As it was reported last; `undefined`: only the policy limits. */
  get last(): LoweredLimit | undefined {
    return this.#last
  }

  /** An earlier engine has reported it. */
  resume(lowered: LoweredLimit): void {
    this.#last = lowered
  }

  /** @returns the change to report; `over`: nothing is lowered any more */
  take({ nowMonotonic, limit, most, lowered }: LimitNow): LimitChange | 'over' | undefined {
    const last = this.#last
    if (lowered === undefined || limit >= most) {
      if (last === undefined) return undefined
      this.#last = undefined
      this.#lastAtMonotonic = nowMonotonic
      return 'over'
    }
    const isDue = nowMonotonic - this.#lastAtMonotonic >= EVERY_MS
    if (last !== undefined && !(isDue && isFar(last.limit, limit))) return undefined
    this.#last = { ...lowered, limit }
    this.#lastAtMonotonic = nowMonotonic
    return {
      ...this.#last,
      ...(last === undefined ? {} : { before: last.limit }),
      ...(Number.isFinite(most) ? { most } : {}),
    }
  }
}

function isFar(one: number, other: number): boolean {
  return (
    Math.abs(one - other) > SMALL_SHARE * Math.max(one, other) ||
    (one !== other && Math.max(one, other) <= 10)
  )
}
