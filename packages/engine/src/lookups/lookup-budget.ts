const SECOND_MS = 1_000

/**
 * How many single jobs may be asked for, however many ticks a second has: no more than `perSecond` within any second of a clock that
 * never goes back. A server that answers lists late must not be asked for ten thousand names at once instead.
 */
export class LookupBudget {
  readonly #perSecond: number
  /** When each of the latest was made, as a ring: the oldest is at `#next`. */
  readonly #takenAtMonotonic: number[] = []
  #next = 0

  constructor(perSecond: number) {
    this.#perSecond = perSecond
  }

  /** @returns whether one more may be made now; it then counts */
  take(nowMonotonic: number): boolean {
    const oldestAtMonotonic = this.#takenAtMonotonic[this.#next]
    const isFull = this.#takenAtMonotonic.length === this.#perSecond
    if (isFull && oldestAtMonotonic !== undefined && nowMonotonic - oldestAtMonotonic < SECOND_MS) return false
    this.#takenAtMonotonic[this.#next] = nowMonotonic
    this.#next = (this.#next + 1) % this.#perSecond
    return true
  }
}
