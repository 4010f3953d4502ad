import { mkdirSync, rmSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import type { Queue, Stage } from '@sluice/core'
import pg from 'pg'
import { afterAll, describe, expect, inject, test } from 'vitest'
import { sqlPackage } from '../support/sql-package.js'
import { postgresSteps, sqliteSteps, type SchemaSteps, former, olderNames } from '../../src/schema/steps.js'
import { tableNames, type TableNames } from '../../src/schema/tables.js'
import { freshPrefix } from '../support/postgres-harness.js'
import { fastDirectory } from '../support/sqlite-harness.js'

const { openQueue } = sqlPackage

const ITEMS = 40_000
const AFTERWARDS = { WAITING: 16_000, PROCESSING: 8_000, SUCCESS: 12_000, FAIL: 3_999 }

interface Dialect {
  readonly seriesText: string
  readonly uid: string
  readonly slots: number
}

/**
 * A queue of version 1 in the middle of its work: of ten items four wait, one of them released once, two run,
 * three succeeded, one failed.
 */
function fillText(t: TableNames, { seriesText, uid, slots }: Dialect): string[] {
  const stage = `case when n % 10 < 4 then 0 when n % 10 < 6 then 1 when n % 10 < 9 then 2 else 3 end`
  const bodies = former(t).bodies
  const rows = `from ${t.items}`
  return [
    `insert into ${t.queues} (name) values ('work')`,
    `insert into ${t.items} (seq, queue_id, id, uid, stage, attempt, refunds, priority, put_at, available_at, claimed_at)
      select n, 1, 'item-' || n, ${uid}, ${stage}, case when n % 10 in (0, 4, 5, 6, 7, 8, 9) then 1 else 0 end, 0,
        n % 3, 1000 + n, 1000 + n, case when n % 10 in (1, 2, 3) then null else 2000 + n end
      from ${seriesText}`,
    `insert into ${bodies} (seq, body) select seq, '{"n":' || seq || '}' ${rows}`,
    `insert into ${t.waiting} (queue_id, rank, available_at, seq)
      select 1, -priority, available_at, seq ${rows} where stage = 0`,
    `insert into ${t.processing} (queue_id, seq) select 1, seq ${rows} where stage = 1`,
    `insert into ${t.attempts} (seq, attempt, queue_id, outcome, final, claimed_at, ended_at, reason, result)
      select seq, 1, 1, stage, nullif(stage, 0), claimed_at, 3000 + seq,
        case stage when 2 then null else 'because' end, case stage when 2 then '7' end
      ${rows} where stage > 1 or attempt > stage`,
    ...Array.from({ length: slots }, (_, slot) => {
      const sizes = [0.4, 0.2, 0.3, 0.1].map((share) => (slot === 0 ? ITEMS * share : 0))
      return `insert into ${t.counters} (queue_id, slot, waiting, processing, success, fail) values (1, ${slot}, ${sizes.join(', ')})`
    }),
    `insert into ${olderNames(t).leases} (queue_id, name, holder, fence, expires_at) values (1, 'dispatcher', 'me', 7, 1)`,
    `create table ${t.schema} (version integer primary key)`,
    `insert into ${t.schema} (version) values (1)`,
  ]
}

/** Everything that a version 1 queue of {@link fillText} must still be, and still do, after the upgrade. */
async function expectSameWork(first: Queue, second: Queue): Promise<void> {
  const sizes = { WAITING: 16_000, PROCESSING: 8_000, SUCCESS: 12_000, FAIL: 4_000 }
  expect(await first.sizes()).toEqual(sizes)
  for (const stage of ['PROCESSING', 'SUCCESS', 'FAIL', 'WAITING'] as const) {
    expect(await idsIn(second, stage)).toHaveLength(sizes[stage])
  }
  expect(await first.lookup('item-6')).toMatchObject({
    stage: 'SUCCESS',
    attempt: 1,
    body: { n: 6 },
    result: 7,
    finishedAt: 3006,
    history: [{ attempt: 1, claimedAt: 2006, endedAt: 3006, outcome: 'SUCCESS' }],
  })
  expect(await first.lookup('item-10')).toMatchObject({
    stage: 'WAITING',
    attempt: 1,
    reason: 'because',
    history: [{ attempt: 1, outcome: 'WAITING' }],
  })
  expect(await first.lookup('item-4')).toMatchObject({ stage: 'PROCESSING', attempt: 1, claimedAt: 2004 })
  // Priority first, then who came first.
  const [next] = await second.get(1)
  expect(next).toMatchObject({ id: 'item-2', attempt: 1, priority: 2 })
  expect(await first.settle([{ id: 'item-4', attempt: 1, stage: 'SUCCESS' }])).toMatchObject({ settled: 1 })
  expect(await second.requeue(['item-9'])).toMatchObject({ moved: 1 })
  expect(await first.remove(['item-6', 'item-1', 'item-5'])).toMatchObject({ removed: 2 })
  await first.put('late', null)
  expect((await first.lease('dispatcher', 'other', 1_000))?.fencingToken).toBe(8)
  // What was put last comes last of its priority.
  const all = await idsIn(first, 'WAITING')
  expect(all.filter((id) => !id.endsWith('9')).at(-1)).toBe('late')
}

async function idsIn(queue: Queue, stage: Stage): Promise<string[]> {
  const ids: string[] = []
  let cursor: string | undefined
  do {
    const page = await queue.listSummaries(stage, {
      limit: 2_500,
      ...(cursor === undefined ? {} : { cursor }),
    })
    ids.push(...page.items.map(({ id }) => id))
    cursor = page.cursor
  } while (cursor !== undefined)
  expect(new Set(ids).size).toBe(ids.length)
  return ids
}

/**
 * What a queue of version 2 with a few items must still be after the upgrade, and what it can do from then
 * on.
 */
async function expectUpgraded(queue: Queue): Promise<void> {
  expect(await queue.lookup('old')).toMatchObject({
    stage: 'FAIL',
    attempt: 1,
    reason: 'because',
    history: [{ attempt: 1, outcome: 'FAIL', reason: 'because' }],
  })
  expect(await queue.control.read()).toEqual({ paused: true, pausedAt: 5, limits: {} })
  expect(await queue.control.sync()).toBe(1)
  expect(await queue.document('notes').write(1, { ifVersion: undefined })).toBe(true)
  expect(await queue.requeue(['old'])).toMatchObject({ moved: 1 })
  expect(await queue.get(1)).toMatchObject([{ id: 'old', attempt: 2 }])
  await queue.release('old', { retryState: 7, failureClass: 'error', keepPlace: true })
  expect(await queue.lookup('old')).toMatchObject({ retryState: 7, failureClass: 'error' })
}

/** One item that failed, as version 2 keeps it. */
function failedText(t: TableNames, { uid, slots }: Omit<Dialect, 'seriesText'>): string[] {
  return [
    `insert into ${t.queues} (name, paused_at) values ('work', 5)`,
    `insert into ${t.items} (seq, queue_id, id, uid, attempt, refunds, priority, put_at, available_at, body)
      select 1, 1, 'old', ${uid}, 0, 0, 0, 1, 1, '{}' from (select 1 as n) one`,
    `insert into ${t.finished} (seq, queue_id, stage, attempt, claimed_at, ended_at, reason) values (1, 1, 3, 1, 2, 3, 'because')`,
    ...Array.from(
      { length: slots },
      (_, slot) =>
        `insert into ${t.counters} (queue_id, slot, waiting, processing, success, fail) values (1, ${slot}, 0, 0, 0, ${slot === 0 ? 1 : 0})`,
    ),
    `create table ${t.schema} (version integer primary key)`,
    `insert into ${t.schema} (version) values (2)`,
  ]
}

describe('a queue of version 2 is upgraded when it is opened', () => {
  const folder = fastDirectory()
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test('in a SQLite file', async () => {
    mkdirSync(folder)
    const path = join(folder, 'queue.db')
    const t = tableNames('sluice_')
    const database = new DatabaseSync(path)
    const steps = sqliteSteps(t).slice(0, 2).flat()
    for (const text of [...steps, ...failedText(t, { uid: `'uid'`, slots: 1 })]) database.exec(text)
    database.close()
    const queue = await openQueue({ name: 'work', url: `sqlite:${path}` })
    await expectUpgraded(queue)
    expect(await queue.sizes()).toEqual({ WAITING: 1, PROCESSING: 0, SUCCESS: 0, FAIL: 0 })
    await queue.close()
  })

  test('in PostgreSQL', async () => {
    const url = inject('postgresUrl')
    const tablePrefix = freshPrefix()
    const t = tableNames(tablePrefix)
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    const steps = postgresSteps(t).slice(0, 2).flat()
    for (const text of [...steps, ...failedText(t, { uid: 'gen_random_uuid()', slots: 16 })]) {
      await client.query(text)
    }
    await client.end()
    const queue = await openQueue({ name: 'work', url, tablePrefix })
    await expectUpgraded(queue)
    expect(await queue.sizes()).toEqual({ WAITING: 1, PROCESSING: 0, SUCCESS: 0, FAIL: 0 })
    await queue.close()
  })
})

function firstStep(steps: SchemaSteps): readonly string[] {
  return steps[0] ?? []
}

describe('a queue of version 1 with 40,000 items at work is upgraded when it is opened, by the first of two', () => {
  const folder = fastDirectory()
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  // Forty thousand rows are made, moved and read back: on a busy machine more than the usual minute.
  test('in a SQLite file', { timeout: 240_000 }, async () => {
    mkdirSync(folder)
    const path = join(folder, 'queue.db')
    const t = tableNames('sluice_')
    const database = new DatabaseSync(path)
    const seriesText = `(with recursive s(n) as (select 1 union all select n + 1 from s where n < ${ITEMS}) select n from s)`
    const dialect = { seriesText, uid: `'uid-' || n`, slots: 1 }
    for (const text of [...firstStep(sqliteSteps(t)), ...fillText(t, dialect)]) database.exec(text)
    database.close()
    const queues = await openTwo({ url: `sqlite:${path}` })
    await expectSameWork(...queues)
    expect(await queues[0].sizes()).toEqual(AFTERWARDS)
    await Promise.all(queues.map((queue) => queue.close()))
  })

  test('in PostgreSQL', { timeout: 240_000 }, async () => {
    const url = inject('postgresUrl')
    const tablePrefix = freshPrefix()
    const t = tableNames(tablePrefix)
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    const seriesText = `generate_series(1, ${ITEMS}) n`
    const dialect = { seriesText, uid: 'gen_random_uuid()', slots: 16 }
    for (const text of [...firstStep(postgresSteps(t)), ...fillText(t, dialect)]) await client.query(text)
    await client.query(`select setval('${t.items}_turn', ${ITEMS})`)
    await client.end()
    const queues = await openTwo({ url, tablePrefix })
    await expectSameWork(...queues)
    expect(await queues[0].sizes()).toEqual(AFTERWARDS)
    await Promise.all(queues.map((queue) => queue.close()))
  })
})

async function openTwo(options: object): Promise<[Queue, Queue]> {
  const open = () => openQueue({ name: 'work', timeoutMs: 200_000, ...options })
  return Promise.all([open(), open()])
}
