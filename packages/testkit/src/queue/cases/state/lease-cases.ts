import type { LeaseView } from '@sluice/core'
import { at, check, refuses, same } from '../../../check.js'
import { posingAs } from '../../../odd-values.js'
import type { QueueCase, QueueHarness } from '../../queue-harness.js'
import { spanOf, taken } from '../../queue-walk.js'

const LONG_MS = 600_000
const SHORT_MS = 100

/** Q-LEASE-1. */
export const leaseCases: readonly QueueCase[] = [
  {
    id: 'Q-LEASE-1',
    title: 'one holder at a time has a lease; the others get undefined; other names are other leases',
    async run(harness) {
      const [queue, other] = [await harness.open(), await harness.open()]
      const lease = await taken(queue, 'me', LONG_MS)
      same([lease.name, lease.holder, lease.ttlMs], ['dispatch', 'me', LONG_MS], 'the lease says what it is')
      check(
        Number.isSafeInteger(lease.fencingToken) && lease.fencingToken >= 0,
        'its fencingToken is a whole number',
        lease.fencingToken,
      )
      same(await other.lease('dispatch', 'you', LONG_MS), undefined, 'another holder gets none')
      same(await queue.lease('dispatch', 'you', LONG_MS), undefined, 'on the same Queue object neither')
      check((await other.lease('sweep', 'you', LONG_MS)) !== undefined, 'a lease of another name is free')
      same(await lease.renew(), true, 'the holder can renew')
    },
  },
  {
    id: 'Q-LEASE-1/a',
    title: 'of many that ask at once exactly one gets it',
    async run(harness) {
      const queues = await Promise.all([harness.open(), harness.open(), harness.open()])
      const asked = Array.from({ length: 12 }, (_, index) =>
        at(queues, index % 3, 'a queue').lease('dispatch', `holder${index}`, LONG_MS),
      )
      const leases = (await Promise.all(asked)).filter((lease) => lease !== undefined)
      same(leases.length, 1, 'one of twelve holders gets the lease')
    },
  },
  {
    id: 'Q-LEASE-1/b',
    title: 'released, it goes to another at once, the fencing token grown; the old lease is of no more use',
    async run(harness) {
      const [queue, other] = [await harness.open(), await harness.open()]
      const first = await taken(queue, 'me', LONG_MS)
      await first.release()
      const second = await taken(other, 'you', LONG_MS)
      check(second.fencingToken > first.fencingToken, 'the fencing token grows with the change of holder', [
        first.fencingToken,
        second.fencingToken,
      ])
      same(await first.renew(), false, 'who gave it back can’t renew')
      await first.release()
      same(await second.renew(), true, 'a second release of the old lease takes nothing from the new holder')
      same(await queue.lease('dispatch', 'me', LONG_MS), undefined, 'the first one has to wait now')
    },
  },
  {
    id: 'Q-LEASE-1/c',
    title: 'run out, it goes to another, the fencing token grown; the old holder finds out at renew',
    async run(harness) {
      const [queue, other] = [await harness.open(), await harness.open()]
      const first = await taken(queue, 'me', SHORT_MS)
      await harness.passTime(spanOf(queue, SHORT_MS))
      const second = await taken(other, 'you', LONG_MS)
      check(second.fencingToken > first.fencingToken, 'the fencing token grows with the change of holder', [
        first.fencingToken,
        second.fencingToken,
      ])
      same(await first.renew(), false, 'the old holder can’t renew')
      await first.release()
      same(await second.renew(), true, 'nor can it give back what is the other’s')
    },
  },
  {
    id: 'Q-LEASE-1/d',
    title: 'run out and not taken since, it can’t be renewed, but taken again',
    async run(harness) {
      const queue = await harness.open()
      const first = await taken(queue, 'me', SHORT_MS)
      await harness.passTime(spanOf(queue, SHORT_MS))
      same(await first.renew(), false, 'time alone ends a lease')
      const second = await taken(queue, 'me', LONG_MS)
      check(second.fencingToken >= first.fencingToken, 'the fencing token never shrinks', [
        first.fencingToken,
        second.fencingToken,
      ])
      same(await second.renew(), true, 'the new one is good')
    },
  },
  {
    id: 'Q-LEASE-1/e',
    title: 'renewed in time, it is kept beyond its first end, with the same fencingToken',
    run: renewedInTime,
  },
  {
    id: 'Q-LEASE-1/f',
    title: 'the same holder that takes it again keeps it and its fencingToken',
    async run(harness) {
      const [queue, other] = [await harness.open(), await harness.open()]
      const first = await taken(queue, 'me', LONG_MS)
      const again = await taken(other, 'me', LONG_MS)
      same(again.fencingToken, first.fencingToken, 'no change of holder, no new fencingToken')
      same(await other.lease('dispatch', 'you', LONG_MS), undefined, 'another holder gets none')
    },
  },
  {
    id: 'Q-LEASE-1/g',
    title: 'the fencing token grows over many changes of holder, the first holder coming back included',
    async run(harness) {
      const queue = await harness.open()
      const fences: number[] = []
      for (const holder of ['a', 'b', 'a', 'c', 'b']) {
        const lease = await taken(queue, holder, LONG_MS)
        fences.push(lease.fencingToken)
        await lease.release()
      }
      const growing = fences.every(
        (fencingToken, index) => index === 0 || fencingToken > (fences[index - 1] ?? 0),
      )
      check(growing, 'each change of holder gives a larger fencingToken', fences)
    },
  },
  {
    id: 'Q-LEASE-1/h',
    title: 'a lease with no name or holder, or a ttl under 100 ms, is a TypeError',
    async run(harness) {
      const queue = await harness.open()
      await refuses(() => queue.lease('', 'me', 1_000), 'lease refuses an empty name')
      await refuses(() => queue.lease('dispatch', '', 1_000), 'lease refuses an empty holder')
      for (const ttl of [0, 99, 100.5, Number.NaN, '1000', undefined]) {
        await refuses(
          () => queue.lease('dispatch', 'me', posingAs(ttl)),
          `lease refuses a ttl of ${String(ttl)}`,
        )
      }
      check(
        (await queue.lease('dispatch', 'you', 100)) !== undefined,
        'nothing was taken by what was refused',
      )
    },
  },
  {
    id: 'Q-LEASE-3',
    title:
      'readLease tells the holder, the fencing token and the time that is left, and nothing once it was given back',
    async run(harness) {
      const [queue, other] = [await harness.open(), await harness.open()]
      same(await queue.readLease('dispatch'), undefined, 'a lease that was never taken is not there')
      const lease = await taken(queue, 'me', LONG_MS)
      for (const one of [queue, other]) {
        const seen = await one.readLease('dispatch')
        same(
          factsOf(seen),
          ['dispatch', 'me', lease.fencingToken, LONG_MS],
          'every process reads whose it is',
        )
        const leftMs = seen?.leftMs ?? 0
        const slackMs = queue.supports.orderPrecisionMs + 1_000
        check(leftMs > LONG_MS / 2 && leftMs <= LONG_MS + slackMs, 'and what is left of it', leftMs)
      }
      same(await queue.readLease('sweep'), undefined, 'one of another name is another lease')
      same(await lease.renew(), true, 'reading leaves it with its holder')
      await lease.release()
      same(await other.readLease('dispatch'), undefined, 'given back, it has no holder')
      const next = await taken(other, 'you', LONG_MS)
      same(
        factsOf(await queue.readLease('dispatch')),
        ['dispatch', 'you', next.fencingToken, LONG_MS],
        'taken again, it is the next one’s',
      )
      await refuses(() => queue.readLease(''), 'readLease refuses an empty name')
      await refuses(() => queue.readLease(posingAs(undefined)), 'readLease refuses none')
    },
  },
  {
    id: 'Q-LEASE-3/a',
    title: 'of a lease that ran out readLease tells who let it run out, and that no time is left',
    async run(harness) {
      const [queue, other] = [await harness.open(), await harness.open()]
      const lease = await taken(queue, 'me', SHORT_MS)
      await harness.passTime(spanOf(queue, SHORT_MS))
      const seen = await other.readLease('dispatch')
      same(factsOf(seen), ['dispatch', 'me', lease.fencingToken, SHORT_MS], 'it was the last holder’s')
      check((seen?.leftMs ?? 1) <= 0, 'and has no time left', seen?.leftMs)
      const next = await taken(other, 'you', LONG_MS)
      check(next.fencingToken > lease.fencingToken, 'reading does not keep it from the next one', [
        lease.fencingToken,
        next.fencingToken,
      ])
      const now = await queue.readLease('dispatch')
      same(factsOf(now), ['dispatch', 'you', next.fencingToken, LONG_MS], 'then it is that one’s')
    },
  },
]

