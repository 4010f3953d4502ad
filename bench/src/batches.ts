import { makeItems, type BenchItem } from './adapter.ts'

const BATCH = 1_000

/**
 * Puts so many new items, a thousand at a time, one batch after the other. What it takes to make them is not
 * counted.
 */
export async function putInBatches(
  count: number,
  put: (batch: readonly BenchItem[]) => Promise<unknown>,
): Promise<{ perSecond: number }> {
  let ms = 0
  for (const batch of batches(count)) {
    const startedAt = performance.now()
    await put(batch)
    ms += performance.now() - startedAt
  }
  return { perSecond: count / (ms / 1000) }
}

/** So many new items, a thousand at a time. */
export function* batches(count: number): Generator<BenchItem[]> {
  for (let left = count; left > 0; left -= BATCH) yield makeItems(Math.min(left, BATCH))
}
