import type { Runtime } from '@sluice/core'
import { startTimer } from '@sluice/core/backend'

/** A turn of the event loop that takes longer than this part of `timeoutMs` is a stall. */
const STALLS_PER_TIMEOUT = 20
const MIN_STALL_MS = 10

/**
 * A monotonic clock that stops while this process does not run: suspended, starved of CPU, or busy with one
 * long turn of its event loop. An answer that arrived meanwhile is read only afterwards, so such time says
 * nothing about the store. Of each turn up to a twentieth of `timeoutMs` counts: `timeoutMs` passes only over
 * as many turns as could have read an answer.
 */
export class RunningTime {
  readonly #runtime: Pick<Runtime, 'monotonicMs' | 'sleep'>
  readonly #stallMs: number
  readonly #idleMs: number
  #isWatching = false
  #turnAtMonotonic = 0
  #askedAtMonotonic = 0
  #stalledMs = 0

  constructor(runtime: Pick<Runtime, 'monotonicMs' | 'sleep'>, timeoutMs: number) {
    this.#runtime = runtime
    this.#stallMs = Math.max(MIN_STALL_MS, timeoutMs / STALLS_PER_TIMEOUT)
    this.#idleMs = 4 * timeoutMs
  }

  /** In ms, from an arbitrary instant. It watches the event loop from the first call until calls cease. */
  readonly now = (): number => {
    const now = this.#runtime.monotonicMs()
    this.#askedAtMonotonic = now
    if (!this.#isWatching) this.#watch(now)
    return now - this.#stalledMs - this.#excessMs(now)
  }

  /** The part of the current turn that does not count. */
  #excessMs(now: number): number {
    return Math.max(0, now - this.#turnAtMonotonic - this.#stallMs)
  }

  #watch(now: number): void {
    this.#isWatching = true
    this.#turnAtMonotonic = now
    startTimer(this.#runtime, { ms: this.#stallMs / 2, background: true }, () => this.#turn())
  }

  #turn(): void {
    const now = this.#runtime.monotonicMs()
    this.#stalledMs += this.#excessMs(now)
    this.#isWatching = false
    if (now - this.#askedAtMonotonic < this.#idleMs) this.#watch(now)
  }
}
