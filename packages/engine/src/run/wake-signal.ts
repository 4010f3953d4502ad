import type { Runtime } from '@sluice/core'

/** Ends a wait early. A ring that comes while nobody waits is kept, once, for the next wait. */
export class Doorbell {
  #rung = false
  #waiting: AbortController | undefined

  ring(): void {
    this.#rung = true
    this.#waiting?.abort()
  }

  /** Resolves after `ms`, at a ring, or when the signal aborts, whichever is first. */
  async wait(runtime: Runtime, ms: number, signal: AbortSignal): Promise<void> {
    const waiting = new AbortController()
    const stop = (): void => waiting.abort()
    if (this.#rung || signal.aborted) stop()
    this.#waiting = waiting
    signal.addEventListener('abort', stop)
    try {
      await runtime.sleep(ms, waiting.signal)
    } finally {
      signal.removeEventListener('abort', stop)
      this.#waiting = undefined
      this.#rung = false
    }
  }
}
