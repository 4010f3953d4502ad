import type { Runtime } from '@sluice/core'
import type { ClaimedRow } from '../../items/moves.js'
import { BacklogFloors, type FloorAnswer, type FloorOrder } from './backlog-floors.js'
import { isLater, placeOf, type Mark } from './places.js'

/** The backlog is checked for items before the mark at this interval. */
const CHECK_EVERY_MS = 50
/** The whole backlog is scanned at this interval, or less often if that would take more of the time. */
const WHOLE_EVERY_MS = 1_000
const MAX_WHOLE_EVERY_MS = 300_000
/** A hundredth of the time at most is spent on scans of the whole backlog. */
const WHOLE_SHARE = 0.01

/**
 * Remembers how far the claims of this process have come, so that the next claim does not walk over the dead
 * index entries of claimed items, which vacuum can't remove while any transaction of the database stays open.
 *
 * A claim begins where the last one ended: at the mark. It may pass an item whose put committed late, or that
 * another claim had locked and then rolled back. A check finds those (see {@link BacklogFloors}), and the
 * next claim begins at the floor, below which there is nothing; so does the scan that follows a claim which
 * gets less than it asked for. Every claim finds items of a higher priority.
 *
 * An update, or a release to its place, by any process may move an item to a place before the mark. Each
 * raises the version of the places, which a claim compares with the version of its mark: if they differ it
 * scans the whole rank.
 *
 * Whatever else returns to a place before the mark, such as the puts of a clock that was set back a little,
 * is found by a scan of the whole backlog, once a second or for a hundredth of the time.
 */
export class LowWater {
  readonly #runtime: Pick<Runtime, 'monotonicMs'>
  readonly #floors = new BacklogFloors()
  #mark: Mark | undefined
  /** The rank of the last claimed item. */
  #rank: number | undefined
  #version: number | undefined
  #checkedAtMonotonic = Number.NEGATIVE_INFINITY
  readonly #claims: WholeScans
  readonly #ranks: WholeScans
  readonly #aheads: WholeScans
  #resets = 0

  constructor(runtime: Pick<Runtime, 'monotonicMs'>) {
    this.#runtime = runtime
    this.#claims = new WholeScans(runtime)
    this.#ranks = new WholeScans(runtime)
    this.#aheads = new WholeScans(runtime)
  }

  /** Whether to check the backlog before the next claim or scan. */
  wantsCheck(): boolean {
    if (this.#runtime.monotonicMs() - this.#checkedAtMonotonic < CHECK_EVERY_MS) return false
    return this.#floors.wantsCheck()
  }

  /** @returns what a check that begins now asks for, and what takes its answer */
  check(): { readonly order: FloorOrder; readonly note: (answer: FloorAnswer) => void } {
    this.#checkedAtMonotonic = this.#runtime.monotonicMs()
    const resets = this.#resets
    const order = this.#floors.order()
    return {
      order,
      note: (answer) => {
        if (resets !== this.#resets) return
        this.#version = answer.version
        if (!this.#floors.note(order, answer)) this.reset()
      },
    }
  }

  /**
   * Where a claim for `max` items begins; `undefined`: it scans the whole backlog. `note` takes its rows, and
   * ignores them after a {@link reset} in between.
   */
  claim(max: number): {
    readonly from: Mark | undefined
    readonly note: (rows: readonly ClaimedRow[]) => void
  } {
    const noteWhole = this.#claims.next()
    const from = noteWhole === undefined ? this.#from() : undefined
    const resets = this.#resets
    const version = this.#version
    return {
      from,
      note: (rows) => {
        noteWhole?.()
        if (resets === this.#resets) this.#note(rows, { max, version })
      },
    }
  }

  #from(): Mark | undefined {
    const rank = this.#rank
    if (rank === undefined) return undefined
    const floor = this.#floors.of(rank)
    if (this.#floors.takeDoubt(rank)) return floor
    const mark = this.#mark?.rank === rank ? this.#mark : undefined
    return mark === undefined || (floor !== undefined && isLater(floor, mark)) ? floor : mark
  }

  #note(
    rows: readonly ClaimedRow[],
    { max, version }: { readonly max: number; readonly version: number | undefined },
  ): void {
    const last = rows.at(-1)
    if (last === undefined) return
    this.#rank = -(last.priority ?? 0)
    // A claim that gets too few says nothing about concurrent claims: the mark stays.
    if (rows.length < max) return
    const place = placeOf(last)
    this.#floors.propose(this.#rank, place)
    if (version !== undefined) this.#mark = { ...place, rank: this.#rank, version }
  }

  /**
   * Where a scan of all ranks begins, which must not miss a claimable item; `undefined`: at the beginning.
   * `note` takes what it saw.
   */
  scan(): { readonly from: Mark | undefined; readonly note: (scan: BacklogScan) => void } {
    const noteWhole = this.#ranks.next()
    const from = noteWhole === undefined && this.#rank !== undefined ? this.#floors.of(this.#rank) : undefined
    const resets = this.#resets
    return {
      from,
      note: ({ seenAt, isDue }) => {
        noteWhole?.()
        if (resets !== this.#resets || isDue || this.#rank === undefined) return
        this.#floors.propose(this.#rank, { availableAt: seenAt, seq: 0 })
      },
    }
  }

  /**
   * Where a look ahead begins, as {@link LowWater.scan}; its scans of the whole backlog are its own, so that
   * those of the claims take place.
   */
  ahead(): { readonly from: Mark | undefined; readonly note: () => void } {
    const noteWhole = this.#aheads.next()
    const from = noteWhole === undefined && this.#rank !== undefined ? this.#floors.of(this.#rank) : undefined
    return { from, note: () => noteWhole?.() }
  }

  /** Items returned to places that may lie before the mark: the next claim scans the whole backlog. */
  reset(): void {
    this.#mark = undefined
    this.#floors.reset()
    this.#resets += 1
  }
}

/** What a scan of the whole backlog saw in the snapshot of its statement. */
export interface BacklogScan {
  /** The server's clock when the statement began, in epoch ms. */
  readonly seenAt: number
  /** Whether it saw a due item, or not the whole backlog. */
  readonly isDue: boolean
}

/** Says when to scan the whole backlog. */
class WholeScans {
  readonly #runtime: Pick<Runtime, 'monotonicMs'>
  #dueAtMonotonic = Number.NEGATIVE_INFINITY

  constructor(runtime: Pick<Runtime, 'monotonicMs'>) {
    this.#runtime = runtime
  }

  /** @returns if the next scan is to be whole: to be called at its end */
  next(): (() => void) | undefined {
    const startedAtMonotonic = this.#runtime.monotonicMs()
    if (startedAtMonotonic < this.#dueAtMonotonic) return undefined
    // Concurrent scans are not whole as well.
    this.#dueAtMonotonic = startedAtMonotonic + WHOLE_EVERY_MS
    return () => {
      const endedAtMonotonic = this.#runtime.monotonicMs()
      const pauseMs = (endedAtMonotonic - startedAtMonotonic) / WHOLE_SHARE
      this.#dueAtMonotonic =
        startedAtMonotonic + Math.min(Math.max(pauseMs, WHOLE_EVERY_MS), MAX_WHOLE_EVERY_MS)
    }
  }
}
