import { ManualRuntime, dropCases, type DropHarness } from '@sluice/testkit'
import { describe, expect, test } from 'vitest'
import { MemoryStore, dropQueue, listQueues, openQueue } from '../src/index.js'

function harness(): DropHarness {
  const runtime = new ManualRuntime()
  const store = new MemoryStore({ runtime })
  return {
    open: (name) => openQueue({ name, store }),
    list: () => listQueues({ name: 'any', store }),
    drop: (name, use) => dropQueue({ name, store }, use),
    passTime: (ms) => runtime.advance(ms),
  }
}

test.each(dropCases)('$title', async ({ run }) => {
  await expect(run(harness())).resolves.toBeUndefined()
})

describe('the cases catch', () => {
  const brokenHarnesses: Record<string, (whole: DropHarness) => DropHarness> = {
    'a drop that takes no notice of leases': (whole) => ({
      ...whole,
      drop: async (name, use) => {
        const [held] = (await whole.list()).flatMap((one) => (one.name === name ? one.leases : []))
        if (held !== undefined)
          await (await (await whole.open(name)).lease(held.name, held.holder, 1))?.release()
        return whole.drop(name, use)
      },
    }),
    'a drop that takes no notice of running items': (whole) => ({
      ...whole,
      drop: (name, use) => whole.drop(name, { ...use, withRunning: true }),
    }),
    'a drop that drops another queue, too': (whole) => ({
      ...whole,
      drop: async (name, use) => {
        await whole.drop('to keep', use)
        return whole.drop(name, use)
      },
    }),
    'a drop that only empties': (whole) => ({
      ...whole,
      drop: async (name) => {
        const queue = await whole.open(name)
        for (const stage of ['WAITING', 'SUCCESS', 'FAIL'] as const) {
          const { items } = await queue.list(stage, { limit: 100 })
          await queue.remove(items.map(({ id }) => id))
        }
        return { is: 'dropped', removed: 1, unit: 'items', notes: [] }
      },
    }),
    'a list of less than there is': (whole) => ({
      ...whole,
      list: async () => (await whole.list()).slice(1),
    }),
  }

  test.each(Object.entries(brokenHarnesses))('%s', async (_, broken) => {
    const ends = await Promise.allSettled(dropCases.map(async ({ run }) => run(broken(harness()))))
    expect(ends.some(({ status }) => status === 'rejected')).toBe(true)
  })
})

test('without a store there are no queues', async () => {
  expect(await listQueues({ name: 'a' })).toEqual([])
  expect(await dropQueue({ name: 'a' })).toEqual({ is: 'absent' })
})
