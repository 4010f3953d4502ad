/**
 * Time, handed in so that tests need no sleeps. Core has only the shape of it; the engine has the real one, the testkit one
 * that stands still until it is told to go on.
 */
export interface Clock {
  /** Epoch ms. */
  now(): number
  /** Ms since some fixed point, never going back: for spans, never for instants. */
  monotonicMs(): number
  /** Resolves after `ms`, or at once when the signal aborts; it never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}
