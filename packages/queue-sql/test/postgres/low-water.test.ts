import type { Queue } from '@sluice/core'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import type { FloorAnswer } from '../../src/postgres/backlog/backlog-floors.js'
import { LowWater } from '../../src/postgres/backlog/low-water.js'
import type { ClaimedRow } from '../../src/items/moves.js'
import { openSqlQueue } from '../support/open-sql-queue.js'
import { optionsSchema } from '../../src/sql-options.js'
import { tableNames } from '../../src/schema/tables.js'
import { freshPrefix } from '../support/postgres-harness.js'

function row(availableAt: number, priority: number | null = null, seq = 1): ClaimedRow {
  const summary = {
    id: 'a',
    uid: 'u',
    attempt: 1,
    refunds: null,
    priority,
    retry_state: null,
    resources: null,
    limit_key: null,
  }
  return { ...summary, put_at: 1, claimed_at: 0, body: '1', available_at: availableAt, seq }
}

describe('the mark', () => {
  let nowMs: number
  let low: LowWater
  const seen = { remains: null, version: 3, now: 20_000, writers: [], server: 'one' }

  beforeEach(() => {
    nowMs = 5_000
    low = new LowWater({ monotonicMs: () => nowMs })
    // The first claim scans the whole backlog.
    low.claim(1).note([row(1)])
    check()
  })

  /** As a claim does that begins just now. */
  const claim = (rows: readonly ClaimedRow[], max: number) => {
    const { from, note } = low.claim(max)
    note(rows)
    return from
  }
  /** Three checks, which make the place of the last claim the floor unless an item is left. */
  const check = (changed: Partial<FloorAnswer> = {}): void => {
    for (let turn = 0; turn < 3; turn++) {
      const { order, note } = low.check()
      note({ ...seen, remains: order.to === undefined ? null : false, ...changed })
    }
  }

  test('is the last item of a claim that got all it asked for, in its rank', () => {
    claim([row(7_000, 7), row(9_000, 7, 5)], 2)
    expect(low.claim(1).from).toEqual({ rank: -7, availableAt: 9_000, seq: 5, version: 3 })
  })

  test('is the instant of the put of an item that was never delayed', () => {
    claim([{ ...row(0), available_at: null, put_at: 8_000 }], 1)
    expect(low.claim(1).from).toMatchObject({ availableAt: 8_000, seq: 1 })
  })

  test.each([
    ['nothing', []],
    ['less than it asked for', [row(9_500)]],
  ] as const)('stays where it was after a claim that gets %s', (_, rows) => {
    claim([row(8_000), row(9_000)], 2)
    claim(rows, 2)
    expect(low.claim(1).from).toMatchObject({ availableAt: 9_000 })
  })

  test('gives way to a later floor, and is of no use in another rank', () => {
    claim([row(9_000)], 1)
    check()
    claim([row(8_000)], 1)
    expect(low.claim(1).from).toMatchObject({ rank: -0, availableAt: 9_000 })
    claim([row(1_000, 5)], 2)
    expect(low.claim(1).from).toBeUndefined()
  })

  test('gives way to the floor for one claim after each check that found an item before it', () => {
    claim([row(6_000)], 1)
    check()
    claim([row(9_000)], 1)
    low.check().note(seen)
    low.check().note(seen)
    for (let turn = 0; turn < 2; turn++) {
      low.check().note({ ...seen, remains: true })
      expect(low.claim(1).from).toMatchObject({ availableAt: 6_000 })
      expect(low.claim(1).from).toMatchObject({ availableAt: 9_000 })
    }
    low.check().note({ ...seen, remains: false })
    expect(low.claim(1).from).toMatchObject({ availableAt: 9_000 })
  })

  test('a scan of all ranks begins at the floor, and once a second at the beginning', () => {
    expect(low.scan().from).toBeUndefined()
    expect(low.scan().from).toMatchObject({ rank: -0, availableAt: 1 })
    claim([row(9_000, 3)], 1)
    check()
    expect(low.scan().from).toEqual({ rank: -3, availableAt: 9_000, seq: 1, version: 3 })
    nowMs += 1_000
    expect(low.scan().from).toBeUndefined()
    const { note } = low.scan()
    note({ seenAt: 15_000, isDue: false })
    check()
    expect(low.scan().from).toEqual({ rank: -3, availableAt: 15_000, seq: 0, version: 3 })
    const late = low.scan()
    low.reset()
    late.note({ seenAt: 16_000, isDue: false })
    expect(low.wantsCheck()).toBe(false)
    expect(low.scan().from).toBeUndefined()
  })

  test('a scan that saw a due item says nothing', () => {
    claim([row(9_000)], 1)
    check()
    low.scan().note({ seenAt: 15_000, isDue: true })
    nowMs += 1_000
    expect(low.wantsCheck()).toBe(false)
  })

  test('is dropped when items return to their places, and a claim that was under way sets none', () => {
    claim([row(9_000)], 1)
    const late = low.claim(1)
    expect(late.from).toBeDefined()
    low.reset()
    late.note([row(9_000)])
    expect(low.claim(1).from).toBeUndefined()
    claim([row(9_000)], 1)
    expect(low.claim(1).from).toBeDefined()
  })

  test.each([
    ['the server is another one', { server: 'two' }],
    ['the clock was set back', { now: 19_999 }],
  ])('is dropped if %s', (_, answer) => {
    claim([row(9_000)], 1)
    check()
    low.check().note({ ...seen, ...answer })
    expect([low.claim(1).from, low.scan().from, low.scan().from]).toEqual([undefined, undefined, undefined])
  })

  test('is of the version of the places that was read before the claim began', () => {
    claim([row(8_000)], 1)
    const late = low.claim(1)
    low.check().note({ ...seen, version: 4 })
    late.note([row(9_000)])
    expect(low.claim(1).from).toMatchObject({ availableAt: 9_000, version: 3 })
    claim([row(10_000)], 1)
    expect(low.claim(1).from).toMatchObject({ availableAt: 10_000, version: 4 })
  })

  test('is absent while the version is unknown, which the first check reads', () => {
    low = new LowWater({ monotonicMs: () => nowMs })
    expect(low.wantsCheck()).toBe(false)
    claim([row(9_000)], 2)
    expect(low.wantsCheck()).toBe(false)
    claim([row(9_000)], 1)
    expect(low.claim(1).from).toBeUndefined()
    expect(low.wantsCheck()).toBe(true)
    low.check().note(seen)
    expect(low.wantsCheck()).toBe(false)
    claim([row(9_000)], 1)
    expect(low.claim(1).from).toMatchObject({ availableAt: 9_000 })
    nowMs += 50
    expect(low.wantsCheck()).toBe(true)
  })

  test('the whole backlog is scanned once a second, or for a hundredth of the time', () => {
    claim([row(9_000)], 1)
    nowMs += 999
    expect(claim([row(9_001)], 1)).toBeDefined()
    nowMs += 1
    const slow = low.claim(1)
    expect(slow.from).toBeUndefined()
    // A claim that begins while it is under way is not whole as well.
    expect(low.claim(1).from).toBeDefined()
    nowMs += 60
    slow.note([row(9_002)])
    nowMs += 5_939
    expect(low.claim(1).from).toBeDefined()
    nowMs += 1
    const slowest = low.claim(1)
    expect(slowest.from).toBeUndefined()
    nowMs += 10_000
    slowest.note([row(9_003)])
    nowMs += 289_999
    expect(low.claim(1).from).toBeDefined()
    nowMs += 1
    expect(low.claim(1).from).toBeUndefined()
  })
})

