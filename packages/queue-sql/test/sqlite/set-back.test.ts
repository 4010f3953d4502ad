import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import type { Lease, Queue } from '@sluice/core'
import { systemRuntime } from '@sluice/core/backend'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ClockWatch } from '../../src/sqlite/set-back.js'
import { openSqlQueue } from '../support/open-sql-queue.js'
import { optionsSchema } from '../../src/sql-options.js'
import { freshDirectory } from '../support/sqlite-harness.js'

const HOUR_MS = 3_600_000
const TTL_MS = 300

let directory: string
let file: string
/** By how much the machine's clock is wrong. */
let offMs = 0
const opened: Queue[] = []

beforeEach(() => {
  directory = freshDirectory()
  mkdirSync(directory)
  file = join(directory, 'queue.db')
  offMs = 0
})
afterEach(async () => {
  await Promise.all(opened.splice(0).map((queue) => queue.close()))
  rmSync(directory, { recursive: true, force: true })
})

async function open(): Promise<Queue> {
  const settings = optionsSchema.parse({ name: 'tiles', url: `sqlite:${file}`, synchronous: 'NORMAL' })
  const queue = await openSqlQueue(settings, { runtime: { ...systemRuntime, now: () => Date.now() + offMs } })
  opened.push(queue)
  return queue
}

async function idsFrom(queue: Queue, count: number): Promise<string[]> {
  return (await queue.get(count)).map(({ id }) => id)
}

function query(text: string): Record<string, unknown>[] {
  const database = new DatabaseSync(file)
  try {
    return database.prepare(text).all()
  } finally {
    database.close()
  }
}

describe('a machine whose clock is set back', () => {
  test('two processes put on both sides of it: the order of the puts is that of the claims', async () => {
    const [one, two] = [await open(), await open()]
    await one.putMany(Array.from({ length: 50 }, (_, n) => ({ id: `a${n}`, body: n })))
    offMs = -HOUR_MS
    await two.put('b', 1)
    await one.put('c', 1)
    offMs = -2 * HOUR_MS
    await two.put('d', 1)
    const ids = [...Array.from({ length: 50 }, (_, n) => `a${n}`), 'b', 'c', 'd']
    expect(await idsFrom(one, 100)).toEqual(ids)
  })

  test('priorities, other queues and delayed items keep their places', async () => {
    const queue = await open()
    await queue.put('low', 1, { priority: -5 })
    await queue.put('high', 1, { priority: 5 })
    await queue.put('delayed', 1, { priority: 9, delayMs: 60_000 })
    await queue.put('past', 1, { notBeforeAt: Date.now() - 5 })
    offMs = -HOUR_MS
    expect(await idsFrom(queue, 9)).toEqual(['high', 'past', 'low'])
    offMs = 61_000
    expect(await idsFrom(queue, 9)).toEqual(['delayed'])
  })

  test('items made available by an update wait no longer than others, and delayed ones as long as asked for', async () => {
    const queue = await open()
    await queue.putMany(['a', 'b', 'c'].map((id) => ({ id, body: 1 })))
    await queue.put('delayed', 1, { delayMs: 60_000 })
    await queue.update([
      { id: 'a', notBeforeAt: 0 },
      { id: 'b', priority: 1 },
      { id: 'c', notBeforeAt: Date.now() + 60_000 },
      { id: 'delayed', notBeforeAt: 5 },
    ])
    offMs = -HOUR_MS
    expect(await idsFrom(queue, 9)).toEqual(['b', 'a', 'delayed'])
    offMs = 61_000
    expect(await idsFrom(queue, 9)).toEqual(['c'])
  })

  test('while no process had the file open: the first to open it corrects the instants', async () => {
    const first = await open()
    await first.put('one', 1)
    const lease = await first.lease('dispatcher', 'me', 60_000)
    await first.get(1)
    await first.release('one')
    await first.close()
    expect(lease).toBeDefined()
    offMs = -24 * HOUR_MS
    expect(await idsFrom(await open(), 1)).toEqual(['one'])
  })

  test('items removed and settled afterwards leave nothing behind', async () => {
    const queue = await open()
    await queue.putMany(['a', 'b', 'c'].map((id) => ({ id, body: 1 })))
    await queue.get(1)
    offMs = -HOUR_MS
    await queue.settle([{ id: 'a', attempt: 1, stage: 'WAITING', keepPlace: true, countAttempt: false }])
    expect(await queue.remove(['a', 'b'])).toMatchObject({ removed: 2 })
    expect(await idsFrom(queue, 9)).toEqual(['c'])
    await queue.success('c')
    expect(query('select * from sluice_waiting')).toEqual([])
    expect(await queue.sizes()).toEqual({ WAITING: 0, PROCESSING: 0, SUCCESS: 1, FAIL: 0 })
  })

  test('no step, or a step that has passed, changes nothing', () => {
    let [now, monotonic] = [1_000_000, 0]
    const watch = new ClockWatch({ now: () => now })
    const moved = (wallMs: number, ownMs: number): boolean => {
      now += wallMs
      monotonic += ownMs
      return watch.isSetBack(monotonic)
    }
    expect([moved(10, 10), moved(-50, 0), moved(0, 40), moved(HOUR_MS, 5)]).toEqual([
      false,
      false,
      false,
      false,
    ])
    expect([moved(-HOUR_MS, 5), moved(5, 5)]).toEqual([true, true])
    watch.accept(monotonic)
    expect([moved(5, 5), moved(-90, 0), moved(-90, 0)]).toEqual([false, false, true])
  })
})

