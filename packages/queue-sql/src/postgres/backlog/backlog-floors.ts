import { isLater, type Mark, type Place } from './places.js'

/** What a check reads: whether a rank has an item from one place to another. */
export interface FloorOrder {
  readonly rank: number
  /** `undefined`: from the beginning. */
  readonly from: Mark | undefined
  /** `undefined`: nothing is to be searched yet. */
  readonly to: Place | undefined
  readonly candidate: Candidate | undefined
}

export interface FloorAnswer {
  /** Whether the snapshot of the statement has an item there; `null`: nothing was searched. */
  readonly remains: boolean | null
  /** The version of the places in that snapshot. */
  readonly version: number
  /** The server's clock, read in the statement, in epoch ms. */
  readonly now: number
  /** The transactions that held a lock for writing to the backlog after that. */
  readonly writers: readonly string[]
  /** When the server started. */
  readonly server: string
}

/** A place that may become a floor. */
export interface Candidate {
  readonly rank: number
  readonly place: Place
  /** The transactions that may have read the clock before the place; `undefined`: not read yet. */
  readonly writers?: readonly string[]
}

/** Smaller steps back of the server's clock are allowed for. */
const STEP_MS = 100
/** The ranks whose floors are kept. */
const MAX_RANKS = 64

/**
 * For each rank the place before which the backlog has no item, now or later: a claim that begins there
 * misses no item, however long a put takes to commit. It is valid for one version of the places, and until
 * the server's clock is set back.
 *
 * A put reads the clock while it holds its lock for writing to the table, and its item becomes available at
 * that reading or later. So a place before the clock's reading becomes the floor in three checks: one reads
 * the clock and then the writers; a later one finds that all of those are over; a third, whose snapshot is
 * taken after that, finds no item before the place. An item that a claim under way has locked is in that
 * snapshot, as the claim may be rolled back. Transactions that do not write to the backlog, however long they
 * stay open, are not waited for.
 */
export class BacklogFloors {
  readonly #floors = new Map<number, Mark>()
  #latest: Candidate | undefined
  #candidate: Candidate | undefined
  /** A rank with an item before a place that claims have passed. */
  #doubt: number | undefined
  #seen: Pick<FloorAnswer, 'server' | 'now'> | undefined

  of(rank: number): Mark | undefined {
    return this.#floors.get(rank)
  }

  /** Whether the next claim from a rank is to begin at its floor; once for each check that finds an item. */
  takeDoubt(rank: number): boolean {
    const isDoubted = this.#doubt === rank
    if (isDoubted) this.#doubt = undefined
    return isDoubted
  }

  /** A place that claims of this process have passed. */
  propose(rank: number, place: Place): void {
    const floor = this.#floors.get(rank)
    this.#latest = floor === undefined || isLater(place, floor) ? { rank, place } : undefined
  }

  wantsCheck(): boolean {
    return this.#candidate !== undefined || this.#latest !== undefined
  }

  order(): FloorOrder {
    this.#candidate ??= this.#latest
    const candidate = this.#candidate
    if (candidate === undefined) return { rank: 0, from: undefined, to: undefined, candidate }
    const { rank, place, writers } = candidate
    return { rank, from: this.#floors.get(rank), to: writers?.length === 0 ? place : undefined, candidate }
  }

  /** @returns whether what is known is still valid: the server is the same, and its clock was not set back */
  note(order: FloorOrder, answer: FloorAnswer): boolean {
    const before = this.#seen
    this.#seen = answer
    if (before !== undefined && (answer.server !== before.server || answer.now < before.now)) return false
    for (const [rank, { version }] of this.#floors) if (version !== answer.version) this.#floors.delete(rank)
    const { candidate } = order
    if (candidate === undefined || candidate !== this.#candidate) return true
    if (answer.remains === null) this.#candidate = withWriters(candidate, answer)
    else if (answer.remains) this.#doubt = candidate.rank
    else this.#raise(order, candidate, answer)
    return true
  }

  reset(): void {
    this.#floors.clear()
    this.#latest = undefined
    this.#candidate = undefined
    this.#doubt = undefined
  }

  #raise({ rank, from }: FloorOrder, { place }: Candidate, { version, now }: FloorAnswer): void {
    this.#candidate = undefined
    // What was searched began at a floor that is no longer valid.
    if (this.#floors.get(rank) !== from) return
    const highest = { availableAt: now - STEP_MS, seq: 0 }
    const floor = { ...(isLater(place, highest) ? highest : place), rank, version }
    if (from !== undefined && !isLater(floor, from)) return
    this.#floors.delete(rank)
    this.#floors.set(rank, floor)
    const [oldest] = this.#floors.keys()
    if (this.#floors.size > MAX_RANKS && oldest !== undefined) this.#floors.delete(oldest)
    if (this.#latest?.rank === rank && !isLater(this.#latest.place, floor)) this.#latest = undefined
  }
}

/** The candidate after a check that searched nothing. */
function withWriters(candidate: Candidate, { now, writers }: FloorAnswer): Candidate {
  if (candidate.writers !== undefined) {
    return { ...candidate, writers: candidate.writers.filter((writer) => writers.includes(writer)) }
  }
  return candidate.place.availableAt < now ? { ...candidate, writers } : candidate
}
