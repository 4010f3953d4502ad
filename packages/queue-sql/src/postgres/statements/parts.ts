import { DURABLY } from '../durability.js'
import type { TableNames } from '../../schema/tables.js'

/* What the statements of PostgreSQL share. */

/** Epoch ms of PostgreSQL's clock. A scalar query, so that a comparison with it can use an index although the clock is volatile. */
export const POSTGRES_NOW_MS = `(select floor(extract(epoch from clock_timestamp()) * 1000)::bigint)`

/** Writers of one row of counters wait for each other's commits: with this many rows they seldom meet. */
export const POSTGRES_SLOTS = 16

/**
 * `ONCE` multiplies a batch by one, which PostgreSQL takes for a thousand when it plans: with a batch that it believes to be short it
 * would compare each row found with each row of the batch, instead of hashing it. The parameter is always 1.
 */
export const once = (parameter: string): string => `cross join generate_series(1, ${parameter}::integer)`

/** The instant of a statement, read once. */
export const CLOCK = `runtime as (select ${POSTGRES_NOW_MS} as now)`
export const NOW = `(select now from runtime)`
/** One array parameter of JSON texts, joined by line feeds, of which JSON has none; what is empty is null. */
export const lines = (parameter: string): string => `string_to_array(${parameter}::text, E'\\n', '')`

/**
 * `held`: has a row while the lease of `$first` (name), its holder and its token is held. The row of the lease is locked until the statement is
 * committed, so that nobody takes the lease over in between: whoever has it next sees all that was done under it.
 */
export function heldText(t: TableNames, first: number): string {
  return `held as materialized (
      select 1 from ${t.leases} where queue_id = $1 and name = $${first}::text and holder = $${first + 1}::text
        and fence = $${first + 2}::bigint and expires_at > ${NOW} for share
    ),`
}

/** Adds `sums`, a row of numbers whose `n` is that of the items, to a row of counters: whatever moves items does so, and commits durably by it. */
export function counted(t: TableNames, set: string): string {
  return `counted as (
    update ${t.counters} c set ${set} from sums d
    where c.queue_id = $1 and c.slot = pg_backend_pid() % ${POSTGRES_SLOTS} and d.n > 0 and ${DURABLY} is not null
    returning 1
  )`
}

/**
 * A condition of the last part of a statement with {@link counted}: it fails the whole statement, with a division by zero, where items moved and the queue has
 * no counters any more, since it was dropped. A drop deletes them first, and waits for the rows that a move has locked.
 */
export const KEPT = `(select 1 / case when (select n from sums) = 0 then 1 else count(*) end from counted) = 1`

/** Puts items into the backlog, in the order of their priority and since when they are available. */
export function lined(t: TableNames, from: string): string {
  return `lined as (
    insert into ${t.waiting} (queue_id, rank, available_at, seq) select $1, -priority, available_at, seq from ${from}
  )`
}

/** Most batches go through whole: then their number says all, and not a thousand ids are sent back, only to be compared. */
export function toldText(done: string, asked: string, more = ''): string {
  return `select n, case when n < ${asked}::integer then coalesce((select json_agg(id) from ${done}), '[]') end as ids${more} from sums where ${KEPT}`
}
