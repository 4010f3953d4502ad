import type { Runtime, ControlState, Queue } from '@sluice/core'

export interface ControlWatchOptions {
  readonly queue: Pick<Queue, 'control'>
  readonly runtime: Runtime
  /** Called every second. */
  readonly onTick: () => void
  /** Called with each state that is read. */
  readonly onRead: (control: ControlState) => void
  /** Called once with the error of a read; nothing is read after it. */
  readonly onError: (error: unknown) => void
}

/** How soon a pause or a limit takes effect while jobs are being sent. */
const EVERY_MS = 1_000

/** Reads the queue's control every second during a pass, while it waits for the poll and for its sends. */
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

  /** A read that is under way is not waited for, and its result is dropped. */
  stop(): void {
    this.#stop.abort('stopped')
  }

  /**
   * Resolves once no read is overdue: neither a slow storage nor a suspended process must delay a pause for
   * long.
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
