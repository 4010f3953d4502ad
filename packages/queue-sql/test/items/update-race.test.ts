import type { Lease, Queue } from '@sluice/core'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { openSqlQueue } from '../support/open-sql-queue.js'
import { postgresStatements } from '../../src/postgres/statements/statements.js'
import { optionsSchema } from '../../src/sql-options.js'
import { tableNames } from '../../src/schema/tables.js'
import { wrapStatements } from '../support/crashing-dialect.js'
import { freshPrefix } from '../support/postgres-harness.js'

const url = inject('postgresUrl')
const UPDATED = { updated: 1, skipped: [] }
const skipped = (id: string, reason: string) => ({ updated: 0, skipped: [{ id, reason }] })

let tablePrefix: string
let names: ReturnType<typeof tableNames>
/** Two processes, from the view of the database. */
let claimer: Queue
let updater: Queue
/** Keeps rows locked, on which a statement of the others then waits. */
let blocker: pg.Client
let watcher: pg.Client
let lease: Lease
/** SQLSTATE of what the server refused. */
let refused: string[]

async function open(): Promise<Queue> {
  const settings = optionsSchema.parse({ name: 'race', url, tablePrefix, poolSize: 3 })
  return openSqlQueue(settings, {
    wrap: (dialect) =>
      wrapStatements(dialect, async (query, execute) => {
        try {
          return await execute(query)
        } catch (error) {
          if (error instanceof Error && 'code' in error) refused.push(String(error.code))
          throw error
        }
      }),
  })
}

beforeEach(async () => {
  tablePrefix = freshPrefix()
  names = tableNames(tablePrefix)
  refused = []
  claimer = await open()
  updater = await open()
  blocker = new pg.Client({ connectionString: url })
  watcher = new pg.Client({ connectionString: url })
  await Promise.all([blocker.connect(), watcher.connect()])
  const taken = await claimer.lease('claims', 'me', 3_600_000)
  if (taken === undefined) throw new Error('the lease of a fresh queue is free')
  lease = taken
})

afterEach(async () => {
  await Promise.all([claimer.close(), updater.close(), blocker.end(), watcher.end()])
})

/** How many statements of this test wait for a lock. */
async function waiting(): Promise<number> {
  const text = `select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%${tablePrefix}%'`
  return (await watcher.query(text)).rowCount ?? 0
}

/** Runs statements against a locked row until this many wait, and then unlocks it. */
async function whileLocked(rows: string, run: () => Promise<void>): Promise<void> {
  await blocker.query('begin')
  await blocker.query(`select 1 from ${rows} for update`)
  await run()
  await blocker.query('commit')
}

async function given(count = 9): Promise<[string, unknown][]> {
  return (await claimer.get(count, { lease })).map(({ id, body }) => [id, body])
}

/** It waits for the row of its lease, which it reads before it scans for items, and in the same snapshot. */
async function claimBeside(run: () => Promise<void>, count = 9): Promise<[string, unknown][]> {
  let claim: Promise<[string, unknown][]> | undefined
  await whileLocked(names.leases, async () => {
    claim = given(count)
    await expect.poll(waiting).toBe(1)
    await run()
  })
  return (await claim) ?? []
}

/** Keeps an update of `a` from ending: where it changes the item, or where it ends. */
async function updateBeside(rows: string, run: () => Promise<void>): Promise<unknown> {
  let update: ReturnType<Queue['update']> | undefined
  await whileLocked(rows, async () => {
    update = updater.update([{ id: 'a', body: 'new', priority: 1 }])
    await expect.poll(waiting).toBe(1)
    await run()
  })
  return update
}

async function past(ms: number): Promise<void> {
  const startedAt = await updater.now()
  while ((await updater.now()) <= startedAt + ms);
}

/** All of them, in this order, with priorities that go by it. */
const updateAll = (queue: Queue, order: readonly string[]) =>
  queue.update(order.map((id, index) => ({ id, body: 'new', priority: index % 5 })))

/** Claims what there is, and settles it in each of the ways. */
async function work(queue: Queue): Promise<void> {
  for (let items = await queue.get(7); items.length > 0; items = await queue.get(7)) {
    const stages = ['SUCCESS', 'FAIL', 'WAITING'] as const
    await queue.settle(
      items.map(({ id, attempt }, index) => ({
        id,
        attempt,
        stage: attempt > 2 ? 'SUCCESS' : (stages[index % 3] ?? 'FAIL'),
      })),
    )
    await queue.requeue(items.map(({ id }) => id).toReversed())
  }
}

