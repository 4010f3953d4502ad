import type { Queue, QueueItem } from '@sluice/core'
import { brokenByCrash, brokenQueue, unchecked, type QueueMutant } from './queue-mutant.js'

const ALL = 1_000
const LARGE_BYTES = 4_000_000

/** Queues that give out wrongly. */
export const getMutants: readonly QueueMutant[] = [
  brokenQueue({
    id: 'get-one-more',
    title: 'get gives one item more than it was asked for',
    breaks: ['Q-GET-1'],
    change: () => (inner) => ({
      get: (maxItems, options) => inner.get(maxItems > 0 ? maxItems + 1 : maxItems, options),
    }),
  }),
  brokenQueue({
    id: 'zero-is-no-limit',
    title: 'get(0) gives everything',
    breaks: ['Q-GET-1/a'],
    change: () => (inner) => ({ get: (maxItems) => inner.get(maxItems === 0 ? ALL : maxItems) }),
  }),
  brokenQueue({
    id: 'count-unchecked',
    title: 'get and peek take any count',
    breaks: ['Q-GET-1/b'],
    change: () => (inner) => ({
      get: (maxItems) => unchecked(inner.get(maxItems), []),
      peek: (maxItems) => unchecked(inner.peek(maxItems), []),
    }),
  }),
  brokenQueue({
    id: 'priority-ignored',
    title: 'every item has the priority 0',
    breaks: ['Q-GET-1/c', 'Q-GET-1/g', 'Q-GET-1/i', 'Q-SIZE-1/b', 'Q-SIZE-1/c', 'Q-SIZE-1/d'],
    change: () => (inner) => ({
      put: (id, body, options = {}) => inner.put(id, body, { ...options, priority: 0 }),
      putMany: (items) => inner.putMany(items.map((item) => ({ ...item, priority: 0 }))),
    }),
  }),
  brokenQueue({
    id: 'last-first',
    title: 'what came last is given out first',
    breaks: ['Q-GET-1', 'Q-GET-1/d', 'Q-GET-1/e', 'Q-GET-1/f'],
    change: () => (inner) => ({ get: async (maxItems) => (await inner.get(maxItems)).toReversed() }),
  }),
  brokenQueue({
    id: 'unsorted-at-once',
    title: 'of gets that overlap each gives what it found last first',
    breaks: ['Q-GET-1/j'],
    change: () => {
      let running = 0
      return (inner) => ({
        get: async (maxItems, options) => {
          running += 1
          const overlaps = running > 1
          const items = await inner.get(maxItems, options)
          running -= 1
          return overlaps ? items.toReversed() : items
        },
      })
    },
  }),
  brokenQueue({
    id: 'released-first',
    title: 'what was tried before is given out before what is new',
    breaks: ['Q-GET-1/e'],
    change: () => (inner) => ({
      get: async (maxItems) => (await inner.get(maxItems)).toSorted((a, b) => b.attempt - a.attempt),
    }),
  }),
  brokenQueue({
    id: 'turn-by-put',
    title: 'a delayed item takes the turn of its put',
    breaks: ['Q-GET-1/f'],
    change: () => (inner) => ({
      get: async (maxItems) => {
        const items = await inner.get(maxItems)
        return items.toSorted((a, b) => (a.id === 'delayed' ? -1 : b.id === 'delayed' ? 1 : 0))
      },
    }),
  }),
  brokenQueue({
    id: 'peek-claims',
    title: 'peek gives items out',
    breaks: ['Q-GET-1/g'],
    change: () => (inner) => ({ peek: (maxItems) => inner.get(maxItems) }),
  }),
  brokenQueue({
    id: 'attempt-not-raised',
    title: 'every get gives attempt 1',
    breaks: ['Q-GET-1/h', 'Q-MOVE-1/b', 'Q-GET-2/d'],
    change: () => (inner) => ({
      get: async (maxItems) => (await inner.get(maxItems)).map((item) => ({ ...item, attempt: 1 })),
    }),
  }),
  brokenQueue({
    id: 'requeue-priority-ignored',
    title: 'requeue does not take a new priority',
    breaks: ['Q-GET-1/i'],
    change: () => (inner) => ({ requeue: (ids) => inner.requeue(ids) }),
  }),
  brokenQueue({
    id: 'given-twice-across-objects',
    title: 'a Queue object gives out again what another one has just given out',
    breaks: ['Q-GET-2', 'Q-GET-2/a', 'Q-GET-2/c'],
    change: () => {
      let last: { by: Queue; item: QueueItem } | undefined
      return (inner) => ({
        get: async (maxItems) => {
          const items = await inner.get(maxItems)
          const again = last !== undefined && last.by !== inner && items.length > 0 ? [last.item] : []
          const item = items.at(-1)
          if (item !== undefined) last = { by: inner, item }
          return [...items, ...again]
        },
      })
    },
  }),
  brokenQueue({
    id: 'given-twice-at-once',
    title: 'gets that overlap give the same items',
    breaks: ['Q-GET-2/b', 'Q-GET-2/d'],
    change: () => {
      let running: Promise<QueueItem[]> | undefined
      return (inner) => ({
        get: async (maxItems) => {
          running ??= inner.get(maxItems)
          const items = await running
          running = undefined
          return items
        },
      })
    },
  }),
  brokenQueue({
    id: 'short-get-padded',
    title: 'a get that finds too few items gives those that run already',
    breaks: ['Q-GET-3'],
    change: () => (inner) => ({
      get: async (maxItems) => {
        const items = await inner.get(maxItems)
        if (items.length >= maxItems) return items
        const { items: running } = await inner.list('PROCESSING', { limit: ALL })
        return [...items, ...running].slice(0, maxItems)
      },
    }),
  }),
  brokenQueue({
    id: 'large-get-refused',
    title: 'a get whose items are too large together gives none',
    breaks: ['Q-GET-3/a'],
    change: () => (inner) => ({
      get: async (maxItems, options) => {
        const bytes = JSON.stringify(await inner.peek(maxItems)).length
        return bytes > LARGE_BYTES ? [] : inner.get(maxItems, options)
      },
    }),
  }),
  brokenQueue({
    id: 'given-without-claim',
    title: 'get gives items out and leaves them WAITING',
    breaks: ['Q-GET-1', 'Q-GET-3', 'Q-GET-2'],
    change: () => (inner) => ({
      get: async (maxItems) => {
        const items = await inner.get(maxItems)
        await inner.settle(items.map(({ id, attempt }) => ({ id, attempt, stage: 'WAITING' })))
        return items
      },
    }),
  }),
  brokenByCrash({
    id: 'crash-in-get-loses',
    title: 'a process that dies in get takes an item with it',
    breaks: ['Q-GET-4', 'Q-GET-4/a', 'Q-GET-5/g'],
    damage: async (healthy, method) => {
      if (method !== 'get') return
      const [waiting] = await healthy.get(1)
      const [item = waiting] = (await healthy.list('PROCESSING', { limit: 1 })).items
      if (item === undefined) return
      await healthy.success(item.id)
      await healthy.remove([item.id])
    },
  }),
]
