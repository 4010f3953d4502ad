/**
 * Does the work for each item, at most `limit` at once, started in order. After the first failure nothing new
 * starts; it rejects with that failure once all started work has ended.
 *
 * @param limit whole number, 1 or more
 */
export async function forEachParallel<T>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = items.values()
  const failures: unknown[] = []
  const workThrough = async (): Promise<void> => {
    for (const item of iterator) {
      try {
        await work(item)
      } catch (error) {
        failures.push(error)
      }
      if (failures.length > 0) return
    }
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, workThrough))
  if (failures.length > 0) throw failures[0]
}
