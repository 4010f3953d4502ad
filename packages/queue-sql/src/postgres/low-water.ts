import type { Runtime } from '@sluice/core'
import type { ClaimedRow } from '../items/moves.js'

/** Where in the backlog a claim can begin. */
export interface Mark {
  readonly rank: number
  readonly availableAt: number
  /** Valid only for this version of the places of waiting items; without one for any. */
  readonly version?: number
}

/** The whole backlog is scanned at this interval. */
const FULL_EVERY_MS = 1_000
/** The floor can rise at this interval. */
const NUMBER_EVERY_MS = 100
/** A put that began this long before that of a claimed item may not have been committed at the claim. */
const CLAIM_MARGIN_MS = 50

/**
 * Remembers how far the claims of this process have come, so that the next claim does not walk over the dead
 * index entries of claimed items.
 *
 * No item is missed: one before the mark (put by a transaction that took longer than the margin, or claimed
 * by one that was rolled back) is found within a second by the claim that scans the whole backlog; or at once
 * when a claim gets less than it asked for, which then scans from the {@link BacklogFloor}, below which there
 * is nothing. Every claim finds items of a higher priority.
 *
 * An update by any process may move a waiting item to a place before the mark. Each such update raises the
 * version of the places, which a claim compares with the version of its mark: if they differ it scans the
 * whole rank, until this process reads the version again.
 */
export class LowWater {
  readonly #runtime: Pick<Runtime, 'monotonicMs'>
  readonly #floor = new BacklogFloor()
  #mark: Mark | undefined
  /** The rank of the last claimed item. */
  #rank: number | undefined
  #fullAtMonotonic = 0
  #wholeAtMonotonic = 0
  #numberedAtMonotonic = 0
  #resets = 0
  #version: { readonly number: number; readonly readAtMonotonic: number } | undefined
  /** A mark is of use only to a process whose claims get all they ask for. */
  #wasFull = false

  constructor(runtime: Pick<Runtime, 'monotonicMs'>) {
    this.#runtime = runtime
  }

