import { MAX_HISTORY } from '@sluice/core'
import { FOR_EACH_ROW, READ_EACH_ROW } from './dialect.js'
import { NO_ATTEMPT, STAGE_NUMBERS, type TableNames } from '../schema/tables.js'

/** SQLite's clock, epoch ms; it keeps whole milliseconds, which the rounding restores exactly. */
export const SQLITE_NOW_MS = `cast(round(unixepoch('subsec') * 1000) as integer)`

/** Of a statement that inserts many rows: more save nothing. */
export const ROWS_PER_INSERT = 20

/** A list of values as one JSON parameter. */
const LISTED = `(select value from json_each(?))`

export type SqliteStatements = ReturnType<typeof sqliteStatements>

/**
 * The statements of {@link SqliteMoves}. A batch is one JSON parameter, or its rows one by one, so the
 * statements do not depend on its size.
 */
export function sqliteStatements(t: TableNames) {
  return {
    now: `select ${SQLITE_NOW_MS} as now`,
    ...putStatements(t),
    ...updateStatements(t),
    ...claimStatements(t),
    ...selectionStatements(t),
    ...settleStatements(t),
    ...removalStatements(t),
    count: `${FOR_EACH_ROW}update ${t.counters} set waiting = waiting + ?, processing = processing + ?, success = success + ?,
      fail = fail + ? where queue_id = ? and slot = 0`,
    facts: factsSource(t),
    claimedFrom: `${t.processing} p cross join ${t.items} i on i.seq = p.seq`,
  }
}

function putStatements(t: TableNames) {
  return {
    insertItem: `${FOR_EACH_ROW}insert into ${t.items}
        (queue_id, id, uid, attempt, refunds, priority, put_at, not_before_at, available_at, body)
      values (?, ?, ?, 0, 0, ?, ?, ?, ?, ?) on conflict (queue_id, id) do nothing`,
    insertChosenItem: `${FOR_EACH_ROW}insert into ${t.items}
        (queue_id, id, uid, attempt, refunds, priority, put_at, not_before_at, available_at, body, resources, limit_key)
      values (?, ?, ?, 0, 0, ?, ?, ?, ?, ?, ?, ?) on conflict (queue_id, id) do nothing`,
    bulk: {
      plain: { many: newItems(t, ROWS_PER_INSERT, 'plain'), one: newItems(t, 1, 'plain') },
      chosen: { many: newItems(t, ROWS_PER_INSERT, 'chosen'), one: newItems(t, 1, 'chosen') },
    },
    // The rows of one transaction have consecutive numbers.
    enqueueRange: `insert into ${t.waiting} (queue_id, rank, available_at, seq, limit_key)
      select queue_id, -priority, available_at, seq, limit_key from ${t.items} where seq between ? and ?`,
    finishRange: `insert into ${t.finished} (queue_id, stage, seq, attempt, claimed_at, ended_at)
      select queue_id, ${STAGE_NUMBERS.SUCCESS}, seq, ${NO_ATTEMPT}, put_at, put_at from ${t.items} where seq between ? and ?`,
    compareBody: `${READ_EACH_ROW}select i.id, i.body = g.body as same,
        case when octet_length(i.body) = octet_length(g.body) and i.body <> g.body then i.body end as body
      from (select ? as body) g cross join ${t.items} i where i.queue_id = ? and i.id = ?`,
  }
}

/**
 * Inserts so many items by one run; a known id fails it. Without numbered parameters: with 50 rows
 * `node:sqlite` of Node 24.21 took twice as long for those.
 */
function newItems(t: TableNames, rows: number, columns: 'plain' | 'chosen'): string {
  const [names, marks] = columns === 'plain' ? ['', ''] : [', resources, limit_key', ', ?, ?']
  const values = Array.from({ length: rows }, () => `(?, ?, ?, 0, 0, ?, ?, ?, ?, ?${marks})`)
  return `${FOR_EACH_ROW}insert into ${t.items}
      (queue_id, id, uid, attempt, refunds, priority, put_at, not_before_at, available_at, body${names})
    values ${values.join(', ')}`
}

