/** Rings for whoever listens; what rings while nobody waits rings once afterwards. */
export class Bell {
  #rung = Promise.withResolvers<void>()

  ring(): void {
    this.#rung.resolve()
  }

  /** Yields at each ring until the signal aborts. */
  async *listen(signal: AbortSignal): AsyncGenerator<undefined, void> {
    const stop = (): void => this.ring()
    signal.addEventListener('abort', stop)
    try {
      while (!signal.aborted) {
        await this.#rung.promise
        this.#rung = Promise.withResolvers<void>()
        if (!signal.aborted) yield undefined
      }
    } finally {
      signal.removeEventListener('abort', stop)
    }
  }
}
