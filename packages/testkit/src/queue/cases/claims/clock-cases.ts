import { check, same, sameMembers } from '../../../check.js'
import type { QueueCase, QueueHarness } from '../../queue-harness.js'
import { bring, idsOf, putInTurn, spanOf, taken } from '../../queue-walk.js'

const HOUR_MS = 3_600_000
const LONG_MS = 600_000
const SHORT_MS = 400

/** Q-TIME-2 and Q-LEASE-2. */
export const clockCases: readonly QueueCase[] = [
  {
    id: 'Q-TIME-2',
    title:
      'a clock that is set back an hour holds up no item without a delay, for any process: what was put first is first',
    needs: needsSetBack,
    async run(harness) {
      const queue = await harness.open()
      await loadAndSetBack(harness)
      await queue.put('after', 1)
      same(idsOf(await queue.peek(9)), ['first', 'second', 'third', 'after'], 'peek shows all in their order')
      same(idsOf(await queue.get(9)), ['first', 'second', 'third', 'after'], 'get gives all in their order')
    },
  },
  {
    id: 'Q-TIME-2/a',
    title: 'a process that is started after the clock was set back finds them too',
    needs: needsSetBack,
    async run(harness) {
      await loadAndSetBack(harness)
      const later = await harness.open()
      same(idsOf(await later.get(9)), ['first', 'second', 'third'], 'get gives all in their order')
    },
  },
  {
    id: 'Q-TIME-2/b',
    title:
      'what was released, given back to its place or requeued without a delay is not held up, before or after',
    needs: needsSetBack,
    async run(harness) {
      const queue = await harness.open()
      const names = ['release', 'place', 'requeue', 'late release', 'late place', 'late requeue']
      for (const name of names) await bring(queue, name, 'PROCESSING')
      const back = async (prefix: string): Promise<void> => {
        await queue.release(`${prefix}release`, { attempt: 1 })
        await queue.settle([
          { id: `${prefix}place`, attempt: 1, stage: 'WAITING', countAttempt: false, keepPlace: true },
        ])
        await queue.fail(`${prefix}requeue`, { attempt: 1 })
        await queue.requeue([`${prefix}requeue`])
      }
      await back('')
      await setBack(harness)
      await back('late ')
      sameMembers(idsOf(await queue.get(9)), names, 'all of them are given out')
    },
  },
  {
    id: 'Q-TIME-2/c',
    title: 'what was delayed by an hour is not given out early',
    needs: needsSetBack,
    async run(harness) {
      const queue = await harness.open()
      await queue.put('in', 1, { delayMs: HOUR_MS })
      await queue.put('at', 1, { notBeforeAt: (await queue.now()) + HOUR_MS })
      await bring(queue, 'released', 'PROCESSING')
      await queue.release('released', { attempt: 1, delayMs: HOUR_MS })
      await setBack(harness)
      await queue.put('now', 1)
      same(idsOf(await queue.get(9)), ['now'], 'get gives what was not delayed alone')
    },
  },
  {
    id: 'Q-LEASE-2',
    title:
      'after a clock was set back an hour, the lease of a dead holder ends for another within its ttl, the fencing token grown',
    needs: needsSetBack,
    async run(harness) {
      const [queue, other] = [await harness.open(), await harness.open()]
      const dead = await taken(queue, 'me', SHORT_MS)
      await setBack(harness)
      const later = await harness.open()
      for (const observer of [other, later]) await release(await observer.lease('dispatch', 'you', LONG_MS))
      await harness.passTime(spanOf(queue, SHORT_MS))
      const lease = await taken(other, 'you', LONG_MS)
      check(lease.fencingToken > dead.fencingToken, 'the fencing token grows with the change of holder', [
        dead.fencingToken,
        lease.fencingToken,
      ])
      same(await later.lease('dispatch', 'they', LONG_MS), undefined, 'of two observers one gets it')
      same(await dead.renew(), false, 'the old holder can’t renew')
      same(await lease.renew(), true, 'the new one can')
    },
  },
  {
    id: 'Q-LEASE-2/a',
    title: 'a holder that renews keeps its lease when the clock is set back',
    needs: needsSetBack,
    async run(harness) {
      const [queue, other] = [await harness.open(), await harness.open()]
      const lease = await taken(queue, 'me', LONG_MS)
      same(await other.lease('dispatch', 'you', LONG_MS), undefined, 'another gets none')
      await setBack(harness)
      same(await other.lease('dispatch', 'you', LONG_MS), undefined, 'nor just after')
      same(await lease.renew(), true, 'the holder renews')
      same(await other.lease('dispatch', 'you', LONG_MS), undefined, 'nor after that')
      same(await (await harness.open()).lease('dispatch', 'they', LONG_MS), undefined, 'nor a new process')
    },
  },
  {
    id: 'Q-LEASE-2/b',
    title: 'a lease that was released is free, and of no more use, whatever becomes of the clock',
    needs: needsSetBack,
    async run(harness) {
      const [queue, other] = [await harness.open(), await harness.open()]
      const lease = await taken(queue, 'me', LONG_MS)
      await lease.release()
      await setBack(harness)
      same(await lease.renew(), false, 'who gave it back can’t renew')
      await taken(other, 'you', LONG_MS)
    },
  },
]

function needsSetBack(_: unknown, harness: QueueHarness): string | undefined {
  return harness.setClockBack === undefined
    ? 'the harness can’t set the clock of the storage back'
    : undefined
}

async function setBack(harness: QueueHarness): Promise<void> {
  await harness.setClockBack?.(HOUR_MS)
}

async function loadAndSetBack(harness: QueueHarness): Promise<void> {
  const queue = await harness.open()
  await putInTurn(queue, harness, [['first'], ['second'], ['third']])
  await setBack(harness)
}

/** A queue whose clock does not follow the machine's may give the lease out at once. */
async function release(lease: { release(): Promise<void> } | undefined): Promise<void> {
  await lease?.release()
}
