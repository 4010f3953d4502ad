import { setImmediate as turn } from 'node:timers/promises'
import { isSluiceError, type ItemRecord, type Queue, type QueueItem } from '@sluice/core'
import { check, refuses, resolves, same, sameMembers } from '../../../check.js'
import { posingAs } from '../../../odd-values.js'
import type { QueueCase, QueueHarness } from '../../queue-harness.js'
import { idsOf, jobsOf, putInTurn, recordOf, recordsOf, taken } from '../../queue-walk.js'
import { atEveryPoint, needsCrashing } from '../troubles/crash-points.js'
import { leaseLosses, rejectsLost, underRenewedLease, type LeaseLoss } from '../state/lost-lease.js'

const LONG_MS = 600_000
const ORDER = ['high', 'a', 'b', 'c', 'low'] as const

/** Q-GET-5. */
export const fencedClaimCases: readonly QueueCase[] = [
  {
    id: 'Q-GET-5',
    title: 'under a lease that is held get goes as it does without',
    async run(harness) {
      const [queue, other] = [await harness.open(), await harness.open()]
      const lease = await taken(queue, 'me', LONG_MS)
      same(await queue.get(5, { lease }), [], 'of an empty queue it gives nothing')
      await load(queue, harness)
      await refuses(() => queue.get(posingAs(-1), { lease }), 'a wrong count is refused as ever')
      same(await queue.get(0, { lease }), [], 'get(0) gives nothing')
      const items = await queue.get(2, { lease })
      same(jobsOf(items), ['high@1', 'a@1'], 'it gives the first two, at attempt 1')
      for (const item of items) {
        const { stage, attempt, uncounted } = await recordOf(other, item.id)
        same([stage, attempt, uncounted], ['PROCESSING', 1, 0], 'they are claimed, and that counts')
      }
      same(await queue.get(0, {}), [], 'options without a lease are fine')
      same(jobsOf(await other.get(1)), ['b@1'], 'who needs no lease is not held up by it')
      await queue.success('high', { attempt: 1 })
      same(jobsOf(await queue.get(9, { lease })), ['c@1', 'low@1'], 'and the rest')
      same(await lease.renew(), true, 'the lease is held still')
    },
  },
  ...leaseLosses.map((loss, index) => lossCase(`Q-GET-5/${'abcd'[index]}`, loss)),
  {
    id: 'Q-GET-5/e',
    title: 'a lease that was renewed holds beyond its first end',
    run: (harness) =>
      underRenewedLease(harness, async (queue, lease, round) => {
        await queue.put(`i${round}`, 1)
        const items = await queue.get(1, { lease })
        same(items.length, 1, 'a get under it claims')
      }),
  },
  {
    id: 'Q-GET-5/f',
    title: 'a lease that goes while a get runs: the get gives items, or rejects and has claimed nothing',
    run: whileItRuns,
  },
  {
    id: 'Q-GET-5/g',
    title: 'a process that dies at any point of a get under a lease loses no item, and gives none out twice',
    needs: needsCrashing,
    async run(harness) {
      const queue = await harness.open()
      await atEveryPoint(harness, async (crashing, point) => {
        const ids = [0, 1, 2].map((index) => `p${point}-${index}`)
        await queue.putMany(ids.map((id) => ({ id, body: { id } })))
        // The process dies in it, or it went through: what is stored says which.
        const seen = await claimed(crashing, `holder ${point}`).catch((): QueueItem[] => [])
        const running = (await recordsOf(queue, 'PROCESSING')).filter(({ id }) => ids.includes(id))
        const waiting = (await recordsOf(queue, 'WAITING')).filter(({ id }) => ids.includes(id))
        sameMembers(idsOf([...running, ...waiting]), ids, 'each item is in WAITING or in PROCESSING, once')
        for (const { id, body } of running) same(body, { id }, 'in PROCESSING its body is intact')
        const rest = await resolves(queue.get(10), 'the next get works')
        const jobs = jobsOf([...seen, ...rest])
        same(new Set(jobs).size, jobs.length, 'no (id, attempt) was given out twice')
        await finish(queue, ids)
      })
    },
  },
]

