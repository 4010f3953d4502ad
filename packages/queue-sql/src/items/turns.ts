import type { Turn } from './moves.js'
import { parseCursor, writeCursor } from './item-pages.js'

/** PostgreSQL's `integer`. */
const MAX_RANK = 2_147_483_647

/** Behind all items of a rank. */
export function endOf(rank: number): Turn {
  return { rank, available_at: Number.MAX_SAFE_INTEGER, seq: Number.MAX_SAFE_INTEGER }
}

export function turnCursor({ rank, available_at, seq }: Turn): string {
  return writeCursor([rank, available_at, seq])
}

/** @throws TypeError for a text that no page gave */
export function turnOf(cursor: string): Turn {
  const [rank = Infinity, available_at = 0, seq = 0] = parseCursor(cursor, 3)
  const isTurn = Math.abs(rank) <= MAX_RANK && Number.isSafeInteger(available_at) && Number.isSafeInteger(seq)
  if (!isTurn) throw new TypeError('after must be the cursor of an earlier page of this queue')
  return { rank, available_at, seq }
}

/** The order of `get`. */
export function byTurn(a: Turn, b: Turn): number {
  return a.rank - b.rank || a.available_at - b.available_at || a.seq - b.seq
}
