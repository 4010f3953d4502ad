import type { Queue } from '@sluice/core'
import type { CompiledQuery, Dialect } from 'kysely'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, inject, test, vi } from 'vitest'
import { BacklogFloor } from '../../src/postgres/low-water.js'
import { openSqlQueue } from '../support/open-sql-queue.js'
import { POSTGRES_NOW_MS } from '../../src/postgres/statements/parts.js'
import { withPlanning } from '../../src/postgres/pool.js'
import { optionsSchema } from '../../src/sql-options.js'
import { tableNames } from '../../src/schema/tables.js'
import { wrapStatements } from '../support/crashing-dialect.js'
import { freshPrefix } from '../support/postgres-harness.js'

describe('the floor of the backlog', () => {
  type Scan = readonly [seenAt: number, oldest: number, own: number | null, isDue?: boolean]
  const floor = (...scans: readonly Scan[]) => {
    const made = new BacklogFloor()
    for (const [seenAt, oldest, own, isDue = false] of scans) made.note({ seenAt, oldest, own, isDue })
    return made.at
  }

  test('is a second before the earlier scan, once all transactions that began before it are over', () => {
    expect(floor([10_000, 7, 7])).toBeUndefined()
    expect(floor([10_000, 7, 7], [20_000, 8, 8])).toBe(9_000)
    expect(floor([10_000, 7, 7], [20_000, 8, null])).toBe(9_000)
  })

  test('is unknown while an item is due', () => {
    expect(floor([10_000, 7, 7], [20_000, 8, 8, true])).toBeUndefined()
  })

  test('waits for the transactions that were under way, which may have read the clock at any time before', () => {
    expect(floor([10_000, 7, 9], [20_000, 9, 12])).toBeUndefined()
    expect(floor([10_000, 7, 9], [20_000, 8, 12], [30_000, 9, 14])).toBeUndefined()
  })

  test('is that of the latest scan before which all transactions are over', () => {
    expect(floor([10_000, 7, 9], [20_000, 8, 12], [30_000, 10, 14])).toBe(9_000)
    expect(floor([10_000, 7, 9], [20_000, 8, 12], [30_000, 13, 14])).toBe(19_000)
    expect(floor([10_000, 7, 9], [20_000, 8, 12, true], [30_000, 13, 14])).toBe(19_000)
  })

  test('never falls, except after the clock was set back: then it is unknown', () => {
    expect(floor([10_000, 7, 7], [20_000, 8, 8], [19_500, 8, 9])).toBe(9_000)
    expect(floor([3_600_000, 7, 7], [3_700_000, 8, 8], [100_000, 9, 9])).toBeUndefined()
  })

  test('keeps few scans, however long a transaction stays open', () => {
    const open = Array.from({ length: 10_000 }, (_, index) => [index * 1_000, 5, 6 + index] as const)
    expect(floor(...open)).toBeUndefined()
    const after: Scan[] = [
      [20_000_000, 20_000, 20_000],
      [20_100_000, 20_001, 20_001],
    ]
    expect(floor(...open, ...after)).toBe(19_999_000)
  })
})

/** Enough for the remains of a backlog to be many pages. */
const ITEMS = 20_000
/** Of a get that begins where the backlog ended, and of one over all that was claimed. */
const FEW_BUFFERS = 80
const MANY_BUFFERS = 400

