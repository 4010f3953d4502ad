import type { ClaimedRow } from '../../items/moves.js'

/** A place in a rank of the backlog. */
export interface Place {
  readonly availableAt: number
  readonly seq: number
}

/** Where in the backlog a claim or a scan can begin, while the places have this version. */
export interface Mark extends Place {
  readonly rank: number
  readonly version: number
}

export function placeOf(row: ClaimedRow): Place {
  return { availableAt: row.available_at ?? row.put_at, seq: row.seq }
}

export function isLater(place: Place, other: Place): boolean {
  return (place.availableAt - other.availableAt || place.seq - other.seq) > 0
}

/** Greater than every rank: ranks are integers of four bytes. */
export const NO_RANK = 2_147_483_648
