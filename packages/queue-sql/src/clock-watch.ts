/** A step of the machine's clock by less is none: nothing is held up by it for longer. */
const MIN_STEP_MS = 100

export interface ClockWatchOptions {
  /** Epoch ms. */
  readonly now: () => number
  readonly monotonicMs: () => number
}

/** Notices that a clock was set back, by the clock of this process that never is. */
export class ClockWatch {
  readonly #options: ClockWatchOptions
  #aheadMs = Number.NEGATIVE_INFINITY

  constructor(options: ClockWatchOptions) {
    this.#options = options
  }

  /** Whether it was set back since {@link ClockWatch.accept}, or since it was first asked. */
  isSetBack(): boolean {
    const aheadMs = this.#readAhead()
    if (aheadMs < this.#aheadMs - MIN_STEP_MS) return true
    this.#aheadMs = Math.max(this.#aheadMs, aheadMs)
    return false
  }

  /** What it shows now is right: what depends on it was seen to. */
  accept(): void {
    this.#aheadMs = this.#readAhead()
  }

  #readAhead(): number {
    return this.#options.now() - this.#options.monotonicMs()
  }
}