  /** Where a claim begins; `undefined`: it scans the whole backlog. */
  mark(): Mark | undefined {
    const atMonotonic = this.#runtime.monotonicMs()
    const floor = this.#floorMark()
    const mark = floor !== undefined && isLater(floor, this.#mark) ? floor : this.#mark
    if (mark !== undefined && atMonotonic - this.#fullAtMonotonic < FULL_EVERY_MS) return mark
    this.#mark = undefined
    this.#fullAtMonotonic = atMonotonic
    return undefined
  }

  /** Whether to read the version of the places before the next claim. */
  wantsVersion(): boolean {
    if (!this.#wasFull) return false
    return (
      this.#version === undefined ||
      this.#runtime.monotonicMs() - this.#version.readAtMonotonic >= FULL_EVERY_MS
    )
  }

  /** @returns notes a version whose read begins now */
  noteVersion(): (number: number) => void {
    const readAtMonotonic = this.#runtime.monotonicMs()
    return (number) => {
      this.#version = { number, readAtMonotonic }
    }
  }

  /**
   * Where a scan of all ranks begins, which must not miss a claimable item; `undefined`: at the beginning.
   */
  start(): Mark | undefined {
    const atMonotonic = this.#runtime.monotonicMs()
    const floor = this.#floorMark()
    if (floor !== undefined && atMonotonic - this.#wholeAtMonotonic < FULL_EVERY_MS) return floor
    this.#wholeAtMonotonic = atMonotonic
    return undefined
  }

  /** Whether the scan that begins now is to have a transaction id, which is a limited resource. */
  isNumbered(): boolean {
    const atMonotonic = this.#runtime.monotonicMs()
    if (atMonotonic - this.#numberedAtMonotonic < NUMBER_EVERY_MS) return false
    this.#numberedAtMonotonic = atMonotonic
    return true
  }

  /**
   * @returns notes what a scan from {@link start} sees that begins now; ignored after a {@link reset} in
   * between
   */
  noteScan(): (scan: BacklogScan) => void {
    const resets = this.#resets
    return (scan) => {
      if (resets === this.#resets) this.#floor.note(scan)
    }
  }

  #floorMark(): Mark | undefined {
    const { at } = this.#floor
    return at === undefined || this.#rank === undefined ? undefined : { rank: this.#rank, availableAt: at }
  }

  /** Items returned to places that may lie before the mark: the next claim scans the whole backlog. */
  reset(): void {
    this.#mark = undefined
    this.#floor.reset()
    this.#resets += 1
  }

  /**
   * @returns notes the rows of a claim from the mark for `max` items that begins now; ignored after a
   * {@link reset} in between
   */
  noteClaim(): (rows: readonly ClaimedRow[], max: number) => void {
    const resets = this.#resets
    const version = this.#version?.number
    return (rows, max) => {
      if (resets === this.#resets) this.#note(rows, { max, version })
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
    // A claim that gets too few says nothing about concurrent claims: the mark stays.
    if (rows.length < max || version === undefined) return
    // An item becomes available at its put or later: no due item that was put earlier is left.
    const putAt = rows.reduce((latest, { put_at }) => Math.max(latest, put_at), 0)
    this.#mark = { rank: this.#rank, availableAt: putAt - CLAIM_MARGIN_MS, version }
  }
}

/** If the ranks differ, that of the floor is the one claimed from last. */
function isLater(floor: Mark, mark: Mark | undefined): boolean {
  return mark === undefined || mark.rank !== floor.rank || mark.availableAt < floor.availableAt
}

/** What a scan of the whole backlog saw in the snapshot of its statement. */
export interface BacklogScan {
  /** The server's clock when the statement began, before its snapshot, in epoch ms. */
  readonly seenAt: number
  /** All transactions with a lower id were over, and are visible. */
  readonly oldest: number
  /** Its own transaction id, if it has one: transactions with a higher id began later. */
  readonly own: number | null
  /** Whether it saw a due item, or not the whole backlog. */
  readonly isDue: boolean
}

/** A statement reads the clock before it gets its transaction id: the longest time in between. */
const FLOOR_MARGIN_MS = 1_000
/** Scans kept while a transaction stays open. */
const MAX_SCANS = 64

/**
 * The instant before which the backlog has no due item, now or later: a claim that begins there misses no
 * item, however long a put takes to commit. Unlike the mark of a claim it is valid for an empty backlog,
 * where the answer `[]` must be true.
 *
 * After a scan that sees no due item, only transactions open at that time can hide one. Those that began
 * after an earlier scan read the clock after it. So the floor is the latest earlier scan before which all
 * transactions that began are known to be over. Two kinds of items return below it: those that other
 * processes release to their places, and those of a clock that was set back; so callers still scan the whole
 * backlog at intervals.
 */
export class BacklogFloor {
  #scans: { readonly seenAt: number; readonly own: number }[] = []
  #at: number | undefined

  /** Epoch ms; `undefined`: unknown. */
  get at(): number | undefined {
    return this.#at
  }

  /** @param scan that began at the floor or earlier */
  note({ seenAt, oldest, own, isDue }: BacklogScan): void {
    const last = this.#scans.at(-1)
    if (last !== undefined && seenAt < last.seenAt - FLOOR_MARGIN_MS) this.reset()
    if (own !== null) {
      if (this.#scans.length === MAX_SCANS) this.#scans.pop()
      this.#scans.push({ seenAt, own })
    }
    if (isDue) return
    const latest = this.#scans.findLastIndex((scan) => scan.own < oldest)
    if (latest < 0) return
    this.#scans = this.#scans.slice(latest)
    const { seenAt: from = seenAt } = this.#scans[0] ?? {}
    this.#at = Math.max(from - FLOOR_MARGIN_MS, this.#at ?? 0)
  }

  reset(): void {
    this.#scans = []
    this.#at = undefined
  }
}
