/**
 * What a fake server keeps of its requests: the latest of them, and how many were in flight at once.
 *
 * @typeParam Entry one request in the log
 */
export class RequestLog<Entry> {
  readonly #max: number
  #entries: Entry[] = []
  #inFlight = 0
  #maxInFlight = 0

  /** @param max how many requests are kept */
  constructor(max: number) {
    this.#max = max
  }

  /** A request has arrived; it is in flight until {@link RequestLog.leave}. */
  enter(entry: Entry): void {
    this.#maxInFlight = Math.max(this.#maxInFlight, ++this.#inFlight)
    this.#entries.push(entry)
    if (this.#entries.length > 2 * this.#max) this.#entries = this.#latest()
  }

  /** A request is over for its sender. */
  leave(): void {
    this.#inFlight--
  }

  get requests(): readonly Entry[] {
    return this.#latest()
  }

  get maxInFlight(): number {
    return this.#maxInFlight
  }

  /** Forgets all but the requests in flight. */
  reset(): void {
    this.#entries = []
    this.#maxInFlight = this.#inFlight
  }

  #latest(): Entry[] {
    return this.#entries.slice(Math.max(0, this.#entries.length - this.#max))
  }
}