function lossCase(id: string, { how, lose }: LeaseLoss): QueueCase {
  return {
    id,
    title: `under a lease that ${how}, get rejects SLUICE_LEASE_LOST, and each item waits in its place, uncounted`,
    async run(harness) {
      const queue = await harness.open()
      await load(queue, harness)
      const before = await Promise.all(ORDER.map((itemId) => recordOf(queue, itemId)))
      const { lost: lease, held } = await lose(queue, harness)
      await rejectsLost(queue.get(3, { lease }), 'get is refused')
      await checkUnclaimed(queue, before)
      await rejectsLost(queue.get(3, { lease }), 'a second one too')
      await checkUnclaimed(queue, before)
      const options = held === undefined ? {} : { lease: held }
      same(idsOf(await queue.get(9, options)), [...ORDER], 'who may claim is given all in their order')
    },
  }
}

/** Puts five items, given out in the order of {@link ORDER}. */
async function load(queue: Queue, harness: QueueHarness): Promise<void> {
  await putInTurn(queue, harness, [['low', -1], ['a'], ['high', 1], ['b'], ['c']])
}

/**
 * Throws unless the items wait in their order, and no attempt of them counts; unchanged, where a claim
 * compares the lease itself.
 */
async function checkUnclaimed(queue: Queue, before: readonly ItemRecord[]): Promise<void> {
  same(idsOf(await queue.peek(9)), idsOf(before), 'all of them wait, in the order that they had')
  for (const old of before) {
    const now = await recordOf(queue, old.id)
    same(
      [now.stage, now.attempt - now.uncounted],
      ['WAITING', 0],
      `${old.id} waits, and no attempt of it counts`,
    )
    same([now.uid, now.body, now.priority], [old.uid, old.body, old.priority], 'the rest is as it was')
    if (queue.supports.fencedClaims === true) same(now, old, `${old.id} was not claimed at all`)
  }
}

async function whileItRuns(harness: QueueHarness): Promise<void> {
  const [queue, other] = [await harness.open(), await harness.open()]
  await load(queue, harness)
  for (let round = 0; round < 8; round++) {
    const lease = await taken(queue, `holder ${round}`, LONG_MS)
    const [got] = await Promise.allSettled([queue.get(3, { lease }), later(4 * round, () => lease.release())])
    const running = await recordsOf(other, 'PROCESSING')
    if (got.status === 'fulfilled') {
      sameMembers(jobsOf(running), jobsOf(got.value), 'what get gave is in PROCESSING, and nothing else')
      check(got.value.length > 0, 'under a lease that is held something can be given out')
      same(idsOf(got.value), ORDER.slice(0, got.value.length), 'it gave the first of them, up to three')
      await queue.settle(
        got.value.map(({ id, attempt }) => ({
          id,
          attempt,
          stage: 'WAITING',
          countAttempt: false,
          keepPlace: true,
        })),
      )
    } else {
      check(isSluiceError(got.reason, 'SLUICE_LEASE_LOST'), 'it rejects SLUICE_LEASE_LOST', got.reason)
      same(idsOf(running), [], 'and nothing is claimed')
    }
    same(idsOf(await other.peek(9)), [...ORDER], 'all wait in their order')
    for (const id of ORDER) {
      const { attempt, uncounted } = await recordOf(other, id)
      same(attempt - uncounted, 0, `no attempt of ${id} counts`)
    }
  }
}

/** Does something after some turns of the event loop. */
async function later(turns: number, action: () => Promise<void>): Promise<void> {
  for (let count = 0; count < turns; count++) await turn()
  await action()
}

async function claimed(queue: Queue, holder: string): Promise<QueueItem[]> {
  const lease = await queue.lease(`of ${holder}`, holder, LONG_MS)
  return lease === undefined ? [] : queue.get(2, { lease })
}

async function finish(queue: Queue, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    const { stage, attempt } = await recordOf(queue, id)
    if (stage === 'PROCESSING') await resolves(queue.success(id, { attempt }), `${id} can be finished`)
  }
  await queue.remove(ids)
}
