import { isSluiceError } from '@sluice/core'

/** The worker asked that nothing be sent for a while, by `retryAfterMs`. Its jobs are followed all the same. */
export class RetryAfter {
  readonly #maxMs: number
  #untilMs = Number.NEGATIVE_INFINITY
  #message = ''

  /** @param maxMs a longer wait is cut to this */
  constructor(maxMs: number) {
    this.#maxMs = maxMs
  }

  get message(): string {
    return this.#message
  }

  /** @returns whether it asks to be left alone. The longer of two requests holds. */
  note(error: unknown, nowMs: number): boolean {
    if (!isSluiceError(error) || error.retryAfterMs === undefined) return false
    const untilMs = nowMs + Math.min(error.retryAfterMs, this.#maxMs)
    if (untilMs <= nowMs) return false
    if (untilMs >= this.#untilMs) this.#message = error.message
    this.#untilMs = Math.max(this.#untilMs, untilMs)
    return true
  }

  /** 0: sends may go out. */
  leftMs(nowMs: number): number {
    return Math.max(0, this.#untilMs - nowMs)
  }
}
