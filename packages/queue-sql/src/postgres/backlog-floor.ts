/** What a look at the whole backlog saw, by the snapshot of its statement. */
export interface BacklogLook {
  /** The server's clock when the statement began, before its snapshot, in epoch ms. */
  readonly seenAt: number
  /** Every transaction with a lower number was over, and is seen. */
  readonly oldest: number
  /** The number of its own transaction, if it was given one: those with a higher one began later. A snapshot does not know how many have begun. */
  readonly own: number | null
  /** Whether it saw an item that is due, or could not see all. */
  readonly isDue: boolean
}

/** A statement reads the clock, and only then gets the number of its transaction: so much may lie in between. */
const MARGIN_MS = 1_000
/** Kept while a transaction stays open. */
const MAX_LOOKS = 64

/**
 * The instant before which the backlog has nothing that is due, and never will have: a claim that begins there misses no item, however long a put takes to
 * commit. Unlike the mark of a claim it holds for an empty backlog, where an answer of `[]` must be true.
 *
 * A look that sees nothing due leaves only what transactions hide that were under way then. Those that began after an earlier look have read the clock
 * after it. So the floor is the latest earlier look of which it is known that all transactions that began before it are over. Two things come back below it: items released to their places
 * by other processes, and those of a clock that was set back; so whoever uses it looks at the whole backlog now and then all the same.
 */
export class BacklogFloor {
  #looks: { readonly seenAt: number; readonly own: number }[] = []
  #at: number | undefined

  /** In epoch ms. `undefined`: not known. */
  get at(): number | undefined {
    return this.#at
  }

  /** @param look that began at the floor, or earlier */
  note({ seenAt, oldest, own, isDue }: BacklogLook): void {
    const last = this.#looks.at(-1)
    if (last !== undefined && seenAt < last.seenAt - MARGIN_MS) this.forget()
    if (own !== null) {
      if (this.#looks.length === MAX_LOOKS) this.#looks.pop()
      this.#looks.push({ seenAt, own })
    }
    if (isDue) return
    const latest = this.#looks.findLastIndex((look) => look.own < oldest)
    if (latest < 0) return
    this.#looks = this.#looks.slice(latest)
    const { seenAt: from = seenAt } = this.#looks[0] ?? {}
    this.#at = Math.max(from - MARGIN_MS, this.#at ?? 0)
  }

  forget(): void {
    this.#looks = []
    this.#at = undefined
  }
}
