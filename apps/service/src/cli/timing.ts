import { once } from 'node:events'
import type { Runtime } from '@sluice/core'

/** Waits for optional work, at most `ms`; resolves with `undefined` where it is late or rejects. */
export async function atMost<T>(
  work: Promise<T>,
  ms: number,
  runtime: Pick<Runtime, 'sleep'>,
): Promise<T | undefined> {
  // The caller treats a failure as no value.
  return inTime(work, ms, runtime).catch(() => undefined)
}

/** Waits for work, at most `ms`; resolves with `undefined` where it is late, and rejects as the work does. */
export async function inTime<T>(
  work: Promise<T>,
  ms: number,
  runtime: Pick<Runtime, 'sleep'>,
): Promise<T | undefined> {
  const ended = new AbortController()
  const late = runtime.sleep(ms, ended.signal).then(() => undefined)
  try {
    return await Promise.race([work, late])
  } finally {
    ended.abort()
    // A rejection after the deadline has no listener left.
    work.catch(() => undefined)
  }
}

/** Calls back every `ms` until cancelled; it does not keep the process alive. The callback must not throw. */
export function every(runtime: Pick<Runtime, 'sleep'>, ms: number, run: () => void): { cancel(): void } {
  const cancelled = new AbortController()
  const { signal } = cancelled
  const beat = async (): Promise<void> => {
    for (;;) {
      await runtime.sleep(ms, signal, { background: true })
      if (signal.aborted) return
      run()
    }
  }
  void beat()
  return { cancel: () => cancelled.abort() }
}

/** The deadline of a stop: `deadlineMs` after the signal. Before the signal the time left is infinite. */
export class StopDeadline {
  readonly #signal: AbortSignal
  readonly #deadlineMs: number
  readonly #runtime: Pick<Runtime, 'monotonicMs' | 'sleep'>
  #stoppedAtMonotonic = Number.POSITIVE_INFINITY

  constructor(signal: AbortSignal, deadlineMs: number, runtime: Pick<Runtime, 'monotonicMs' | 'sleep'>) {
    this.#signal = signal
    this.#deadlineMs = deadlineMs
    this.#runtime = runtime
    const begin = (): void => {
      this.#stoppedAtMonotonic = runtime.monotonicMs()
    }
    if (signal.aborted) begin()
    else signal.addEventListener('abort', begin, { once: true })
  }

  /** The time left of a share of the deadline, in ms, at least 0. */
  leftMs(share = 1): number {
    const endsAtMonotonic = this.#stoppedAtMonotonic + this.#deadlineMs * share
    return Math.max(endsAtMonotonic - this.#runtime.monotonicMs(), 0)
  }

  /**
   * Waits for work, but not beyond a share of the deadline: storage that hangs must not keep the process from
   * ending.
   *
   * @returns whether it ended in time
   * @throws what the work rejects with in time
   */
  async hold(work: Promise<unknown>, share = 1): Promise<boolean> {
    const ended = new AbortController()
    const guard = async (): Promise<'late'> => {
      if (!this.#signal.aborted) await once(this.#signal, 'abort', { signal: ended.signal })
      await this.#runtime.sleep(this.leftMs(share), ended.signal)
      return 'late'
    }
    // A rejection after the deadline has no listener left.
    work.catch(() => undefined)
    try {
      // The guard rejects only when the work has ended.
      return (await Promise.race([work, guard().catch(() => undefined)])) !== 'late'
    } finally {
      ended.abort()
    }
  }
}
