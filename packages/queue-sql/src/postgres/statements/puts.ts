import { CLOCK, counted, KEPT, lined, lines, NOW, once, POSTGRES_NOW_MS, toldText } from './parts.js'
import { NO_ATTEMPT, type TableNames } from '../../schema/tables.js'

export type PutTexts = ReturnType<typeof putTexts>

/** The statements that put into one stage: in each form also one that relies on all ids being new. */
export function putTexts(t: TableNames, stage: 'WAITING' | 'SUCCESS') {
  const entry = stage === 'WAITING' ? waitingEntry(t) : doneEntry(t)
  return {
    put: putText(t, entry, SKIPPED),
    putOne: putOneText(t, entry, SKIPPED),
    putNew: putText(t, entry, REFUSED),
    putOneNew: putOneText(t, entry, REFUSED),
    putCompared: putComparedText(t, entry),
  }
}

/** How `added` enter their stage: the part of the statement, and what it changes of the counters. */
interface Entry {
  readonly entered: string
  readonly set: string
}

function waitingEntry(t: TableNames): Entry {
  return { entered: lined(t, 'added'), set: 'waiting = c.waiting + d.n' }
}

/** Without a row in the backlog there is nothing that a claim could find. What was never delayed is available from the instant of its put on. */
function doneEntry(t: TableNames): Entry {
  return {
    entered: `ended as (
      insert into ${t.finished} (queue_id, stage, seq, attempt, claimed_at, ended_at)
      select $1, 2, seq, ${NO_ATTEMPT}, available_at, available_at from added
    )`,
    set: 'success = c.success + d.n',
  }
}

/** What becomes of an id that is known. */
const SKIPPED = 'on conflict (queue_id, id) do nothing'
/** The statement fails: see {@link HopefulPuts}. */
const REFUSED = ''

/** A sequence number is that of the batch times a thousand, plus the place in it: one call of the sequence for all of them. */
function putText(t: TableNames, { entered, set }: Entry, known: string): string {
  return `with ${CLOCK}, batch as (select nextval('${t.items}_turn') * 1000 as seq),
    added as (
      insert into ${t.items} (seq, queue_id, id, uid, attempt, refunds, priority, put_at, not_before_at, available_at, body)
      select (select seq from batch) + turn, $1, id, uid, 0, 0, coalesce(priority, 0), ${NOW}, not_before,
        greatest(${NOW}, coalesce(not_before, ${NOW})), body
      from (
        select n.*, coalesce(not_before_at, ${NOW} + delay_ms) as not_before
        from unnest($2::text[], $3::uuid[], $4::smallint[], ${lines('$5')}, $6::integer[], $7::bigint[], $8::bigint[])
          as n(id, uid, turn, body, priority, not_before_at, delay_ms)
      ) n
      ${known}
      returning seq, id, priority, available_at
    ),
    ${entered},
    sums as (select count(*)::integer as n from added),
    ${counted(t, set)}
    ${toldText('added', '$9')}`
}

/** A batch of one, with no arrays to take apart. */
function putOneText(t: TableNames, { entered, set }: Entry, known: string): string {
  return `with added as (
      insert into ${t.items} (seq, queue_id, id, uid, attempt, refunds, priority, put_at, not_before_at, available_at, body)
      select nextval('${t.items}_turn') * 1000, $1, $2::text, $3::uuid, 0, 0, $4::integer, now, not_before,
        greatest(now, coalesce(not_before, now)), $7::text
      from (
        select now, coalesce($5::bigint, now + $6::bigint) as not_before from (select ${POSTGRES_NOW_MS} as now) c
      ) n
      ${known}
      returning seq, priority, available_at
    ),
    ${entered},
    sums as (select count(*)::integer as n from added),
    ${counted(t, set)}
    select n from sums where ${KEPT}`
}

/**
 * Looks the items up first, since a put that compares is mostly one of items that are there. Each of those is said to be the same, by the number of its place in
 * the batch, or to be alike, with the body that is stored: where that is another text of the same length. Of the rest the bodies differ.
 *
 * What another put added since the snapshot of the statement is neither found nor added.
 */
function putComparedText(t: TableNames, { entered, set }: Entry): string {
  return `with ${CLOCK}, batch as (select nextval('${t.items}_turn') * 1000 as seq),
    given as materialized (
      select n.* from unnest($2::text[], $3::uuid[], $4::smallint[], ${lines('$5')}, $6::integer[], $7::bigint[], $8::bigint[])
        as n(id, uid, turn, body, priority, not_before_at, delay_ms) ${once('$10')}
    ),
    known as materialized (
      select g.turn, i.body = g.body collate "C" as is_same,
        case when octet_length(i.body) = octet_length(g.body) and i.body <> g.body collate "C" then i.body end as alike
      from ${t.items} i join given g on g.id = i.id where i.queue_id = $1 and i.id = any ($2::text[])
    ),
    added as (
      insert into ${t.items} (seq, queue_id, id, uid, attempt, refunds, priority, put_at, not_before_at, available_at, body)
      select (select seq from batch) + turn, $1, id, uid, 0, 0, coalesce(priority, 0), ${NOW}, not_before,
        greatest(${NOW}, coalesce(not_before, ${NOW})), body
      from (
        select g.*, coalesce(not_before_at, ${NOW} + delay_ms) as not_before
        from given g left join known k on k.turn = g.turn where k.turn is null
      ) n
      ${SKIPPED}
      returning seq, id, priority, available_at
    ),
    ${entered},
    sums as (select count(*)::integer as n from added),
    ${counted(t, set)}
    ${toldText(
      'added',
      '$9',
      `, (select json_agg(turn) from known where is_same) as same,
      (select json_agg(json_build_array(turn, alike)) from known where alike is not null) as alike,
      (select json_agg(turn) from known where not is_same and alike is null) as changed`,
    )}`
}
