import { MAX_HISTORY } from '@sluice/core'
import { DURABLY } from '../connection/durability.js'
import { claimStatements, namedClaimStatement } from './claims.js'
import { CLOCK, counted, POSTGRES_NOW_MS, QUEUE_EXISTS, enqueued, NOW, once } from './parts.js'
import type { ProcessingTexts } from '../processing-view.js'
import { beginStatement, putStatements } from './puts.js'
import { aheadStatement, ranksStatement } from './scans.js'
import { placesVersionQuery, updateStatement } from './update.js'
import { uniformStatement, settleStatement } from './settles.js'
import type { TableNames } from '../../schema/tables.js'

export type PostgresStatements = ReturnType<typeof postgresStatements>

/**
 * The statements of {@link PostgresMoves}. A move is one statement, and so one transaction and one round
 * trip. `$1` is the queue's id. A batch is an array per column, which costs the server a third of the same
 * batch as JSON.
 *
 * Rows are found by `= any (…)`, never by a join alone: a cached plan of a join may become a scan of the
 * whole table as it grows. Stages are literals so that a cached plan can use them.
 */
export function postgresStatements(t: TableNames) {
  return {
    puts: {
      WAITING: putStatements(t, 'WAITING', 'plain'),
      SUCCESS: putStatements(t, 'SUCCESS', 'plain'),
      chosen: {
        WAITING: putStatements(t, 'WAITING', 'chosen'),
        SUCCESS: putStatements(t, 'SUCCESS', 'chosen'),
      },
      begin: beginStatement(t),
    },
    update: updateStatement(t),
    floor: floorStatement(t),
    claim: claimStatements(t, 'any process'),
    claimUnderLease: claimStatements(t, 'holder of a lease'),
    claimNamed: namedClaimStatement(t, 'any process'),
    claimNamedUnderLease: namedClaimStatement(t, 'holder of a lease'),
    ahead: aheadStatement(t, 'all keys'),
    aheadOfKey: aheadStatement(t, 'one key'),
    ranks: ranksStatement(t),
    finish: settleStatement(t, { returns: false, outcomes: false }),
    finishOutcomes: settleStatement(t, { returns: false, outcomes: true }),
    settle: settleStatement(t, { returns: true, outcomes: false }),
    settleOutcomes: settleStatement(t, { returns: true, outcomes: true }),
    uniform: uniformStatement(t, 'no uids'),
    uniformUids: uniformStatement(t, 'uids'),
    trimAttempts: trimStatement(t),
    requeue: requeueStatement(t),
    remove: removeStatement(t),
    expire: expireStatement(t),
    processing: processingStatements(t),
    facts: factsSource(t),
  }
}

/** Deletes the oldest attempts of several items: `$1` their `seq`, `$2` their attempts. */
function trimStatement(t: TableNames): string {
  return `delete from ${t.attempts} a using (
      select w.* from unnest($1::bigint[], $2::integer[]) as w(seq, attempt) ${once('$3')}
    ) w
    where a.seq = any ($1::bigint[]) and a.seq = w.seq and a.attempt <= w.attempt - ${MAX_HISTORY}
      and ${DURABLY} is not null`
}

/**
 * Whether the rank `$2` has an item from the place in `$3` and `$4` to that in `$5` and `$6`, if there is
 * one; the version of the places; the clock; and after it the transactions that hold a lock for writing to
 * the backlog: see {@link BacklogFloors}.
 */
function floorStatement(t: TableNames): string {
  return `with seen as materialized (select ${POSTGRES_NOW_MS} as now)
    select case when $5::bigint is not null then exists (
        select 1 from ${t.waiting} where queue_id = $1 and rank = $2::integer
          and (available_at, seq) >= ($3::bigint, $4::bigint) and (available_at, seq) < ($5::bigint, $6::bigint)
      ) end as remains,
      coalesce((${placesVersionQuery(t)}), 0) as version, seen.now, writers.ids as writers,
      pg_postmaster_start_time()::text as server
    from seen cross join lateral (
      select coalesce(array_agg(virtualtransaction), '{}') as ids from pg_catalog.pg_locks
      where locktype = 'relation' and relation = '${t.waiting}'::regclass and granted and pid is distinct from pg_backend_pid()
        and database = (select oid from pg_catalog.pg_database where datname = current_database())
        and mode in ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
        and seen.now is not null
    ) writers`
}

function requeueStatement(t: TableNames): string {
  return `with ${CLOCK},
    freed as (
      delete from ${t.finished} where queue_id = $1 and stage = 3 and seq = any (array(
        select seq from ${t.items} where queue_id = $1 and id = any ($2::text[])))
      returning seq, attempt, claimed_at, ended_at, reason, details, failure_class, exit_code, job_uid
    ),
    noted as (
      insert into ${t.attempts} (seq, attempt, outcome, claimed_at, ended_at, reason, details, failure_class, exit_code, job_uid,
        requeue_reason)
      select seq, attempt, 3, claimed_at, ended_at, reason, details, failure_class, exit_code, job_uid, $5::text from freed
    ),
    moved as (
      update ${t.items} i set attempt = f.attempt, refunds = f.attempt, claimed_at = f.claimed_at,
        not_before_at = ${NOW} + $3::bigint, available_at = ${NOW} + $3::bigint,
        priority = coalesce($4::integer, i.priority), retry_state = null
      from (select freed.* from freed ${once('$6')}) f
      where i.seq = f.seq and i.seq = any (array(select seq from freed))
      returning i.seq, i.id, i.priority, i.available_at, i.limit_key
    ),
    ${enqueued(t, 'moved')},
    sums as (select count(*) as n from moved),
    ${counted(t, 'fail = c.fail - d.n, waiting = c.waiting + d.n')}
    select id from moved where ${QUEUE_EXISTS}`
}

