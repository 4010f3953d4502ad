import type { Clock, ControlState, Queue } from '@sluice/core'

export interface ControlWatchOptions {
  readonly queue: Pick<Queue, 'control'>
  readonly clock: Clock
  /** Called every second. */
  readonly onTick: () => void
  /** Called with each state that is read. */
  readonly onRead: (control: ControlState) => void
  /** Called once with what a read rejected with; nothing is read after it. */
  readonly onError: (error: unknown) => void
}

/** Operators are obeyed within about this, while jobs are being sent. */
const EVERY_MS = 1_000

/** Reads the queue's control every second while the sends of a pass are under way. */
export class ControlWatch {
  readonly #options: ControlWatchOptions
  readonly #stop = new AbortController()
  #reading: { readonly sinceMs: number; readonly ended: Promise<void> } | undefined
  #isStarted = false

  constructor(options: ControlWatchOptions) {
    this.#options = options
  }

  /** Once is enough. */
  start(): void {
    if (this.#isStarted || this.#stop.signal.aborted) return
    this.#isStarted = true
    // Not awaited: it ends by `stop` and never rejects.
    void this.#watch()
  }

  /** A read that is under way is not waited for, and what it says is not told. */
  stop(): void {
    this.#stop.abort()
  }

  /** Resolves once no read is overdue: a storage that is slow to answer must not hide an operator's word for long. */
  async current(): Promise<void> {
    const { clock } = this.#options
    if (this.#reading !== undefined && clock.monotonicMs() - this.#reading.sinceMs >= EVERY_MS)
      await this.#reading.ended
  }

  async #watch(): Promise<void> {
    const { clock } = this.#options
    const { signal } = this.#stop
    while (!signal.aborted) {
      await clock.sleep(EVERY_MS, signal)
      if (signal.aborted) return
      this.#options.onTick()
      const ended = this.#read()
      this.#reading = { sinceMs: clock.monotonicMs(), ended }
      await ended
      this.#reading = undefined
    }
  }

  /** Never rejects. */
  async #read(): Promise<void> {
    const { queue, onRead, onError } = this.#options
    const { signal } = this.#stop
    try {
      const control = await queue.control.read()
      if (!signal.aborted) onRead(control)
    } catch (error) {
      if (!signal.aborted) onError(error)
      this.stop()
    }
  }
}
