import { MAX_HISTORY } from '@sluice/core'
import { CLOCK, counted, lined, lines, NOW, once, toldText } from './postgres-parts.js'
import type { TableNames } from './tables.js'

/** What `finish` and `settle` are given of each move, as `wanted` has it. */
const FINISHES = 'id, attempt, uid, stage, reason, result, details'
const SETTLES = `${FINISHES}, delay_ms, refund`

/** Most batches only finish items: the parts that bring items back to WAITING cost, even where there are none, a fifth of the statement. */
export function settleText(t: TableNames, kind: 'finish' | 'settle'): string {
  const isFinish = kind === 'finish'
  return `with ${CLOCK},
    wanted as materialized (
      select w.* from unnest($4::text[], $5::integer[], $6::uuid[], $7::smallint[], $8::text[],
          ${lines('$9')}, ${lines('$10')}${isFinish ? '' : ', $11::bigint[], $12::smallint[]'})
        as w(${isFinish ? FINISHES : SETTLES}) ${once('$2')}
    ),
    moved as (
      delete from ${t.processing} p using wanted w
      where p.queue_id = $1 and p.id = any ($4::text[]) and p.id = w.id
        and (w.attempt is null or p.attempt = w.attempt) and (w.uid is null or p.uid = w.uid)
      returning p.seq, p.id, p.attempt, p.claimed_at, w.stage, w.reason, w.result, w.details
        ${isFinish ? '' : ', w.delay_ms, w.refund'}
    ),
    ended as (
      insert into ${t.finished} (queue_id, stage, seq, attempt, claimed_at, ended_at, reason, details, result)
      select $1, stage, seq, attempt, claimed_at, ${NOW}, reason, details, result from moved
      ${isFinish ? '' : 'where stage <> 0'}
    ),
    ${isFinish ? '' : releasedText(t)}
    sums as (
      select count(*)::integer as n, count(*) filter (where stage = 2) as success,
        count(*) filter (where stage = 3) as fail, max(attempt) as attempt from moved
    ),
    ${counted(t, isFinish ? FINISHED_SET : SETTLED_SET)}
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

/** The parts of a settle that bring items back to WAITING. */
function releasedText(t: TableNames): string {
  return `noted as (
      insert into ${t.attempts} (seq, attempt, outcome, claimed_at, ended_at, reason, details)
      select seq, attempt, 0, claimed_at, ${NOW}, reason, details from moved where stage = 0
    ),
    back as (
      update ${t.items} i set attempt = m.attempt, refunds = i.refunds + m.refund, claimed_at = m.claimed_at,
        available_at = ${NOW} + m.delay_ms, not_before_at = ${NOW} + m.delay_ms
      from (select moved.* from moved ${once('$2')}) m
      where m.stage = 0 and i.seq = m.seq and i.seq = any (array(select seq from moved where stage = 0))
      returning i.seq, i.priority, i.available_at
    ),
    ${lined(t, 'back')},`
}