/**
 * Deleting an item's row from `waiting` or `finished` claims the item: no other statement can take it then.
 * An update locks rows in the same order.
 */
function removeStatement(t: TableNames): string {
  return `with found as materialized (
      select seq, priority, available_at from ${t.items} where queue_id = $1 and id = any ($2::text[]) order by id
    ),
    dequeued as (
      delete from ${t.waiting} w using found f
      where w.queue_id = $1 and w.rank = -f.priority and w.available_at = f.available_at and w.seq = f.seq
        and 0 = any ($3::smallint[])
      returning w.seq, 0 as stage
    ),
    unfinished as (
      delete from ${t.finished} where queue_id = $1 and stage = any ($3::smallint[])
        and seq = any (array(select seq from found))
      returning seq, stage
    ),
    free as (select seq, stage from dequeued union all select seq, stage from unfinished),
    gone as (delete from ${t.items} where seq = any (array(select seq from free)) returning id),
    attempts_gone as (delete from ${t.attempts} where seq = any (array(select seq from free))),
    sums as (
      select count(*) as n, count(*) filter (where stage = 0) as waiting,
        count(*) filter (where stage = 2) as success, count(*) filter (where stage = 3) as fail from free
    ),
    ${counted(t, 'waiting = c.waiting - d.waiting, success = c.success - d.success, fail = c.fail - d.fail')}
    select id from gone where ${QUEUE_EXISTS}`
}

/** Removes the items that finished longest ago. */
function expireStatement(t: TableNames): string {
  return `with ${CLOCK},
    unfinished as (
      delete from ${t.finished} where ctid = any (array(
        select ctid from ${t.finished} where queue_id = $1 and ended_at >= $3::bigint and ended_at < ${NOW} - $2::bigint
        order by ended_at limit $4 for update skip locked))
      returning seq, stage, ended_at
    ),
    gone as (delete from ${t.items} where seq = any (array(select seq from unfinished))),
    attempts_gone as (delete from ${t.attempts} where seq = any (array(select seq from unfinished))),
    sums as (
      select count(*)::integer as n, count(*) filter (where stage = 2) as success,
        count(*) filter (where stage = 3) as fail, max(ended_at) as last from unfinished
    ),
    ${counted(t, 'success = c.success - d.success, fail = c.fail - d.fail')}
    select n as removed, last as "lastAt" from sums where ${QUEUE_EXISTS}`
}

/**
 * Items with their rows of other tables. Lateral joins: each row is found by its key per item, however large
 * the tables become.
 */
function factsSource(t: TableNames): string {
  return `${t.items} i
    left join lateral (select attempt, claimed_at from ${t.processing} p
      where p.queue_id = i.queue_id and p.id = i.id limit 1) p on true
    left join lateral (select stage, attempt, claimed_at from ${t.finished} f
      where f.queue_id = i.queue_id and f.stage in (2, 3) and f.seq = i.seq limit 1) f on true`
}

/** Claimed items with their rows in `items`, found by key as well. */
function claimedSource(t: TableNames): string {
  return `${t.processing} p ${itemOfClaim(t)}`
}

function itemOfClaim(t: TableNames): string {
  return `cross join lateral (select refunds, priority, retry_state, resources, limit_key from ${t.items} where seq = p.seq limit 1) i`
}

/** The pages of PROCESSING; the first row has only the snapshot. */
function processingStatements(t: TableNames): ProcessingTexts {
  const seen = `select null as id, null as uid, null as attempt, null as refunds, null as priority, null as retry_state,
    null as resources, null as limit_key, pg_current_snapshot()::text as seen, pg_postmaster_start_time()::text as server`
  const columns =
    'p.id, p.uid, p.attempt, i.refunds, i.priority, i.retry_state, i.resources, i.limit_key, null, null'
  const rows = (where: string) => `select queue_id, seq, id, uid, attempt from ${t.processing} where ${where}`
  // Not `queue_id = $1`: the planner would find all rows of the queue by it, dead ones as well.
  const inQueue = 'queue_id + 0 = $1'
  return {
    page: `${seen} union all (select ${columns}
      from ${claimedSource(t)} where p.queue_id = $1 and p.id > $2 order by p.id limit $3)`,
    since: `${seen} union all (select ${columns} from (
        ${rows('queue_id = $1 and id = any ($2::text[])')}
        union ${rows(`claim_xid >= $3::xid8 and ${inQueue}`)}
        union ${rows(`claim_xid = any ($4::xid8[]) and ${inQueue}`)}
      ) p ${itemOfClaim(t)})`,
  }
}
