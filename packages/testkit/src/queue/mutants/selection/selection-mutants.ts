import { SluiceError, type ItemRef, type Queue } from '@sluice/core'
import { selecting, type Selecting } from '../../cases/selection/selecting.js'
import { brokenByCrash, brokenQueue, unchecked, unless, type QueueMutant } from '../queue-mutant.js'

const LARGE_BYTES = 4_000_000
const ALL = 1_000
const LOSSES = ['Q-GET-8/a', 'Q-GET-8/b', 'Q-GET-8/c', 'Q-GET-8/d']

/** Queues that show or give out wrongly what their caller chooses. */
export const selectionMutants: readonly QueueMutant[] = [
  choosing('peek-summaries-claims', 'peekSummaries gives items out', ['Q-PEEK-1'], (inner) => ({
    peekSummaries: async (maxItems) => ({ items: await inner.get(maxItems) }),
  })),
  choosing(
    'peek-summaries-last-first',
    'peekSummaries shows the last of each page first',
    ['Q-PEEK-1', 'Q-PEEK-2', 'Q-PEEK-3'],
    (_, { peekSummaries }) => ({
      peekSummaries: async (...args) => {
        const page = await peekSummaries(...args)
        return { ...page, items: page.items.toReversed() }
      },
    }),
  ),
  choosing(
    'peek-summaries-not-due',
    'peekSummaries shows all that wait, in the order of their ids',
    ['Q-PEEK-1', 'Q-PEEK-1/a', 'Q-PEEK-2'],
    (inner) => ({
      peekSummaries: async () => {
        const { items } = await inner.listSummaries('WAITING', { limit: ALL })
        return { items: items.toSorted((a, b) => (a.id < b.id ? -1 : 1)) }
      },
    }),
  ),
  choosing(
    'peek-summaries-unchecked',
    'peekSummaries takes any count, cursor and key',
    ['Q-PEEK-1/b'],
    (_, { peekSummaries }) => ({
      peekSummaries: (...args) => unchecked(peekSummaries(...args), { items: [] }),
    }),
  ),
  choosing(
    'peek-cursor-counts',
    'the cursor of peekSummaries is how many items it has passed',
    ['Q-PEEK-2/a', 'Q-PEEK-2/b'],
    (_, { peekSummaries }) => ({
      peekSummaries: async (maxItems, { after = '0', ...options } = {}) => {
        const from = Number(after)
        const { items } = await peekSummaries(ALL, options)
        const page = items.slice(from, from + maxItems)
        const isLast = from + page.length >= items.length
        return { items: page, ...(!isLast && { cursor: String(from + page.length) }) }
      },
    }),
  ),
  choosing(
    'peek-cursor-overlaps',
    'a page of peekSummaries begins with the last item of the one before',
    ['Q-PEEK-2', 'Q-PEEK-2/b'],
    (_, { peekSummaries }) => {
      const lasts = new Map<string, Awaited<ReturnType<typeof peekSummaries>>['items']>()
      return {
        peekSummaries: async (maxItems, options = {}) => {
          const page = await peekSummaries(maxItems, options)
          const again = lasts.get(options.after ?? '') ?? []
          if (page.cursor !== undefined) lasts.set(page.cursor, page.items.slice(-1))
          return { ...page, items: [...again, ...page.items] }
        },
      }
    },
  ),
  choosing(
    'limit-key-ignored',
    'peekSummaries shows items of all limit keys',
    ['Q-PEEK-3', 'Q-UPDATE-5/b'],
    (_, { peekSummaries }) => ({
      peekSummaries: (maxItems, { limitKey: _key, ...options } = {}) => peekSummaries(maxItems, options),
    }),
  ),
  choosing(
    'limit-key-without-returned',
    'items that came back are not under their limit key any more',
    ['Q-PEEK-3/a'],
    (_, { peekSummaries }) => ({
      peekSummaries: async (maxItems, options) => {
        const page = await peekSummaries(maxItems, options)
        if (options?.limitKey === undefined) return page
        return { ...page, items: page.items.filter(({ attempt }) => attempt === 0) }
      },
    }),
  ),
  choosing(
    'get-items-in-turn',
    'getItems gives as many as it names, by their turn',
    ['Q-GET-6', 'Q-GET-6/a', 'Q-GET-6/d'],
    (inner) => ({ getItems: (refs, options) => inner.get(refs.length, options) }),
  ),
  choosing(
    'get-items-sorted',
    'getItems gives the items in the order of their ids',
    ['Q-GET-6'],
    (_, { getItems }) => ({
      getItems: async (...args) => (await getItems(...args)).toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    }),
  ),
  choosing(
    'get-items-any-uid',
    'getItems does not look at the uid',
    ['Q-GET-6/a'],
    (inner, { getItems }) => ({
      getItems: async (refs, options) => {
        const named = await Promise.all(refs.map(({ id }) => inner.lookup(id)))
        return getItems(
          refs.map((ref, index) => ({ ...ref, uid: named[index]?.uid ?? ref.uid })),
          options,
        )
      },
    }),
  ),
  choosing(
    'get-items-unchecked',
    'getItems swallows what it should refuse',
    ['Q-GET-6/b'],
    (_, { getItems }) => ({ getItems: (...args) => unchecked(getItems(...args), []) }),
  ),
  choosing(
    'get-items-large-refused',
    'a getItems whose items are too large together gives none',
    ['Q-GET-6/c'],
    (inner, { getItems }) => ({
      getItems: async (refs, options) => {
        const bodies = await Promise.all(refs.map(async ({ id }) => (await inner.lookup(id))?.body ?? null))
        return JSON.stringify(bodies).length > LARGE_BYTES ? [] : getItems(refs, options)
      },
    }),
  ),
  choosing(
    'get-items-new-only',
    'getItems gives only what was never claimed',
    ['Q-GET-6/d', 'Q-PUT-6'],
    (inner, { getItems }) => ({
      getItems: async (refs, options) => {
        const fresh: ItemRef[] = []
        for (const ref of refs) if ((await inner.lookup(ref.id))?.attempt === 0) fresh.push(ref)
        return getItems(fresh, options)
      },
    }),
  ),
  choosing(
    'get-items-first-attempt',
    'every getItems gives attempt 1',
    ['Q-GET-6/d', 'Q-GET-7/a'],
    (_, { getItems }) => ({
      getItems: async (...args) => (await getItems(...args)).map((item) => ({ ...item, attempt: 1 })),
    }),
  ),
  choosing(
    'get-items-without-claim',
    'getItems gives items out and leaves them WAITING',
    ['Q-GET-6', 'Q-GET-7'],
    (inner, { getItems }) => ({
      getItems: async (...args) => {
        const items = await getItems(...args)
        await inner.settle(
          items.map(({ id, attempt }) => ({ id, attempt, stage: 'WAITING', keepPlace: true, unsent: true })),
        )
        return items
      },
    }),
  ),
  brokenByCrash({
    id: 'crash-in-get-items-loses',
    title: 'a process that dies in getItems takes an item with it',
    breaks: ['Q-GET-7/b'],
    damage: async (healthy, method) => {
      if (method !== 'getItems') return
      const [waiting] = await healthy.get(1)
      if (waiting === undefined) return
      await healthy.success(waiting.id)
      await healthy.remove([waiting.id])
    },
  }),
  choosing('get-items-lease-ignored', 'getItems claims whatever became of its lease', LOSSES, (_, inner) => ({
    getItems: (refs) => inner.getItems(refs),
  })),
  choosing(
    'get-items-lost-claim-kept',
    'getItems finds out that its lease is lost, and keeps what it claimed',
    LOSSES,
    (inner, { getItems }) => ({
      getItems: async (refs, { lease } = {}) => {
        const items = await getItems(refs)
        if (lease !== undefined) await inner.get(0, { lease })
        return items
      },
    }),
  ),
  choosing(
    'get-items-every-lease-lost',
    'for getItems every lease counts as lost',
    ['Q-GET-8'],
    (_, { getItems }) => ({
      getItems: async (refs, options) => {
        if (options?.lease === undefined) return getItems(refs)
        throw new SluiceError('SLUICE_LEASE_LOST', 'the lease is lost')
      },
    }),
  ),
  choosing(
    'get-items-lost-lease-empty',
    'under a lost lease getItems gives nothing',
    LOSSES,
    (_, { getItems }) => ({
      getItems: (...args) => unless(getItems(...args), 'SLUICE_LEASE_LOST', () => []),
    }),
  ),
]

/** A mutant of the calls of which a queue may have none. */
function choosing(
  id: string,
  title: string,
  breaks: readonly string[],
  ...[change]: readonly [(inner: Queue, calls: Selecting) => Partial<Queue>]
): QueueMutant {
  return brokenQueue({ id, title, breaks, change: () => (inner) => change(inner, selecting(inner)) })
}
