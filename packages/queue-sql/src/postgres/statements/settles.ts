import { MAX_HISTORY } from '@sluice/core'
import { CLOCK, counted, enqueued, jsonArray, NOW, once, reportPart } from './parts.js'
import type { TableNames } from '../../schema/tables.js'
import { reorderedPart } from './update.js'

/** The optional parts of a statement that settles. */
export interface SettleParts {
  /**
   * Moves to WAITING. Most batches only finish items, and these parts cost a fifth of the statement even if
   * no item returns.
   */
  readonly returns: boolean
  /** The columns of a job's outcome and of what is handed on; most moves have none. */
  readonly outcomes: boolean
}

/** A column of a batch: its name in `wanted`, and the expression that makes an array of its parameter. */
type Column = readonly [name: string, array: (parameter: string) => string]

const arrayOf =
  (type: string): Column[1] =>
  (parameter) =>
    `${parameter}::${type}[]`

const ALWAYS: readonly Column[] = [
  ['id', arrayOf('text')],
  ['attempt', arrayOf('integer')],
  ['uid', arrayOf('uuid')],
  ['stage', arrayOf('smallint')],
  ['reason', arrayOf('text')],
  ['result', jsonArray],
  ['details', jsonArray],
]
const RETURNS: readonly Column[] = [
  ['delay_ms', arrayOf('bigint')],
  ['uncounted', arrayOf('smallint')],
]
const OUTCOMES: readonly Column[] = [
  ['failure_class', arrayOf('text')],
  ['exit_code', arrayOf('bigint')],
  ['job_uid', arrayOf('text')],
]
const RETURN_OUTCOMES: readonly Column[] = [
  ['unsent', arrayOf('smallint')],
  ['keep_place', arrayOf('smallint')],
  ['retry_state', jsonArray],
]

function columnsOf({ returns, outcomes }: SettleParts): readonly Column[] {
  return [
    ...ALWAYS,
    ...(returns ? RETURNS : []),
    ...(outcomes ? OUTCOMES : []),
    ...(returns && outcomes ? RETURN_OUTCOMES : []),
  ]
}

/**
 * `$1` the queue, `$2` 1, `$3` the number of moves, from `$4` on their columns in the order of `columnsOf`.
 */
export function settleStatement(t: TableNames, parts: SettleParts): string {
  const { returns, outcomes } = parts
  const columns = columnsOf(parts)
  const arrays = columns.map(([, array], index) => array(`$${index + 4}`))
  const kept = columns.slice(3).map(([name]) => `w.${name}`)
  const more = outcomes ? ', failure_class, exit_code, job_uid' : ''
  return `with ${CLOCK},
    wanted as materialized (
      select w.* from unnest(${arrays.join(', ')})
        as w(${columns.map(([name]) => name).join(', ')}) ${once('$2')}
    ),
    moved as (
      delete from ${t.processing} p using wanted w
      where p.queue_id = $1 and p.id = any ($4::text[]) and p.id = w.id
        and (w.attempt is null or p.attempt = w.attempt) and (w.uid is null or p.uid = w.uid)
      returning p.seq, p.id, p.attempt, p.claimed_at, ${kept.join(', ')}
    ),
    ended as (
      insert into ${t.finished} (queue_id, stage, seq, attempt, claimed_at, ended_at, reason, details, result${more})
      select $1, stage, seq, attempt, claimed_at, ${NOW}, reason, details, result${more} from moved
      ${returns ? 'where stage <> 0' : ''}
    ),
    ${returns ? releasedParts(t, outcomes) : ''}
    sums as (
      select count(*)::integer as n, count(*) filter (where stage = 2) as success,
        count(*) filter (where stage = 3) as fail, max(attempt) as attempt from moved
    ),
    ${counted(t, returns ? SETTLED_SET : FINISHED_SET)}
    ${reportPart(
      'moved',
      '$3',
      `, case when attempt > ${MAX_HISTORY} then (
      select json_agg(json_build_object('seq', seq, 'attempt', attempt)) from moved where attempt > ${MAX_HISTORY}
    ) end as overlong`,
    )}`
}

/**
 * Settles a uniform batch: one stage, one attempt, nothing else to store, as most batches are. Scalars
 * instead of columns save the server a fifth. Uids differ per item, so they need a column.
 *
 * `$2` ids, `$3` their number, `$4` attempt, `$5` stage; with uids also `$6` uids, `$7` 1.
 */
export function uniformStatement(t: TableNames, has: 'uids' | 'no uids'): string {
  const hasUids = has === 'uids'
  const wanted = `wanted as materialized (
      select w.* from unnest($2::text[], $6::uuid[]) as w(id, uid) ${once('$7')}
    ),`
  return `with ${CLOCK}, ${hasUids ? wanted : ''}
    moved as (
      delete from ${t.processing} p ${hasUids ? 'using wanted w' : ''}
      where p.queue_id = $1 and p.id = any ($2::text[]) and p.attempt = $4::integer
        ${hasUids ? 'and p.id = w.id and p.uid = w.uid' : ''}
      returning p.seq, p.id, p.attempt, p.claimed_at
    ),
    ended as (
      insert into ${t.finished} (queue_id, stage, seq, attempt, claimed_at, ended_at)
      select $1, $5::smallint, seq, attempt, claimed_at, ${NOW} from moved
    ),
    sums as (
      select n, case when $5::smallint = 2 then n else 0 end as success, case when $5::smallint = 3 then n else 0 end as fail
      from (select count(*)::integer as n from moved) m
    ),
    ${counted(t, FINISHED_SET)}
    ${reportPart('moved', '$3')}`
}

const FINISHED_SET = `processing = c.processing - d.n, success = c.success + d.success, fail = c.fail + d.fail`
const SETTLED_SET = `${FINISHED_SET}, waiting = c.waiting + d.n - d.success - d.fail`

/**
 * The parts that return items to WAITING: to the end of the backlog, or to the place that the item's row
 * still has.
 */
function releasedParts(t: TableNames, outcomes: boolean): string {
  const more = outcomes ? ', failure_class, exit_code, job_uid, unsent' : ''
  const next = `${NOW} + m.delay_ms`
  const instant = (column: string) =>
    outcomes ? `case when m.keep_place = 1 then i.${column} else ${next} end` : next
  return `noted as (
      insert into ${t.attempts} (seq, attempt, outcome, claimed_at, ended_at, reason, details${more})
      select seq, attempt, 0, claimed_at, ${NOW}, reason, details${more} from moved where stage = 0
    ),
    back as (
      update ${t.items} i set attempt = m.attempt, refunds = i.refunds + m.uncounted, claimed_at = m.claimed_at,
        available_at = ${instant('available_at')}, not_before_at = ${instant('not_before_at')},
        retry_state = ${outcomes ? 'm.retry_state' : 'null'}
      from (select moved.* from moved ${once('$2')}) m
      where m.stage = 0 and i.seq = m.seq and i.seq = any (array(select seq from moved where stage = 0))
      returning i.seq, i.priority, i.available_at, i.limit_key${outcomes ? ', m.keep_place' : ''}
    ),
    ${outcomes ? reorderedPart(t, 'select 1 from back where keep_place = 1') : ''}
    ${enqueued(t, 'back')},`
}
