import {
  CLOCK,
  counted,
  QUEUE_EXISTS,
  enqueued,
  jsonArray,
  NOW,
  once,
  POSTGRES_NOW_MS,
  reportPart,
} from './parts.js'
import { NO_ATTEMPT, type TableNames } from '../../schema/tables.js'

export type PutStatements = ReturnType<typeof putStatements>

/** Whether the items of a put have resources or a limit key: most have none, and pay nothing for these. */
export type PutColumns = 'plain' | 'chosen'

/**
 * The statements that put into one stage. Each form has an optimistic variant, which fails if an id is known.
 */
export function putStatements(t: TableNames, stage: 'WAITING' | 'SUCCESS', columns: PutColumns) {
  const entry = stage === 'WAITING' ? waitingEntry(t, columns) : doneEntry(t, columns)
  return {
    put: putStatement(t, entry, SKIP_KNOWN),
    putOne: putOneStatement(t, entry, SKIP_KNOWN),
    putNew: putStatement(t, entry, FAIL_ON_KNOWN),
    putOneNew: putOneStatement(t, entry, FAIL_ON_KNOWN),
    putCompared: putComparedStatement(t, entry),
    ...copyStatements(t, entry),
  }
}

/**
 * Begins a put by COPY: the instant of its items, and one value of the sequence for each thousand of them.
 */
export function beginStatement(t: TableNames): string {
  return `select ${POSTGRES_NOW_MS} as now,
    (select json_agg(nextval('${t.items}_turn')) from generate_series(1, $1::integer)) as turns`
}

/** The columns that a put fills, in the order of the rows: a COPY has no expressions. */
function copyStatements(t: TableNames, { copied, set, chosen }: Entry) {
  return {
    // The clock is read under the lock for writing to the backlog, as in a put by one statement: see
    // `BacklogFloors`.
    lock: `lock table ${t.waiting} in row exclusive mode`,
    copyItems: `copy ${t.items} (seq, available_at, put_at, not_before_at, queue_id, attempt, refunds, priority, uid, id, body${chosen.columns}) ${FROM_CLIENT}`,
    copyEntries: `copy ${copied} ${FROM_CLIENT}`,
    count: `with sums as (select $2::integer as n), ${counted(t, set)} select n from sums where ${QUEUE_EXISTS}`,
  }
}

const FROM_CLIENT = `from stdin with (format binary, encoding 'UTF8')`

/** How the items `added` enter their stage: the part of the statement, and the change of the counters. */
interface Entry {
  readonly entered: string
  /** The table of the stage, and its columns in a COPY. */
  readonly copied: string
  readonly set: string
  readonly chosen: Chosen
}

/** The parts of a statement for resources and limit keys. */
interface Chosen {
  readonly columns: string
  /** The arrays of a batch, from this parameter on. */
  readonly arrays: (first: number) => string
  /** The values of a batch of one. */
  readonly values: string
  readonly key: string
}

function chosenParts(columns: PutColumns): Chosen {
  if (columns === 'plain') return { columns: '', arrays: () => '', values: '', key: '' }
  return {
    columns: ', resources, limit_key',
    arrays: (first) => `, ${jsonArray(`$${first}`)}, $${first + 1}::text[]`,
    values: ', $8::text, $9::text',
    key: ', limit_key',
  }
}

function waitingEntry(t: TableNames, columns: PutColumns): Entry {
  const chosen = chosenParts(columns)
  const copied = `${t.waiting} (available_at, seq, queue_id, rank${chosen.key})`
  const entered = chosen.key === '' ? enqueued(t, 'added', 'plain') : enqueued(t, 'added', 'chosen')
  return { entered, copied, set: 'waiting = c.waiting + d.n', chosen }
}

/**
 * Without a row in the backlog no claim can find the item. An item that was never delayed is available from
 * the instant of its put.
 */
function doneEntry(t: TableNames, columns: PutColumns): Entry {
  return {
    chosen: chosenParts(columns),
    entered: `ended as (
      insert into ${t.finished} (queue_id, stage, seq, attempt, claimed_at, ended_at)
      select $1, 2, seq, ${NO_ATTEMPT}, available_at, available_at from added
    )`,
    copied: `${t.finished} (seq, claimed_at, ended_at, queue_id, attempt, stage)`,
    set: 'success = c.success + d.n',
  }
}

/** A known id is skipped. */
const SKIP_KNOWN = 'on conflict (queue_id, id) do nothing'
/** A known id fails the statement: see {@link OptimisticPuts}. */
const FAIL_ON_KNOWN = ''

