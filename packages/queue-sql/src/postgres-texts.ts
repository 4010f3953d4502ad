import { MAX_HISTORY } from '@sluice/core'
import type { TableNames } from './tables.js'

/** Epoch ms of PostgreSQL's clock. A scalar query, so that a comparison with it can use an index although the clock is volatile. */
export const POSTGRES_NOW_MS = `(select floor(extract(epoch from clock_timestamp()) * 1000)::bigint)`

/** Writers of one row of counters wait for each other's commits: with this many rows they seldom meet. */
export const POSTGRES_SLOTS = 16

export type PostgresTexts = ReturnType<typeof postgresTexts>

/**
 * The statements of {@link PostgresMoves}: a move is one of them, and so one transaction and one round trip. `$1` is the queue's number.
 *
 * Rows are looked up by `= any (array(…))`, never by a join: a cached plan of a join may turn to reading the whole table as it grows.
 * Stages are literals, so that a cached plan can use them.
 */
export function postgresTexts(t: TableNames) {
  const clock = `clock as (select ${POSTGRES_NOW_MS} as now)`
  const now = `(select now from clock)`
  const mySlot = `c.queue_id = $1 and c.slot = pg_backend_pid() % ${POSTGRES_SLOTS}`
  const key = `queue_id, rank, available_at, seq`

  const claim = (where: string, order: string, max: string) => `with ${clock},
    taken as (
      delete from ${t.waiting} where ctid = any (array(
        select ctid from ${t.waiting} where queue_id = $1 and ${where} and available_at <= ${now}
        order by ${order} limit ${max} for update skip locked))
      returning seq
    ),
    claimed as (
      update ${t.items} set stage = 1, attempt = attempt + 1, claimed_at = ${now}
      where seq = any (array(select seq from taken)) and stage = 0
      returning seq, id, uid, attempt, refunds, priority, available_at, put_at, claimed_at
    ),
    listed as (insert into ${t.processing} (queue_id, seq) select $1, seq from claimed),
    counted as (
      update ${t.counters} c set waiting = c.waiting - d.n, processing = c.processing + d.n
      from (select count(*) as n from taken) d where ${mySlot} and d.n > 0
    )
    select *, (select body from ${t.bodies} b where b.seq = claimed.seq) as body from claimed`

  return {
    put: `with ${clock},
      numbered as materialized (
        select nextval('${t.items}_turn') as seq, r.* from (
          select * from rows from (json_to_recordset($2::json)
            as (id text, uid uuid, priority integer, not_before_at bigint, delay_ms bigint, body text))
            with ordinality as j(id, uid, priority, not_before_at, delay_ms, body, turn) order by turn
        ) r
      ),
      added as (
        insert into ${t.items}
          (seq, queue_id, id, uid, stage, attempt, refunds, priority, put_at, not_before_at, available_at)
        select seq, $1, id, uid, 0, 0, 0, priority, now, not_before, greatest(now, coalesce(not_before, now))
        from (
          select n.*, clock.now, coalesce(n.not_before_at, clock.now + n.delay_ms) as not_before
          from numbered n cross join clock
        ) n
        order by id
        on conflict (queue_id, id) do nothing
        returning seq, id, priority, available_at
      ),
      bodied as (
        insert into ${t.bodies} (seq, body) select n.seq, n.body from numbered n join added using (seq)
      ),
      lined as (
        insert into ${t.waiting} (${key}) select $1, -priority, available_at, seq from added
      ),
      counted as (
        update ${t.counters} c set waiting = c.waiting + d.n
        from (select count(*) as n from added) d where ${mySlot} and d.n > 0
      )
      select id from added`,
    claim: {
      // One rank after another, so that items of a high priority that must wait are not walked over at every claim.
      top: claim(
        `rank = (select rank from ${t.waiting} where queue_id = $1 order by rank limit 1)`,
        'available_at, seq',
        '$2',
      ),
      at: claim('rank = $2', 'available_at, seq', '$3'),
      after: claim('rank > $2', 'rank, available_at, seq', '$3'),
    },
    ranks: `with recursive ${clock}, level(rank, depth) as (
        (select rank, 1 from ${t.waiting} where queue_id = $1 order by rank limit 1)
        union all
        select (select w.rank from ${t.waiting} w where w.queue_id = $1 and w.rank > level.rank
          order by w.rank limit 1), depth + 1
        from level where level.rank is not null and depth < $2
      )
      select rank, coalesce((
        select w.available_at from ${t.waiting} w where w.queue_id = $1 and w.rank = level.rank
        order by w.available_at limit 1
      ) <= ${now}, false) as due from level where rank is not null order by rank`,
    settle: `with ${clock},
      wanted as materialized (
        select * from json_to_recordset($2::json) as w(id text, attempt integer, uid text, stage smallint,
          delay_ms bigint, refund integer, reason text, result text, details text)
      ),
      moved as (
        update ${t.items} i set stage = w.stage, refunds = i.refunds + w.refund,
          not_before_at = case w.stage when 0 then clock.now + w.delay_ms else i.not_before_at end,
          available_at = case w.stage when 0 then clock.now + w.delay_ms else i.available_at end
        from wanted w cross join clock
        where i.queue_id = $1 and i.id = any (array(select id from wanted)) and i.id = w.id and i.stage = 1
          and (w.attempt is null or i.attempt = w.attempt) and (w.uid is null or i.uid::text = w.uid)
        returning i.seq, i.id, i.attempt, i.priority, i.available_at, i.claimed_at,
          i.stage, w.reason, w.result, w.details
      ),
      unlisted as (
        delete from ${t.processing} where queue_id = $1 and seq = any (array(select seq from moved))
      ),
      noted as (
        insert into ${t.attempts}
          (seq, attempt, queue_id, outcome, final, claimed_at, ended_at, reason, details, result)
        select seq, attempt, $1, stage, nullif(stage, 0), claimed_at, ${now}, reason, details, result from moved
      ),
      lined as (
        insert into ${t.waiting} (${key}) select $1, -priority, available_at, seq from moved where stage = 0
      ),
      counted as (
        update ${t.counters} c set processing = c.processing - d.n, waiting = c.waiting + d.waiting,
          success = c.success + d.success, fail = c.fail + d.fail
        from (
          select count(*) as n, count(*) filter (where stage = 0) as waiting,
            count(*) filter (where stage = 2) as success, count(*) filter (where stage = 3) as fail
          from moved
        ) d where ${mySlot} and d.n > 0
      )
      select seq, id, attempt from moved`,
    trimAttempts: `delete from ${t.attempts} where seq = $1 and attempt <= $2::integer - ${MAX_HISTORY}`,
    requeue: `with ${clock},
      moved as (
        update ${t.items} i set stage = 0, refunds = i.attempt, not_before_at = clock.now + $3::bigint,
          available_at = clock.now + $3::bigint, priority = coalesce($4::integer, i.priority)
        from clock where i.queue_id = $1 and i.id = any ($2::text[]) and i.stage = 3
        returning i.seq, i.id, i.priority, i.available_at
      ),
      noted as (
        update ${t.attempts} set final = null, requeue_reason = $5::text
        where seq = any (array(select seq from moved)) and final = 3
      ),
      lined as (
        insert into ${t.waiting} (${key}) select $1, -priority, available_at, seq from moved
      ),
      counted as (
        update ${t.counters} c set fail = c.fail - d.n, waiting = c.waiting + d.n
        from (select count(*) as n from moved) d where ${mySlot} and d.n > 0
      )
      select id from moved`,
    // The backlog's row first, as in a claim: who has it has the item, and two who lock in one order can't block each other.
    remove: `with found as materialized (
        select seq, stage, priority, available_at from ${t.items}
        where queue_id = $1 and id = any ($2::text[]) and stage = any ($3::smallint[]) and stage <> 1
      ),
      unlined as (
        delete from ${t.waiting} w using found f
        where w.queue_id = $1 and w.rank = -f.priority and w.available_at = f.available_at and w.seq = f.seq
          and f.stage = 0
        returning w.seq
      ),
      gone as (
        delete from ${t.items}
        where seq = any (array(select seq from found where stage > 1 union all select seq from unlined))
          and (stage > 1 or seq = any (array(select seq from unlined)))
        returning seq, id, stage
      ),
      unbodied as (delete from ${t.bodies} where seq = any (array(select seq from gone))),
      forgotten as (delete from ${t.attempts} where seq = any (array(select seq from gone))),
      counted as (
        update ${t.counters} c set waiting = c.waiting - d.waiting, success = c.success - d.success, fail = c.fail - d.fail
        from (
          select count(*) as n, count(*) filter (where stage = 0) as waiting,
            count(*) filter (where stage = 2) as success, count(*) filter (where stage = 3) as fail
          from gone
        ) d where ${mySlot} and d.n > 0
      )
      select id from gone`,
  }
}
