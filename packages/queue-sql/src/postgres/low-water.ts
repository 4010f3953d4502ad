import type { Runtime } from '@sluice/core'
import type { ClaimedRow } from '../items/moves.js'

/** Where in the backlog a claim may begin. */
export interface Mark {
  readonly rank: number
  readonly availableAt: number
  /** It holds only while the places of what waits have this version; without one whatever it is. */
  readonly version?: number
}

/** So often the backlog is looked at from its beginning. */
const FULL_EVERY_MS = 1_000
/** So often the floor can rise. */
const NUMBER_EVERY_MS = 100
/** A put that began so long before an item that was claimed may still have been under way then. */
const MARGIN_MS = 50

/**
 * Remembers how far the claims of this process have come, so that the next one need not walk over the remains of what is claimed.
 *
 * Nothing is lost by it: what lies before the mark (put by a transaction that took longer than the margin, or claimed by one that was
 * undone) is found by the claim that looks at the whole backlog, within a second, or at once when a claim doesn't get all that it asked for: then
 * it is looked at from the {@link BacklogFloor} on, below which there is nothing. What has a higher priority is found at every claim.
 *
 * An update, by whatever process, may give an item that waits a place before the mark. Each raises the version of the places, which every claim compares with the one that its mark is
 * of: where they differ it looks at the whole rank, until this process has read the version again.
 */
export class LowWater {
  readonly #runtime: Pick<Runtime, 'monotonicMs'>
  readonly #floor = new BacklogFloor()
  #mark: Mark | undefined
  /** Of the last item that was claimed. */
  #rank: number | undefined
  #fullAtMs = 0
  #wholeAtMs = 0
  #numberedAtMs = 0
  #forgotten = 0
  #version: { readonly number: number; readonly readAtMs: number } | undefined
  /** Only a process whose claims get all that they ask for has a use for a mark. */
  #wasFull = false

  constructor(runtime: Pick<Runtime, 'monotonicMs'>) {
    this.#runtime = runtime
  }

  /** `undefined`: look at the whole backlog. */
  mark(): Mark | undefined {
    const nowMs = this.#runtime.monotonicMs()
    const floor = this.#floorMark()
    const mark = floor !== undefined && isLater(floor, this.#mark) ? floor : this.#mark
    if (mark !== undefined && nowMs - this.#fullAtMs < FULL_EVERY_MS) return mark
    this.#mark = undefined
    this.#fullAtMs = nowMs
    return undefined
  }

  /** Whether the version of the places is to be read, before the next claim begins. */
  wantsVersion(): boolean {
    if (!this.#wasFull) return false
    return (
      this.#version === undefined || this.#runtime.monotonicMs() - this.#version.readAtMs >= FULL_EVERY_MS
    )
  }

  /** What it gives back notes a version that is read from now on. */
  versions(): (number: number) => void {
    const readAtMs = this.#runtime.monotonicMs()
    return (number) => {
      this.#version = { number, readAtMs }
    }
  }

  /** Where a look at all priorities begins, which must miss nothing that can be given out. `undefined`: at the beginning. */
  start(): Mark | undefined {
    const nowMs = this.#runtime.monotonicMs()
    const floor = this.#floorMark()
    if (floor !== undefined && nowMs - this.#wholeAtMs < FULL_EVERY_MS) return floor
    this.#wholeAtMs = nowMs
    return undefined
  }

  /** Whether the transaction of the look that begins now is to be given a number, of which there are not endlessly many. */
  isNumbered(): boolean {
    const nowMs = this.#runtime.monotonicMs()
    if (nowMs - this.#numberedAtMs < NUMBER_EVERY_MS) return false
    this.#numberedAtMs = nowMs
    return true
  }

  /** Notes what a look from {@link start} on sees that begins now; as for {@link notes}, not what came back meanwhile. */
  looks(): (look: BacklogLook) => void {
    const forgotten = this.#forgotten
    return (look) => {
      if (forgotten === this.#forgotten) this.#floor.note(look)
    }
  }

  #floorMark(): Mark | undefined {
    const { at } = this.#floor
    return at === undefined || this.#rank === undefined ? undefined : { rank: this.#rank, availableAt: at }
  }

  /** Items came back to places that may lie before the mark: the next claim looks at the whole backlog. */
  forget(): void {
    this.#mark = undefined
    this.#floor.forget()
    this.#forgotten += 1
  }

  /** Notes what a claim from the mark on gave that begins now, for the `max` that it asked for: one that was under way when the mark was forgotten knows nothing of what came back. */
  notes(): (rows: readonly ClaimedRow[], max: number) => void {
    const forgotten = this.#forgotten
    const version = this.#version?.number
    return (rows, max) => {
      if (forgotten === this.#forgotten) this.#note(rows, { max, version })
    }
  }

  #note(
    rows: readonly ClaimedRow[],
    { max, version }: { readonly max: number; readonly version: number | undefined },
  ): void {
    const last = rows.at(-1)
    this.#wasFull = last !== undefined && rows.length >= max
    if (last === undefined) return
    this.#rank = -(last.priority ?? 0)
    // A claim that comes up short says nothing of what others claim just now: the mark stays where it was.
    if (rows.length < max || version === undefined) return
    // An item was available when it was put, or later: nothing that is due and was put before is left.
    const putAt = rows.reduce((latest, { put_at }) => Math.max(latest, put_at), 0)
    this.#mark = { rank: this.#rank, availableAt: putAt - MARGIN_MS, version }
  }
}

/** Of two ranks that of the floor is the latest that was claimed from. */
function isLater(floor: Mark, mark: Mark | undefined): boolean {
  return mark === undefined || mark.rank !== floor.rank || mark.availableAt < floor.availableAt
}

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
const FLOOR_MARGIN_MS = 1_000
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
    if (last !== undefined && seenAt < last.seenAt - FLOOR_MARGIN_MS) this.forget()
    if (own !== null) {
      if (this.#looks.length === MAX_LOOKS) this.#looks.pop()
      this.#looks.push({ seenAt, own })
    }
    if (isDue) return
    const latest = this.#looks.findLastIndex((look) => look.own < oldest)
    if (latest < 0) return
    this.#looks = this.#looks.slice(latest)
    const { seenAt: from = seenAt } = this.#looks[0] ?? {}
    this.#at = Math.max(from - FLOOR_MARGIN_MS, this.#at ?? 0)
  }

  forget(): void {
    this.#looks = []
    this.#at = undefined
  }
}
