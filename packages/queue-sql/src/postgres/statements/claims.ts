import type { ClaimedRow } from '../../items/moves.js'
import { FITS } from '../claim-sizes.js'
import { CLOCK, counted, heldPart, NOW, once, QUEUE_EXISTS } from './parts.js'
import { placesVersionQuery } from './update.js'
import type { TableNames } from '../../schema/tables.js'

/**
 * `since`: the place in parameters `$at` and `$at + 1`, before which a rank has no item while no process has
 * moved a waiting item to another place: while the version of the places is that of the next parameter. Rows
 * before it are deleted, but a scan would walk over their index entries until vacuum: 5,000 pages after a
 * million items.
 */
export function sincePart(t: TableNames, at: number): string {
  return `since as materialized (
      select case when is_valid then $${at}::bigint else 0 end as at,
        case when is_valid then $${at + 1}::bigint else 0 end as seq
      from (select $${at + 2}::bigint is not distinct from coalesce((${placesVersionQuery(t)}), 0) as is_valid) v
    ),`
}

/** A condition on the place of a row. */
export const SINCE = '(available_at, seq) >= ((select at from since), (select seq from since))'

/**
 * The first rank of the backlog, or `$3` if there is none before it, and the place from which it is scanned.
 */
function topPart(t: TableNames): string {
  return `${sincePart(t, 4)} top as materialized (
      select coalesce(higher, $3::integer) as rank, case when higher is null then at else 0 end as at,
        case when higher is null then seq else 0 end as seq
      from since, (select (select rank from ${t.waiting} where queue_id = $1 and rank < coalesce($3::bigint, 2147483648)
        order by rank limit 1) as higher) h
    ),`
}

type Claimant = 'any process' | 'holder of a lease'

export function claimStatements(t: TableNames, claimant: Claimant) {
  // The parameters of the lease follow those of the backlog.
  const held = (first: number) => (claimant === 'any process' ? {} : { held: heldPart(t, first) })
  return {
    // One rank at a time: a claim must not walk over delayed items of a higher priority.
    top: claimStatement(t, {
      top: topPart(t),
      where:
        'rank = (select rank from top) and (available_at, seq) >= ((select at from top), (select seq from top))',
      order: 'available_at, seq',
      max: '$2',
      ...held(7),
    }),
    at: claimStatement(t, {
      top: sincePart(t, 4),
      where: `rank = $2 and ${SINCE}`,
      order: 'available_at, seq',
      max: '$3',
      ...held(7),
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
 * Claims the items of the ids `$2` and uids `$3`, whatever their places; `$4` is 1. A row that another
 * transaction has locked is left to it, as other claims leave it. Planned at each call, as an update is.
 */
export function namedClaimStatement(t: TableNames, claimant: Claimant): string {
  const held = claimant === 'any process' ? '' : heldPart(t, 5)
  const found = `found as materialized (
      select i.seq, -i.priority as rank, i.available_at
      from ${t.items} i join (
        select w.* from unnest($2::text[], $3::uuid[]) as w(id, uid) ${once('$4')}
      ) w on w.id = i.id and w.uid = i.uid
      where i.queue_id = $1 and i.id = any ($2::text[]) and i.available_at <= ${NOW}
    ),`
  return claimedStatement(t, {
    parts: `${held} ${found}`,
    isFenced: held !== '',
    rows: `select w.place from found f cross join lateral (
        select ctid as place from ${t.waiting} where queue_id = $1 and rank = f.rank and available_at = f.available_at
          and seq = f.seq and available_at <= ${NOW} ${heldBy(held)} limit 1 for update skip locked
      ) w`,
  })
}

function claimStatement(t: TableNames, { top = '', held = '', where, order, max }: Backlog): string {
  return claimedStatement(t, {
    parts: `${held} ${top}`,
    isFenced: held !== '',
    rows: `select ctid from ${t.waiting} where queue_id = $1 and ${where} and available_at <= ${NOW} ${heldBy(held)}
        order by ${order} limit ${max} for update skip locked`,
  })
}

function heldBy(held: string): string {
  return held === '' ? '' : 'and exists (select 1 from held)'
}

interface ClaimedRows {
  readonly parts: string
  readonly isFenced: boolean
  /** A query for the rows of the backlog, which it locks. */
  readonly rows: string
}

/**
 * A claim whose lease is lost takes nothing and returns one row without an id, which distinguishes it from an
 * empty backlog in the same round trip.
 */
function claimedStatement(t: TableNames, { parts, isFenced, rows }: ClaimedRows): string {
  const lost = `union all select ${Array.from({ length: 13 }, () => 'null').join(', ')}
    where not exists (select 1 from held)`
  return `with ${CLOCK}, ${parts}
    taken as (
      delete from ${t.waiting} where ctid = any (array(
        ${rows}))
      returning seq
    ),
    picked as materialized (
      select seq, id, uid, attempt, refunds, priority, put_at, available_at, retry_state, resources, limit_key, body
      from ${t.items} where seq = any (array(select seq from taken))
    ),
    listed as (
      insert into ${t.processing} (queue_id, seq, claimed_at, attempt, uid, id)
      select $1, seq, ${NOW}, attempt + 1, uid, id from picked
    ),
    sums as (select count(*) as n, ${FITS} from picked),
    ${counted(t, 'waiting = c.waiting - d.n, processing = c.processing + d.n')}
    select id, uid, attempt + 1 as attempt, nullif(refunds, 0) as refunds, nullif(priority, 0) as priority, put_at,
      ${NOW} as claimed_at, nullif(available_at, put_at) as available_at, seq, retry_state, resources, limit_key, body
    from picked where (select fits from sums) and ${QUEUE_EXISTS} ${isFenced ? lost : ''}`
}

/** The row of a claim whose lease is lost. */
export interface LostRow {
  readonly id: null
}

export function isPicked(row: ClaimedRow | LostRow): row is ClaimedRow {
  return row.id !== null
}
