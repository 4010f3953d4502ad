import type { ItemSummary, NewItem, Page, Queue } from '@sluice/core'
import type { QueueHarness } from '@sluice/testkit'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { bothStores } from '../support/both-stores.js'

describe.each(bothStores)('what a caller chooses by: %s', (_, makeHarness) => {
  let harness: QueueHarness
  let queue: Queue

  beforeEach(async () => {
    harness = await makeHarness()
    queue = await harness.open()
  })
  afterEach(() => harness.close())

  async function ahead(maxItems: number, options: { limitKey?: string } = {}) {
    const ids: string[] = []
    let [after, pages]: [string | undefined, number] = [undefined, 0]
    do {
      const more: { limitKey?: string; after?: string } =
        after === undefined ? options : { ...options, after }
      const page: Page<ItemSummary> | undefined = await queue.peekSummaries?.(maxItems, more)
      ids.push(...(page?.items ?? []).map(({ id }) => id))
      after = page?.cursor
      pages += 1
    } while (after !== undefined)
    return { ids, pages }
  }

  test('more ranks than one look ahead reads: its pages go on, past ranks with nothing due', async () => {
    await queue.putMany(
      Array.from({ length: 200 }, (__, n) => ({
        id: `r${n}`,
        body: n,
        priority: n,
        limitKey: 'k',
        ...(n % 70 === 0 ? {} : { delayMs: 3_600_000 }),
      })),
    )
    for (const options of [{}, { limitKey: 'k' }]) {
      const { ids, pages } = await ahead(10, options)
      expect(ids).toEqual(['r140', 'r70', 'r0'])
      expect(pages).toBeGreaterThan(2)
    }
  })

  test.each(['WAITING', 'SUCCESS'] as const)(
    'is kept of thousands that are put at once into %s',
    async (stage) => {
      const items = Array.from({ length: 4_150 }, (__, n): NewItem => ({
        id: `i${n}`,
        body: n,
        ...(n % 3 === 0 && { resources: { gpu: n, 'memory.GiB': 0.5 } }),
        ...(n % 5 === 0 && { limitKey: `key "${n % 10}" ☃` }),
      }))
      expect((await queue.putMany(items, { stage })).added).toBe(4_150)
      for (const { id, resources, limitKey } of items.filter((__, n) =>
        [0, 1, 3, 5, 4_140, 4_149].includes(n),
      )) {
        const record = await queue.lookup(id)
        expect([record?.resources, record?.limitKey]).toEqual([resources, limitKey])
      }
      const { ids } = await ahead(2_000, { limitKey: 'key "5" ☃' })
      const expected = items.filter(({ limitKey }) => limitKey === 'key "5" ☃').map(({ id }) => id)
      expect(ids).toEqual(stage === 'WAITING' ? expected : [])
    },
  )

  test('a claim by name of more than one batch gives all of them', async () => {
    await queue.putMany(Array.from({ length: 2_300 }, (__, n) => ({ id: `i${n}`, body: n })))
    const { items = [] } = (await queue.peekSummaries?.(2_500)) ?? {}
    expect(await queue.getItems?.(items.slice(100, 2_250).toReversed())).toHaveLength(2_150)
    expect(await queue.sizes()).toMatchObject({ WAITING: 150, PROCESSING: 2_150 })
  })
})
