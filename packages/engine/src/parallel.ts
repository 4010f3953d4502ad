/**
 * Does the work for each item, at most `limit` at once, in order of start. After the first failure nothing new starts; it rejects
 * with that failure once all that had started has ended, so that nothing goes on behind the caller's back.
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
  const lane = async (): Promise<void> => {
    for (const item of iterator) {
      try {
        await work(item)
      } catch (error) {
        failures.push(error)
      }
      if (failures.length > 0) return
    }
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, lane))
  if (failures.length > 0) throw failures[0]
}
