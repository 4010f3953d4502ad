import type { Runtime } from '@sluice/core'

/** Ends a wait early. A notification that comes while nothing waits is kept, once, for the next wait. */
export class WakeSignal {
  #isPending = false
  #waiting: AbortController | undefined

  notify(): void {
    this.#isPending = true
    this.#waiting?.abort('woken')
  }

  /** Resolves after `ms`, at a notification, or when the signal aborts, whichever is first. */
  async wait(runtime: Runtime, ms: number, signal: AbortSignal): Promise<void> {
    const waiting = new AbortController()
    const stop = (): void => waiting.abort('woken')
    if (this.#isPending || signal.aborted) stop()
    this.#waiting = waiting
    signal.addEventListener('abort', stop)
    try {
      await runtime.sleep(ms, waiting.signal)
    } finally {
      signal.removeEventListener('abort', stop)
      this.#waiting = undefined
      this.#isPending = false
    }
  }
}
