import type { ItemRecord, ItemRef, Queue, QueueItem } from '@sluice/core'
import { check, resolves, same, sameMembers } from '../../../check.js'
import type { QueueCase } from '../../queue-harness.js'
import { bringAll, idsOf, jobsOf, putInTurn, recordOf, recordsOf } from '../../queue-walk.js'
import { checkWhole } from '../moves/one-stage.js'
import { leaseLosses, rejectsLost, underRenewedLease, type LeaseLoss } from '../state/lost-lease.js'
import { atEveryPoint, needsCrashing } from '../troubles/crash-points.js'
import { needsTrouble, troubleCase } from '../troubles/trouble-run.js'
import { needsSelection, refsOf, selecting } from './selecting.js'

const ORDER = ['high', 'a', 'b', 'c'] as const

/** Q-GET-7 and Q-PEEK-1 where processes die and storage fails, and Q-GET-8. */
export const namedClaimEndCases: readonly QueueCase[] = [
  {
    id: 'Q-GET-7/b',
    title: 'a process that dies at any point of getItems loses no item, and gives none out twice',
    needs: (supports, harness) => needsSelection(supports) ?? needsCrashing(supports, harness),
    async run(harness) {
      const queue = await harness.open()
      await atEveryPoint(harness, async (crashing, point) => {
        const ids = [0, 1, 2, 3].map((index) => `p${point}-${index}`)
        await bringAll(queue, ids, 'WAITING')
        const refs = await refsOf(queue, ids.slice(1))
        // The process dies in it, or it went through: what is stored says which.
        const seen = await selecting(crashing)
          .getItems(refs)
          .catch((): QueueItem[] => [])
        const running = (await recordsOf(queue, 'PROCESSING')).filter(({ id }) => ids.includes(id))
        const waiting = (await recordsOf(queue, 'WAITING')).filter(({ id }) => ids.includes(id))
        sameMembers(idsOf([...running, ...waiting]), ids, 'each item is in WAITING or in PROCESSING, once')
        check(!idsOf(running).includes(ids[0] ?? ''), 'what was not named waits')
        for (const { id, attempt } of running)
          await checkWhole(queue, id, { stages: ['PROCESSING'], attempt })
        const rest = await resolves(queue.get(10), 'the next get works')
        const jobs = jobsOf([...seen, ...rest])
        same(new Set(jobs).size, jobs.length, 'no (id, attempt) was given out twice')
        await finish(queue, ids)
      })
    },
  },
  {
    ...troubleCase('Q-GET-7/c', 'getItems', () => {
      const refs = new Map<string, readonly ItemRef[]>()
      return {
        prepare: async (healthy, keys) => {
          await bringAll(healthy, keys.flatMap(pairOf), 'WAITING')
          for (const key of keys) refs.set(key, await refsOf(healthy, pairOf(key)))
        },
        call: (queue, key) => selecting(queue).getItems(refs.get(key) ?? []),
        ids: pairOf,
        inspect: async (healthy, key, end) => {
          const items = 'value' in end ? end.value : []
          if ('value' in end) check(items.length > 0, 'one or two items are given', items)
          for (const { id, attempt } of items) {
            check(pairOf(key).includes(id), 'of those that were named', id)
            await checkWhole(healthy, id, { stages: ['PROCESSING'], attempt })
          }
        },
        repeat: async (healthy, key) => {
          for (const id of pairOf(key)) await finishClaimed(healthy, id)
        },
        finish: async (healthy, keys) => {
          await healthy.remove(keys.flatMap(pairOf))
        },
      }
    }),
    needs: (supports, harness) => needsSelection(supports) ?? needsTrouble(supports, harness),
  },
  {
    ...troubleCase('Q-PEEK-1/c', 'peekSummaries', () => ({
      prepare: (healthy, keys) => bringAll(healthy, keys, 'WAITING'),
      call: (queue) => selecting(queue).peekSummaries(100),
      ids: (key) => [key],
      inspect: async (_, key, end) => {
        if ('value' in end) check(idsOf(end.value.items).includes(key), `${key} is shown`, end.value)
      },
      repeat: async (healthy, key) => {
        const page = await selecting(healthy).peekSummaries(100)
        check(idsOf(page.items).includes(key), `${key} is shown when it is repeated`, page)
        await checkWhole(healthy, key, { stages: ['WAITING'], attempt: 0 })
      },
      finish: async (healthy, keys) => {
        await healthy.remove(keys)
      },
    })),
    needs: (supports, harness) => needsSelection(supports) ?? needsTrouble(supports, harness),
  },
  {
    id: 'Q-GET-8',
    title: 'under a lease that is held, or was renewed, getItems goes as it does without',
    needs: needsSelection,
    async run(harness) {
      await underRenewedLease(harness, async (queue, lease, round) => {
        const id = `i${round}`
        await queue.put(id, 1)
        const refs = await refsOf(queue, [id])
        same(await selecting(queue).getItems([], { lease }), [], 'of no names it gives nothing')
        same(
          jobsOf(await selecting(queue).getItems(refs, { lease })),
          [`${id}@1`],
          'it claims under the lease',
        )
        same(await selecting(queue).getItems(refs, { lease }), [], 'and no second time')
      })
    },
  },
  ...leaseLosses.map((loss, index) => lossCase(`Q-GET-8/${'abcd'[index]}`, loss)),
]

function lossCase(id: string, { how, lose }: LeaseLoss): QueueCase {
  return {
    id,
    title: `under a lease that ${how}, getItems rejects SLUICE_LEASE_LOST, and each item waits in its place, uncounted`,
    needs: needsSelection,
    async run(harness) {
      const queue = await harness.open()
      await putInTurn(queue, harness, [['a'], ['high', 1], ['b'], ['c']])
      const before = await Promise.all(ORDER.map((itemId) => recordOf(queue, itemId)))
      const refs = await refsOf(queue, ['c', 'high'])
      const { lost: lease, held } = await lose(queue, harness)
      for (const time of ['first', 'second']) {
        await rejectsLost(selecting(queue).getItems(refs, { lease }), `it is refused the ${time} time`)
        same(idsOf(await queue.peek(9)), [...ORDER], 'all wait, in the order that they had')
        for (const old of before) await checkUncounted(queue, old)
      }
      const options = held === undefined ? {} : { lease: held }
      same(
        idsOf(await selecting(queue).getItems(refs, options)),
        ['c', 'high'],
        'who may claim is given them',
      )
    },
  }
}

async function checkUncounted(queue: Queue, old: ItemRecord): Promise<void> {
  const now = await recordOf(queue, old.id)
  same([now.stage, now.attempt - now.uncounted], ['WAITING', 0], `no attempt of ${old.id} counts`)
  if (queue.supports.fencedClaims === true) same(now, old, `${old.id} was not claimed at all`)
}

function pairOf(key: string): string[] {
  return [`${key}0`, `${key}1`]
}

/** The item waits and no attempt of it counts, or it runs and can be finished. */
async function finishClaimed(healthy: Queue, id: string): Promise<void> {
  const { attempt, uncounted, stage } = await recordOf(healthy, id)
  await checkWhole(healthy, id, { stages: ['WAITING', 'PROCESSING'], attempt })
  if (stage === 'WAITING') same(attempt - uncounted, 0, `${id} waits, and no attempt of it counts`)
  else await resolves(healthy.success(id, { attempt }), `${id} can be finished`)
}

async function finish(queue: Queue, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    const { stage, attempt } = await recordOf(queue, id)
    if (stage === 'PROCESSING') await resolves(queue.success(id, { attempt }), `${id} can be finished`)
  }
  await queue.remove(ids)
}
