import type { Queue } from '@sluice/core'
import { createLease } from '@sluice/core/backend'
import type { QueueHarness } from '../../queue-harness.js'
import { wrapQueue } from '../../queue-wrapping.js'
import { rewritten, type QueueMutant } from '../queue-mutant.js'

/** What all queues of one mutant know of the clock and of what went through them before it was set back. */
interface Past {
  isSetBack: boolean
  readonly delayed: Set<string>
  readonly holders: Map<string, string>
}

interface ClockBreakage {
  readonly id: string
  readonly title: string
  readonly breaks: readonly string[]
  readonly change: (inner: Queue, past: Past) => Partial<Queue>
}

/** Queues that take a clock of the storage that is set back amiss. */
export const clockMutants: readonly QueueMutant[] = [
  brokenBySetBack({
    id: 'set-back-holds-items',
    title: 'once the clock was set back, nothing is given out before it shows again what it showed',
    breaks: ['Q-TIME-2', 'Q-TIME-2/a', 'Q-TIME-2/b', 'Q-TIME-2/c'],
    change: (inner, past) => ({
      get: async (maxItems) => (past.isSetBack ? [] : inner.get(maxItems)),
      peek: async (maxItems) => (past.isSetBack ? [] : inner.peek(maxItems)),
    }),
  }),
  brokenBySetBack({
    id: 'set-back-turns-order',
    title: 'once the clock was set back, what was put last comes first',
    breaks: ['Q-TIME-2', 'Q-TIME-2/a'],
    change: (inner, past) => ({
      get: async (maxItems) => {
        const items = await inner.get(maxItems)
        return past.isSetBack ? items.toReversed() : items
      },
    }),
  }),
  brokenBySetBack({
    id: 'set-back-ends-delays',
    title: 'once the clock was set back, delayed items are given out at once',
    breaks: ['Q-TIME-2/c'],
    change: (inner, past) => ({
      put: async (id, body, options) => {
        await inner.put(id, body, options)
        if (options !== undefined) past.delayed.add(id)
      },
      get: async (maxItems) => {
        if (!past.isSetBack) return inner.get(maxItems)
        await inner.remove([...past.delayed])
        for (const id of past.delayed) await inner.put(id, 1)
        past.delayed.clear()
        return inner.get(maxItems)
      },
    }),
  }),
  brokenBySetBack({
    id: 'set-back-holds-leases',
    title: 'once the clock was set back, a lease that was held goes to no other holder',
    breaks: ['Q-LEASE-2', 'Q-LEASE-2/b'],
    change: (inner, past) => ({
      lease: async (name, holder, ttlMs) => {
        const known = past.holders.get(name) ?? holder
        past.holders.set(name, known)
        return past.isSetBack && known !== holder ? undefined : inner.lease(name, holder, ttlMs)
      },
    }),
  }),
  brokenBySetBack({
    id: 'set-back-frees-leases',
    title: 'once the clock was set back, a lease goes to every process that asks',
    breaks: ['Q-LEASE-2', 'Q-LEASE-2/a'],
    change: (inner, past) => ({
      lease: async (name, holder, ttlMs) => {
        const lease = await inner.lease(name, holder, ttlMs)
        if (lease !== undefined || !past.isSetBack) return lease
        const facts = { name, holder, ttlMs, fencingToken: 1_000 }
        return createLease(facts, { renew: async () => true, release: async () => {} })
      },
    }),
  }),
]

function brokenBySetBack({ change, ...facts }: ClockBreakage): QueueMutant {
  return {
    ...facts,
    wrap: (harness) => {
      const past: Past = { isSetBack: false, delayed: new Set(), holders: new Map() }
      const wrapped = rewritten(harness, (queue) => wrapQueue(queue, change(queue, past)))
      return { ...wrapped, setClockBack: (ms) => setBack(harness, past, ms) }
    },
  }
}

async function setBack(harness: QueueHarness, past: Past, ms: number): Promise<void> {
  past.isSetBack = true
  await harness.setClockBack?.(ms)
}
