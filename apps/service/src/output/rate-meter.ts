/** How fast items finish, measured over a window of the latest readings, and when the last one will. */
export class RateMeter {
  readonly #windowMs: number
  readonly #readings: { readonly atMs: number; readonly finished: number }[] = []

  /** @param windowMs how far back readings count, in ms */
  constructor(windowMs = 60_000) {
    this.#windowMs = windowMs
  }

  /**
   * Takes a reading.
   *
   * @param atMs of a clock that never goes back
   * @param finished items in SUCCESS and FAIL
   */
  add(atMs: number, finished: number): void {
    this.#readings.push({ atMs, finished })
    while (this.#readings.length > 2 && (this.#readings[1]?.atMs ?? atMs) <= atMs - this.#windowMs) {
      this.#readings.shift()
    }
  }

  /** Items finished a minute; `undefined` before there are two readings. A requeue or removal never makes it negative. */
  perMinute(): number | undefined {
    const first = this.#readings[0]
    const last = this.#readings.at(-1)
    const spanMs = this.spanMs()
    if (first === undefined || last === undefined || spanMs === 0) return undefined
    return Math.max(0, ((last.finished - first.finished) * 60_000) / spanMs)
  }

  /** From the first reading that counts to the last one, in ms. */
  spanMs(): number {
    const [first, last] = [this.#readings[0], this.#readings.at(-1)]
    return first === undefined || last === undefined ? 0 : last.atMs - first.atMs
  }

  /**
   * Ms until all is finished at this rate; `undefined` when nothing moves or nothing was measured.
   *
   * @param remaining items in WAITING and PROCESSING
   */
  etaMs(remaining: number): number | undefined {
    if (remaining === 0) return 0
    const rate = this.perMinute()
    return rate === undefined || rate === 0 ? undefined : (remaining / rate) * 60_000
  }
}
