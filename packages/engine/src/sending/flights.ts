import type { ItemSummary } from '@sluice/core'

/** A send that has begun and has not ended. */
export interface Flight {
  readonly item: ItemSummary
  readonly beganAtMonotonic: number
  /** {@link ControlState.syncs} as it was known when the send began. */
  readonly syncs: number
}

/**
 * The sends that are under way. One that takes far longer than the others is no longer waited for: it keeps
 * its place in flight, and its outcome is noted when it comes, even in a later pass.
 */
export class Flights {
  readonly #flights = new Map<string, Flight>()

  get size(): number {
    return this.#flights.size
  }

  begin(item: ItemSummary, { beganAtMonotonic, syncs }: Omit<Flight, 'item'>): Flight {
    const flight = { item, beganAtMonotonic, syncs }
    this.#flights.set(item.uid, flight)
    return flight
  }

  /** @returns `false`: it was given up before, and its outcome is ignored */
  end(flight: Flight): boolean {
    if (this.#flights.get(flight.item.uid) !== flight) return false
    return this.#flights.delete(flight.item.uid)
  }

  has({ uid }: Pick<ItemSummary, 'uid'>): boolean {
    return this.#flights.has(uid)
  }

  /** Those that began at least this long ago. */
  olderThan(ageMs: number, nowMonotonic: number): Flight[] {
    return [...this.#flights.values()].filter(
      ({ beganAtMonotonic }) => nowMonotonic - beganAtMonotonic >= ageMs,
    )
  }

  /**
   * The number of the latest `control.sync()` of which all sends that had begun by then have ended
   * [Q-CTRL-2].
   *
   * @param syncs as in the control now
   */
  syncedTo(syncs: number): number {
    return Math.min(syncs, ...[...this.#flights.values()].map((flight) => flight.syncs))
  }
}
