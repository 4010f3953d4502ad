/** A step of the machine's clock by less is none: nothing is held up by it for longer. */
const MIN_STEP_MS = 100

/** Notices that a clock was set back, by the clock of this process that never is. */
export class ClockWatch {
  readonly #now: () => number
  #aheadMs = Number.NEGATIVE_INFINITY

  /** @param now epoch ms */
  constructor(now: () => number) {
    this.#now = now
  }

  /** Whether it was set back since {@link ClockWatch.accept}, or since it was first asked. */
  isSetBack(atMonotonic: number): boolean {
    const aheadMs = this.#now() - atMonotonic
    if (aheadMs < this.#aheadMs - MIN_STEP_MS) return true
    this.#aheadMs = Math.max(this.#aheadMs, aheadMs)
    return false
  }

  /** What it shows now is right: what depends on it was seen to. */
  accept(atMonotonic: number): void {
    this.#aheadMs = this.#now() - atMonotonic
  }
}
