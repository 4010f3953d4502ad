import type { CallOptions } from '../../items/queue.js'
import type { MaybePromise } from '../queue/queue-backend.js'

export const NO_OPTIONS: CallOptions = {}

/**
 * @throws TypeError unless the signal is absent or an `AbortSignal`; the signal's reason when it has aborted
 */
export function assertSignal({ signal }: CallOptions): void {
  if (signal === undefined) return
  if (!(signal instanceof AbortSignal)) throw new TypeError('signal must be an AbortSignal')
  signal.throwIfAborted()
}

/**
 * The outcome of a call, or the reason of the signal as soon as it aborts. The call then goes on unobserved,
 * as the last one of a killed process.
 */
export async function untilAborted<T>(pending: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([pending, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/** {@link untilAborted} where there is a signal and something to wait for. */
export function until<T>(pending: MaybePromise<T>, { signal }: CallOptions): MaybePromise<T> {
  return signal !== undefined && pending instanceof Promise ? untilAborted(pending, signal) : pending
}
