import type { NewItem, Queue, Settlement } from '@sluice/core'
import type { QueueHarness } from '@sluice/testkit'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { bothStores } from '../support/both-stores.js'

function items(count: number, priority = 0): NewItem[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `item-${priority}-${index}`,
    body: index,
    priority,
  }))
}

describe.each(bothStores)('calls that share statements: %s', (_, makeHarness) => {
  let harness: QueueHarness
  let queue: Queue

  beforeEach(async () => {
    harness = await makeHarness()
    queue = await harness.open()
  })
  afterEach(() => harness.close())

  test('a hundred callers of get(1) get an item each; if there are too few items, the last callers get none', async () => {
    await queue.putMany(items(70))
    const got = await Promise.all(Array.from({ length: 100 }, () => queue.get(1)))
    const ids = got.flatMap((each) => each.map(({ id }) => id))
    expect(got.every(({ length }) => length <= 1)).toBe(true)
    expect(ids.toSorted()).toEqual(
      items(70)
        .map(({ id }) => id)
        .toSorted(),
    )
    expect(await queue.size('PROCESSING')).toBe(70)
  })

  test('callers who ask for different numbers get as many items, in order within each call', async () => {
    await queue.putMany([...items(300), ...items(300, 5)])
    const counts = [1, 0, 250, 40, 7, 2, 100]
    const got = await Promise.all(counts.map((count) => queue.get(count)))
    expect(got.map(({ length }) => length)).toEqual(counts)
    const ids = got.flat().map(({ id }) => id)
    expect(new Set(ids).size).toBe(400)
    // The higher priority is given out before any of the lower.
    expect(ids.filter((id) => id.startsWith('item-5-'))).toHaveLength(300)
    for (const each of got) {
      const places = each.map(({ priority, body }) => (5 - priority) * 1_000 + Number(body))
      expect(places).toEqual(places.toSorted((a, b) => a - b))
    }
  })

  test('concurrent batches of settlements get their own outcomes', async () => {
    await queue.putMany(items(400))
    const claimed = await queue.get(400)
    const batches = Array.from({ length: 8 }, (_, batch): Settlement[] =>
      claimed.slice(batch * 50, batch * 50 + 50).map(({ id }) => ({
        id,
        // Of every second batch the first is at another attempt.
        attempt: batch % 2 === 1 && id === claimed[batch * 50]?.id ? 7 : 1,
        stage: batch % 3 === 0 ? 'FAIL' : 'SUCCESS',
      })),
    )
    const reports = await Promise.all(batches.map((batch) => queue.settle(batch)))
    expect(reports.map(({ settled }) => settled)).toEqual([50, 49, 50, 49, 50, 49, 50, 49])
    expect(reports[1]?.refused).toEqual([{ id: claimed[50]?.id, attempt: 7, reason: 'not-current' }])
    expect(await queue.sizes()).toEqual({ WAITING: 0, PROCESSING: 4, SUCCESS: 247, FAIL: 149 })
  })

  test('concurrent lookups get the stage of their own item, or none', async () => {
    await queue.putMany(items(30))
    const [first] = await queue.get(1)
    await queue.success(first?.id ?? '')
    await queue.get(1)
    const ids = [...items(30).map(({ id }) => id), 'unknown', 'item-0-0']
    const stages = await Promise.allSettled(ids.map((id) => queue.lookupStatus(id)))
    const outcomes = stages.map((each) => (each.status === 'fulfilled' ? each.value : each.reason.code))
    expect(outcomes).toEqual([
      'SUCCESS',
      'PROCESSING',
      ...Array.from({ length: 28 }, () => 'WAITING'),
      'SLUICE_ITEM_NOT_FOUND',
      'SUCCESS',
    ])
  })

  test('calls that wait when the queue is closed reject', async () => {
    await queue.putMany(items(10))
    const got = Promise.allSettled(Array.from({ length: 10 }, () => queue.get(1)))
    await queue.close()
    const ends = await got
    const given = ends.flatMap((end) => (end.status === 'fulfilled' ? end.value : []))
    const refused = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason.code] : []))
    expect(given.length + refused.length).toBe(10)
    expect(new Set(refused)).toEqual(new Set(['SLUICE_QUEUE_CLOSED']))
    // Every item that was returned is claimed, and every claimed item was returned.
    const again = await harness.open()
    expect(await again.size('PROCESSING')).toBe(given.length)
  })
})
