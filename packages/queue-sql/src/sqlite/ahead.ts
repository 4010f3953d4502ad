import type { Kysely } from 'kysely'
import { endOf } from '../items/turns.js'
import type { AheadOrder, AheadPage, AheadRow, Turn } from '../items/moves.js'
import type { Tables } from '../schema/tables.js'
import type { SqliteStatements } from './statements.js'
import { all } from './writes.js'

/** A look ahead reads this many ranks at most. */
const MAX_RANKS = 64
/** Before every rank. */
const NO_RANK = -2_147_483_648

export interface AheadParts {
  readonly db: Kysely<Tables>
  readonly queueId: number
  readonly statements: Pick<SqliteStatements, 'ahead' | 'aheadOfKey'>
}

/**
 * The due items behind a place, rank by rank: it passes no delayed items, and reads one row more than it
 * returns. Items may come and go between two ranks, as between two pages.
 */
export async function aheadInSqlite(
  { db, queueId, statements }: AheadParts,
  { max, after, limitKey }: AheadOrder,
): Promise<AheadPage> {
  const { rank: rankText, page } = limitKey === null ? statements.ahead : statements.aheadOfKey
  const scope = limitKey === null ? [queueId] : [queueId, limitKey]
  const next = async (rank: number) =>
    (await all<Pick<Turn, 'rank'>>(db, rankText, [...scope, rank])).at(0)?.rank
  const rows: AheadRow[] = []
  let rank = after?.rank ?? (await next(NO_RANK))
  for (let ranks = 0; rank !== undefined; rank = await next(rank)) {
    if (ranks++ === MAX_RANKS) return { rows, next: endOf(rank - 1) }
    const from = rank === after?.rank ? [after.available_at, after.seq] : [-1, -1]
    rows.push(...(await all<AheadRow>(db, page, [...scope, rank, ...from, max + 1 - rows.length])))
    const last = rows[max - 1]
    if (rows.length > max && last !== undefined) return { rows: rows.slice(0, max), next: last }
  }
  return { rows }
}
