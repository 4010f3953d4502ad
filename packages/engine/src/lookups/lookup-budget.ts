const SECOND_MS = 1_000

/**
 * Limits look-ups of single jobs across ticks: at most `perSecond` within any second of the
 * monotonic clock. A server with slow lists must not get ten thousand look-ups at once instead.
 */
export class LookupBudget {
  readonly #perSecond: number
  /** The instants of the latest look-ups, as a ring: the oldest is at `#next`. */
  readonly #takenAtMonotonic: number[] = []
  #next = 0

  constructor(perSecond: number) {
    this.#perSecond = perSecond
  }

  /** @returns whether one more may be made now; it then counts */
  take(nowMonotonic: number): boolean {
    const oldestAtMonotonic = this.#takenAtMonotonic[this.#next]
    const isFull = this.#takenAtMonotonic.length === this.#perSecond
    if (isFull && oldestAtMonotonic !== undefined && nowMonotonic - oldestAtMonotonic < SECOND_MS)
      return false
    this.#takenAtMonotonic[this.#next] = nowMonotonic
    this.#next = (this.#next + 1) % this.#perSecond
    return true
  }
}
