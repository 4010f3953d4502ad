import { AsyncLocalStorage } from 'node:async_hooks'
import { SluiceError, type Runtime } from '@sluice/core'
import { startTimer } from '@sluice/core/backend'

/** How long a call that was given up may take to end by what it knows, in ms. */
const LEEWAY_MS = 1_000

/** The signal of the call within which something runs. It reaches every request of a call, however deep. */
const calls = new AsyncLocalStorage<AbortSignal | undefined>()

/** The signal of the call that this runs in; `undefined` outside of calls. */
export function callSignal(): AbortSignal | undefined {
  return calls.getStore()
}

/** Runs what outlives the call that starts it. */
export function outsideCalls<T>(work: () => T): T {
  return calls.run(undefined, work)
}

/** How long one call takes at most, {@link withinCall} included, in ms. */
export function longestMs(limitMs: number): number {
  return limitMs + LEEWAY_MS
}

export interface CallTime {
  /** What is attempted, as in `send item "a"`. */
  readonly doing: string
  readonly limitMs: number
  readonly runtime: Pick<Runtime, 'sleep'>
}

/**
 * Runs one call. When its time is over its requests are aborted, and it ends by what follows from that; it
 * ends a second later in any case, also where it waits for something else, such as a program that prints
 * tokens.
 *
 * @throws SluiceError SLUICE_WORKER_UNAVAILABLE when its time is over
 */
export async function withinCall<T>(
  { doing, limitMs, runtime }: CallTime,
  work: () => Promise<T>,
): Promise<T> {
  const giveUp = new AbortController()
  const over = Promise.withResolvers<never>()
  const message = `It took more than ${limitMs} ms to ${doing}, and was given up. It can be tried again.`
  const abort = (): void => giveUp.abort(new DOMException(message, 'TimeoutError'))
  const soft = startTimer(runtime, { ms: limitMs }, abort)
  const hard = startTimer(runtime, { ms: longestMs(limitMs) }, () =>
    over.reject(new SluiceError('SLUICE_WORKER_UNAVAILABLE', message)),
  )
  try {
    return await Promise.race([calls.run(giveUp.signal, work), over.promise])
  } finally {
    soft.cancel()
    hard.cancel()
    // What it started and doesn't wait for any more ends with it.
    abort()
  }
}