function updateStatements(t: TableNames) {
  return {
    // Only waiting items, with the key of their rows in the backlog.
    changeable: `select i.seq, i.priority, i.available_at, i.not_before_at, i.resources, i.limit_key, w.key as turn
      from json_each(?) w cross join ${t.items} i on i.id = w.value->>0
        cross join ${t.waiting} l on l.queue_id = i.queue_id and l.rank = -i.priority and l.available_at = i.available_at and l.seq = i.seq
      where i.queue_id = ? and (w.value->>1 is null or i.uid = w.value->>1)`,
    changeItem: `${FOR_EACH_ROW}update ${t.items} set body = coalesce(?, body), priority = ?, not_before_at = ?, available_at = ?,
        resources = ?, limit_key = ? where seq = ?`,
    deleteWaiting: `${FOR_EACH_ROW}delete from ${t.waiting} where queue_id = ? and rank = ? and available_at = ? and seq = ?`,
    insertWaiting: `${FOR_EACH_ROW}insert into ${t.waiting} (queue_id, rank, available_at, seq) values (?, ?, ?, ?)`,
    insertWaitingOfKey: `${FOR_EACH_ROW}insert into ${t.waiting} (queue_id, rank, available_at, seq, limit_key)
      values (?, ?, ?, ?, ?)`,
  }
}

function claimStatements(t: TableNames) {
  const due = (where: string, order: string) => {
    const text = `select queue_id, rank, available_at, seq from ${t.waiting}
      where queue_id = ? and ${where} and available_at <= ${SQLITE_NOW_MS} order by ${order} limit ?`
    const key = `queue_id, rank, available_at, seq`
    return { text, deleteText: `delete from ${t.waiting} where (${key}) in (${text}) returning seq` }
  }
  return {
    due: {
      // One rank at a time: a claim must not walk over delayed items of a higher priority.
      top: due(
        `rank = (select rank from ${t.waiting} where queue_id = ? order by rank limit 1)`,
        'available_at, seq',
      ),
      at: due('rank = ?', 'available_at, seq'),
      after: due('rank > ?', 'rank, available_at, seq'),
    },
    ranks: `with recursive level(rank, depth) as (
        select * from (select rank, 1 from ${t.waiting} where queue_id = ? order by rank limit 1)
        union all
        select (select w.rank from ${t.waiting} w where w.queue_id = ? and w.rank > level.rank
          order by w.rank limit 1), depth + 1
        from level where level.rank is not null and depth < ?
      )
      select rank, exists (
        select 1 from ${t.waiting} w where w.queue_id = ? and w.rank = level.rank and w.available_at <= ${SQLITE_NOW_MS}
      ) as due from level where rank is not null order by rank`,
    held: `select 1 as held from ${t.leases}
      where queue_id = ? and name = ? and holder = ? and fence = ? and expires_at > ${SQLITE_NOW_MS}`,
    insertProcessing: `insert into ${t.processing} (queue_id, seq, claimed_at, attempt, uid, id)
      select queue_id, seq, ${SQLITE_NOW_MS}, attempt + 1, uid, id from ${t.items} where seq in ${LISTED}`,
    claimed: `select i.id, i.uid, p.attempt, i.refunds, i.priority, i.put_at, p.claimed_at, i.retry_state,
        i.resources, i.limit_key, i.body,
        nullif(i.available_at, i.put_at) as available_at, i.seq
      from ${t.items} i cross join ${t.processing} p on p.queue_id = i.queue_id and p.id = i.id
      where i.seq in ${LISTED} order by i.priority desc, i.available_at, i.seq`,
  }
}

function selectionStatements(t: TableNames) {
  const named = `select l.queue_id, l.rank, l.available_at, l.seq
    from json_each(?) w cross join ${t.items} i on i.queue_id = ? and i.id = w.value->>0
      cross join ${t.waiting} l on l.queue_id = i.queue_id and l.rank = -i.priority and l.available_at = i.available_at and l.seq = i.seq
    where i.uid = w.value->>1 and l.available_at <= ${SQLITE_NOW_MS}`
  const ahead = (index: string, key: string) => ({
    rank: `select w.rank from ${t.waiting} w ${index} where w.queue_id = ? ${key} and w.rank > ? order by w.rank limit 1`,
    page: `select w.rank, w.available_at, w.seq, i.id, i.uid, i.attempt, i.refunds, i.priority, i.retry_state,
        i.resources, i.limit_key
      from ${t.waiting} w ${index} cross join ${t.items} i on i.seq = w.seq
      where w.queue_id = ? ${key} and w.rank = ? and (w.available_at, w.seq) > (?, ?) and w.available_at <= ${SQLITE_NOW_MS}
      order by w.available_at, w.seq limit ?`,
  })
  return {
    named: `${named} limit 1`,
    deleteNamed: `delete from ${t.waiting} where (queue_id, rank, available_at, seq) in (${named}) returning seq`,
    ahead: ahead('', ''),
    // Named, since SQLite has no numbers of how many items a key has.
    aheadOfKey: ahead(`indexed by ${t.waiting}_keys`, 'and w.limit_key = ?'),
  }
}

