import type { Queue } from '@sluice/core'
import type { CompiledQuery, Dialect } from 'kysely'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, inject, test, vi } from 'vitest'
import { BacklogFloors, type FloorAnswer } from '../../src/postgres/backlog/backlog-floors.js'
import { openSqlQueue } from '../support/open-sql-queue.js'
import { POSTGRES_NOW_MS } from '../../src/postgres/statements/parts.js'
import { withPlanning } from '../../src/postgres/connection/pool.js'
import { optionsSchema } from '../../src/sql-options.js'
import { tableNames } from '../../src/schema/tables.js'
import { wrapStatements } from '../support/crashing-dialect.js'
import { freshPrefix } from '../support/postgres-harness.js'

describe('the floor of a rank', () => {
  const PLACE = { availableAt: 10_000, seq: 7 }
  const answer = { remains: null, version: 1, now: 20_000, writers: [], server: 'one' }
  let floors: BacklogFloors

  beforeEach(() => {
    floors = new BacklogFloors()
  })

  function check(changed: Partial<FloorAnswer> = {}): { to: unknown; isValid: boolean } {
    const order = floors.order()
    const remains = order.to === undefined ? null : false
    return { to: order.to, isValid: floors.note(order, { ...answer, remains, ...changed }) }
  }

  test('takes three checks: of the writers, of their end, and of the items', () => {
    expect(floors.wantsCheck()).toBe(false)
    floors.propose(0, PLACE)
    expect(floors.wantsCheck()).toBe(true)
    expect(check({ writers: ['1/2', '3/4'] }).to).toBeUndefined()
    expect(check({ writers: ['3/4', '5/6'] }).to).toBeUndefined()
    expect(check({ writers: ['5/6', '7/8'] }).to).toBeUndefined()
    expect(floors.of(0)).toBeUndefined()
    expect(check({ writers: ['7/8'] }).to).toEqual(PLACE)
    expect(floors.of(0)).toEqual({ ...PLACE, rank: 0, version: 1 })
    expect(floors.of(1)).toBeUndefined()
    expect(floors.wantsCheck()).toBe(false)
  })

  test('waits until the clock has passed the place', () => {
    floors.propose(0, PLACE)
    check({ now: 9_999 })
    check({ now: 10_000 })
    check({ now: 10_001 })
    expect(floors.order().to).toEqual(PLACE)
  })

  test('is not raised while an item is left, which is doubt for one claim of that rank', () => {
    floors.propose(3, PLACE)
    check()
    expect(check({ remains: true }).to).toEqual(PLACE)
    expect(floors.of(3)).toBeUndefined()
    expect([floors.takeDoubt(2), floors.takeDoubt(3), floors.takeDoubt(3)]).toEqual([false, true, false])
    expect(check().to).toEqual(PLACE)
    expect(floors.of(3)).toMatchObject(PLACE)
  })

  test('is a little behind the clock, and then rises to the place', () => {
    floors.propose(0, PLACE)
    check({ now: 10_001 })
    check({ now: 10_050 })
    expect(floors.of(0)).toMatchObject({ availableAt: 9_950, seq: 0 })
    expect(floors.wantsCheck()).toBe(true)
    for (const now of [10_100, 10_150]) check({ now })
    expect(floors.of(0)).toMatchObject(PLACE)
  })

  test('never falls, and is searched from', () => {
    floors.propose(0, PLACE)
    for (let turn = 0; turn < 2; turn++) check()
    floors.propose(0, { availableAt: 9_000, seq: 1 })
    expect(floors.wantsCheck()).toBe(false)
    floors.propose(0, { availableAt: 10_000, seq: 8 })
    expect(floors.order().from).toMatchObject(PLACE)
  })

  test('ends with its version of the places, and a search that began at it raises none', () => {
    floors.propose(0, PLACE)
    for (let turn = 0; turn < 2; turn++) check()
    floors.propose(0, { availableAt: 11_000, seq: 1 })
    check()
    check({ version: 2 })
    expect(floors.of(0)).toBeUndefined()
  })

  test.each([
    ['another server answers', { server: 'two' }],
    ['the clock was set back', { now: 19_999 }],
  ])('is invalid if %s', (_, changed) => {
    expect(check().isValid).toBe(true)
    expect(check(changed).isValid).toBe(false)
  })

  test('is kept for 64 ranks', () => {
    for (let rank = 0; rank < 70; rank++) {
      floors.propose(rank, PLACE)
      for (let turn = 0; turn < 2; turn++) check()
    }
    expect([floors.of(5), floors.of(6)]).toEqual([undefined, expect.objectContaining({ rank: 6 })])
  })

  test('an answer that comes after that of a later check adds nothing', () => {
    floors.propose(0, PLACE)
    const [early, late] = [floors.order(), floors.order()]
    floors.note(late, { ...answer, writers: ['1/2'] })
    floors.note(early, answer)
    expect(floors.order().to).toBeUndefined()
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
      // A scan of the whole backlog, and after a few checks those that begin at the floor.
      seenAt += 1_000
      expect(await buffersOfGet(10)).toBeGreaterThan(MANY_BUFFERS)
      await expect
        .poll(
          async () => {
            seenAt += 50
            return buffersOfGet(10)
          },
          { timeout: 20_000 },
        )
        .toBeLessThan(FEW_BUFFERS)
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
