import type { Runtime } from '@sluice/core'

/** Calls back once at an instant, by a clock; a later setting counts only when it is earlier. */
export class Alarm {
  readonly #runtime: Runtime
  readonly #ring: () => void
  #abort: AbortController | undefined
  #at = Number.POSITIVE_INFINITY

  constructor(runtime: Runtime, ring: () => void) {
    this.#runtime = runtime
    this.#ring = ring
  }

  /** Rings at an instant, unless it is to ring before. */
  set(at: number): void {
    if (at >= this.#at) return
    this.silence()
    const abort = new AbortController()
    this.#abort = abort
    this.#at = at
    void this.#wait(at, abort.signal)
  }

  /** Doesn't ring. */
  silence(): void {
    this.#abort?.abort()
    this.#abort = undefined
    this.#at = Number.POSITIVE_INFINITY
  }

  async #wait(at: number, signal: AbortSignal): Promise<void> {
    await this.#runtime.sleep(Math.max(0, at - this.#runtime.now()), signal)
    if (signal.aborted) return
    this.#at = Number.POSITIVE_INFINITY
    this.#ring()
  }
}
