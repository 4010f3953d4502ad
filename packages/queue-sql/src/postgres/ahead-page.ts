import type { AheadPage, AheadRow } from '../items/moves.js'
import { byTurn, endOf } from '../items/turns.js'
import { AHEAD_RANKS } from './statements/scans.js'

/** A rank that was read and has no due item. */
export interface NoneAhead {
  readonly rank: number
  readonly depth: number
  readonly seq: null
}

/** @param found of at least one item more than `max`, if there are more, and of each rank that was read */
export function aheadPage(
  found: readonly ((AheadRow & Partial<Depth>) | NoneAhead)[],
  max: number,
): AheadPage {
  const rows = found.filter(isItem).toSorted(byTurn)
  const page = rows.slice(0, max)
  const last = page.at(-1)
  if (rows.length > max && last !== undefined) return { rows: page, next: last }
  const deepest = found.find(({ depth }) => depth === AHEAD_RANKS)
  return deepest === undefined ? { rows: page } : { rows: page, next: endOf(deepest.rank) }
}

interface Depth {
  readonly depth: number
}

function isItem(row: AheadRow | NoneAhead): row is AheadRow {
  return row.seq !== null
}
