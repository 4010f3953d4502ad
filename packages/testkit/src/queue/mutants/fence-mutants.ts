import { SluiceError, type GetOptions, type Lease, type Queue, type QueueItem } from '@sluice/core'
import { brokenQueue, unless, type QueueMutant } from './queue-mutant.js'

type Get = (maxItems: number, options?: GetOptions) => Promise<QueueItem[]>

const OF_CLAIMS = ['Q-GET-5/a', 'Q-GET-5/b', 'Q-GET-5/c', 'Q-GET-5/d']
const OF_DOCUMENTS = ['Q-DOC-3/a', 'Q-DOC-3/b', 'Q-DOC-3/c', 'Q-DOC-3/d']

/** Queues that hold claims and writes to a lease wrongly. */
export const fenceMutants: readonly QueueMutant[] = [
  brokenQueue({
    id: 'claim-lease-ignored',
    title: 'get claims whatever became of its lease',
    breaks: OF_CLAIMS,
    change: () => (inner) => ({ get: (maxItems) => inner.get(maxItems) }),
  }),
  brokenQueue({
    id: 'lost-claim-kept',
    title: 'get finds out that its lease is lost, and keeps what it claimed',
    breaks: [...OF_CLAIMS, 'Q-GET-5/f'],
    change: () => (inner) => ({ get: checkedAfterwards(inner, async () => undefined) }),
  }),
  brokenQueue({
    id: 'lost-claim-counted',
    title: 'get gives back what it claimed under a lost lease, and it counts',
    breaks: [...OF_CLAIMS, 'Q-GET-5/f'],
    change: () => (inner) => ({
      get: checkedAfterwards(inner, (items) =>
        inner.settle(items.map(({ id, attempt }) => ({ id, attempt, stage: 'WAITING', keepPlace: true }))),
      ),
    }),
  }),
  brokenQueue({
    id: 'lost-claim-behind',
    title: 'get gives back what it claimed under a lost lease, behind what waits',
    breaks: [...OF_CLAIMS, 'Q-GET-5/f'],
    change: () => (inner) => ({
      get: checkedAfterwards(inner, (items) =>
        inner.settle(
          items.map(({ id, attempt }) => ({ id, attempt, stage: 'WAITING', countAttempt: false })),
        ),
      ),
    }),
  }),
  brokenQueue({
    id: 'document-lease-ignored',
    title: 'documents are written and removed whatever became of the lease',
    breaks: OF_DOCUMENTS,
    change: () => (inner) => ({
      document: (name) => {
        const document = inner.document(name)
        return {
          name,
          read: () => document.read(),
          write: (value, { ifVersion }) => document.write(value, { ifVersion }),
          remove: ({ ifVersion } = {}) => document.remove(ifVersion === undefined ? {} : { ifVersion }),
        }
      },
    }),
  }),
  fencing(
    'lost-lease-taken-again',
    'a lease that is lost is taken again where no other holder has it',
    ['Q-GET-5/a', 'Q-GET-5/b', 'Q-GET-5/d', 'Q-DOC-3/a', 'Q-DOC-3/b', 'Q-DOC-3/d'],
    (inner) => async (lease) => (await inner.lease(lease.name, lease.holder, lease.ttlMs)) ?? lease,
  ),
  fencing(
    'every-lease-lost',
    'every lease counts as lost',
    ['Q-GET-5', 'Q-GET-5/e', 'Q-DOC-3', 'Q-DOC-3/e'],
    () => async () => {
      throw new SluiceError('SLUICE_LEASE_LOST', 'the lease is lost')
    },
  ),
  brokenQueue({
    id: 'lease-end-as-taken',
    title: 'a lease is held to the end that it had when it was taken',
    breaks: ['Q-GET-5/e', 'Q-DOC-3/e'],
    change: () => (inner) => {
      const ends = new WeakMap<Lease, number>()
      return {
        lease: async (...args) => {
          const lease = await inner.lease(...args)
          if (lease !== undefined) ends.set(lease, (await inner.now()) + lease.ttlMs)
          return lease
        },
        ...fenced(inner, async (lease) => {
          if ((ends.get(lease) ?? 0) > (await inner.now())) return lease
          throw new SluiceError('SLUICE_LEASE_LOST', 'the lease has run out')
        }),
      }
    },
  }),
  fencing(
    'lost-lease-retryable',
    'a lost lease is reported as an outage',
    [...OF_CLAIMS, ...OF_DOCUMENTS],
    (inner) => async (lease) =>
      unless(
        inner.get(0, { lease }).then(() => lease),
        'SLUICE_LEASE_LOST',
        () => {
          throw new SluiceError('SLUICE_QUEUE_UNAVAILABLE', 'the storage did not answer')
        },
      ),
  ),
]

/** A mutant that claims and writes under another lease than the one it was given. */
function fencing(
  id: string,
  title: string,
  breaks: readonly string[],
  ...[change]: readonly [(inner: Queue) => (lease: Lease) => Promise<Lease>]
): QueueMutant {
  return brokenQueue({ id, title, breaks, change: () => (inner) => fenced(inner, change(inner)) })
}

function fenced(inner: Queue, leaseFor: (lease: Lease) => Promise<Lease>): Pick<Queue, 'get' | 'document'> {
  return {
    get: async (maxItems, { lease } = {}) =>
      inner.get(maxItems, lease === undefined ? {} : { lease: await leaseFor(lease) }),
    document: (name) => {
      const document = inner.document(name)
      return {
        name,
        read: () => document.read(),
        write: async (value, { lease, ...rest }) =>
          document.write(value, lease === undefined ? rest : { ...rest, lease: await leaseFor(lease) }),
        remove: async ({ lease, ...rest } = {}) =>
          document.remove(lease === undefined ? rest : { ...rest, lease: await leaseFor(lease) }),
      }
    },
  }
}

/** A `get` that claims first and asks for its lease afterwards. */
function checkedAfterwards(inner: Queue, undo: (items: readonly QueueItem[]) => Promise<unknown>): Get {
  return async (maxItems, { lease } = {}) => {
    const items = await inner.get(maxItems)
    if (lease === undefined) return items
    return unless(
      inner.get(0, { lease }).then(() => items),
      'SLUICE_LEASE_LOST',
      async () => {
        await undo(items)
        throw new SluiceError('SLUICE_LEASE_LOST', 'the lease is lost')
      },
    )
  }
}
