import type { AheadOrder, AheadPage, AheadRow } from '../items/moves.js'
import { byTurn, endOf } from '../items/turns.js'
import { NO_RANK, type Mark } from './backlog/places.js'
import { PLANNED_EACH_TIME } from './connection/pool.js'
import { AHEAD_RANKS } from './statements/scans.js'
import type { PostgresStatements } from './statements/statements.js'

/** A rank that was read and has no due item. */
export interface NoneAhead {
  readonly rank: number
  readonly depth: number
  readonly seq: null
}

/** @param from the place before which its rank has no item */
export function aheadQuery(
  { ahead, aheadOfKey }: Pick<PostgresStatements, 'ahead' | 'aheadOfKey'>,
  { max, after, limitKey }: AheadOrder,
  from: Mark | undefined,
): { readonly text: string; readonly parameters: readonly unknown[] } {
  // A place in the same rank, or behind it, says more.
  const since = from !== undefined && (after === undefined || after.rank < from.rank) ? from : undefined
  const place = [after?.rank ?? null, after?.available_at ?? 0, after?.seq ?? 0]
  const floor = [since?.rank ?? NO_RANK, since?.availableAt ?? 0, since?.seq ?? 0, since?.version ?? null]
  const parameters = [max + 1, ...place, ...floor]
  if (limitKey === null) return { text: ahead, parameters }
  // Whether the index of keys or that of all is the better one depends on how many items the key has.
  return { text: PLANNED_EACH_TIME + aheadOfKey, parameters: [...parameters, limitKey] }
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
