import type { JsonValue } from '@sluice/core'
import { brokenByCrash, brokenQueue, unchecked, type QueueMutant } from './queue-mutant.js'

/** Queues that update, compare or report wrongly. */
export const updateMutants: readonly QueueMutant[] = [
  brokenQueue({
    id: 'compare-by-text',
    title: 'putMany compares the texts of bodies',
    breaks: ['Q-PUT-4'],
    change: () => (inner) => ({
      putMany: async (items, options) => {
        const report = await inner.putMany(items, options)
        if (options?.compare !== true) return report
        const given = new Map(items.map(({ id, body }) => [id, JSON.stringify(body)]))
        const skipped = []
        for (const { id, reason } of report.skipped) {
          const stored = JSON.stringify((await inner.lookup(id))?.body)
          const isSame = stored === given.get(id)
          skipped.push({ id, reason: isSame || reason === 'repeated' ? reason : ('exists-changed' as const) })
        }
        return { ...report, skipped }
      },
    }),
  }),
  brokenQueue({
    id: 'compare-unasked',
    title: 'putMany says exists, whether it is to compare or not',
    breaks: ['Q-PUT-4', 'Q-PUT-4/a', 'Q-BULK-1'],
    change: () => (inner) => ({ putMany: (items) => inner.putMany(items) }),
  }),
  brokenQueue({
    id: 'compare-overwrites',
    title: 'putMany with compare stores the body that differs',
    breaks: ['Q-PUT-4', 'Q-PUT-4/a'],
    change: () => (inner) => ({
      putMany: async (items, options) => {
        const report = await inner.putMany(items, options)
        for (const { id, reason } of report.skipped) {
          const body = items.find((item) => item.id === id)?.body
          if (reason === 'exists-changed' && body !== undefined) await inner.update([{ id, body }])
        }
        return report
      },
    }),
  }),
  brokenQueue({
    id: 'done-waits',
    title: 'putMany puts into WAITING, whatever the stage that it is given',
    breaks: ['Q-PUT-5', 'Q-PUT-5/a', 'Q-PUT-5/b', 'Q-PUT-5/c', 'Q-PUT-5/d', 'Q-PUT-5/e'],
    change: () => (inner) => ({
      putMany: (items, { compare = false } = {}) => inner.putMany(items, { compare }),
    }),
  }),
  brokenQueue({
    id: 'done-was-claimed',
    title: 'what is put into SUCCESS has had an attempt',
    breaks: ['Q-PUT-5', 'Q-PUT-5/e'],
    change: () => (inner) => ({
      lookup: async (id) => {
        const record = await inner.lookup(id)
        return record?.stage === 'SUCCESS' && record.attempt === 0 ? { ...record, attempt: 1 } : record
      },
    }),
  }),
  brokenQueue({
    id: 'done-overtakes',
    title: 'putMany into SUCCESS takes what waits along',
    breaks: ['Q-PUT-5/a'],
    change: () => (inner) => ({
      putMany: async (items, options) => {
        const ids = items.map(({ id }) => id)
        if (options?.stage === 'SUCCESS') await inner.remove(ids, { stages: ['WAITING'] })
        return inner.putMany(items, options)
      },
    }),
  }),
  brokenQueue({
    id: 'skipped-once',
    title: 'putMany names an id once, however often it came',
    breaks: ['Q-BULK-1'],
    change: () => (inner) => ({
      putMany: async (items, options) => {
        const report = await inner.putMany(items, options)
        return { ...report, skipped: [...new Map(report.skipped.map((one) => [one.id, one])).values()] }
      },
    }),
  }),
  brokenQueue({
    id: 'update-lost',
    title: 'update says that it changed all, and changes nothing',
    breaks: ['Q-UPDATE-1', 'Q-UPDATE-1/a', 'Q-UPDATE-1/c', 'Q-UPDATE-2', 'Q-UPDATE-3', 'Q-UPDATE-3/a'],
    change: () => () => ({ update: async (changes) => ({ updated: changes.length, skipped: [] }) }),
  }),
  brokenQueue({
    id: 'update-late-for-claims',
    title: 'a claim gives the body that it read before it took the item',
    breaks: ['Q-UPDATE-1/a'],
    change: () => (inner) => ({
      get: async (maxItems, options) => {
        const read = new Map((await inner.peek(maxItems)).map(({ id, body }) => [id, body]))
        for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
        const items = await inner.get(maxItems, options)
        return items.map((item) => ({ ...item, body: read.get(item.id) ?? item.body }))
      },
    }),
  }),
  brokenQueue({
    id: 'update-in-two',
    title: 'update stores the body and the priority one after the other',
    breaks: ['Q-UPDATE-1/b'],
    change: () => {
      let calls = 0
      return (inner) => ({
        update: async (changes) => {
          const bodies = changes.map(({ id, body = null }) => ({ id, body }))
          const priorities = changes.map(({ id, priority = 0 }) => ({ id, priority }))
          const isEven = calls++ % 2 === 0
          await inner.update(isEven ? bodies : priorities)
          await new Promise((resolve) => setImmediate(resolve))
          return inner.update(isEven ? priorities : bodies)
        },
      })
    },
  }),
  brokenQueue({
    id: 'update-shortens',
    title: 'update keeps the longer of the two bodies',
    breaks: ['Q-UPDATE-1/c'],
    change: () => (inner) => ({
      update: async (changes) => {
        const fit = []
        for (const change of changes) {
          const stored = await inner.lookup(change.id)
          fit.push({ ...change, body: longer(stored?.body ?? null, change.body ?? null) })
        }
        return inner.update(fit)
      },
    }),
  }),
  brokenQueue({
    id: 'update-anyone',
    title: 'update does not look at the uid',
    breaks: ['Q-UPDATE-2'],
    change: () => (inner) => ({
      update: async (changes) => {
        const current = await Promise.all(changes.map(({ id }) => inner.lookup(id)))
        return inner.update(
          changes.map((change, index) => ({ ...change, uid: current[index]?.uid ?? 'unknown' })),
        )
      },
    }),
  }),
  brokenQueue({
    id: 'update-unchecked',
    title: 'update swallows what it should refuse',
    breaks: ['Q-UPDATE-2/a'],
    change: () => (inner) => ({
      update: (changes) => unchecked(inner.update(changes), { updated: 0, skipped: [] }),
    }),
  }),
  brokenQueue({
    id: 'update-to-the-end',
    title: 'an item that is updated goes behind all others',
    breaks: ['Q-UPDATE-3'],
    change: () => (inner) => ({
      update: (changes) => inner.update(changes.map((change) => ({ notBeforeAt: 0, ...change }))),
    }),
  }),
  brokenQueue({
    id: 'update-is-another-item',
    title: 'update removes the item and puts it again',
    breaks: ['Q-UPDATE-1', 'Q-UPDATE-3/a'],
    change: () => (inner) => ({
      update: async (changes) => {
        const report = await inner.update(changes)
        for (const { id } of changes) {
          const record = await inner.lookup(id)
          if (record?.stage !== 'WAITING') continue
          await inner.remove([id])
          await inner.put(id, record.body, { priority: record.priority })
        }
        return report
      },
    }),
  }),
  brokenByCrash({
    id: 'crash-updates-half',
    title: 'a process that dies in update leaves an item with half a body',
    breaks: ['Q-UPDATE-4'],
    damage: async (healthy, method) => {
      if (method !== 'update') return
      const { items } = await healthy.list('WAITING', { limit: 10 })
      await healthy.update(items.map(({ id }) => ({ id, body: 'half' })))
    },
  }),
]

function longer(one: JsonValue, other: JsonValue): JsonValue {
  return JSON.stringify(one).length > JSON.stringify(other).length ? one : other
}
