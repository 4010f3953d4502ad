import type { ItemSummary, Resources } from '@sluice/core'
import { brokenQueue, unchecked, type QueueMutant } from '../queue-mutant.js'

type Chosen = Pick<ItemSummary, 'resources' | 'limitKey'>

/** Queues that keep resources and limit keys wrongly. */
export const resourceMutants: readonly QueueMutant[] = [
  keeping('resources-dropped', 'resources are not kept', ['Q-PUT-6', 'Q-PUT-6/a', 'Q-PUT-6/b'], (chosen) => ({
    ...chosen,
    resources: undefined,
  })),
  keeping(
    'limit-key-dropped',
    'limit keys are not kept',
    ['Q-PUT-6', 'Q-PUT-6/a', 'Q-PUT-6/b'],
    (chosen) => ({
      ...chosen,
      limitKey: undefined,
    }),
  ),
  keeping('resources-rounded', 'amounts are whole numbers', ['Q-PUT-6', 'Q-PUT-6/b'], (chosen) => ({
    ...chosen,
    resources: rounded(chosen.resources),
  })),
  keeping('limit-key-lower', 'limit keys have no capitals', ['Q-PUT-6/b', 'Q-PEEK-3'], (chosen) => ({
    ...chosen,
    limitKey: typeof chosen.limitKey === 'string' ? chosen.limitKey.toLowerCase() : chosen.limitKey,
  })),
  brokenQueue({
    id: 'resources-end-with-the-claim',
    title: 'an item that was claimed has no resources any more',
    breaks: ['Q-PUT-6'],
    change: () => (inner) => ({
      lookup: async (id) => {
        const record = await inner.lookup(id)
        if (record === undefined || record.attempt === 0) return record
        const { resources: _, ...rest } = record
        return rest
      },
    }),
  }),
  brokenQueue({
    id: 'resources-overwritten',
    title: 'putMany gives items that are there the resources of the call',
    breaks: ['Q-PUT-6/a'],
    change: () => (inner) => ({
      putMany: async (items, options) => {
        const report = await inner.putMany(items, options)
        const there = new Set(report.skipped.map(({ id }) => id))
        const changes = items.filter(({ id, resources }) => there.has(id) && resources !== undefined)
        await inner.update(changes.map(({ id, resources = {} }) => ({ id, resources })))
        return report
      },
    }),
  }),
  brokenQueue({
    id: 'resources-unchecked',
    title: 'put and putMany swallow what they should refuse',
    breaks: ['Q-PUT-6/c'],
    change: () => (inner) => ({
      put: (...args) => unchecked(inner.put(...args), undefined),
      putMany: (...args) => unchecked(inner.putMany(...args), { added: 0, skipped: [] }),
    }),
  }),
  brokenQueue({
    id: 'resources-stay',
    title: 'update does not take resources away',
    breaks: ['Q-UPDATE-5'],
    change: () => (inner) => ({
      update: (changes, options) =>
        inner.update(
          changes.map(({ resources, ...rest }) =>
            resources === undefined || resources === null
              ? { limitKey: null, ...rest }
              : { ...rest, resources },
          ),
          options,
        ),
    }),
  }),
  brokenQueue({
    id: 'limit-key-to-the-end',
    title: 'an item whose limit key is changed goes behind all others',
    breaks: ['Q-UPDATE-5', 'Q-UPDATE-5/b'],
    change: () => (inner) => ({
      update: (changes, options) =>
        inner.update(
          changes.map((change) => (change.limitKey === undefined ? change : { ...change, notBeforeAt: 0 })),
          options,
        ),
    }),
  }),
  brokenQueue({
    id: 'resources-of-all-stages',
    title: 'update says that it changed what does not wait',
    breaks: ['Q-UPDATE-5/a'],
    change: () => (inner) => ({
      update: async (changes) => ({ ...(await inner.update(changes)), updated: changes.length, skipped: [] }),
    }),
  }),
]

/** A mutant that keeps something else than it is given. */
function keeping(
  id: string,
  title: string,
  breaks: readonly string[],
  ...[kept]: readonly [(chosen: Chosen) => { [K in keyof Chosen]?: Chosen[K] | undefined }]
): QueueMutant {
  const of = <T extends Chosen>(given: T): T => {
    const chosen = Object.entries(kept(given)).filter(([, value]) => value !== undefined)
    const { resources: _, limitKey: _key, ...rest } = given
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only optional fields differ
    return { ...rest, ...Object.fromEntries(chosen) } as T
  }
  return brokenQueue({
    id,
    title,
    breaks,
    change: () => (inner) => ({
      put: (itemId, body, options = {}) => inner.put(itemId, body, of(options)),
      putMany: (items, options) => inner.putMany(items.map(of), options),
    }),
  })
}

function rounded(resources: Resources | undefined): Resources | undefined {
  if (resources === undefined) return undefined
  return Object.fromEntries(Object.entries(resources).map(([name, amount]) => [name, Math.round(amount)]))
}
