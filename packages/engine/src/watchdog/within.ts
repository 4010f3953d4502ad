import type { Runtime } from '@sluice/core'

/**
 * Waits for work, but no longer than `ms`.
 *
 * @returns whether it ended in time, in success or failure
 */
export async function within(runtime: Runtime, ms: number, work: Promise<unknown>): Promise<boolean> {
  const waiting = new AbortController()
  const late = runtime.sleep(ms, waiting.signal).then(() => false)
  // The caller that began it handles the outcome.
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
