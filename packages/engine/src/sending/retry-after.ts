import { isSluiceError } from '@sluice/core'

/** The worker asked for no sends for a while, by `retryAfterMs`. Its jobs are still followed. */
export class RetryAfter {
  readonly #maxMs: number
  #untilMonotonic = Number.NEGATIVE_INFINITY
  #message = ''

  /** @param maxMs limits the wait */
  constructor(maxMs: number) {
    this.#maxMs = maxMs
  }

  get message(): string {
    return this.#message
  }

  /** @returns whether the error has a `retryAfterMs`. The longer of two requests holds. */
  note(error: unknown, nowMonotonic: number): boolean {
    if (!isSluiceError(error) || error.retryAfterMs === undefined) return false
    const untilMonotonic = nowMonotonic + Math.min(error.retryAfterMs, this.#maxMs)
    if (untilMonotonic <= nowMonotonic) return false
    if (untilMonotonic >= this.#untilMonotonic) this.#message = error.message
    this.#untilMonotonic = Math.max(this.#untilMonotonic, untilMonotonic)
    return true
  }

  /** 0: sends may go out. */
  leftMs(nowMonotonic: number): number {
    return Math.max(0, this.#untilMonotonic - nowMonotonic)
  }
}
