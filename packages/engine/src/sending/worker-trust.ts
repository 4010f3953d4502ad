/** So many different items that fail one after the other, without a success in the pass or in the one before, are an outage. */
export const FEW_FAILURES = 3
/** After a pass with a success it takes more: items that no worker takes may stand side by side in the queue. */
const MANY_FAILURES = 20

/**
 * Whether the worker takes jobs at all, as far as the sends of this engine's term as dispatcher show. It decides whose trouble a failed send is
 * where the worker's words don't.
 */
export class WorkerTrust {
  #successes = 0
  #termBegan = 0
  #lastWell = false
  #well = false
  #ill = false
  readonly #failedInRow = new Set<string>()

  /** Sends and probes that succeeded. An item's failed try counts only if this has grown since its try before. */
  get successes(): number {
    return this.#successes
  }

  /** What {@link WorkerTrust.successes} was when this term as dispatcher began. */
  get termBegan(): number {
    return this.#termBegan
  }

  /** Something was sent well in this pass. */
  get wasWell(): boolean {
    return this.#well
  }

  /** Nothing was sent well in this pass or in the one before: sends go out a few at a time. */
  get inDoubt(): boolean {
    return !this.#well && !this.#lastWell
  }

  /** So many items have failed since the last success that it is worth a probe. */
  get isSuspect(): boolean {
    return this.#failedInRow.size >= FEW_FAILURES
  }

  /** So many that sending more of them is pointless for now. */
  get isExhausted(): boolean {
    return this.#failedInRow.size >= (this.inDoubt ? FEW_FAILURES : MANY_FAILURES)
  }

  /** A pass in which nothing was tried says nothing. */
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

  /** Another engine has dispatched in between, and tried items that this one doesn't know of. */
  noteNewDispatcher(): void {
    this.#termBegan = this.#successes
  }
}
