/** Each bucket is 2 % wider than the one before. */
const WIDTH = Math.log(1.02)

/** How often each latency was seen, in buckets of 2 %. */
export type Histogram = Readonly<Record<number, number>>

/** Counts latencies. */
export class Latencies {
  readonly #counts: number[] = []

  add(ms: number): void {
    const bucket = Math.floor(Math.log(Math.max(0, ms) + 1) / WIDTH)
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1
  }

  /** All that were counted. */
  read(): Histogram {
    return Object.fromEntries(Object.entries(this.#counts))
  }
}

/** The quantile `q`, in ms, of what was counted after `before`; `NaN` if that is nothing. */
export function quantile(before: Histogram, after: Histogram, q: number): number {
  const counts = Object.entries(after).map(([bucket, count]) => {
    return { bucket: Number(bucket), count: count - (before[Number(bucket)] ?? 0) }
  })
  let left = q * counts.reduce((sum, { count }) => sum + count, 0)
  if (left === 0) return Number.NaN
  for (const { bucket, count } of counts.toSorted((a, b) => a.bucket - b.bucket)) {
    left -= count
    if (left <= 0) return Math.exp((bucket + 0.5) * WIDTH) - 1
  }
  return Number.NaN
}
