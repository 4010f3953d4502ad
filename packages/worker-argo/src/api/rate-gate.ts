import type { Runtime } from '@sluice/core'
import pLimit, { type LimitFunction } from 'p-limit'

const SPAN_MS = 1_000
/** The longest that a server is left alone because it asked for it: it may be well again long before. */
export const MAX_REST_MS = 300_000

export interface GateSettings {
  readonly runtime: Runtime
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
  readonly #runtime: Runtime
  readonly #perSecond: number
  readonly #limit: LimitFunction
  readonly #closing: AbortSignal
  /** When the latest were, or will be, let through; at most `perSecond` of them, in order. */
  readonly #turns: number[] = []
  #restUntilMonotonic = Number.NEGATIVE_INFINITY

  constructor(settings: GateSettings) {
    this.#runtime = settings.runtime
    this.#closing = settings.closing
    this.#perSecond = settings.perSecond
    this.#limit = pLimit(settings.atOnce)
  }

  /** Lets nothing through for so long: the other side asked for it. Five minutes at most, since nobody could end it. */
  rest(ms: number): void {
    this.#restUntilMonotonic = Math.max(
      this.#restUntilMonotonic,
      this.#runtime.monotonicMs() + Math.min(ms, MAX_REST_MS),
    )
  }

  /** How long nothing is let through, in ms. */
  get restMs(): number {
    return Math.max(0, this.#restUntilMonotonic - this.#runtime.monotonicMs())
  }

  /** How long one that came now would wait for its turn, in ms. */
  get waitMs(): number {
    const oldest = this.#turns.length < this.#perSecond ? undefined : this.#turns[0]
    const turnMs = oldest === undefined ? 0 : oldest + SPAN_MS - this.#runtime.monotonicMs()
    return Math.max(this.restMs, turnMs)
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
    if (waitMs > 0) await this.#runtime.sleep(waitMs, this.#closing)
    return this.#limit(task)
  }

  #take(waitMs: number): void {
    this.#turns.push(this.#runtime.monotonicMs() + waitMs)
    if (this.#turns.length > this.#perSecond) this.#turns.shift()
  }
}
