import { MAX_HISTORY } from '@sluice/core'
import { DURABLY } from '../durability.js'
import { FITS } from '../claim-sizes.js'
import { CLOCK, counted, heldText, KEPT, lined, NOW, once } from './parts.js'
import { putTexts } from './puts.js'
import { placesVersionText, updateText } from './update.js'
import { plainText, settleText } from './settles.js'
import type { TableNames } from '../../schema/tables.js'

export type PostgresTexts = ReturnType<typeof postgresTexts>

/**
 * The statements of {@link PostgresMoves}: a move is one of them, and so one transaction and one round trip. `$1` is the queue's number; a
 * batch is an array for each column, which costs the server a third of what the same batch costs as JSON.
 *
 * Rows are looked up by `= any (…)`, never by a join alone: a cached plan of a join may turn to reading the whole table as it grows.
 * Stages are literals, so that a cached plan can use them.
 */
export function postgresTexts(t: TableNames) {
  return {
    puts: { WAITING: putTexts(t, 'WAITING'), SUCCESS: putTexts(t, 'SUCCESS') },
    update: updateText(t),
    placesVersion: `select coalesce((${placesVersionText(t)}), 0) as version`,
    claim: claimTexts(t, 'any process'),
    claimUnderLease: claimTexts(t, 'holder of a lease'),
    ranks: ranksText(t),
    finish: settleText(t, { returns: false, outcomes: false }),
    finishOutcomes: settleText(t, { returns: false, outcomes: true }),
    settle: settleText(t, { returns: true, outcomes: false }),
    settleOutcomes: settleText(t, { returns: true, outcomes: true }),
    plain: plainText(t, 'no uids'),
    plainUids: plainText(t, 'uids'),
    trimAttempts: trimText(t),
    requeue: requeueText(t),
    remove: removeText(t),
    expire: expireText(t),
    facts: factsText(t),
    claimed: claimedText(t),
  }
}

/**
 * The first rank, and from which instant on it is looked at: `$3` and `$4` say where the last claim had come to, if that is known. What is
 * before it was deleted, but a claim would walk over the index entries until they are vacuumed: after a million items, 5,000 pages. It holds only while no
 * item that waits was given another place, by whatever process: while their version is `$5`, or in any case where that is null.
 */
function topText(t: TableNames): string {
  return `top as materialized (
      select coalesce(higher, $3::integer) as rank, case
        when higher is not null or $4::bigint is null then 0
        when $5::bigint is null or $5::bigint = coalesce((${placesVersionText(t)}), 0) then $4::bigint
        else 0 end as since
      from (select (select rank from ${t.waiting} where queue_id = $1 and rank < coalesce($3::bigint, 2147483648)
        order by rank limit 1) as higher) h
    ),`
}

type Claimant = 'any process' | 'holder of a lease'

function claimTexts(t: TableNames, claimant: Claimant) {
  // The parameters of the lease come after those of the backlog.
  const held = (first: number) => (claimant === 'any process' ? {} : { held: heldText(t, first) })
  return {
    // One rank after another, so that items of a high priority that must wait are not walked over at every claim.
    top: claimText(t, {
      top: topText(t),
      where: 'rank = (select rank from top) and available_at >= (select since from top)',
      order: 'available_at, seq',
      max: '$2',
      ...held(6),
    }),
    at: claimText(t, {
      where: 'rank = $2 and available_at >= $4::bigint',
      order: 'available_at, seq',
      max: '$3',
      ...held(5),
    }),
    after: claimText(t, { where: 'rank > $2', order: 'rank, available_at, seq', max: '$3', ...held(4) }),
  }
}

interface Backlog {
  /** A part of the statement that `where` refers to. */
  readonly top?: string
  /** A part that has a row while the lease of the claim is held. */
  readonly held?: string
  readonly where: string
  readonly order: string
  readonly max: string
}

/**
 * Under a lease: a claim that finds it lost takes nothing, and gives one row without an id, so that it is told from an empty backlog in the same round
 * trip.
 */
