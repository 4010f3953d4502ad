import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'

/** By when something that is being stopped must have ended: so many ms after its signal. Before the signal there is no such instant. */
export class StopDeadline {
  readonly #signal: AbortSignal
  readonly #deadlineMs: number
  #fromMs = Number.POSITIVE_INFINITY

  constructor(signal: AbortSignal, deadlineMs: number) {
    this.#signal = signal
    this.#deadlineMs = deadlineMs
    const begin = (): void => {
      this.#fromMs = performance.now()
    }
    if (signal.aborted) begin()
    else signal.addEventListener('abort', begin, { once: true })
  }

  /** How much is left of a part of the time, in ms, 0 at least. */
  leftMs(share = 1): number {
    return Math.max(this.#fromMs + this.#deadlineMs * share - performance.now(), 0)
  }

  /**
   * Waits for something, but not beyond a part of the time: a storage that hangs must not keep the process from ending.
   *
   * @returns whether it ended in time
   * @throws what the work rejects with in time
   */
  async hold(work: Promise<unknown>, share = 1): Promise<boolean> {
    const ended = new AbortController()
    const guard = async (): Promise<'late'> => {
      if (!this.#signal.aborted) await once(this.#signal, 'abort', { signal: ended.signal })
      await sleep(this.leftMs(share), undefined, { signal: ended.signal })
      return 'late'
    }
    // What comes too late may still fail; nobody is there any more to hear of it.
    work.catch(() => undefined)
    try {
      // The guard rejects when it is ended, and for nothing else.
      return (await Promise.race([work, guard().catch(() => undefined)])) !== 'late'
    } finally {
      ended.abort()
    }
  }
}
