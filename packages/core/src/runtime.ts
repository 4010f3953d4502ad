/**
 * Time, scheduling, randomness and ids: all that makes two runs of one program differ beside its I/O. It is
 * injected everywhere, so that tests need no sleeps and a simulator can replay a run. The machine's own is
 * `systemRuntime` of `@sluice/core/backend`; the testkit has one that stands still until it is told to go on.
 */
export interface Runtime {
  /** The wall clock, epoch ms. */
  now(): number
  /** Ms since some fixed point, never decreasing: for spans, never for instants. */
  monotonicMs(): number
  /**
   * Resolves after `ms`, or at once when the signal aborts; it never rejects. 0 or less is one turn of the
   * event loop.
   *
   * @param options `background`: the sleep does not keep the process alive
   */
  sleep(ms: number, signal?: AbortSignal, options?: SleepOptions): Promise<void>
  /** One turn of the event loop: I/O and other tasks that are due run before it resolves. */
  yield(): Promise<void>
  /** A number from 0 up to, not including, 1. Not for secrets. */
  random(): number
  /** A UUID that no other call on any machine gives. */
  newId(): string
}

export interface SleepOptions {
  /** The sleep does not keep the process alive. Default false. */
  readonly background?: boolean
}
