import {
  SluiceError,
  type ItemSummary,
  type ItemRecord,
  type Page,
  type PageOptions,
  type PutOptions,
  type Queue,
  type Stage,
} from '@sluice/core'
import { brokenQueue, unchecked, unless, type QueueMutant } from './queue-mutant.js'

const ALL = 10_000

/** Queues that count, look up or list wrongly, or go by the wrong time. */
export const lookMutants: readonly QueueMutant[] = [
  brokenQueue({
    id: 'counted-twice',
    title: 'an item in FAIL is counted in WAITING too',
    breaks: ['Q-SIZE-1'],
    change: () => (inner) => ({
      sizes: async () => {
        const sizes = await inner.sizes()
        return { ...sizes, WAITING: sizes.WAITING + sizes.FAIL }
      },
    }),
  }),
  brokenQueue({
    id: 'stage-unchecked',
    title: 'an unknown stage is an empty one',
    breaks: ['Q-SIZE-1/a'],
    change: () => (inner) => ({
      size: (stage) => unchecked(inner.size(stage), 0),
      list: (...args) => unchecked(inner.list(...args), { items: [] }),
      listSummaries: (...args) => unchecked(inner.listSummaries(...args), { items: [] }),
    }),
  }),
  brokenQueue({
    id: 'status-cached',
    title: 'lookupStatus answers from what it saw first',
    breaks: ['Q-LOOK-1'],
    change: () => (inner) => {
      const cache = new Map<string, Stage>()
      return {
        lookupStatus: async (id) => {
          const stage = cache.get(id) ?? (await inner.lookupStatus(id))
          cache.set(id, stage)
          return stage
        },
      }
    },
  }),
  brokenQueue({
    id: 'unknown-is-waiting',
    title: 'an unknown id is said to be WAITING',
    breaks: ['Q-LOOK-1/a'],
    change: () => (inner) => ({
      lookupStatus: (id) => unless(inner.lookupStatus(id), 'SLUICE_ITEM_NOT_FOUND', (): Stage => 'WAITING'),
    }),
  }),
  lookingUp(
    'reason-lost',
    'lookup does not show the reason',
    ['Q-LOOK-2', 'Q-LOOK-2/d', 'Q-LOOK-2/e'],
    (record) => {
      const { reason: _, ...rest } = record
      return rest
    },
  ),
  lookingUp(
    'history-reversed',
    'the history has the newest attempt first',
    ['Q-LOOK-2/a', 'Q-LOOK-2/b'],
    (record) => ({
      ...record,
      history: record.history.toReversed(),
    }),
  ),
  lookingUp('history-short', 'the history keeps ten attempts', ['Q-LOOK-2/b'], (record) => ({
    ...record,
    history: record.history.slice(-10),
  })),
  brokenQueue({
    id: 'result-as-text',
    title: 'results come back as text',
    breaks: ['Q-LOOK-2/c'],
    change: () => (inner) => ({
      list: async (...args) => {
        const page = await inner.list(...args)
        return {
          ...page,
          items: page.items.map((item) => ({ ...item, result: JSON.stringify(item.result) })),
        }
      },
    }),
  }),
  lookingUp('reason-kept', 'a fail with no reason keeps the old one', ['Q-LOOK-2/e'], (record) => {
    const old = record.history.findLast((one) => one.reason !== undefined)?.reason
    return record.reason === undefined && old !== undefined ? { ...record, reason: old } : record
  }),
  brokenQueue({
    id: 'first-page-only',
    title: 'list knows only its first page',
    breaks: ['Q-LIST-1', 'Q-LIST-1/b', 'Q-LIST-1/c'],
    change: () => (inner) => ({
      list: async (...args) => ({ items: (await inner.list(...args)).items }),
      listSummaries: async (...args) => ({ items: (await inner.listSummaries(...args)).items }),
    }),
  }),
  brokenQueue({
    id: 'heads-untried',
    title: 'listSummaries shows attempt 0',
    breaks: ['Q-LIST-1/a'],
    change: () => (inner) => ({
      listSummaries: async (...args) => {
        const page = await inner.listSummaries(...args)
        return { ...page, items: page.items.map((item) => ({ ...item, attempt: 0 })) }
      },
    }),
  }),
  brokenQueue({
    id: 'pages-by-offset',
    title: 'a cursor is an offset into what is there now',
    breaks: ['Q-LIST-1/b', 'Q-LIST-1/c'],
    change: () => (inner) => ({
      list: async (stage, page) => byOffset((await inner.list(stage, { limit: ALL })).items, page),
      listSummaries: async (stage, page) =>
        byOffset((await inner.listSummaries(stage, { limit: ALL })).items, page),
    }),
  }),
  brokenQueue({
    id: 'cursor-of-nothing',
    title: 'an empty stage has a second page',
    breaks: ['Q-LIST-1/d'],
    change: () => (inner) => ({
      list: async (...args) => {
        const page = await inner.list(...args)
        return page.items.length === 0 ? { ...page, cursor: '0' } : page
      },
    }),
  }),
  brokenQueue({
    id: 'limit-unchecked',
    title: 'list takes any limit',
    breaks: ['Q-LIST-1/e'],
    change: () => (inner) => ({
      list: (...args) => unchecked(inner.list(...args), { items: [] }),
      listSummaries: (...args) => unchecked(inner.listSummaries(...args), { items: [] }),
    }),
  }),
  brokenQueue({
    id: 'delay-ignored',
    title: 'what is put with a delay is there at once',
    breaks: ['Q-TIME-1', 'Q-PUT-3/a', 'Q-GET-1/f'],
    change: () => (inner) => ({
      put: (id, body, options = {}) => inner.put(id, body, undelayed(options)),
      putMany: (items) =>
        inner.putMany(items.map(({ id, body, ...rest }) => ({ id, body, ...undelayed(rest) }))),
    }),
  }),
  brokenQueue({
    id: 'delay-in-seconds',
    title: 'a delay in ms is taken for one in seconds',
    breaks: ['Q-TIME-1/a', 'Q-TIME-1/b'],
    change: () => (inner) => ({
      put: (id, body, options = {}) =>
        inner.put(id, body, { ...options, ...(options.delayMs && { delayMs: options.delayMs * 1_000 }) }),
      release: (id, options = {}) =>
        inner.release(id, { ...options, delayMs: (options.delayMs ?? 0) * 1_000 }),
    }),
  }),
  brokenQueue({
    id: 'release-delay-forgotten',
    title: 'release, settle and requeue forget the delay',
    breaks: ['Q-TIME-1/b'],
    change: () => (inner) => ({
      release: (id, options) => inner.release(id, { ...options, delayMs: 0 }),
      settle: (outcomes) => inner.settle(outcomes.map((one) => ({ ...one, delayMs: 0 }))),
      requeue: (ids, options) => inner.requeue(ids, { ...options, delayMs: 0 }),
    }),
  }),
  brokenQueue({
    id: 'past-goes-first',
    title: 'a notBeforeAt that has passed takes the turn of others',
    breaks: ['Q-TIME-1/c'],
    change: () => (inner) => ({
      put: (id, body, options = {}) =>
        inner.put(id, body, options.notBeforeAt === 0 ? { priority: 1 } : options),
    }),
  }),
  lookingUp('clocks-mixed', 'claimedAt is read from a clock that is late', ['Q-TIME-1/d'], (record) =>
    record.claimedAt === undefined ? record : { ...record, claimedAt: record.claimedAt - 60_000 },
  ),
  brokenQueue({
    id: 'unreachable-raw',
    title: 'with the storage out of reach the driver’s own error comes through',
    breaks: ['Q-DOWN-1'],
    change: () => (inner) => ({
      peek: (maxItems) =>
        unless(inner.peek(maxItems), 'SLUICE_QUEUE_UNAVAILABLE', () => {
          throw new Error('connect ECONNREFUSED')
        }),
    }),
  }),
  brokenQueue({
    id: 'unreachable-unchecked',
    title: 'arguments are checked by the storage',
    breaks: ['Q-DOWN-1/a'],
    change: () => (inner) => ({
      put: async (id, ...rest) => {
        if (id === '') throw new SluiceError('SLUICE_QUEUE_UNAVAILABLE', 'the storage did not answer')
        return inner.put(id, ...rest)
      },
    }),
  }),
]

function lookingUp(
  id: string,
  title: string,
  breaks: readonly string[],
  ...[view]: readonly [(record: ItemRecord) => ItemRecord]
): QueueMutant {
  const change = () => (inner: Queue) => ({
    lookup: async (itemId: string) => {
      const record = await inner.lookup(itemId)
      return record && view(record)
    },
  })
  return brokenQueue({ id, title, breaks, change })
}

function byOffset<T extends ItemSummary>(items: readonly T[], { limit, cursor = '0' }: PageOptions): Page<T> {
  const end = Number(cursor) + limit
  const page = items.slice(Number(cursor), end)
  return end < items.length ? { items: page, cursor: String(end) } : { items: page }
}

function undelayed({ priority }: PutOptions): PutOptions {
  return priority === undefined ? {} : { priority }
}