/**
 * `seq` is the sequence value of the batch times a thousand plus the position in the batch: one `nextval` for
 * all items.
 */
function putStatement(t: TableNames, { entered, set, chosen }: Entry, known: string): string {
  return `with ${CLOCK}, batch as (select nextval('${t.items}_turn') * 1000 as seq),
    added as (
      insert into ${t.items} (seq, queue_id, id, uid, attempt, refunds, priority, put_at, not_before_at, available_at, body${chosen.columns})
      select (select seq from batch) + turn, $1, id, uid, 0, 0, coalesce(priority, 0), ${NOW}, not_before,
        greatest(${NOW}, coalesce(not_before, ${NOW})), body${chosen.columns}
      from (
        select n.*, coalesce(not_before_at, ${NOW} + delay_ms) as not_before
        from unnest($2::text[], $3::uuid[], $4::smallint[], ${jsonArray('$5')}, $6::integer[], $7::bigint[], $8::bigint[]${chosen.arrays(10)})
          as n(id, uid, turn, body, priority, not_before_at, delay_ms${chosen.columns})
      ) n
      ${known}
      returning seq, id, priority, available_at${chosen.key}
    ),
    ${entered},
    sums as (select count(*)::integer as n from added),
    ${counted(t, set)}
    ${reportPart('added', '$9')}`
}

/** A batch of one, without arrays. */
function putOneStatement(t: TableNames, { entered, set, chosen }: Entry, known: string): string {
  return `with added as (
      insert into ${t.items} (seq, queue_id, id, uid, attempt, refunds, priority, put_at, not_before_at, available_at, body${chosen.columns})
      select nextval('${t.items}_turn') * 1000, $1, $2::text, $3::uuid, 0, 0, $4::integer, now, not_before,
        greatest(now, coalesce(not_before, now)), $7::text${chosen.values}
      from (
        select now, coalesce($5::bigint, now + $6::bigint) as not_before from (select ${POSTGRES_NOW_MS} as now) c
      ) n
      ${known}
      returning seq, priority, available_at${chosen.key}
    ),
    ${entered},
    sums as (select count(*)::integer as n from added),
    ${counted(t, set)}
    select n from sums where ${QUEUE_EXISTS}`
}

/**
 * Finds the known items first, since most items of a comparing put exist. It reports each by its position in
 * the batch: `same`, or `alike` with the stored body if that is a different text of the same length, or
 * `changed`.
 *
 * An item that another put added since the snapshot of the statement is neither found nor added.
 */
function putComparedStatement(t: TableNames, { entered, set, chosen }: Entry): string {
  return `with ${CLOCK}, batch as (select nextval('${t.items}_turn') * 1000 as seq),
    given as materialized (
      select n.* from unnest($2::text[], $3::uuid[], $4::smallint[], ${jsonArray('$5')}, $6::integer[], $7::bigint[], $8::bigint[]${chosen.arrays(11)})
        as n(id, uid, turn, body, priority, not_before_at, delay_ms${chosen.columns}) ${once('$10')}
    ),
    known as materialized (
      select g.turn, i.body = g.body collate "C" as is_same,
        case when octet_length(i.body) = octet_length(g.body) and i.body <> g.body collate "C" then i.body end as alike
      from ${t.items} i join given g on g.id = i.id where i.queue_id = $1 and i.id = any ($2::text[])
    ),
    added as (
      insert into ${t.items} (seq, queue_id, id, uid, attempt, refunds, priority, put_at, not_before_at, available_at, body${chosen.columns})
      select (select seq from batch) + turn, $1, id, uid, 0, 0, coalesce(priority, 0), ${NOW}, not_before,
        greatest(${NOW}, coalesce(not_before, ${NOW})), body${chosen.columns}
      from (
        select g.*, coalesce(not_before_at, ${NOW} + delay_ms) as not_before
        from given g left join known k on k.turn = g.turn where k.turn is null
      ) n
      ${SKIP_KNOWN}
      returning seq, id, priority, available_at${chosen.key}
    ),
    ${entered},
    sums as (select count(*)::integer as n from added),
    ${counted(t, set)}
    ${reportPart(
      'added',
      '$9',
      `, (select json_agg(turn) from known where is_same) as same,
      (select json_agg(json_build_array(turn, alike)) from known where alike is not null) as alike,
      (select json_agg(turn) from known where not is_same and alike is null) as changed`,
    )}`
}
