import { AsyncLocalStorage } from 'node:async_hooks'
import { SluiceError } from '@sluice/core'

/** The longest that a timer of Node waits: a longer one ends at once. */
const MAX_TIMER_MS = 2_147_483_647

/** As `setTimeout`, for spans of any length. */
export function timer(ms: number, run: () => void): NodeJS.Timeout {
  return setTimeout(run, Math.min(Math.max(0, ms), MAX_TIMER_MS))
}

/** How long a call that was given up may take to say what it knows. */
const LEEWAY_MS = 1_000

/** The signal that gives up the call within which something runs. It reaches every request of a call, however deep. */
const calls = new AsyncLocalStorage<AbortSignal | undefined>()

/** Gives up the call that this runs in; `undefined` outside of calls. */
export function callSignal(): AbortSignal | undefined {
  return calls.getStore()
}

/** Runs what goes on after the call that starts it. */
export function outsideCalls<T>(work: () => T): T {
  return calls.run(undefined, work)
}

/** How long one call takes at most, {@link withinCall} included, in ms. */
export function longestMs(limitMs: number): number {
  return limitMs + LEEWAY_MS
}

/**
 * Runs one call. When its time is over its requests are given up, and it ends by what follows from that; it ends a second later in any case,
 * whatever it waits for, such as a program that prints tokens.
 *
 * @param doing what is attempted, as in `send item "a"`
 * @throws SluiceError SLUICE_WORKER_UNAVAILABLE when its time is over
 */
export async function withinCall<T>(doing: string, limitMs: number, work: () => Promise<T>): Promise<T> {
  const giveUp = new AbortController()
  const over = Promise.withResolvers<never>()
  const message = `It took more than ${limitMs} ms to ${doing}, and was given up. It can be tried again.`
  const soft = timer(limitMs, () => giveUp.abort(new DOMException(message, 'TimeoutError')))
  const hard = timer(longestMs(limitMs), () =>
    over.reject(new SluiceError('SLUICE_WORKER_UNAVAILABLE', message)),
  )
  try {
    return await Promise.race([calls.run(giveUp.signal, work), over.promise])
  } finally {
    clearTimeout(soft)
    clearTimeout(hard)
    // What it started and doesn't wait for any more ends with it.
    giveUp.abort(new DOMException(message, 'TimeoutError'))
  }
}
