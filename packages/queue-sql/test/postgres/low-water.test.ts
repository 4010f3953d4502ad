import type { Queue } from '@sluice/core'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { LowWater } from '../../src/postgres/low-water.js'
import type { ClaimedRow } from '../../src/items/moves.js'
import { openSqlQueue } from '../support/open-sql-queue.js'
import { optionsSchema } from '../../src/sql-options.js'
import { tableNames } from '../../src/schema/tables.js'
import { freshPrefix } from '../support/postgres-harness.js'

function row(put_at: number, priority: number | null = null): ClaimedRow {
  const summary = { id: 'a', uid: 'u', attempt: 1, refunds: null, priority, retry_state: null }
  return { ...summary, put_at, claimed_at: 0, body: '1', available_at: null, seq: 1 }
}

describe('the mark', () => {
  let nowMs: number
  let low: LowWater

  /** Twice, and the first time at 20,000. */
  function seeNothing(): void {
    low.noteScan()({ seenAt: 20_000, oldest: 100, own: 100, isDue: false })
    low.noteScan()({ seenAt: 20_500, oldest: 101, own: 101, isDue: false })
  }

  beforeEach(() => {
    nowMs = 5_000
    low = new LowWater({ monotonicMs: () => nowMs })
    low.noteVersion()(3)
  })

  /** As a claim does that began just now. */
  const note = (rows: readonly ClaimedRow[], max: number): void => low.noteClaim()(rows, max)

  test('is a little before the latest put of a full claim, in its rank', () => {
    expect(low.mark()).toBeUndefined()
    note([row(9_000, 7), row(7_000, 7)], 2)
    expect(low.mark()).toEqual({ rank: -7, availableAt: 8_950, version: 3 })
  })

  test.each([
    ['nothing', []],
    ['less than it asked for', [row(9_000)]],
  ] as const)('stays where it was after a claim that gets %s', (_, rows) => {
    low.mark()
    note([row(8_000), row(9_000)], 2)
    note(rows, 2)
    expect(low.mark()).toEqual({ rank: -0, availableAt: 8_950, version: 3 })
  })

  test('is the floor of the backlog if that is later, or of the rank claimed from last', () => {
    low.mark()
    note([row(8_000), row(9_000)], 2)
    seeNothing()
    expect(low.mark()).toEqual({ rank: -0, availableAt: 19_000 })
    note([row(30_000)], 1)
    expect(low.mark()).toEqual({ rank: -0, availableAt: 29_950, version: 3 })
    note([row(30_000, 5)], 2)
    expect(low.mark()).toEqual({ rank: -5, availableAt: 19_000 })
  })

  test('a scan of all ranks begins at the floor, and once a second at the beginning', () => {
    note([row(9_000, 3)], 2)
    expect(low.start()).toBeUndefined()
    seeNothing()
    expect(low.start()).toEqual({ rank: -3, availableAt: 19_000 })
    nowMs += 1_000
    expect(low.start()).toBeUndefined()
    expect(low.start()).toEqual({ rank: -3, availableAt: 19_000 })
    const noteScanned = low.noteScan()
    low.reset()
    noteScanned({ seenAt: 21_000, oldest: 102, own: 102, isDue: false })
    expect(low.start()).toBeUndefined()
  })

  test('is dropped when items return to their places, and a claim that was under way sets none', () => {
    low.mark()
    const noteOld = low.noteClaim()
    noteOld([row(9_000)], 1)
    expect(low.mark()).toBeDefined()
    low.reset()
    noteOld([row(9_000)], 1)
    expect(low.mark()).toBeUndefined()
    low.noteClaim()([row(9_000)], 1)
    expect(low.mark()).toBeDefined()
  })

  test('is of the version of the places that was read before the claim began', () => {
    low.mark()
    const noteOld = low.noteClaim()
    low.noteVersion()(4)
    noteOld([row(9_000)], 1)
    expect(low.mark()).toEqual({ rank: -0, availableAt: 8_950, version: 3 })
    note([row(10_000)], 1)
    expect(low.mark()).toEqual({ rank: -0, availableAt: 9_950, version: 4 })
  })

  test('is absent while the version is unknown, which is read once a second if a mark is of use', () => {
    low = new LowWater({ monotonicMs: () => nowMs })
    low.mark()
    expect(low.wantsVersion()).toBe(false)
    note([row(9_000)], 2)
    expect(low.wantsVersion()).toBe(false)
    note([row(9_000)], 1)
    expect(low.mark()).toBeUndefined()
    expect(low.wantsVersion()).toBe(true)
    low.noteVersion()(7)
    expect(low.wantsVersion()).toBe(false)
    note([row(9_000)], 1)
    expect(low.mark()).toEqual({ rank: -0, availableAt: 8_950, version: 7 })
    nowMs += 1_000
    expect(low.wantsVersion()).toBe(true)
    note([], 1)
    expect(low.wantsVersion()).toBe(false)
  })

  test('is valid for a second after a scan of the whole backlog, however many claims there are', () => {
    low.mark()
    for (nowMs = 5_000; nowMs < 6_000; nowMs += 100) {
      note([row(nowMs)], 1)
      expect(low.mark()).toBeDefined()
    }
    note([row(nowMs)], 1)
    expect(low.mark()).toBeUndefined()
    note([row(nowMs)], 1)
    expect(low.mark()).toBeDefined()
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

  test('an item whose put commits late is found within a second, first of all', async () => {
    await beginLatePut()
    expect(await got(10)).not.toContain('late')
    await late.query('commit')
    await pause(1_050)
    expect((await got(10))[0]).toBe('late')
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
