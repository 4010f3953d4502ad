import { MAX_HISTORY } from '@sluice/core'
import { DURABLY } from '../durability.js'
import { FITS } from '../claim-sizes.js'
import { CLOCK, counted, heldPart, QUEUE_EXISTS, enqueued, NOW, once } from './parts.js'
import { beginStatement, putStatements } from './puts.js'
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
      WAITING: putStatements(t, 'WAITING'),
      SUCCESS: putStatements(t, 'SUCCESS'),
      begin: beginStatement(t),
    },
    update: updateStatement(t),
    placesVersion: `select coalesce((${placesVersionQuery(t)}), 0) as version`,
    claim: claimStatements(t, 'any process'),
    claimUnderLease: claimStatements(t, 'holder of a lease'),
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
    facts: factsSource(t),
    claimed: claimedSource(t),
  }
}

/**
 * The first rank, and the instant from which it is scanned: `$3` and `$4` are where the last claim ended, if
 * known. Rows before it are deleted, but a claim would walk over their index entries until vacuum: 5,000
 * pages after a million items. It is valid only while no process has moved a waiting item to another place:
 * while the version of the places is `$5`; or always if `$5` is null.
 */
function topPart(t: TableNames): string {
  return `top as materialized (
      select coalesce(higher, $3::integer) as rank, case
        when higher is not null or $4::bigint is null then 0
        when $5::bigint is null or $5::bigint = coalesce((${placesVersionQuery(t)}), 0) then $4::bigint
        else 0 end as since
      from (select (select rank from ${t.waiting} where queue_id = $1 and rank < coalesce($3::bigint, 2147483648)
        order by rank limit 1) as higher) h
    ),`
}

type Claimant = 'any process' | 'holder of a lease'

function claimStatements(t: TableNames, claimant: Claimant) {
  // The parameters of the lease follow those of the backlog.
  const held = (first: number) => (claimant === 'any process' ? {} : { held: heldPart(t, first) })
  return {
    // One rank at a time: a claim must not walk over delayed items of a higher priority.
    top: claimStatement(t, {
      top: topPart(t),
      where: 'rank = (select rank from top) and available_at >= (select since from top)',
      order: 'available_at, seq',
      max: '$2',
      ...held(6),
    }),
    at: claimStatement(t, {
      where: 'rank = $2 and available_at >= $4::bigint',
      order: 'available_at, seq',
      max: '$3',
      ...held(5),
    }),
    after: claimStatement(t, { where: 'rank > $2', order: 'rank, available_at, seq', max: '$3', ...held(4) }),
  }
}

interface Backlog {
  /** The part that `where` refers to. */
  readonly top?: string
  /** The part that has a row while the lease of the claim is held. */
  readonly held?: string
  readonly where: string
  readonly order: string
  readonly max: string
}

/**
 * A claim whose lease is lost takes nothing and returns one row without an id, which distinguishes it from an
 * empty backlog in the same round trip.
 */
function claimStatement(t: TableNames, { top = '', held = '', where, order, max }: Backlog): string {
  const isHeld = held === '' ? '' : 'and exists (select 1 from held)'
  const lost = `union all select null, null, null, null, null, null, null, null, null, null, null
    where not exists (select 1 from held)`
  return `with ${CLOCK}, ${held} ${top}
    taken as (
      delete from ${t.waiting} where ctid = any (array(
        select ctid from ${t.waiting} where queue_id = $1 and ${where} and available_at <= ${NOW} ${isHeld}
        order by ${order} limit ${max} for update skip locked))
      returning seq
    ),
    picked as materialized (
      select seq, id, uid, attempt, refunds, priority, put_at, available_at, retry_state, body
      from ${t.items} where seq = any (array(select seq from taken))
    ),
    listed as (
      insert into ${t.processing} (queue_id, seq, claimed_at, attempt, uid, id)
      select $1, seq, ${NOW}, attempt + 1, uid, id from picked
    ),
    sums as (select count(*) as n, ${FITS} from picked),
    ${counted(t, 'waiting = c.waiting - d.n, processing = c.processing + d.n')}
    select id, uid, attempt + 1 as attempt, nullif(refunds, 0) as refunds, nullif(priority, 0) as priority, put_at,
      ${NOW} as claimed_at, nullif(available_at, put_at) as available_at, seq, retry_state, body
    from picked where (select fits from sums) and ${QUEUE_EXISTS} ${held === '' ? '' : lost}`
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
 * The first `$2` ranks, whether each has a due item, and the snapshot of the statement. Before the instant
 * `$4` the rank `$3` has only dead index entries of claimed items, which a scan would walk over until vacuum.
 * `$5`: whether to assign a transaction id. There is always a row, at least that of the snapshot.
 */
function ranksStatement(t: TableNames): string {
  const next = (rank: string) => `coalesce(
      (select w.rank from ${t.waiting} w where w.queue_id = $1 and w.rank > ${rank} and w.rank < $3::bigint order by w.rank limit 1),
      (select w.rank from ${t.waiting} w where w.queue_id = $1 and w.rank = $3::bigint and w.available_at >= $4::bigint
        and $3::bigint > ${rank} order by w.available_at limit 1),
      (select w.rank from ${t.waiting} w where w.queue_id = $1 and w.rank > greatest($3::bigint, ${rank}) order by w.rank limit 1))`
  return `with recursive ${CLOCK}, level(rank, depth) as (
      select ${next('-2147483648')}, 1
      union all
      select ${next('level.rank')}, depth + 1 from level where level.rank is not null and depth < $2
    ),
    seen as (
      select floor(extract(epoch from statement_timestamp()) * 1000)::bigint as seen_at,
        pg_snapshot_xmin(pg_current_snapshot())::text::bigint as oldest,
        case when $5::boolean then pg_current_xact_id()::text::bigint end as own
    )
    select rank, coalesce((
      select w.available_at from ${t.waiting} w where w.queue_id = $1 and w.rank = level.rank
        and w.available_at >= case when level.rank = $3::bigint then $4::bigint else 0 end
      order by w.available_at limit 1
    ) <= ${NOW}, false) as due, seen_at, oldest, own
    from seen left join level on rank is not null order by rank`
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
      returning i.seq, i.id, i.priority, i.available_at
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
  return `${t.processing} p
    cross join lateral (select refunds, priority, retry_state from ${t.items} where seq = p.seq limit 1) i`
}
