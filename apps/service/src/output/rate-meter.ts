/** The rate at which items finish, over a window of the latest readings, and the time to the end. */
export class RateMeter {
  readonly #windowMs: number
  readonly #readings: { readonly atMonotonic: number; readonly finished: number }[] = []

  /** @param windowMs the age of the oldest reading that counts, in ms */
  constructor(windowMs = 60_000) {
    this.#windowMs = windowMs
  }

  /**
   * Takes a reading.
   *
   * @param atMonotonic the monotonic instant
   * @param finished items in SUCCESS and FAIL
   */
  add(atMonotonic: number, finished: number): void {
    this.#readings.push({ atMonotonic, finished })
    const oldestAtMonotonic = atMonotonic - this.#windowMs
    while (
      this.#readings.length > 2 &&
      (this.#readings[1]?.atMonotonic ?? atMonotonic) <= oldestAtMonotonic
    ) {
      this.#readings.shift()
    }
  }

  /**
   * Items finished a minute; `undefined` before the second reading. Never negative, even after a requeue or
   * removal.
   */
  perMinute(): number | undefined {
    const first = this.#readings[0]
    const last = this.#readings.at(-1)
    const spanMs = this.spanMs()
    if (first === undefined || last === undefined || spanMs === 0) return undefined
    return Math.max(0, ((last.finished - first.finished) * 60_000) / spanMs)
  }

  /** From the first reading that counts to the last, in ms. */
  spanMs(): number {
    const [first, last] = [this.#readings[0], this.#readings.at(-1)]
    return first === undefined || last === undefined ? 0 : last.atMonotonic - first.atMonotonic
  }

  /**
   * Ms until all is finished at this rate; `undefined` where the rate is 0 or unknown.
   *
   * @param remaining items in WAITING and PROCESSING
   */
  etaMs(remaining: number): number | undefined {
    if (remaining === 0) return 0
    const rate = this.perMinute()
    return rate === undefined || rate === 0 ? undefined : (remaining / rate) * 60_000
  }
}
