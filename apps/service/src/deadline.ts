import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Waits for something, but not longer than `ms`; resolves with `undefined` when it didn't end in time or rejected. For what
 * is good to have and must not hold anything up.
 */
export async function atMost<T>(work: Promise<T>, ms: number): Promise<T | undefined> {
  const ended = new AbortController()
  const late = sleep(ms, undefined, { signal: ended.signal }).catch(() => undefined)
  try {
    return await Promise.race([work.catch(() => undefined), late])
  } finally {
    ended.abort()
  }
}
