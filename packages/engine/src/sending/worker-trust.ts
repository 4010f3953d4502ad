/**
 * This many different items that fail in a row, without a success in the pass or in the one before, are an
 * outage.
 */
export const FEW_FAILURES = 3
/** After a pass with a success it takes more: items that no worker accepts may be neighbours in the queue. */
const MANY_FAILURES = 20

/**
 * Whether the worker accepts jobs at all, by the sends of this engine's term as dispatcher. It decides whose
 * trouble a failed send is where the error does not say.
 */
export class WorkerTrust {
  #successes = 0
  #termBegan = 0
  #lastWell = false
  #well = false
  #ill = false
  readonly #failedInRow = new Set<string>()

  /**
   * Sends and probes that succeeded. An item's failed try counts only if this has grown since its try before.
   */
  get successes(): number {
    return this.#successes
  }

  /** What {@link WorkerTrust.successes} was when this term as dispatcher began. */
  get termBegan(): number {
    return this.#termBegan
  }

  /** A send succeeded in this pass. */
  get wasWell(): boolean {
    return this.#well
  }

  /** No send succeeded in this pass or in the one before: only a few are in flight at a time. */
  get inDoubt(): boolean {
    return !this.#well && !this.#lastWell
  }

  /** Enough items have failed since the last success for a probe. */
  get isSuspect(): boolean {
    return this.#failedInRow.size >= FEW_FAILURES
  }

  /** Enough of them to stop sending for now. */
  get isExhausted(): boolean {
    return this.#failedInRow.size >= (this.inDoubt ? FEW_FAILURES : MANY_FAILURES)
  }

  /** A pass without sends does not count. */
  beginPass(): void {
    if (this.#well || this.#ill) this.#lastWell = this.#well
    this.#well = this.#ill = false
  }

  noteSuccess(): void {
    this.#successes += 1
    this.#well = true
    this.#failedInRow.clear()
  }

  noteFailure(uid: string): void {
    this.#ill = true
    this.#failedInRow.add(uid)
  }

  /** Another engine has dispatched in between, and tried items that this one does not know. */
  noteNewDispatcher(): void {
    this.#termBegan = this.#successes
  }
}