describe('a get beside an open transaction', () => {
  const url = inject('postgresUrl')
  let tablePrefix: string
  let queue: Queue
  let open: pg.Client
  let reader: pg.Client
  let sent: CompiledQuery[]
  let seenAt: number

  beforeEach(async () => {
    // The whole backlog is scanned once a second: here only when the test says so.
    seenAt = 1_000
    vi.spyOn(performance, 'now').mockImplementation(() => seenAt)
    tablePrefix = freshPrefix()
    sent = []
    const record = (dialect: Dialect): Dialect =>
      wrapStatements(dialect, (query, execute) => {
        sent.push(query)
        return execute(query)
      })
    queue = await openSqlQueue(optionsSchema.parse({ name: 'floor', url, tablePrefix, poolSize: 1 }), {
      wrap: record,
    })
    open = new pg.Client({ connectionString: url })
    reader = new pg.Client({ connectionString: withPlanning(url) })
    await open.connect()
    await reader.connect()
    await open.query('begin isolation level repeatable read')
    await open.query(`select count(*) from ${tableNames(tablePrefix).waiting}`)
  })
  afterEach(async () => {
    vi.restoreAllMocks()
    await open.end()
    await reader.end()
    await queue.close()
  })

  /** Buffers that the statements of a get read: each is run again, and undone. */
  async function buffersOfGet(max: number): Promise<number> {
    sent = []
    await queue.get(max)
    const statements = sent
    let buffers = 0
    for (const { sql, parameters } of statements) {
      await reader.query('begin')
      const { rows } = await reader.query<{ 'QUERY PLAN': [{ Plan: Record<string, number> }] }>(
        `explain (analyze, buffers, format json) ${sql}`,
        [...parameters],
      )
      await reader.query('rollback')
      const plan = rows[0]?.['QUERY PLAN'][0].Plan ?? {}
      buffers += (plan['Shared Hit Blocks'] ?? 0) + (plan['Shared Read Blocks'] ?? 0)
    }
    return buffers
  }

  /** Goes on until so much time is over for the server. */
  async function pastOf(ms: number, doing: () => Promise<void> = async () => {}): Promise<void> {
    const startedAt = await queue.now()
    while ((await queue.now()) < startedAt + ms) await doing()
  }

  async function workThrough(items: number): Promise<void> {
    for (let from = 0; from < items; from += 1_000) {
      await queue.putMany(Array.from({ length: 1_000 }, (_, index) => ({ id: `i${from + index}`, body: 1 })))
    }
    for (let left = items; left > 0;) left -= (await queue.get(1_000)).length
  }

  test(
    'does not walk over what was claimed, also after the backlog was empty',
    { timeout: 60_000 },
    async () => {
      await workThrough(ITEMS)
      await pastOf(1_100)
      // A scan of the whole backlog, and then those that begin where it saw nothing.
      seenAt += 1_000
      expect(await buffersOfGet(10)).toBeGreaterThan(MANY_BUFFERS)
      await expect.poll(() => buffersOfGet(10), { timeout: 20_000 }).toBeLessThan(FEW_BUFFERS)
      for (let round = 0; round < 5; round++) {
        await queue.put(`more-${round}`, round)
        expect(await buffersOfGet(10)).toBeLessThan(FEW_BUFFERS)
        expect(await buffersOfGet(10)).toBeLessThan(FEW_BUFFERS)
      }
      // Once a second the whole backlog is scanned in any case.
      seenAt += 1_000
      expect(await buffersOfGet(10)).toBeGreaterThan(MANY_BUFFERS)
      expect(await buffersOfGet(10)).toBeLessThan(FEW_BUFFERS)
    },
  )

  test('an empty answer is true, however late a put commits', { timeout: 60_000 }, async () => {
    await workThrough(1_000)
    await expect.poll(async () => (await queue.get(10)).length).toBe(0)
    const late = new pg.Client({ connectionString: url })
    await late.connect()
    const names = tableNames(tablePrefix)
    await late.query('begin')
    await late.query(`insert into ${names.items} (seq, queue_id, id, uid, attempt, refunds, priority, put_at, available_at, body)
      select nextval('${names.items}_turn') * 1000, queue_id, 'late', gen_random_uuid(), 0, 0, 0, now, now, '1'
      from (select queue_id from ${names.items} limit 1) q, (select ${POSTGRES_NOW_MS} as now) c`)
    await late.query(`insert into ${names.waiting} (queue_id, rank, available_at, seq)
      select queue_id, 0, available_at, seq from ${names.items} where id = 'late'`)
    // Scans while it is under way, until long after it has read the clock, learn nothing of what it hides.
    await pastOf(1_200, async () => expect(await queue.get(10)).toEqual([]))
    seenAt += 100
    for (let scan = 0; scan < 3; scan++) expect(await queue.get(10)).toEqual([])
    await late.query('commit')
    await late.end()
    expect((await queue.get(10)).map(({ id }) => id)).toEqual(['late'])
  })
})
