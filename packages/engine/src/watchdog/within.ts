import type { Runtime } from '@sluice/core'

/**
 * Waits for something, but not longer than `ms`.
 *
 * @returns whether it ended in time, well or not
 */
export async function within(runtime: Runtime, ms: number, work: Promise<unknown>): Promise<boolean> {
  const waiting = new AbortController()
  const late = runtime.sleep(ms, waiting.signal).then(() => false)
  // What it says is the concern of those who began it; here only that it ended.
  const ended = work.then(
    () => true,
    () => true,
  )
  try {
    return await Promise.race([ended, late])
  } finally {
    waiting.abort()
  }
}
