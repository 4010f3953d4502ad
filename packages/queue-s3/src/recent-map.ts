import { LRUCache } from 'lru-cache'

/**
 * A map of the `max` entries that were used last. It is bounded by size rather than by count: for a count the
 * cache allocates its arrays at construction, 24 ms for 100,000 entries, which every short command that opens
 * a queue would wait for.
 */
export function recentMap<Value extends object | string | number>(max: number): LRUCache<string, Value> {
  return new LRUCache({ maxSize: max, sizeCalculation: () => 1 })
}
