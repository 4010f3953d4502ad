import { SINCE, sincePart } from './claims.js'
import { CLOCK, NOW } from './parts.js'
import type { TableNames } from '../../schema/tables.js'

/**
 * The first `$2` ranks, whether each has a due item, and the clock before the snapshot of the statement. The
 * rank `$3` is scanned from the place in `$4` to `$6`. There is always a row, at least that of the clock.
 */
export function ranksStatement(t: TableNames): string {
  const next = (rank: string) => nextRank(t, rank, { given: '$3' })
  return `with recursive ${CLOCK}, ${sincePart(t, 4)} level(rank, depth) as (
      select ${next('-2147483648')}, 1
      union all
      select ${next('level.rank')}, depth + 1 from level where level.rank is not null and depth < $2
    ),
    seen as (select floor(extract(epoch from statement_timestamp()) * 1000)::bigint as seen_at)
    select rank, coalesce((
      select w.available_at from ${t.waiting} w where w.queue_id = $1 and w.rank = level.rank
        and (w.available_at, w.seq) >= (case when level.rank = $3::bigint then (select at from since) else 0 end,
          case when level.rank = $3::bigint then (select seq from since) else 0 end)
      order by w.available_at, w.seq limit 1
    ) <= ${NOW}, false) as due, seen_at
    from seen left join level on rank is not null order by rank`
}

/** A look ahead reads this many ranks at most. */
export const AHEAD_RANKS = 64

/**
 * The due items behind a place, rank by rank: it passes no delayed items, and reads few rows more than it
 * returns. `$2` how many; `$3` to `$5` the place, its rank null for the beginning. The rank `$6` is scanned
 * from the place in `$7` to `$9`, as in {@link ranksStatement}; `$10` the key. A rank without a due item
 * gives a row without one.
 */
export function aheadStatement(t: TableNames, of: 'all keys' | 'one key'): string {
  const key = of === 'all keys' ? '' : 'and w.limit_key = $10::text'
  const after = 'level.rank = $3::bigint'
  const since = 'level.rank = $6::bigint'
  const at = `case when ${after} then $4::bigint when ${since} then (select at from since) else -1 end`
  const seq = `case when ${after} then $5::bigint when ${since} then (select seq - 1 from since) else -1 end`
  return `with recursive ${CLOCK}, ${sincePart(t, 7)} level(rank, depth) as (
      select coalesce($3::integer, ${nextRank(t, '-2147483648', { given: '$6', key })}), 1
      union all
      select ${nextRank(t, 'level.rank', { given: '$6', key })}, depth + 1 from level
      where level.rank is not null and depth < ${AHEAD_RANKS}
    )
    select level.rank, depth, w.available_at, w.seq, i.id, i.uid, i.attempt, i.refunds, i.priority, i.retry_state,
      i.resources, i.limit_key
    from level left join lateral (
      select w.available_at, w.seq from ${t.waiting} w where w.queue_id = $1 ${key} and w.rank = level.rank
        and (w.available_at, w.seq) > (${at}, ${seq}) and w.available_at <= ${NOW}
      order by w.available_at, w.seq limit $2
    ) w on true left join lateral (
      select id, uid, attempt, refunds, priority, retry_state, resources, limit_key from ${t.items} where seq = w.seq limit 1
    ) i on true
    where level.rank is not null limit $2::integer + ${AHEAD_RANKS}`
}

/** The next rank of the backlog; that of `given` is read from the place of `since` on. */
function nextRank(
  t: TableNames,
  rank: string,
  { given, key = '' }: { readonly given: string; readonly key?: string },
): string {
  const first = (where: string, order: string) =>
    `(select w.rank from ${t.waiting} w where w.queue_id = $1 ${key} and ${where} order by ${order} limit 1)`
  return `coalesce(
      ${first(`w.rank > ${rank} and w.rank < ${given}::bigint`, 'w.rank')},
      ${first(`w.rank = ${given}::bigint and ${SINCE} and ${given}::bigint > ${rank}`, 'w.available_at, w.seq')},
      ${first(`w.rank > greatest(${given}::bigint, ${rank})`, 'w.rank')})`
}