describe('a claim that has its snapshot, but has not locked its items', () => {
  beforeEach(() =>
    updater.putMany([
      { id: 'a', body: 'old' },
      { id: 'b', body: 'old' },
    ]),
  )

  test('would return the old body if an update wrote only the item', async () => {
    const got = await claimBeside(async () => {
      await watcher.query(`update ${names.items} set body = '"new"' where id = 'a'`)
    })
    expect(got).toContainEqual(['a', 'old'])
  })

  test('returns what an update acknowledged meanwhile', async () => {
    const got = await claimBeside(async () => {
      expect(await updater.update([{ id: 'a', body: 'new' }])).toEqual(UPDATED)
    })
    expect(got).toEqual([
      ['a', 'new'],
      ['b', 'old'],
    ])
    expect((await updater.lookup('a'))?.body).toBe('new')
  })

  test.each([1, 2, 9])('gives the second of two updates, of %i items asked for', async (count) => {
    const got = await claimBeside(async () => {
      await updater.update([{ id: 'a', body: 'new' }])
      await updater.update([{ id: 'a', body: 'newer' }])
    }, count)
    expect(got).toEqual(
      [
        ['a', 'newer'],
        ['b', 'old'],
      ].slice(0, count),
    )
  })

  test.each([
    ['a higher priority', { priority: 5 }, ['b', 'a']],
    ['a lower priority', { priority: -5 }, ['a', 'b']],
    ['a place behind the others', { notBeforeAt: 0 }, ['a', 'b']],
    ['an instant that lies ahead', { notBeforeAt: 8_640_000_000_000 }, ['a']],
  ])('sees %s that was acknowledged meanwhile', async (_, change, order) => {
    const got = await claimBeside(async () => {
      expect(await updater.update([{ id: 'b', body: 'new', ...change }])).toEqual(UPDATED)
    })
    expect(got).toEqual(order.map((id) => [id, id === 'b' ? 'new' : 'old']))
  })
})

describe('a claim that has locked its items', () => {
  test('delays an update, which finds the item in PROCESSING, and returns the item unchanged', async () => {
    await updater.put('a', 'old')
    let claim: Promise<[string, unknown][]> | undefined
    let update: ReturnType<Queue['update']> | undefined
    await whileLocked(names.counters, async () => {
      claim = given()
      await expect.poll(waiting).toBe(1)
      update = updater.update([{ id: 'a', body: 'new', priority: 3 }])
      await expect.poll(waiting).toBe(2)
    })
    expect(await claim).toEqual([['a', 'old']])
    expect(await update).toEqual(skipped('a', 'wrong-stage'))
    expect(await updater.lookup('a')).toMatchObject({ body: 'old', priority: 0, stage: 'PROCESSING' })
  })
})

describe('an update that is under way', () => {
  beforeEach(() =>
    updater.putMany([
      { id: 'a', body: 'old' },
      { id: 'b', body: 'old' },
    ]),
  )

  test('locks its items: a claim returns others', async () => {
    const update = updateBeside(`${names.items} where id = 'a'`, async () => {
      expect(await given()).toEqual([['b', 'old']])
    })
    expect(await update).toEqual(UPDATED)
    expect(await given()).toEqual([['a', 'new']])
  })

  test('locks them until it commits', async () => {
    const text = `select seq from ${names.waiting} for update skip locked`
    // A claim would wait for the same counters.
    const update = updateBeside(names.counters, async () => {
      expect((await watcher.query(text)).rowCount).toBe(1)
    })
    expect(await update).toEqual(UPDATED)
    expect(await given()).toEqual([
      ['a', 'new'],
      ['b', 'old'],
    ])
  })

  test('delays another update, which changes its result', async () => {
    const other = await open()
    let second: ReturnType<Queue['update']> | undefined
    const first = updateBeside(`${names.items} where id = 'a'`, async () => {
      second = other.update([{ id: 'a', body: 'newer' }])
      await expect.poll(waiting).toBe(2)
    })
    expect(await first).toEqual(UPDATED)
    expect(await second).toEqual(UPDATED)
    await other.close()
    expect(await updater.lookup('a')).toMatchObject({ body: 'newer', priority: 1 })
    expect(await given(1)).toEqual([['a', 'newer']])
  })

  test('delays a removal, which removes the item in its new place', async () => {
    let removal: ReturnType<Queue['remove']> | undefined
    const update = updateBeside(`${names.items} where id = 'a'`, async () => {
      removal = claimer.remove(['a'])
      await expect.poll(waiting).toBe(2)
    })
    expect(await update).toEqual(UPDATED)
    expect(await removal).toEqual({ removed: 1, skipped: [] })
    expect((await watcher.query(`select 1 from ${names.waiting}`)).rowCount).toBe(1)
    expect(await updater.sizes()).toMatchObject({ WAITING: 1 })
  })

  test('finds the item in its new place', async () => {
    const update = updateBeside(names.waiting, async () => {
      await blocker.query(
        `delete from ${names.waiting} w using ${names.items} i where i.seq = w.seq and i.id = 'a'`,
      )
      await blocker.query(`update ${names.items} set available_at = available_at + 1 where id = 'a'`)
      await blocker.query(`insert into ${names.waiting} (queue_id, rank, available_at, seq)
        select queue_id, -priority, available_at, seq from ${names.items} where id = 'a'`)
    })
    expect(await update).toEqual(UPDATED)
    expect(await given()).toEqual([
      ['a', 'new'],
      ['b', 'old'],
    ])
  })

  test('finds the item removed, and ignores another item of its id', async () => {
    const uid = (await updater.lookup('a'))?.uid ?? ''
    let update: ReturnType<Queue['update']> | undefined
    let removal: ReturnType<Queue['remove']> | undefined
    await whileLocked(names.counters, async () => {
      removal = claimer.remove(['a'])
      await expect.poll(waiting).toBe(1)
      update = updater.update([{ id: 'a', uid, body: 'new' }])
      await expect.poll(waiting).toBe(2)
    })
    expect(await removal).toEqual({ removed: 1, skipped: [] })
    expect(await update).toEqual(skipped('a', 'not-found'))
    await updater.put('a', 'another')
    expect(await updater.update([{ id: 'a', uid, body: 'new' }])).toEqual(skipped('a', 'not-current'))
  })
})

