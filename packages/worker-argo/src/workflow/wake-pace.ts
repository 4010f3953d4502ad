import type { Runtime } from '@sluice/core'

/** How many wake signals may come at once, and how far apart they are where there are more. */
const AT_ONCE = 10
const GAP_MS = 40

/**
 * Keeps wake signals apart where many jobs end: what ends within 40 ms is read together. Where
 * few end, each wakes at once.
 */
export class WakePace {
  readonly #runtime: Runtime
  readonly #wake: () => void
  /** When the budget of signals is whole again. */
  #wholeAtMonotonic = Number.NEGATIVE_INFINITY
  #isWaiting = false

  /** @param wake wakes the listeners; called once for all that came while it had to wait */
  constructor(runtime: Runtime, wake: () => void) {
    this.#runtime = runtime
    this.#wake = wake
  }

  notify(signal: AbortSignal): void {
    if (this.#isWaiting) return
    const nowMonotonic = this.#runtime.monotonicMs()
    const waitMs = this.#wholeAtMonotonic - nowMonotonic - (AT_ONCE - 1) * GAP_MS
    this.#wholeAtMonotonic = Math.max(this.#wholeAtMonotonic, nowMonotonic) + GAP_MS
    if (waitMs <= 0) {
      this.#wake()
      return
    }
    void this.#wakeIn(waitMs, signal)
  }

  /** Never rejects. */
  async #wakeIn(ms: number, signal: AbortSignal): Promise<void> {
    this.#isWaiting = true
    await this.#runtime.sleep(ms, signal)
    this.#isWaiting = false
    this.#wake()
  }
}
