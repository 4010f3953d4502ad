import { MAX_HISTORY } from '@sluice/core'
import type { TableNames } from './tables.js'

/** Epoch ms of SQLite's clock; it keeps whole milliseconds, which the rounding gives back exactly. */
export const SQLITE_NOW_MS = `cast(round(unixepoch('subsec') * 1000) as integer)`

export type SqliteTexts = ReturnType<typeof sqliteTexts>

/** The statements of {@link SqliteMoves}. A batch is one JSON parameter, so that there are few texts to prepare, whatever its size. */
export function sqliteTexts(t: TableNames) {
  const now = SQLITE_NOW_MS
  const listed = `(select value from json_each(?))`
  const due = (where: string, order: string) => {
    const text = `select queue_id, rank, available_at, seq from ${t.waiting}
      where queue_id = ? and ${where} and available_at <= ${now} order by ${order} limit ?`
    const key = `queue_id, rank, available_at, seq`
    return { text, deleteText: `delete from ${t.waiting} where (${key}) in (${text}) returning seq` }
  }
  return {
    insertItems: `insert into ${t.items}
        (queue_id, id, uid, stage, attempt, refunds, priority, put_at, not_before_at, available_at)
      select ?, id, uid, 0, 0, 0, priority, put_at, not_before_at, max(put_at, coalesce(not_before_at, put_at))
      from (
        select value->>0 as id, value->>1 as uid, value->>2 as priority, ${now} as put_at,
          coalesce(value->>3, ${now} + (value->>4)) as not_before_at
        from json_each(?) order by key
      ) where true
      on conflict (queue_id, id) do nothing returning seq, id`,
    insertBodies: `insert into ${t.bodies} (seq, body) select value->>0, value->>1 from json_each(?)`,
    insertWaiting: `insert into ${t.waiting} (queue_id, rank, available_at, seq)
      select queue_id, -priority, available_at, seq from ${t.items} where seq in ${listed}`,
    due: {
      // One rank after another, so that items of a high priority that must wait are not walked over at every claim.
      top: due(
        `rank = (select rank from ${t.waiting} where queue_id = ? order by rank limit 1)`,
        'available_at, seq',
      ),
      at: due('rank = ?', 'available_at, seq'),
      after: due('rank > ?', 'rank, available_at, seq'),
    },
    ranks: `with recursive level(rank, depth) as (
        select * from (select rank, 1 from ${t.waiting} where queue_id = ? order by rank limit 1)
        union all
        select (select w.rank from ${t.waiting} w where w.queue_id = ? and w.rank > level.rank
          order by w.rank limit 1), depth + 1
        from level where level.rank is not null and depth < ?
      )
      select rank, exists (
        select 1 from ${t.waiting} w where w.queue_id = ? and w.rank = level.rank and w.available_at <= ${now}
      ) as due from level where rank is not null order by rank`,
    claimItems: `update ${t.items} set stage = 1, attempt = attempt + 1, claimed_at = ${now}
      where seq in ${listed} and stage = 0
      returning seq, id, uid, attempt, refunds, priority, available_at, put_at, claimed_at,
        (select body from ${t.bodies} b where b.seq = ${t.items}.seq) as body`,
    insertProcessing: `insert into ${t.processing} (queue_id, seq) select ?, value from json_each(?)`,
    // Materialized, so that SQLite takes the batch first and looks each item up; else it would go through all items of the queue.
    settleItems: `with w as materialized (
        select value->>'id' as id, value->>'attempt' as attempt, value->>'uid' as uid, value->>'stage' as stage,
          value->>'refund' as refund, ${now} + (value->>'delay_ms') as not_before_at
        from json_each(?)
      )
      update ${t.items} as i set
        stage = w.stage,
        refunds = i.refunds + w.refund,
        not_before_at = case w.stage when 0 then w.not_before_at else i.not_before_at end,
        available_at = case w.stage when 0 then w.not_before_at else i.available_at end
      from w
      where i.queue_id = ? and i.id = w.id and i.stage = 1
        and (w.attempt is null or i.attempt = w.attempt) and (w.uid is null or i.uid = w.uid)
      returning seq, id, attempt, claimed_at`,
    deleteProcessing: `delete from ${t.processing} where queue_id = ? and seq in ${listed}`,
    insertAttempts: `insert into ${t.attempts}
        (seq, attempt, queue_id, outcome, final, claimed_at, ended_at, reason, details, result)
      select value->>'seq', value->>'attempt', ?, value->>'stage', nullif(value->>'stage', 0),
        value->>'claimed_at', ${now}, value->>'reason', value->>'details', value->>'result'
      from json_each(?)`,
    trimAttempts: `delete from ${t.attempts} where seq = ? and attempt <= ? - ${MAX_HISTORY}`,
    requeueItems: `update ${t.items} set stage = 0, refunds = attempt, not_before_at = ${now} + ?,
        available_at = ${now} + ?, priority = coalesce(?, priority)
      where queue_id = ? and id in ${listed} and stage = 3 returning seq, id`,
    requeueAttempts: `update ${t.attempts} set final = null, requeue_reason = ?
      where seq in ${listed} and final = 3`,
    findRemovable: `select seq, id, stage from ${t.items}
      where queue_id = ? and id in ${listed} and stage in ${listed} and stage <> 1`,
    deleteEverywhere: [
      `delete from ${t.waiting} where (queue_id, rank, available_at, seq) in
        (select queue_id, -priority, available_at, seq from ${t.items} where seq in ${listed})`,
      `delete from ${t.bodies} where seq in ${listed}`,
      `delete from ${t.attempts} where seq in ${listed}`,
      `delete from ${t.items} where seq in ${listed}`,
    ],
    count: `update ${t.counters} set waiting = waiting + ?, processing = processing + ?, success = success + ?,
      fail = fail + ? where queue_id = ? and slot = 0`,
  }
}
