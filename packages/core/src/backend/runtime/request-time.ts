/** A request through which bytes go ends after so long without one. */
export const IDLE_TIMEOUT_MS = 10_000
/** The slowest connection that is waited for, in bytes a second. */
export const MIN_BYTES_PER_SECOND = 65_536

/**
 * The one rule of time for every request to a storage or a worker: the wait for the first byte of the answer
 * ends at `timeoutMs`, a request through which bytes go ends {@link IDLE_TIMEOUT_MS} after the last one, and
 * in any case it ends after the time that this gives, in ms. What is known to take longer has a limit of its
 * own, which its documentation states.
 *
 * @param timeoutMs the package's `timeoutMs`
 * @param bytes of the request and, as far as known, of the answer
 */
export function requestTimeMs(timeoutMs: number, bytes: number): number {
  return timeoutMs + Math.ceil((bytes * 1_000) / MIN_BYTES_PER_SECOND)
}