describe('on PostgreSQL', () => {
  const url = inject('postgresUrl')
  const tablePrefix = freshPrefix()
  const names = tableNames(tablePrefix)
  let queue: Queue
  let late: pg.Client

  beforeEach(async () => {
    queue = await openSqlQueue(optionsSchema.parse({ name: `low ${Math.random()}`, url, tablePrefix }))
    late = new pg.Client({ connectionString: url })
    await late.connect()
    await queue.putMany(Array.from({ length: 300 }, (_, index) => ({ id: `i${index}`, body: index })))
  })
  afterEach(async () => {
    await late.end()
    await queue.close()
  })

  /** As a put does that began ten seconds ago, and has not committed yet. */
  async function beginLatePut(): Promise<void> {
    const at = `(select min(available_at) from ${names.waiting}) - 10000`
    const queueId = `(select queue_id from ${names.waiting} order by queue_id desc limit 1)`
    await late.query('begin')
    await late.query(`insert into ${names.items} (seq, queue_id, id, uid, attempt, refunds, priority, put_at, available_at, body)
      values (nextval('${names.items}_turn') * 1000, ${queueId}, 'late', gen_random_uuid(), 0, 0, 0, ${at}, ${at}, '1')`)
    await late.query(`insert into ${names.waiting} (queue_id, rank, available_at, seq)
      select queue_id, -priority, available_at, seq from ${names.items} where id = 'late' and queue_id = ${queueId}`)
  }

  const got = async (max: number): Promise<string[]> => (await queue.get(max)).map(({ id }) => id)

  test('an item whose put commits late is found by one of the next claims', async () => {
    await beginLatePut()
    expect(await got(10)).not.toContain('late')
    await late.query('commit')
    await expect.poll(() => got(1), { interval: 60, timeout: 10_000 }).toEqual(['late'])
  })

  test('and at once if a claim would otherwise get too few', async () => {
    await beginLatePut()
    expect(await got(10)).not.toContain('late')
    await late.query('commit')
    const rest = await got(1_000)
    expect(rest).toHaveLength(291)
    // It was put first: within one get it goes first, whichever statement found it [Q-GET-1].
    expect(rest[0]).toBe('late')
  })

  test('an item that this process returned to its place is found at once, however long ago it was put', async () => {
    await beginLatePut()
    await late.query('commit')
    await late.query(`update ${names.counters} set waiting = waiting + 1 where slot = 0`)
    expect(await got(1)).toEqual(['late'])
    expect(await got(10)).toHaveLength(10)
    await queue.release('late', { keepPlace: true })
    expect(await got(1)).toEqual(['late'])
  })

  test('and so is one that another process returned to its place', async () => {
    const other = await openSqlQueue(optionsSchema.parse({ name: queue.name, url, tablePrefix }))
    const [first] = await other.get(1)
    for (let turn = 0; turn < 4; turn++) expect(await got(5)).toHaveLength(5)
    await other.release(first?.id ?? '', { keepPlace: true })
    await other.close()
    expect(await got(1)).toEqual([first?.id])
  })

  test('a higher priority goes first at every claim, and then the mark is not of its rank', async () => {
    expect(await got(10)).toHaveLength(10)
    await queue.put('urgent', 1, { priority: 5 })
    await queue.put('more urgent', 1, { priority: 9 })
    expect(await got(1)).toEqual(['more urgent'])
    expect(await got(1)).toEqual(['urgent'])
    expect(await got(1)).toEqual(['i10'])
  })

  test('a released item is claimed again in its order, and one claimed by another is not', async () => {
    const first = await got(100)
    await queue.release(first[0] ?? '')
    const other = await openSqlQueue(optionsSchema.parse({ name: queue.name, url, tablePrefix }))
    const theirs = await other.get(100)
    const rest = await got(101)
    await other.close()
    expect(theirs.map(({ id }) => id)).toEqual(Array.from({ length: 100 }, (_, index) => `i${index + 100}`))
    expect(rest.at(-1)).toBe(first[0])
    expect(new Set([...first, ...rest, ...theirs.map(({ id }) => id)]).size).toBe(300)
  })
})
