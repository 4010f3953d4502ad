/** From one bucket to the next: a quantile is at most this much too large. */
const GROWTH = 1.02
/** Up to some years. */
const BUCKETS = 1_300

/**
 * How long jobs took, in buckets that grow with the duration: quantiles to within 2 %, in 5 KB whatever the
 * number of jobs.
 */
export class DurationSketch {
  readonly #counts = new Uint32Array(BUCKETS)
  #count = 0

  get count(): number {
    return this.#count
  }

  add(ms: number): void {
    const bucket = ms <= 1 ? 0 : Math.ceil(Math.log(ms) / Math.log(GROWTH))
    const at = Math.min(bucket, BUCKETS - 1)
    this.#counts[at] = (this.#counts[at] ?? 0) + 1
    this.#count += 1
  }

  /** @returns the upper end of the bucket that has it; 0 where there are no durations */
  quantile(share: number): number {
    const rank = Math.ceil(share * this.#count)
    let below = 0
    for (const [bucket, count] of this.#counts.entries()) {
      below += count
      if (below >= rank && below > 0) return GROWTH ** bucket
    }
    return 0
  }
}
