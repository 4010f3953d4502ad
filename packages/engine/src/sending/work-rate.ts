const SHORT_MS = 1_000

/** A measured rate of work, which limits the size of the next batch. */
export class WorkRate {
  readonly #enough: number
  #perMs: number | undefined

  /**
   * @param enough smaller batches of a short duration are no sample: most of that is the wait for one answer
   */
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
