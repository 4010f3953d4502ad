import { SluiceError, isSluiceError, type Queue } from '@sluice/core'
import { interceptQueue } from '../../queue-wrapping.js'
import { brokenQueue, rewritten, unless, type QueueMutant } from '../queue-mutant.js'

const AT_LEASES = ['Q-VERSION-1', 'Q-VERSION-1/a', 'Q-VERSION-1/b']

/** Queues that go on where a newer release has upgraded the storage. */
export const versionMutants: readonly QueueMutant[] = [
  {
    id: 'upgrade-unnoticed',
    title: 'the version of the storage is never read',
    breaks: [...AT_LEASES, 'Q-VERSION-1/c'],
    wrap: (harness) => ({ ...rewritten(harness, (queue) => queue), upgrade: async () => async () => {} }),
  },
  brokenQueue({
    id: 'upgrade-as-lost-lease',
    title: 'the renewal of a lease finds a newer version, and says that the lease is lost',
    breaks: ['Q-VERSION-1/a'],
    change: () => (inner) => ({
      lease: async (...args) => {
        const lease = await inner.lease(...args)
        if (lease === undefined) return undefined
        return { ...lease, renew: () => unless(lease.renew(), 'SLUICE_QUEUE_CORRUPT', () => false) }
      },
    }),
  }),
  brokenQueue({
    id: 'upgrade-as-held-lease',
    title: 'who asks for a lease finds a newer version, and takes it for the lease of another',
    breaks: ['Q-VERSION-1', 'Q-VERSION-1/b'],
    change: () => (inner) => ({
      lease: (...args) => unless(inner.lease(...args), 'SLUICE_QUEUE_CORRUPT', () => undefined),
    }),
  }),
  brokenQueue({
    id: 'upgrade-retryable',
    title: 'a newer version is told as an outage, to be tried again',
    breaks: AT_LEASES,
    change: () => (inner) => interceptQueue(inner, retryable),
  }),
  brokenQueue({
    id: 'upgrade-forgotten',
    title: 'leases find a newer version, and claims and moves go on',
    breaks: AT_LEASES,
    change: (harness) => {
      const unaware = harness.open()
      return (inner) => goingOn(inner, unaware)
    },
  }),
]

async function retryable<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    if (!isSluiceError(error, 'SLUICE_QUEUE_CORRUPT')) throw error
    throw new SluiceError(error.code, error.message, { retryable: true, cause: error })
  }
}

/** What the good queue refuses is done by another object, which has met nothing yet. */
function goingOn(inner: Queue, unaware: Promise<Queue>): Partial<Queue> {
  const code = 'SLUICE_QUEUE_CORRUPT'
  return {
    get: (...args) => unless(inner.get(...args), code, async () => (await unaware).get(...args)),
    success: (...args) => unless(inner.success(...args), code, async () => (await unaware).success(...args)),
    settle: (...args) => unless(inner.settle(...args), code, async () => (await unaware).settle(...args)),
  }
}
