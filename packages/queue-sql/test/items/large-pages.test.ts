import type { ItemRecord, Queue } from '@sluice/core'
import type { QueueHarness } from '@sluice/testkit'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { bothStores } from '../support/both-stores.js'

const LARGE = 'x'.repeat(999_998)
const MOST = 9

describe.each(bothStores)('pages of large items: %s', (_, makeHarness) => {
  let harness: QueueHarness
  let queue: Queue

  beforeEach(async () => {
    harness = await makeHarness()
    queue = await harness.open()
  })
  afterEach(() => harness.close())

  async function pages(stage: 'WAITING' | 'SUCCESS' | 'FAIL'): Promise<ItemRecord[][]> {
    const all: ItemRecord[][] = []
    for (let cursor: string | undefined; ;) {
      const page = await queue.list(stage, { limit: 500, ...(cursor === undefined ? {} : { cursor }) })
      all.push([...page.items])
      cursor = page.cursor
      if (cursor === undefined) return all
    }
  }

  test('are cut by bytes and continue, and so is peek', async () => {
    const ids = Array.from({ length: 20 }, (__, index) => `item-${String(index).padStart(2, '0')}`)
    await queue.putMany([...ids.map((id) => ({ id, body: LARGE })), { id: 'small', body: 1 }])
    const read = await pages('WAITING')
    expect(Math.max(...read.map(({ length }) => length))).toBeLessThanOrEqual(MOST)
    expect(read.flat().map(({ id }) => id)).toEqual([...ids, 'small'])
    expect((await queue.peek(100)).map(({ id }) => id)).toEqual(ids.slice(0, MOST - 1))
    expect((await queue.listSummaries('WAITING', { limit: 500 })).items).toHaveLength(21)
  })

  test('results, details and histories count', async () => {
    await queue.putMany(['a', 'b', 'c', 'd'].map((id) => ({ id, body: 1 })))
    for (let attempt = 1; attempt <= 5; attempt++) {
      const given = await queue.get(4)
      await queue.settle(given.map(({ id }) => ({ id, attempt, stage: 'WAITING', details: LARGE })))
    }
    await queue.get(4)
    for (const id of ['a', 'b', 'c', 'd']) await queue.success(id, { result: LARGE, details: LARGE })
    const read = await pages('SUCCESS')
    expect(read.map((page) => page.map(({ id }) => id))).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ])
    expect(read.flat().every(({ history }) => history.length === 6)).toBe(true)
  })
})
