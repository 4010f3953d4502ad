import type { ItemChange, Queue } from '@sluice/core'
import type { QueueHarness } from '@sluice/testkit'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { bothStores } from '../support/both-stores.js'

const HOUR_MS = 3_600_000

const bodyOf = (index: number): string => String(index).padEnd(1_000_000, 'x')

describe.each(bothStores)('update: %s', (_, makeHarness) => {
  let harness: QueueHarness
  let queue: Queue

  beforeEach(async () => {
    harness = await makeHarness()
    queue = await harness.open()
  })
  afterEach(() => harness.close())

  test('of more than fit into a statement reports why each was skipped, in the order of the call', async () => {
    const ids = Array.from({ length: 2_400 }, (__, index) => `i${index}`)
    await queue.putMany(ids.map((id) => ({ id, body: 'old' })))
    const taken = (await queue.get(100)).map(({ id }) => id)
    const changes: ItemChange[] = [...ids, 'unknown', ...ids.slice(0, 5)].map((id, priority) => ({
      id,
      body: id,
      priority,
    }))
    expect(await queue.update(changes)).toEqual({
      updated: 2_300,
      skipped: [
        ...taken.map((id) => ({ id, reason: 'wrong-stage' })),
        { id: 'unknown', reason: 'not-found' },
        ...ids.slice(0, 5).map((id) => ({ id, reason: 'repeated' })),
      ],
    })
    const items = await queue.get(3_000)
    expect(items.map(({ id, body }) => [id, body])).toEqual(
      ids
        .slice(100)
        .toReversed()
        .map((id) => [id, id]),
    )
  })

  test('takes bodies of more bytes than a statement has', async () => {
    const ids = Array.from({ length: 20 }, (__, index) => `i${index}`)
    await queue.putMany(ids.map((id) => ({ id, body: '' })))
    const report = await queue.update(ids.map((id, index) => ({ id, body: bodyOf(index) })))
    expect(report).toEqual({ updated: 20, skipped: [] })
    for (let index = 0; index < ids.length;) {
      for (const { id, body } of await queue.get(20)) {
        expect(id).toBe(`i${index}`)
        expect(body === bodyOf(index)).toBe(true)
        index += 1
      }
    }
  })

  test('of single items by concurrent callers gets its own outcome, also of one item by several', async () => {
    const ids = Array.from({ length: 50 }, (__, index) => `i${index}`)
    await queue.putMany(ids.map((id) => ({ id, body: 'old' })))
    await queue.get(5)
    const reports = await Promise.all(
      [...ids, 'unknown', ...ids].map((id, index) => queue.update([{ id, body: index }])),
    )
    expect(reports.map(({ skipped }) => skipped[0]?.reason ?? 'updated')).toEqual([
      ...ids.map((__, index) => (index < 5 ? 'wrong-stage' : 'updated')),
      'not-found',
      ...ids.map((__, index) => (index < 5 ? 'wrong-stage' : 'updated')),
    ])
    const bodies = (await queue.get(50)).map(({ body }) => body)
    // Each is of one of its two callers.
    expect(bodies.map((body) => (Number(body) - 5) % 51)).toEqual(
      Array.from({ length: 45 }, (__, index) => index),
    )
  })

  test('a past instant is dropped from the record, a future one is kept as notBeforeAt', async () => {
    await queue.put('a', 1, { delayMs: HOUR_MS })
    await queue.update([{ id: 'a', notBeforeAt: 5 }])
    expect(await queue.lookup('a')).not.toHaveProperty('notBeforeAt')
    const at = (await queue.now()) + HOUR_MS
    await queue.update([{ id: 'a', notBeforeAt: at }])
    expect(await queue.lookup('a')).toMatchObject({ notBeforeAt: at })
    await queue.update([{ id: 'a', priority: 5, body: 2 }])
    expect(await queue.lookup('a')).toMatchObject({ notBeforeAt: at, priority: 5, body: 2 })
    expect(await queue.get(1)).toEqual([])
  })

  test('another priority keeps the instant of a delayed item', async () => {
    const at = (await queue.now()) + 1_500
    await queue.putMany([
      { id: 'later', body: 1, notBeforeAt: at + 20 },
      { id: 'sooner', body: 1, notBeforeAt: at },
      { id: 'other', body: 1, notBeforeAt: at + 10, priority: 5 },
    ])
    await queue.update([{ id: 'other', priority: 0 }])
    await expect.poll(() => queue.now(), { timeout: 10_000 }).toBeGreaterThan(at + 20)
    expect((await queue.get(3)).map(({ id }) => id)).toEqual(['sooner', 'other', 'later'])
  })

  test('a returned item keeps its history, and is requeued, removed and counted as any other', async () => {
    await queue.put('a', 1)
    await queue.get(1)
    await queue.release('a', { reason: 'first', delayMs: HOUR_MS })
    expect(await queue.update([{ id: 'a', notBeforeAt: 0, priority: -3 }])).toEqual({
      updated: 1,
      skipped: [],
    })
    await queue.get(1)
    await queue.fail('a', { reason: 'second' })
    await queue.requeue(['a'])
    await queue.update([{ id: 'a', priority: 3 }])
    const record = await queue.lookup('a')
    expect(record?.history.map(({ reason }) => reason)).toEqual(['first', 'second'])
    expect(await queue.remove(['a'])).toEqual({ removed: 1, skipped: [] })
    expect(await queue.sizes()).toEqual({ WAITING: 0, PROCESSING: 0, SUCCESS: 0, FAIL: 0 })
    expect(await queue.get(1)).toEqual([])
  })
})
