/** A worker's pushback: what it is, and how far the limit is to be lowered for it. */
export interface Pushback {
  readonly cause: 'refused' | 'slow' | 'pending'
  /** In one line, with numbers. */
  readonly reason: string
  /** The limit that follows from it, before `minLimit`. */
  readonly target: number
}

/** A limit that was lowered, and from which it recovers. */
export interface LoweredLimit {
  /** What it was lowered to. */
  readonly limit: number
  /** The number of unfinished jobs at which the worker pushed back. */
  readonly pushedBackAt: number
  readonly cause: Pushback['cause']
  readonly reason: string
}

/** What is known at one step. */
export interface LimitStep {
  readonly nowMonotonic: number
  /** Unfinished jobs, those that are being started included. */
  readonly unfinished: number
  /** The most that policy and live limits allow. */
  readonly most: number
  readonly pushback?: Pushback | undefined
  /** The limit is to stay as it is: the worker is near to pushing back. */
  readonly isHeld?: boolean
}

/** The limit first returns to this share of the number at which the worker pushed back. */
const SETTLED_SHARE = 0.95
const RETURN_MS = 10_000
/** After this time without pushback the limit goes beyond that number: what was there may be over. */
const PROBE_AFTER_MS = 30_000
/** After this time without pushback there is no limit but that of the policy. */
export const QUIET_MS = 55_000
/** One pushback is followed by many sends that were under way: they count as the same. */
const ONE_PUSHBACK_MS = 1_000
/** Without a limit of the policy there is no number to return to. */
const UNLIMITED_FACTOR = 64

/**
 * The limit after a time without pushback. It returns to a little less than where the worker pushed back,
 * stays there, and then grows faster and faster, in shares of itself: close to that number it grows slowly,
 * and once that is far behind quickly. It never falls.
 *
 * @see RFC 9438 for the shape, which TCP's CUBIC has
 */
export function recoveredLimit(
  { limit, pushedBackAt }: Pick<LoweredLimit, 'limit' | 'pushedBackAt'>,
  quietMs: number,
  most: number,
): number {
  if (quietMs >= QUIET_MS || limit >= most) return most
  const settled = Math.max(limit, SETTLED_SHARE * pushedBackAt)
  const returned = limit + (settled - limit) * Math.min(quietMs / RETURN_MS, 1)
  const share = Math.max(0, (quietMs - PROBE_AFTER_MS) / (QUIET_MS - PROBE_AFTER_MS))
  const end = Number.isFinite(most) ? most : UNLIMITED_FACTOR * settled
  const grown = returned * Math.max(1, end / settled) ** (share ** 3)
  return Math.min(grown, most)
}

/**
 * The limit on unfinished jobs that the worker's pushback leaves: a whole number between `minLimit` and what
 * the policy allows. Pushback never raises it, and time never lowers it.
 */
export class EffectiveLimit {
  readonly #minLimit: number
  #lowered: LoweredLimit | undefined
  /** Since when there is no pushback, the time in which it was held not counted. */
  #quietSinceMonotonic = 0
  #loweredAtMonotonic = Number.NEGATIVE_INFINITY
  #steppedAtMonotonic = 0
  #most = Number.POSITIVE_INFINITY

  constructor(minLimit: number) {
    this.#minLimit = minLimit
  }

  /** `undefined`: only the policy limits. */
  get lowered(): LoweredLimit | undefined {
    return this.#lowered
  }

  /** How long there was no pushback. */
  quietMs(nowMonotonic: number): number {
    return Math.max(0, nowMonotonic - this.#quietSinceMonotonic)
  }

  /** `Infinity` where only the policy limits. */
  at(nowMonotonic: number): number {
    if (this.#lowered === undefined) return Number.POSITIVE_INFINITY
    const limit = recoveredLimit(this.#lowered, this.quietMs(nowMonotonic), this.#most)
    return limit >= this.#most ? Number.POSITIVE_INFINITY : Math.floor(limit)
  }

  /** Continues from what an earlier engine had. */
  resume(lowered: LoweredLimit, nowMonotonic: number): void {
    this.#lowered = lowered
    this.#quietSinceMonotonic = this.#steppedAtMonotonic = nowMonotonic
  }

  step({ nowMonotonic, unfinished, most, pushback, isHeld = false }: LimitStep): void {
    if (isHeld && this.#lowered !== undefined)
      this.#quietSinceMonotonic += nowMonotonic - this.#steppedAtMonotonic
    this.#most = most
    this.#steppedAtMonotonic = nowMonotonic
    if (this.quietMs(nowMonotonic) >= QUIET_MS) this.#lowered = undefined
    const before = this.at(nowMonotonic)
    if (pushback !== undefined) this.#lower(pushback, { before, nowMonotonic, unfinished })
  }

  #lower(
    { cause, reason, target }: Pushback,
    { before, nowMonotonic, unfinished }: { before: number; nowMonotonic: number; unfinished: number },
  ): void {
    // So few jobs are not what the worker suffers from.
    if (unfinished <= this.#minLimit) return
    const wanted = Math.max(this.#minLimit, Math.floor(target))
    const isSame = nowMonotonic - this.#loweredAtMonotonic < ONE_PUSHBACK_MS
    const limit = Math.min(before, isSame ? before : wanted)
    if (limit >= this.#most) return
    const isLower = limit < before
    const last = this.#lowered
    // What is still to end of a limit that was lowered already is no news of where the worker pushes back.
    const pushedBackAt = isLower || last === undefined ? Math.max(limit, unfinished) : last.pushedBackAt
    this.#lowered = { limit, pushedBackAt: Math.max(limit, pushedBackAt), cause, reason }
    this.#quietSinceMonotonic = nowMonotonic
    if (isLower) this.#loweredAtMonotonic = nowMonotonic
  }
}
