import type { Queue, QueueSupports } from '@sluice/core'
import { createQueue, type CopiedItem, type QueueBackend } from '@sluice/core/backend'
import { expect, test } from 'vitest'
import { MemoryStore, openQueue } from '../src/index.js'
import { tablesOf } from '../src/memory-store.js'
import { z } from 'zod'

/** A queue over a memory backend that declares something else. */
function declaring(selection: QueueSupports['selection']): Queue {
  const backend = tablesOf(new MemoryStore()).backend('tiles')
  const { selection: _, ...supports } = backend.supports
  const declared: QueueBackend<CopiedItem> = Object.defineProperties(backend, {
    supports: { value: selection === undefined ? supports : { ...supports, selection } },
    ...(selection === undefined && { selection: { value: undefined } }),
  })
  return createQueue({ name: 'tiles' }, declared)
}

test('a queue that declares no selection refuses resources and limit keys, and has neither call', async () => {
  const queue = declaring(undefined)
  expect(queue).toHaveProperty('peekSummaries', undefined)
  expect(queue).toHaveProperty('getItems', undefined)
  const none = /queue "tiles" keeps no resources and no limitKey/
  await expect(queue.put('a', 1, { resources: { gpu: 1 } })).rejects.toThrow(none)
  await expect(queue.put('a', 1, { limitKey: 'k' })).rejects.toThrow(none)
  const items = [
    { id: 'a', body: 1 },
    { id: 'b', body: 1, limitKey: 'k' },
  ]
  await expect(queue.putMany(items)).rejects.toThrow(/^items\[1\]: queue "tiles" keeps no/)
  expect(await queue.sizes()).toMatchObject({ WAITING: 0 })
  await queue.put('a', 1)
  await expect(queue.update([{ id: 'a', resources: { gpu: 1 } }])).rejects.toThrow(/^changes\[0\]: queue/)
})

test('a queue without an index of limit keys refuses to look for one', async () => {
  const queue = declaring({ limitKeys: 'none' })
  await queue.put('a', 1, { limitKey: 'k' })
  await expect(queue.peekSummaries?.(1, { limitKey: 'k' })).rejects.toThrow(
    /finds no items by their limitKey/,
  )
  expect((await queue.peekSummaries?.(1))?.items).toMatchObject([{ id: 'a', limitKey: 'k' }])
})

test('getItems fails items whose bodies do not fit the schema, and goes on to those that do', async () => {
  const store = new MemoryStore()
  const plain = store.queue('tiles')
  const queue = await openQueue({ name: 'tiles', store, body: z.object({ url: z.string().toUpperCase() }) })
  await plain.putMany([
    { id: 'bad', body: 1 },
    { id: 'good', body: { url: 'x' } },
    { id: 'worse', body: 2 },
  ])
  const { items } = await plain.listSummaries('WAITING', { limit: 9 })
  expect(await queue.getItems?.(items)).toMatchObject([{ id: 'good', body: { url: 'X' }, attempt: 1 }])
  expect(await plain.lookup('bad')).toMatchObject({ stage: 'FAIL', failureClass: 'invalid-body' })
  expect(await queue.sizes()).toEqual({ WAITING: 0, PROCESSING: 1, SUCCESS: 0, FAIL: 2 })
  expect(await queue.getItems?.(items)).toEqual([])
})

test('the resources that one call gave out are those of the item: they cannot be changed', async () => {
  const queue = new MemoryStore().queue('tiles')
  await queue.put('a', 1, { resources: { gpu: 1 } })
  const [item] = await queue.get(1)
  expect(Object.isFrozen(item?.resources)).toBe(true)
})
