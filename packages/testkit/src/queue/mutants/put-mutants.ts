import { SluiceError, type JsonValue, type NewItem, type PutOptions } from '@sluice/core'
import { brokenByCrash, brokenQueue, unchecked, unless, type QueueMutant } from './queue-mutant.js'

/** Queues that put wrongly. */
export const putMutants: readonly QueueMutant[] = [
  brokenQueue({
    id: 'put-lost',
    title: 'put resolves and stores nothing',
    breaks: ['Q-PUT-1', 'Q-PUT-2'],
    change: () => () => ({ put: async () => undefined }),
  }),
  brokenQueue({
    id: 'put-buffered',
    title: 'put is kept in the process until its next get',
    breaks: ['Q-PUT-1/a'],
    change: () => (inner) => {
      const buffer: [string, JsonValue, PutOptions | undefined][] = []
      return {
        put: async (...args) => void buffer.push([args[0], args[1], args[2]]),
        get: async (maxItems) => {
          for (const args of buffer.splice(0)) await inner.put(...args)
          return inner.get(maxItems)
        },
      }
    },
  }),
  brokenQueue({
    id: 'id-folded',
    title: 'ids are kept in lower case',
    breaks: ['Q-PUT-1/b', 'Q-LOOK-1/a'],
    change: () => (inner) => ({
      put: (id, ...rest) => inner.put(id.toLowerCase(), ...rest),
      lookup: (id) => inner.lookup(id.toLowerCase()),
      lookupStatus: (id) => inner.lookupStatus(id.toLowerCase()),
      success: (id, ...rest) => inner.success(id.toLowerCase(), ...rest),
    }),
  }),
  brokenQueue({
    id: 'id-length-lost',
    title: 'an item whose id has 177 to 200 bytes is put, and is in no stage',
    breaks: ['Q-PUT-1/k', 'Q-PUT-1/l', 'Q-PUT-1/m'],
    change: () => (inner) => ({
      putMany: async (items) => {
        const kept = items.filter(({ id }) => Buffer.byteLength(id) < 177 || Buffer.byteLength(id) > 200)
        const report = await inner.putMany(kept)
        return { ...report, added: report.added + items.length - kept.length }
      },
    }),
  }),
  brokenQueue({
    id: 'id-cut',
    title: 'of an id the first 255 characters are kept',
    breaks: ['Q-PUT-1/b', 'Q-PUT-1/k', 'Q-PUT-1/l', 'Q-PUT-1/m'],
    change: () => (inner) => ({
      put: (id, ...rest) => inner.put(id.slice(0, 255), ...rest),
      putMany: (items) => inner.putMany(items.map((item) => ({ ...item, id: item.id.slice(0, 255) }))),
    }),
  }),
  brokenQueue({
    id: 'body-rounded',
    title: 'numbers in bodies lose their fraction',
    breaks: ['Q-PUT-1/c'],
    change: () => (inner) => ({
      put: (id, body, ...rest) => inner.put(id, typeof body === 'number' ? Math.round(body) : body, ...rest),
    }),
  }),
  brokenQueue({
    id: 'input-unchecked',
    title: 'put and putMany swallow what they should refuse',
    breaks: ['Q-PUT-1/d', 'Q-PUT-1/e', 'Q-PUT-1/f', 'Q-PUT-1/g', 'Q-PUT-3/b'],
    change: () => (inner) => ({
      put: (...args) => unchecked(inner.put(...args), undefined),
      putMany: (items) => unchecked(inner.putMany(items), { added: 0, skipped: [] }),
    }),
  }),
  brokenQueue({
    id: 'body-shared',
    title: 'the object that was put is the object that is given out',
    breaks: ['Q-PUT-1/h'],
    change: () => (inner) => {
      const kept = new Map<string, JsonValue>()
      return {
        put: async (id, body, ...rest) => {
          await inner.put(id, body, ...rest)
          kept.set(id, body)
        },
        get: async (maxItems) => {
          const items = await inner.get(maxItems)
          return items.map((item) => ({ ...item, body: kept.get(item.id) ?? item.body }))
        },
      }
    },
  }),
  brokenQueue({
    id: 'uid-is-id',
    title: 'the uid of an item is its id',
    breaks: ['Q-PUT-1/i'],
    change: () => (inner) => ({
      lookup: async (id) => {
        const record = await inner.lookup(id)
        return record && { ...record, uid: id }
      },
    }),
  }),
  brokenQueue({
    id: 'uid-constant',
    title: 'all items have one uid',
    breaks: ['Q-PUT-1/j'],
    change: () => (inner) => ({
      list: async (...args) => {
        const page = await inner.list(...args)
        return { ...page, items: page.items.map((item) => ({ ...item, uid: 'u' })) }
      },
    }),
  }),
  brokenQueue({
    id: 'put-overwrites',
    title: 'put of an id that is there replaces the item',
    breaks: ['Q-PUT-2', 'Q-PUT-2/a'],
    change: () => (inner) => ({
      put: (id, ...rest) =>
        unless(inner.put(id, ...rest), 'SLUICE_ITEM_EXISTS', async () => {
          if ((await inner.remove([id])).removed === 1) await inner.put(id, ...rest)
        }),
    }),
  }),
  brokenQueue({
    id: 'skipped-unreported',
    title: 'putMany does not say what it skipped',
    breaks: ['Q-PUT-3', 'Q-PUT-3/c', 'Q-PUT-3/d', 'Q-PUT-3/e'],
    change: () => (inner) => ({
      putMany: async (items) => ({ ...(await inner.putMany(items)), skipped: [] }),
    }),
  }),
  brokenQueue({
    id: 'batch-reversed',
    title: 'putMany stores the last item first',
    breaks: ['Q-PUT-3/a'],
    change: () => (inner) => ({ putMany: (items) => inner.putMany(items.toReversed()) }),
  }),
  brokenQueue({
    id: 'batch-half',
    title: 'putMany stores the items before a bad one',
    breaks: ['Q-PUT-3/b'],
    change: () => (inner) => ({
      putMany: async (items) => {
        const good: NewItem[] = []
        try {
          return await inner.putMany(items)
        } catch (error) {
          for (const item of items) {
            if (item.id === '' || item.body === undefined) break
            good.push({ id: item.id, body: item.body })
          }
          await inner.putMany(good)
          throw error
        }
      },
    }),
  }),
  brokenQueue({
    id: 'batch-capped',
    title: 'putMany stores no more than 500 items',
    breaks: ['Q-PUT-3/c'],
    change: () => (inner) => ({ putMany: (items) => inner.putMany(items.slice(0, 500)) }),
  }),
  brokenQueue({
    id: 'last-duplicate-wins',
    title: 'of one id twice in a batch the last is stored',
    breaks: ['Q-PUT-3/e'],
    change: () => (inner) => ({
      putMany: async (items) => {
        const last = [...new Map(items.map((item) => [item.id, item])).values()]
        const { added, skipped } = await inner.putMany(last)
        const id = items[0]?.id ?? ''
        const repeats = items.slice(last.length).map(() => ({ id, reason: 'repeated' as const }))
        return { added, skipped: [...skipped, ...repeats] }
      },
    }),
  }),
  brokenQueue({
    id: 'reload-refused',
    title: 'putMany rejects a batch of which an item is there already',
    breaks: ['Q-PUT-3', 'Q-PUT-3/c', 'Q-PUT-3/f'],
    change: () => (inner) => ({
      putMany: async (items) => {
        for (const { id } of items) {
          if (id !== '' && (await inner.lookup(id)))
            throw new SluiceError('SLUICE_ITEM_EXISTS', 'it is there')
        }
        return inner.putMany(items)
      },
    }),
  }),
  brokenByCrash({
    id: 'crash-stores-half',
    title: 'a process that dies in put or putMany leaves an item with half a body',
    breaks: ['Q-PUT-3/f', 'Q-PUT-3/g'],
    damage: async (healthy, method) => {
      for (let point = 0; point < 40 && method.startsWith('put'); point++) {
        const id = method === 'put' ? `p${point}` : `p${point}-0`
        if ((await healthy.lookup(id)) === undefined) return healthy.put(id, 'half')
      }
    },
  }),
]