function claimText(t: TableNames, { top = '', held = '', where, order, max }: Backlog): string {
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
    from picked where (select fits from sums) and ${KEPT} ${held === '' ? '' : lost}`
}

/** What is too old of the histories of several items: `$1` their numbers, `$2` their attempts. */
function trimText(t: TableNames): string {
  return `delete from ${t.attempts} a using (
      select w.* from unnest($1::bigint[], $2::integer[]) as w(seq, attempt) ${once('$3')}
    ) w
    where a.seq = any ($1::bigint[]) and a.seq = w.seq and a.attempt <= w.attempt - ${MAX_HISTORY}
      and ${DURABLY} is not null`
}

/**
 * The first `$2` ranks, whether each has an item that is due, and the snapshot in which that is so. `$3` and `$4`: before that instant the rank `$3` has
 * nothing but the remains of what was claimed, over which a look would walk until they are vacuumed. `$5`: whether its transaction gets a number. There is
 * always a row, if only of the snapshot.
 */
function ranksText(t: TableNames): string {
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

function requeueText(t: TableNames): string {
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
    ${lined(t, 'moved')},
    sums as (select count(*) as n from moved),
    ${counted(t, 'fail = c.fail - d.n, waiting = c.waiting + d.n')}
    select id from moved where ${KEPT}`
}

/** Who takes an item's row out of the backlog, or out of what is finished, has the item: nobody else can take it then. An update locks them in the same order. */
function removeText(t: TableNames): string {
  return `with found as materialized (
      select seq, priority, available_at from ${t.items} where queue_id = $1 and id = any ($2::text[]) order by id
    ),
    unlined as (
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
    free as (select seq, stage from unlined union all select seq, stage from unfinished),
    gone as (delete from ${t.items} where seq = any (array(select seq from free)) returning id),
    forgotten as (delete from ${t.attempts} where seq = any (array(select seq from free))),
    sums as (
      select count(*) as n, count(*) filter (where stage = 0) as waiting,
        count(*) filter (where stage = 2) as success, count(*) filter (where stage = 3) as fail from free
    ),
    ${counted(t, 'waiting = c.waiting - d.waiting, success = c.success - d.success, fail = c.fail - d.fail')}
    select id from gone where ${KEPT}`
}

/** Like a removal, of what `finished` has longest. */
function expireText(t: TableNames): string {
  return `with ${CLOCK},
    unfinished as (
      delete from ${t.finished} where ctid = any (array(
        select ctid from ${t.finished} where queue_id = $1 and ended_at >= $3::bigint and ended_at < ${NOW} - $2::bigint
        order by ended_at limit $4 for update skip locked))
      returning seq, stage, ended_at
    ),
    gone as (delete from ${t.items} where seq = any (array(select seq from unfinished))),
    forgotten as (delete from ${t.attempts} where seq = any (array(select seq from unfinished))),
    sums as (
      select count(*)::integer as n, count(*) filter (where stage = 2) as success,
        count(*) filter (where stage = 3) as fail, max(ended_at) as last from unfinished
    ),
    ${counted(t, 'success = c.success - d.success, fail = c.fail - d.fail')}
    select n as removed, last as "lastMs" from sums where ${KEPT}`
}

/** Items beside their other rows. Not plain joins: each is looked up by its key for each item, however large the tables become. */
function factsText(t: TableNames): string {
  return `${t.items} i
    left join lateral (select attempt, claimed_at from ${t.processing} p
      where p.queue_id = i.queue_id and p.id = i.id limit 1) p on true
    left join lateral (select stage, attempt, claimed_at from ${t.finished} f
      where f.queue_id = i.queue_id and f.stage in (2, 3) and f.seq = i.seq limit 1) f on true`
}

/** Claimed items beside their own rows, these looked up one by one as well. */
function claimedText(t: TableNames): string {
  return `${t.processing} p
    cross join lateral (select refunds, priority, retry_state from ${t.items} where seq = p.seq limit 1) i`
}
