import { DURABLY } from '../connection/durability.js'
import type { TableNames } from '../../schema/tables.js'

/* Parts that the PostgreSQL statements share. */

/**
 * PostgreSQL's clock, epoch ms. A scalar subquery: a comparison with it can use an index although the clock
 * is volatile.
 */
export const POSTGRES_NOW_MS = `(select floor(extract(epoch from clock_timestamp()) * 1000)::bigint)`

/**
 * Rows of counters per queue. Writers of one row wait for each other's commits, and while any transaction of
 * the database stays open an update walks over all versions of its row since: with this many rows, writers
 * rarely meet and the versions of each are few.
 */
export const POSTGRES_SLOTS = 256

/**
 * Multiplies a batch by one, which the planner estimates as a thousand: for a batch that it estimates as
 * short it would compare each row found with each row of the batch (nested loop) instead of hashing the
 * batch. The parameter is always 1.
 */
export const once = (parameter: string): string => `cross join generate_series(1, ${parameter}::integer)`

/** The instant of a statement, read once. */
export const CLOCK = `clock as (select ${POSTGRES_NOW_MS} as now)`
export const NOW = `(select now from clock)`
/**
 * One array parameter of JSON texts joined by line feeds, which JSON text never contains; an empty line is
 * null.
 */
export const jsonArray = (parameter: string): string => `string_to_array(${parameter}::text, E'\\n', '')`

/**
 * `held`: has a row while the lease with the name `$first` and the holder and fencing token in the next two
 * parameters is held. The row of the lease is locked until the statement commits, so no other holder takes
 * the lease in between: the next holder sees all that was done under it.
 */
export function heldPart(t: TableNames, first: number): string {
  return `held as materialized (
      select 1 from ${t.leases} where queue_id = $1 and name = $${first}::text and holder = $${first + 1}::text
        and fence = $${first + 2}::bigint and expires_at > ${NOW} for share
    ),`
}

/**
 * Adds `sums`, whose `n` is the number of items moved, to one row of counters. Every statement that moves
 * items has this part, and commits durably by it.
 */
export function counted(t: TableNames, set: string): string {
  return `counted as (
    update ${t.counters} c set ${set} from sums d
    where c.queue_id = $1 and c.slot = (select pg_current_xact_id()::text::bigint % ${POSTGRES_SLOTS}) and d.n > 0 and ${DURABLY} is not null
    returning 1
  )`
}

/**
 * The condition of the last part of a statement with {@link counted}. It fails the whole statement with a
 * division by zero if items moved but the queue has no counters because it was dropped. A drop deletes the
 * counters first, and waits for the rows that a move has locked.
 */
export const QUEUE_EXISTS = `(select 1 / case when (select n from sums) = 0 then 1 else count(*) end from counted) = 1`

/** Inserts items into the backlog. @param columns `plain`: none of them has a limit key */
export function enqueued(t: TableNames, from: string, columns: 'plain' | 'chosen' = 'chosen'): string {
  const key = columns === 'plain' ? '' : ', limit_key'
  return `enqueued as (
    insert into ${t.waiting} (queue_id, rank, available_at, seq${key}) select $1, -priority, available_at, seq${key} from ${from}
  )`
}

/**
 * The ids of the items done, or null if all were: most batches succeed whole, and returning a thousand ids
 * only to compare them is expensive.
 */
export function reportPart(done: string, asked: string, more = ''): string {
  return `select n, case when n < ${asked}::integer then coalesce((select json_agg(id) from ${done}), '[]') end as ids${more} from sums where ${QUEUE_EXISTS}`
}
