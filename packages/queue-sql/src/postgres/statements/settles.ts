import { MAX_HISTORY } from '@sluice/core'
import { CLOCK, counted, lined, lines, NOW, once, toldText } from './parts.js'
import type { TableNames } from '../../schema/tables.js'

/** Which parts a statement that settles has. */
export interface SettleParts {
  /** Most batches only finish items: the parts that bring items back to WAITING cost, even where there are none, a fifth of the statement. */
  readonly returns: boolean
  /** What the job said of its end, and what is handed on: most moves have none of it. */
  readonly outcomes: boolean
}

/** A column of a batch: its name in `wanted`, and how its parameter becomes an array. */
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
  ['result', lines],
  ['details', lines],
]
const RETURNS: readonly Column[] = [
  ['delay_ms', arrayOf('bigint')],
  ['refund', arrayOf('smallint')],
]
const OUTCOMES: readonly Column[] = [
  ['failure_class', arrayOf('text')],
  ['exit_code', arrayOf('bigint')],
  ['job_uid', arrayOf('text')],
]
const RETURN_OUTCOMES: readonly Column[] = [
  ['unsent', arrayOf('smallint')],
  ['keep_place', arrayOf('smallint')],
  ['retry_state', lines],
]

function columnsOf({ returns, outcomes }: SettleParts): readonly Column[] {
  return [
    ...ALWAYS,
    ...(returns ? RETURNS : []),
    ...(outcomes ? OUTCOMES : []),
    ...(returns && outcomes ? RETURN_OUTCOMES : []),
  ]
}

/** `$1` the queue, `$2` 1, `$3` how many moves, and from `$4` on their columns, as `columnsOf` has them. */
export function settleText(t: TableNames, parts: SettleParts): string {
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
    ${returns ? releasedText(t, outcomes) : ''}
    sums as (
      select count(*)::integer as n, count(*) filter (where stage = 2) as success,
        count(*) filter (where stage = 3) as fail, max(attempt) as attempt from moved
    ),
    ${counted(t, returns ? SETTLED_SET : FINISHED_SET)}
    ${toldText(
      'moved',
      '$3',
      `, case when attempt > ${MAX_HISTORY} then (
      select json_agg(json_build_object('seq', seq, 'attempt', attempt)) from moved where attempt > ${MAX_HISTORY}
    ) end as overlong`,
    )}`
}

/**
 * Most settlements are alike: of one stage and one attempt, without a word to keep. Said once for all of them, they cost the server a
 * fifth less than each with columns of its own. A uid is each item's own and has to be compared with it, which a list alone can't do.
 *
 * `$2` ids, `$3` their number, `$4` attempt, `$5` stage; and `$6` uids, `$7` 1.
 */
export function plainText(t: TableNames, has: 'uids' | 'no uids'): string {
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
    ${toldText('moved', '$3')}`
}

const FINISHED_SET = `processing = c.processing - d.n, success = c.success + d.success, fail = c.fail + d.fail`
const SETTLED_SET = `${FINISHED_SET}, waiting = c.waiting + d.n - d.success - d.fail`

/** The parts of a settle that bring items back to WAITING: behind those that wait, or to the place that the item's own row still has. */
function releasedText(t: TableNames, outcomes: boolean): string {
  const more = outcomes ? ', failure_class, exit_code, job_uid, unsent' : ''
  const next = `${NOW} + m.delay_ms`
  const instant = (column: string) =>
    outcomes ? `case when m.keep_place = 1 then i.${column} else ${next} end` : next
  return `noted as (
      insert into ${t.attempts} (seq, attempt, outcome, claimed_at, ended_at, reason, details${more})
      select seq, attempt, 0, claimed_at, ${NOW}, reason, details${more} from moved where stage = 0
    ),
    back as (
      update ${t.items} i set attempt = m.attempt, refunds = i.refunds + m.refund, claimed_at = m.claimed_at,
        available_at = ${instant('available_at')}, not_before_at = ${instant('not_before_at')},
        retry_state = ${outcomes ? 'm.retry_state' : 'null'}
      from (select moved.* from moved ${once('$2')}) m
      where m.stage = 0 and i.seq = m.seq and i.seq = any (array(select seq from moved where stage = 0))
      returning i.seq, i.priority, i.available_at
    ),
    ${lined(t, 'back')},`
}