async function taken(queue: Queue, holder: string, ttlMs = TTL_MS): Promise<Lease> {
  const lease = await queue.lease('dispatcher', holder, ttlMs)
  if (lease === undefined) throw new Error(`${holder} gets no lease`)
  return lease
}

describe('the lease of a dispatcher', () => {
  test('of a dead process ends for a process that starts after a step back', async () => {
    const dead = await taken(await open(), 'dead')
    offMs = -HOUR_MS
    const [one, two] = [await open(), await open()]
    expect(await one.lease('dispatcher', 'one', TTL_MS)).toBeUndefined()
    await pause(TTL_MS + 50)
    // It sees the row for the first time: for it, all of the ttl lies ahead.
    expect(await two.lease('dispatcher', 'two', TTL_MS)).toBeUndefined()
    const next = await taken(one, 'one', 60_000)
    expect(next.fencingToken).toBe(dead.fencingToken + 1)
    await next.renew()
    expect(await two.lease('dispatcher', 'two', TTL_MS)).toBeUndefined()
  })

  test('goes to one of two observers that reach its end at once', async () => {
    await taken(await open(), 'dead')
    offMs = -HOUR_MS
    const observers = await Promise.all(Array.from({ length: 6 }, () => open()))
    const ask = () => Promise.all(observers.map((queue, n) => queue.lease('dispatcher', `o${n}`, 60_000)))
    expect((await ask()).filter((lease) => lease !== undefined)).toEqual([])
    await pause(TTL_MS + 50)
    expect((await ask()).filter((lease) => lease !== undefined)).toHaveLength(1)
  })

  test('stays with a holder that renews it, also if an observer has a shorter ttl', async () => {
    const [holder, observer] = [await open(), await open()]
    const lease = await taken(holder, 'me', 60_000)
    offMs = -HOUR_MS
    for (let round = 0; round < 2; round++) {
      expect(await observer.lease('dispatcher', 'you', 100)).toBeUndefined()
      await pause(120)
      expect(await observer.lease('dispatcher', 'you', 100)).toBeUndefined()
      expect(await lease.renew()).toBe(true)
    }
  })

  test('survives a clock that is set forward if its observers have seen it, and is renewed by its holder', async () => {
    const [holder, observer] = [await open(), await open()]
    const lease = await taken(holder, 'me', 60_000)
    expect(await observer.lease('dispatcher', 'you', 60_000)).toBeUndefined()
    offMs = HOUR_MS
    expect(await observer.lease('dispatcher', 'you', 60_000)).toBeUndefined()
    expect(await lease.renew()).toBe(true)
    expect(await (await open()).lease('dispatcher', 'they', 60_000)).toBeUndefined()
    await lease.release()
    expect(await lease.renew()).toBe(false)
    await taken(observer, 'you')
  })

  test('is not renewed by a holder whose time is over by its own clock', async () => {
    const lease = await taken(await open(), 'me', 100)
    await pause(120)
    offMs = HOUR_MS
    expect(await lease.renew()).toBe(false)
  })

  test('without a ttl, of an older release, ends only by the clock', async () => {
    await taken(await open(), 'old', 100)
    query('update sluice_leases_4 set ttl_ms = null')
    offMs = -HOUR_MS
    const observer = await open()
    expect(await observer.lease('dispatcher', 'you', 100)).toBeUndefined()
    await pause(120)
    expect(await observer.lease('dispatcher', 'you', 100)).toBeUndefined()
    offMs = 0
    await taken(await open(), 'they')
  })

  test('that is lost to an observer is refused to claims of the one before', async () => {
    const [old, next] = [await open(), await open()]
    await old.put('one', 1)
    const lost = await taken(old, 'me')
    offMs = -HOUR_MS
    await next.lease('dispatcher', 'you', TTL_MS)
    await pause(TTL_MS + 50)
    await taken(next, 'you', 60_000)
    await expect(old.get(1, { lease: lost })).rejects.toMatchObject({ code: 'SLUICE_LEASE_LOST' })
  })
})
