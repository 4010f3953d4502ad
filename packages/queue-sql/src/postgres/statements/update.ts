import { counted, jsonArray, once, POSTGRES_NOW_MS, reportPart } from './parts.js'
import type { TableNames } from '../../schema/tables.js'

/**
 * The name of the document whose version counts how often waiting items were moved to other places. No caller
 * can use this name, and it has no value, as a removed document has none: no list shows it, and older
 * releases ignore it.
 */
const PLACES = `''`

export function placesVersionQuery(t: TableNames): string {
  return `select version from ${t.documents} where queue_id = $1 and name = ${PLACES}`
}

/**
 * Raises the version of the places if the query has a row: an item moved to a place that claims may have
 * passed.
 */
export function reorderedPart(t: TableNames, query: string): string {
  return `reordered as (
      insert into ${t.documents} as d (queue_id, name, version)
      select q.id, ${PLACES}, 1 from (select id from ${t.queues} where id = $1 for key share) q
      where exists (${query})
      on conflict (queue_id, name) do update set version = d.version + 1
      returning 1
    ),`
}

const NOW = `(select now from clock)`

/**
 * Changes waiting items. `$2` to `$6` are columns of the batch, `$7` is 1, `$8` the number of its rows; `$9`
 * and `$10` its resources and limit keys, the empty text to take them away.
 *
 * A claim returns the body in the snapshot of its statement, and takes an item by deleting the version of its
 * backlog row in that snapshot. An update always rewrites that row, even if the row itself does not change.
 * So of a claim and an update of one item
 * - the claim comes first: the update waits for it, finds the row gone, and changes nothing;
 * - or the update commits before the snapshot of the claim, which then sees the new body with the new version
 *   of the row;
 * - or the update commits after that snapshot: the version that the claim sees is gone, the new version is
 *   not visible to it, and it takes neither. It returns fewer items than asked for, and scans again.
 *
 * Planned at each call, because it joins by key alone: a cached plan does not know the number of rows.
 *
 * Backlog rows are locked first, in the order of ids, as a removal locks them; then the items, the document
 * that counts the places, and the counters. The clock is read once the rows are locked, when the transaction
 * has its id: see {@link BacklogFloors}.
 */
export function updateStatement(t: TableNames): string {
  return `${lockedParts(t)}
    placed as materialized (
      select seq, body, -old_priority as rank, old_available_at as available_at, not_before_at,
        coalesce(priority, old_priority) as new_priority,
        case when not_before_at is null then old_available_at else greatest(not_before_at, ${NOW}) end as new_available_at,
        resources, limit_key
      from locked
    ),
    moved as (
      update ${t.waiting} w set rank = -p.new_priority, available_at = p.new_available_at,
        limit_key = ${replaced('p.limit_key', 'w.limit_key')}
      from placed p
      where w.queue_id = $1 and w.rank = p.rank and w.available_at = p.available_at and w.seq = p.seq
      returning w.seq, w.available_at, w.limit_key, p.resources, p.body, p.new_priority, p.not_before_at,
        w.rank <> p.rank or w.available_at <> p.available_at as is_elsewhere
    ),
    changed as (
      update ${t.items} i set body = coalesce(m.body, i.body), priority = m.new_priority, available_at = m.available_at,
        not_before_at = case when m.not_before_at is null then i.not_before_at when m.not_before_at > ${NOW} then m.not_before_at end,
        resources = ${replaced('m.resources', 'i.resources')}, limit_key = m.limit_key
      from moved m where i.seq = m.seq
      returning i.id
    ),
    ${reorderedPart(t, 'select 1 from moved where is_elsewhere')}
    sums as (select count(*)::integer as n, (select count(*) from reordered) as reordered from changed),
    ${counted(t, 'waiting = c.waiting')}
    ${reportPart('changed', '$8')}`
}

/** The empty text takes the value away, null leaves it. */
function replaced(given: string, stored: string): string {
  return `nullif(coalesce(${given}, ${stored}), '')`
}

/** `locked`: the waiting items of the batch, their backlog rows locked; and the clock after that. */
function lockedParts(t: TableNames): string {
  return `with wanted as materialized (
      select w.* from unnest($2::text[], $3::uuid[], ${jsonArray('$4')}, $5::integer[], $6::bigint[], $9::text[], $10::text[])
        as w(id, uid, body, priority, not_before_at, resources, limit_key) ${once('$7')}
    ),
    found as materialized (
      select i.seq, i.id, i.priority as old_priority, i.available_at as old_available_at, w.body, w.priority, w.not_before_at,
        w.resources, w.limit_key
      from ${t.items} i join wanted w on w.id = i.id
      where i.queue_id = $1 and i.id = any ($2::text[]) and (w.uid is null or w.uid = i.uid)
    ),
    locked as materialized (
      select f.* from (select * from found order by id) f cross join lateral (
        select 1 from ${t.waiting} w where w.queue_id = $1 and w.rank = -f.old_priority and w.available_at = f.old_available_at
          and w.seq = f.seq limit 1 for update
      ) w
    ),
    clock as materialized (select ${POSTGRES_NOW_MS} as now from (select count(*) from locked) l),`
}
