import type { Runtime, ControlState, Queue } from '@sluice/core'

export interface ControlWatchOptions {
  readonly queue: Pick<Queue, 'control'>
  readonly runtime: Runtime
  /** Called every second. */
  readonly onTick: () => void
  /** Called with each state that is read. */
  readonly onRead: (control: ControlState) => void
  /** Called once with what a read rejected with; nothing is read after it. */
  readonly onError: (error: unknown) => void
}

/** Operators are obeyed within about this, while jobs are being sent. */
const EVERY_MS = 1_000

/** Reads the queue's control every second while a pass is under way, be it that it waits for the poll or for its sends. */
export class ControlWatch {
  readonly #options: ControlWatchOptions
  readonly #stop = new AbortController()
  #readAtMonotonic: number
  #reading: Promise<void> | undefined

  /** @param readAtMonotonic when the last read before began, by the monotonic clock */
  constructor(options: ControlWatchOptions, readAtMonotonic: number) {
    this.#options = options
    this.#readAtMonotonic = readAtMonotonic
    // Not awaited: it ends by `stop` and never rejects.
    void this.#watch()
  }

  /** A read that is under way is not waited for, and what it says is not told. */
  stop(): void {
    this.#stop.abort()
  }

  /**
   * Resolves once no read is overdue: neither a storage that is slow to answer nor a process that stood still must hide an operator's word for long.
   */
  async current(): Promise<void> {
    const { runtime } = this.#options
    if (runtime.monotonicMs() - this.#readAtMonotonic >= 2 * EVERY_MS && !this.#stop.signal.aborted)
      await this.#read()
  }

  async #watch(): Promise<void> {
    const { runtime } = this.#options
    const { signal } = this.#stop
    while (!signal.aborted) {
      await runtime.sleep(EVERY_MS, signal)
      if (signal.aborted) return
      this.#options.onTick()
      await this.#read()
    }
  }

  /** One at a time. */
  #read(): Promise<void> {
    this.#reading ??= this.#readNow().finally(() => {
      this.#reading = undefined
    })
    return this.#reading
  }

  /** Never rejects. */
  async #readNow(): Promise<void> {
    const { queue, runtime, onRead, onError } = this.#options
    const { signal } = this.#stop
    const beganAtMonotonic = runtime.monotonicMs()
    try {
      const control = await queue.control.read()
      this.#readAtMonotonic = beganAtMonotonic
      if (!signal.aborted) onRead(control)
    } catch (error) {
      if (!signal.aborted) onError(error)
      this.stop()
    }
  }
}
