import type { Clock } from '@sluice/core'
import pLimit, { type LimitFunction } from 'p-limit'

const SPAN_MS = 1_000

export interface GateSettings {
  readonly clock: Clock
  readonly perSecond: number
  readonly atOnce: number
  /** Nobody need wait any more. */
  readonly closing: AbortSignal
}

/**
 * Lets so many through in any second, and so many at once, whoever asks and however often. It goes by the clock that it is given: what
 * limits rates by the machine's timers can't be held to a clock of a test.
 */
export class RateGate {
  readonly #clock: Clock
  readonly #perSecond: number
  readonly #limit: LimitFunction
  readonly #closing: AbortSignal
  /** When the latest were, or will be, let through; at most `perSecond` of them, in order. */
  readonly #turns: number[] = []

  constructor(settings: GateSettings) {
    this.#clock = settings.clock
    this.#closing = settings.closing
    this.#perSecond = settings.perSecond
    this.#limit = pLimit(settings.atOnce)
  }

  /** How long one that came now would wait for its turn, in ms. */
  get waitMs(): number {
    const oldest = this.#turns.length < this.#perSecond ? undefined : this.#turns[0]
    return oldest === undefined ? 0 : Math.max(0, oldest + SPAN_MS - this.#clock.monotonicMs())
  }

  /** Runs it if it is its turn now; else it isn't run, and the answer is `false`. */
  async try(task: () => Promise<void>): Promise<boolean> {
    if (this.waitMs > 0) return false
    this.#take(0)
    await this.#limit(task)
    return true
  }

  /** Runs it when it is its turn: first come, first served. */
  async run<T>(task: () => Promise<T>): Promise<T> {
    const { waitMs } = this
    this.#take(waitMs)
    if (waitMs > 0) await this.#clock.sleep(waitMs, this.#closing)
    return this.#limit(task)
  }

  #take(waitMs: number): void {
    this.#turns.push(this.#clock.monotonicMs() + waitMs)
    if (this.#turns.length > this.#perSecond) this.#turns.shift()
  }
}
