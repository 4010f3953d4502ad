import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Waits for something, but not longer than `ms`; resolves with `undefined` when it didn't end in time or rejected. For what
 * is good to have and must not hold anything up; whoever wants to know of a rejection makes a value of it before.
 */
export async function atMost<T>(work: Promise<T>, ms: number): Promise<T | undefined> {
  // The caller is told that there is no value, and asked for no more.
  return inTime(work, ms).catch(() => undefined)
}

/** Waits for something, but not longer than `ms`; resolves with `undefined` when it didn't end in time, and rejects as it does. */
export async function inTime<T>(work: Promise<T>, ms: number): Promise<T | undefined> {
  const ended = new AbortController()
  // It rejects when it is aborted, and for nothing else.
  const late = sleep(ms, undefined, { signal: ended.signal }).catch(() => undefined)
  try {
    return await Promise.race([work, late])
  } finally {
    ended.abort()
    // A rejection that comes after the time: nobody waits for it any more.
    work.catch(() => undefined)
  }
}