describe('the mark of another process', () => {
  beforeEach(async () => {
    await updater.put('first', 'old', { priority: -1 })
    await past(1)
    await updater.putMany(Array.from({ length: 20 }, (_, index) => ({ id: `i${index}`, body: index })))
  })

  test('does not hide an item that was first in a lower priority', async () => {
    expect(await given(5)).toHaveLength(5)
    expect(await given(5)).toHaveLength(5)
    expect(await given(5)).toHaveLength(5)
    expect(await updater.update([{ id: 'first', priority: 0 }])).toEqual(UPDATED)
    expect(await given(1)).toEqual([['first', 'old']])
  })

  test('is valid only for its version of the places', async () => {
    const version = async (): Promise<number> => {
      const { rows } = await watcher.query<{ version: string }>(postgresStatements(names).floor, [
        1,
        0,
        0,
        0,
        null,
        null,
      ])
      return Number(rows[0]?.version)
    }
    const firstOf = async (of: number | null): Promise<string> => {
      await blocker.query('begin')
      const { rows } = await blocker.query<{ id: string }>(postgresStatements(names).claim.top, [
        1,
        1,
        0,
        mark,
        0,
        of,
      ])
      await blocker.query('rollback')
      return rows[0]?.id ?? ''
    }
    const { rows } = await watcher.query<{ mark: string }>(
      `select max(available_at) as mark from ${names.waiting}`,
    )
    const mark = rows[0]?.mark
    const before = await version()
    await updater.update([{ id: 'first', body: 'new' }])
    await updater.update([{ id: 'first', priority: -1 }])
    expect(await version()).toBe(before)
    await updater.update([{ id: 'first', priority: 0 }])
    expect(await version()).toBe(before + 1)
    expect(await firstOf(before)).toBe('first')
    expect(await firstOf(before + 1)).toBe('i0')
    expect(await firstOf(null)).toBe('first')
    await updater.update([{ id: 'first', notBeforeAt: 0 }])
    expect(await version()).toBe(before + 2)
    expect(await updater.documents()).toEqual([])
  })
})

test('concurrent updates, claims, settlements and removals of the same items never deadlock', async () => {
  const ROUNDS = 6
  const ids = Array.from({ length: 200 }, (_, index) => `item-${index}`)
  const queues = [claimer, updater, await open(), await open()] as const
  for (let round = 0; round < ROUNDS; round++) {
    await updater.putMany(ids.map((id, index) => ({ id, body: round, priority: index % 3 })))
    const [one, two, three, four] = queues
    await Promise.all([
      updateAll(one, ids),
      updateAll(two, ids.toReversed()),
      updateAll(three, ids.toSorted()),
      work(three),
      work(four),
      two.remove(ids.slice(50, 90)),
      one.remove(ids.slice(70, 120).toReversed()),
      updateAll(four, ids.slice(60, 160)),
    ])
    await work(one)
    await one.remove(ids)
  }
  expect(refused).not.toContain('40P01')
  expect((await claimer.sizes()).WAITING).toBe(0)
  await Promise.all(queues.slice(2).map((queue) => queue.close()))
})
