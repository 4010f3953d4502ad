/**
 * Wakes all who listen, so that they check earlier than they would. It carries nothing: what has happened is
 * for them to find out.
 */
export class WakeSignal {
  readonly #listeners = new Set<() => void>()

  /** How many listen now. */
  get listeners(): number {
    return this.#listeners.size
  }

  notify(): void {
    for (const listener of this.#listeners) listener()
  }

  /** @returns the call that ends the listening */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * Yields at each notification until the signal aborts. Those that come between two reads of the iterator
   * are one.
   */
  async *listen(signal: AbortSignal): AsyncGenerator<undefined, void> {
    let woken = Promise.withResolvers<void>()
    const wake = (): void => woken.resolve()
    const unsubscribe = this.subscribe(wake)
    signal.addEventListener('abort', wake)
    try {
      while (!signal.aborted) {
        await woken.promise
        woken = Promise.withResolvers<void>()
        if (!signal.aborted) yield undefined
      }
    } finally {
      signal.removeEventListener('abort', wake)
      unsubscribe()
    }
  }
}
