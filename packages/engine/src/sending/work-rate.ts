const SHORT_MS = 1_000

/** How many pieces of one kind of work get done in a span of time: measured on what was done last, for cutting what is done next. */
export class WorkRate {
  readonly #enough: number
  #perMs: number | undefined

  /** @param enough fewer than this, done in a short time, say little about how long many take: most of it is the wait for one answer */
  constructor(enough: number) {
    this.#enough = enough
  }

  /** Half of the new estimate is the latest sample, so that a change shows within a few samples. */
  note(count: number, elapsedMs: number): void {
    if (count === 0 || (count < this.#enough && elapsedMs < SHORT_MS)) return
    // Work of less than a millisecond has no measurable duration.
    const sample = count / Math.max(elapsedMs, 1)
    this.#perMs = this.#perMs === undefined ? sample : (this.#perMs + sample) / 2
  }

  /** How many fit into the span, between `least` and `most`; without a sample, `unknown`. */
  countWithin(spanMs: number, bounds: { least: number; most: number; unknown: number }): number {
    const { least, most, unknown } = bounds
    const fits = this.#perMs === undefined ? unknown : Math.floor(this.#perMs * spanMs)
    return Math.min(Math.max(fits, least), most)
  }
}