function factsOf(lease: LeaseView | undefined): readonly unknown[] {
  return [lease?.name, lease?.holder, lease?.fencingToken, lease?.ttlMs]
}

/**
 * On a slow machine time may run out before the renewal: then nothing is proven, and a longer lease is tried.
 * The part of it that is not waited for must be longer than what the queue is unsure by, or nothing could be
 * proven at all.
 */
async function renewedInTime(harness: QueueHarness): Promise<void> {
  const [queue, other] = [await harness.open(), await harness.open()]
  for (const slackMs of [400, 1_600, 6_400, 25_600]) {
    const ttlMs = slackMs + 5 * queue.supports.orderPrecisionMs
    const startAt = await queue.now()
    const lease = await taken(queue, `me for ${ttlMs}`, ttlMs)
    await harness.passTime(ttlMs * 0.6)
    const renewed = await lease.renew()
    const renewedAt = await queue.now()
    if (renewedAt - startAt < ttlMs) same(renewed, true, 'the holder renews before the end')
    await harness.passTime(ttlMs * 0.6)
    const rival = await other.lease('dispatch', 'you', ttlMs)
    const conclusive = renewed && (await queue.now()) - renewedAt < ttlMs - queue.supports.orderPrecisionMs
    if (conclusive) {
      same(rival, undefined, 'beyond its first end the renewed lease is still held')
      same(
        (await taken(other, lease.holder, ttlMs)).fencingToken,
        lease.fencingToken,
        'with the same fencingToken',
      )
      return
    }
    await rival?.release()
    await lease.release()
  }
  throw new Error(
    'the storage is too slow to tell whether a lease is kept: 25 s were not enough for a few calls',
  )
}