function settleStatements(t: TableNames) {
  return {
    // A cross join makes SQLite read the batch first and find each item by its key; otherwise it would scan
    // all of PROCESSING.
    movable: `select p.seq, p.id, p.attempt, p.claimed_at, w.key as turn, ${SQLITE_NOW_MS} as now
      from json_each(?) w cross join ${t.processing} p
      where p.queue_id = ? and p.id = w.value->>0
        and (w.value->>1 is null or p.attempt = w.value->>1) and (w.value->>2 is null or p.uid = w.value->>2)`,
    deleteProcessing: `${FOR_EACH_ROW}delete from ${t.processing} where queue_id = ? and id = ?`,
    insertFinished: `${FOR_EACH_ROW}insert into ${t.finished}
        (queue_id, stage, seq, attempt, claimed_at, ended_at, reason, details, result)
      values (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    // Separate from the one above: most items finish without these columns.
    insertFinishedOutcomes: `${FOR_EACH_ROW}insert into ${t.finished}
        (queue_id, stage, seq, attempt, claimed_at, ended_at, reason, details, result, failure_class, exit_code, job_uid)
      values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    insertAttempts: `${FOR_EACH_ROW}insert into ${t.attempts}
        (seq, attempt, outcome, claimed_at, ended_at, reason, details, requeue_reason, failure_class, exit_code, job_uid, unsent)
      values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    returnItems: `update ${t.items} as i set attempt = w.attempt, claimed_at = w.claimed_at,
        refunds = coalesce(w.refunds, i.refunds) + w.uncounted, priority = coalesce(w.priority, i.priority),
        not_before_at = case when w.keep_place = 1 then i.not_before_at when w.delayed = 1 then w.available_at end,
        available_at = case when w.keep_place = 1 then i.available_at else w.available_at end,
        retry_state = w.retry_state
      from (select value->>0 as seq, value->>1 as attempt, value->>2 as claimed_at, value->>3 as refunds,
        value->>4 as uncounted, value->>5 as priority, value->>6 as available_at,
        value->>7 as keep_place, value->>8 as retry_state, value->>9 as delayed from json_each(?)) w
      where i.seq = w.seq returning seq, id, priority, available_at, limit_key`,
    trimAttempts: `delete from ${t.attempts} where seq = ? and attempt <= ? - ${MAX_HISTORY}`,
  }
}

function removalStatements(t: TableNames) {
  return {
    freeFailed: `delete from ${t.finished} where queue_id = ? and stage = 3
      and seq in (select seq from ${t.items} where queue_id = ? and id in ${LISTED})
      returning seq, attempt, claimed_at, ended_at, reason, details, failure_class, exit_code, job_uid, ${SQLITE_NOW_MS} as now`,
    findRemovable: `select seq, id, stage from (
        select i.seq, i.id, i.queue_id, case when p.attempt is not null then 1 else coalesce(f.stage, 0) end as stage
        from ${factsSource(t)} where i.queue_id = ? and i.id in ${LISTED}
      ) where stage in ${LISTED} and stage <> 1`,
    findExpired: `select seq, stage, ended_at from ${t.finished}
      where queue_id = ? and ended_at >= ? and ended_at < ${SQLITE_NOW_MS} - ? order by ended_at limit ?`,
    deleteEverywhere: [
      `delete from ${t.waiting} where (queue_id, rank, available_at, seq) in
        (select queue_id, -priority, available_at, seq from ${t.items} where seq in ${LISTED})`,
      `delete from ${t.finished} where (queue_id, stage, seq) in
        (select i.queue_id, s.value, i.seq from ${t.items} i cross join json_each('[2,3]') s where i.seq in ${LISTED})`,
      `delete from ${t.attempts} where seq in ${LISTED}`,
      `delete from ${t.items} where seq in ${LISTED}`,
    ],
  }
}

/** Items with their rows of other tables, each found by its key. */
function factsSource(t: TableNames): string {
  return `${t.items} i
    left join ${t.processing} p on p.queue_id = i.queue_id and p.id = i.id
    left join ${t.finished} f on f.queue_id = i.queue_id and f.stage in (2, 3) and f.seq = i.seq`
}
