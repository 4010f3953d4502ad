import type { ControlState, Lease, LeaseView, Queue, QueueControl } from '@sluice/core'
import { brokenQueue, rewritten, unchecked, unless, type QueueMutant } from '../queue-mutant.js'
import { wrapQueue } from '../../queue-wrapping.js'

/** Queues that mix up names, controls, leases and closing. */
export const storeMutants: readonly QueueMutant[] = [
  {
    id: 'names-mixed',
    title: 'all names are one queue',
    breaks: ['Q-NAME-1', 'Q-NAME-1/a', 'Q-NAME-1/b'],
    wrap: (harness) => ({
      ...rewritten(harness, (queue) => queue),
      open: async (name = 'contract') => wrapQueue(await harness.open('one for all'), { name }),
    }),
  },
  {
    id: 'names-folded',
    title: 'names that differ in case are one queue',
    breaks: ['Q-NAME-1/a'],
    wrap: (harness) => ({
      ...rewritten(harness, (queue) => queue),
      open: async (name = 'contract') => wrapQueue(await harness.open(name.toLowerCase()), { name }),
    }),
  },
  {
    id: 'control-of-all',
    title: 'a pause of one queue pauses all in the store',
    breaks: ['Q-NAME-1/b'],
    wrap: (harness) => ({
      ...rewritten(harness, (queue) => queue),
      open: async (name = 'contract') =>
        wrapQueue(await harness.open(name), { control: (await harness.open('all')).control }),
    }),
  },
  brokenQueue({
    id: 'pause-unseen',
    title: 'a pause is known to its own process only',
    breaks: ['Q-CTRL-1', 'Q-CTRL-1/b'],
    change: () => (inner) => ({ control: localControl(inner.control) }),
  }),
  brokenQueue({
    id: 'zero-is-unset',
    title: 'a limit of 0 is no limit',
    breaks: ['Q-CTRL-1/a', 'Q-CTRL-1/b'],
    change: () => (inner) => ({
      control: {
        ...handedOn(inner.control),
        setLimits: (limits) =>
          inner.control.setLimits(
            Object.fromEntries(
              Object.entries(limits).map(([name, limit]) => [name, limit === 0 ? null : limit]),
            ),
          ),
      },
    }),
  }),
  brokenQueue({
    id: 'control-rewritten',
    title: 'the limits are read and written back whole',
    breaks: ['Q-CTRL-1/b'],
    change: () => {
      let writers = 0
      return (inner) => ({
        control: {
          ...handedOn(inner.control),
          setLimits: async (limits) => {
            const { limits: before } = await inner.control.read()
            // Each writer is slower than the one before, and all have read by then.
            for (let turns = 20 * ++writers; turns > 0; turns--) await Promise.resolve()
            const gone = Object.keys((await inner.control.read()).limits).map((name) => [name, null])
            await inner.control.setLimits({ ...Object.fromEntries(gone), ...before, ...limits })
          },
        },
      })
    },
  }),
  brokenQueue({
    id: 'limits-unchecked',
    title: 'setLimits takes anything',
    breaks: ['Q-CTRL-1/c'],
    change: () => (inner) => ({
      control: {
        ...handedOn(inner.control),
        setLimits: (limits) => unchecked(inner.control.setLimits(limits), undefined),
      },
    }),
  }),
  brokenQueue({
    id: 'lease-given-twice',
    title: 'a lease that is held is given to another holder',
    breaks: ['Q-LEASE-1', 'Q-LEASE-1/a', 'Q-LEASE-1/e', 'Q-LEASE-1/f'],
    change: () => (inner) => ({
      lease: async (name, holder, ttlMs) =>
        (await inner.lease(name, holder, ttlMs)) ??
        (await inner.lease(`${name} of ${holder}`, holder, ttlMs)),
    }),
  }),
  leasing('lease-release-ignored', 'a lease can’t be given back', ['Q-LEASE-1/b', 'Q-LEASE-1/g'], () => ({
    release: async () => undefined,
  })),
  brokenQueue({
    id: 'lease-endless',
    title: 'a lease never runs out',
    breaks: ['Q-LEASE-1/c', 'Q-LEASE-1/d'],
    change: () => (inner) => ({
      lease: (name, holder, ttlMs) => inner.lease(name, holder, ttlMs >= 100 ? 10_000_000_000 : ttlMs),
    }),
  }),
  leasing(
    'lease-renewed-too-late',
    'a lease that is lost can be renewed',
    ['Q-LEASE-1/b', 'Q-LEASE-1/c', 'Q-LEASE-1/d'],
    () => ({
      renew: async () => true,
    }),
  ),
  leasing('lease-not-prolonged', 'renew does not prolong a lease', ['Q-LEASE-1/e'], () => ({
    renew: async () => true,
  })),
  brokenQueue({
    id: 'fence-of-each-call',
    title: 'the fencing token grows although the holder stays',
    breaks: ['Q-LEASE-1/e', 'Q-LEASE-1/f'],
    change: () => {
      let fencingToken = 0
      return (inner) => ({
        lease: async (...args) => {
          const lease = await inner.lease(...args)
          return lease && { ...lease, fencingToken: ++fencingToken }
        },
      })
    },
  }),
  leasing(
    'fence-still',
    'the fencing token is always 1',
    ['Q-LEASE-1/b', 'Q-LEASE-1/c', 'Q-LEASE-1/g'],
    () => ({
      fencingToken: 1,
    }),
  ),
  brokenQueue({
    id: 'lease-read-once',
    title: 'readLease goes on telling what it told first',
    breaks: ['Q-LEASE-3', 'Q-LEASE-3/a'],
    change: () => {
      const told = new Map<string, LeaseView>()
      return (inner) => ({
        readLease: async (name) => {
          const now = told.get(name) ?? (await inner.readLease(name))
          if (now !== undefined) told.set(name, now)
          return now
        },
      })
    },
  }),
  brokenQueue({
    id: 'lease-read-takes',
    title: 'readLease takes the lease',
    breaks: ['Q-LEASE-3', 'Q-LEASE-3/a'],
    change: () => (inner) => ({
      readLease: async (name) => {
        await inner.lease(name, 'reader', 600_000)
        return inner.readLease(name)
      },
    }),
  }),
  brokenQueue({
    id: 'lease-unchecked',
    title: 'lease takes anything',
    breaks: ['Q-LEASE-1/h'],
    change: () => (inner) => ({ lease: (...args) => unchecked(inner.lease(...args), undefined) }),
  }),
  brokenQueue({
    id: 'close-ignored',
    title: 'close does nothing',
    breaks: ['Q-CLOSE-1', 'Q-CLOSE-1/a'],
    change: () => () => ({ close: async () => undefined }),
  }),
  brokenQueue({
    id: 'peek-after-close',
    title: 'peek works after close',
    breaks: ['Q-CLOSE-1'],
    change: () => (inner) => ({
      peek: (maxItems) => unless(inner.peek(maxItems), 'SLUICE_QUEUE_CLOSED', () => []),
    }),
  }),
  brokenQueue({
    id: 'close-once',
    title: 'a second close rejects',
    breaks: ['Q-CLOSE-1/a'],
    change: () => (inner) => {
      let closed = false
      return {
        close: async () => {
          if (closed) throw new Error('it is closed already')
          closed = true
          await inner.close()
        },
      }
    },
  }),
  brokenQueue({
    id: 'close-closes-all',
    title: 'close ends the other Queue objects too',
    breaks: ['Q-CLOSE-1/b'],
    change: () => {
      const all: Queue[] = []
      return (inner) => {
        all.push(inner)
        return { close: async () => void (await Promise.all(all.map((queue) => queue.close()))) }
      }
    },
  }),
]

function leasing(
  id: string,
  title: string,
  breaks: readonly string[],
  ...[changes]: readonly [() => Partial<Lease>]
): QueueMutant {
  const change = () => (inner: Queue) => ({
    lease: async (...args: Parameters<Queue['lease']>) => {
      const lease = await inner.lease(...args)
      return lease && { ...lease, ...changes() }
    },
  })
  return brokenQueue({ id, title, breaks, change })
}

function handedOn(control: QueueControl): QueueControl {
  return {
    read: () => control.read(),
    pause: (reason) => control.pause(reason),
    resume: () => control.resume(),
    setLimits: (limits) => control.setLimits(limits),
    sync: () => control.sync(),
  }
}

function localControl(control: QueueControl): QueueControl {
  let pause: Pick<ControlState, 'paused' | 'reason'> = { paused: false }
  return {
    ...handedOn(control),
    read: async () => ({ ...pause, limits: (await control.read()).limits }),
    pause: async (reason) => {
      pause = reason === undefined ? { paused: true } : { paused: true, reason }
    },
    resume: async () => {
      pause = { paused: false }
    },
  }
}
