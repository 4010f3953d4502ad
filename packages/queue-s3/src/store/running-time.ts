/** A turn of the event loop that takes longer than this part of `timeoutMs` is a stall. */
const STALLS_PER_TIMEOUT = 20
const MIN_STALL_MS = 10

/**
 * A monotonic clock that stands still while this process does not run: suspended, starved by others, or busy with one long turn of its event loop. An
 * answer that came meanwhile is read only afterwards, so such time says nothing about the store. Of each turn up to a twentieth of `timeoutMs` counts:
 * `timeoutMs` passes only over as many turns as could have read an answer.
 */
export class RunningTime {
  readonly #stallMs: number
  readonly #idleMs: number
  #timer: NodeJS.Timeout | undefined
  #turnAt = 0
  #askedAt = 0
  #stalledMs = 0

  constructor(timeoutMs: number) {
    this.#stallMs = Math.max(MIN_STALL_MS, timeoutMs / STALLS_PER_TIMEOUT)
    this.#idleMs = 4 * timeoutMs
  }

  /** In ms, from an arbitrary instant. It watches the event loop from the first question on until nobody asks any more. */
  readonly now = (): number => {
    const now = performance.now()
    this.#askedAt = now
    if (this.#timer === undefined) this.#arm(now)
    return now - this.#stalledMs - this.#excessMs(now)
  }

  /** What of the turn so far does not count. */
  #excessMs(now: number): number {
    return Math.max(0, now - this.#turnAt - this.#stallMs)
  }

  #arm(now: number): void {
    this.#turnAt = now
    this.#timer = setTimeout(() => this.#turn(), this.#stallMs / 2)
    this.#timer.unref()
  }

  #turn(): void {
    const now = performance.now()
    this.#stalledMs += this.#excessMs(now)
    this.#timer = undefined
    if (now - this.#askedAt < this.#idleMs) this.#arm(now)
  }
}
