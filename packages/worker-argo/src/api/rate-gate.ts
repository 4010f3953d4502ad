import type { Runtime } from '@sluice/core'
import pLimit, { type LimitFunction } from 'p-limit'

const SPAN_MS = 1_000
/** The longest that a server gets no requests because it asked for it, in ms: it may recover long before. */
export const MAX_REST_MS = 300_000

export interface GateSettings {
  readonly runtime: Runtime
  readonly perSecond: number
  readonly atOnce: number
  /** Ends all waits. */
  readonly closing: AbortSignal
}

/**
 * Limits tasks to `perSecond` in any second and `atOnce` at a time, for all callers together. It measures by
 * the runtime that it is given.
 */
export class RateGate {
  readonly #runtime: Runtime
  readonly #perSecond: number
  readonly #limit: LimitFunction
  readonly #closing: AbortSignal
  /** When the latest tasks began, or will begin; at most `perSecond` of them, in order. */
  readonly #turns: number[] = []
  #restUntilMonotonic = Number.NEGATIVE_INFINITY

  constructor(settings: GateSettings) {
    this.#runtime = settings.runtime
    this.#closing = settings.closing
    this.#perSecond = settings.perSecond
    this.#limit = pLimit(settings.atOnce)
  }

  /**
   * Starts nothing for `ms`: the server asked for it. At most {@link MAX_REST_MS}, since nothing could end it
   * early.
   */
  rest(ms: number): void {
    this.#restUntilMonotonic = Math.max(
      this.#restUntilMonotonic,
      this.#runtime.monotonicMs() + Math.min(ms, MAX_REST_MS),
    )
  }

  /** How long nothing starts, in ms. */
  get restMs(): number {
    return Math.max(0, this.#restUntilMonotonic - this.#runtime.monotonicMs())
  }

  /** How long a task that came now would wait for its turn, in ms. */
  get waitMs(): number {
    const oldest = this.#turns.length < this.#perSecond ? undefined : this.#turns[0]
    const turnMs = oldest === undefined ? 0 : oldest + SPAN_MS - this.#runtime.monotonicMs()
    return Math.max(this.restMs, turnMs)
  }

  /** Runs the task if it is its turn now. @returns whether it was run */
  async try(task: () => Promise<void>): Promise<boolean> {
    if (this.waitMs > 0) return false
    this.#take(0)
    await this.#limit(task)
    return true
  }

  /** Runs the task when it is its turn: first come, first served. */
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
