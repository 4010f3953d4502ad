/** How far apart two crystals may run: bounds learnt earlier widen by so much. */
const DRIFT = 0.0002

/**
 * The store's clock, as far as its answers tell. Each has a `Date`, cut to whole seconds, that was read between the sending of the request
 * and the coming of the answer: a span in which the difference to this process's monotonic clock must lie. The spans of many answers
 * have a narrow common part. The machine's own time of day is never used.
 */
export class StoreClock {
  readonly #monotonicMs: () => number
  #low = Number.NEGATIVE_INFINITY
  #high = Number.POSITIVE_INFINITY
  #seenAt = 0
  #latest = 0

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs
  }

  /** Whether any answer has come yet. */
  get isSet(): boolean {
    return Number.isFinite(this.#low)
  }

  monotonicMs(): number {
    return this.#monotonicMs()
  }

  /** One answer: its `Date` in epoch ms, and when the request went out and the answer came, monotonic ms. */
  observe(dateMs: number, sentAt: number, receivedAt: number): void {
    const [low, high] = [dateMs - receivedAt, dateMs + 1_000 - sentAt]
    const drift = (receivedAt - this.#seenAt) * DRIFT
    this.#seenAt = receivedAt
    const [bothLow, bothHigh] = [Math.max(low, this.#low - drift), Math.min(high, this.#high + drift)]
    // No common part: one of the clocks was set. The newest answer is right.
    const agree = bothLow <= bothHigh
    this.#low = agree ? bothLow : low
    this.#high = agree ? bothHigh : high
  }

  /** Epoch ms, never later than it is at the store, and never before what it gave earlier. */
  now(): number {
    if (!this.isSet) return this.#latest
    this.#latest = Math.max(this.#latest, Math.round(this.#monotonicMs() + this.#low))
    return this.#latest
  }
}
