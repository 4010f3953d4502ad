import {
  isSluiceError,
  type NewItem,
  type Queue,
  type QueueItem,
  type Settlement,
  type Stage,
} from '@sluice/core'
import { check, rejects, resolves, same, sameMembers } from '../check.js'
import type { QueueCase } from '../queue-harness.js'
import { bring, idsOf, jobsOf, recordOf, recordsOf, taken } from '../queue-walk.js'
import { checkOneOf } from './one-stage.js'
import {
  atEveryTrouble,
  needsTrouble,
  titleOf,
  troubleCase,
  type CallEnd,
  type TroubledCall,
} from './trouble-run.js'

/** Q-END-1: the calls that put, claim and move items. */
export const troubleCases: readonly QueueCase[] = [
  troubleCase('Q-END-1', 'put', () => ({
    call: (queue, key) => queue.put(key, { of: key }, { priority: 1 }),
    verify: async (healthy, key, end) => {
      const isThere = (await healthy.lookup(key)) !== undefined
      check(isThere || 'error' in end, 'what was put is there')
      const again = healthy.put(key, { of: key }, { priority: 1 })
      if (isThere) await rejects(again, 'SLUICE_ITEM_EXISTS', 'put again, it is there already')
      else await resolves(again, 'it can be put again')
      await checkOneOf(healthy, key, ['WAITING'], 0)
      same((await recordOf(healthy, key)).priority, 1, 'with its priority')
    },
    finish: removed,
  })),
  troubleCase('Q-END-1/a', 'putMany', () => ({
    call: (queue, key) => queue.putMany(itemsOf(key)),
    verify: checkPutMany,
    finish: (healthy, key) => remove(healthy, idsOf(itemsOf(key))),
  })),
  troubleCase('Q-END-1/b', 'get', () => getTrouble((queue) => queue.get(2))),
  {
    id: 'Q-END-1/c',
    title: titleOf('get under a lease'),
    needs: needsTrouble,
    async run(harness) {
      const lease = await taken(await harness.open(), 'me', 3_600_000)
      await atEveryTrouble(
        harness,
        getTrouble((queue) => queue.get(2, { lease })),
      )
    },
  },
  moveTrouble('Q-END-1/d', 'success', {
    from: 'PROCESSING',
    to: 'SUCCESS',
    move: (queue, id) => queue.success(id, { attempt: 1, result: { of: id }, jobUid: 'j' }),
  }),
  moveTrouble('Q-END-1/e', 'fail', {
    from: 'PROCESSING',
    to: 'FAIL',
    move: (queue, id) => queue.fail(id, { attempt: 1, reason: 'x', failureClass: 'failed', exitCode: 1 }),
  }),
  moveTrouble('Q-END-1/f', 'release', {
    from: 'PROCESSING',
    to: 'WAITING',
    move: (queue, id) => queue.release(id, { attempt: 1, refund: true }),
  }),
  moveTrouble('Q-END-1/g', 'release with keepPlace', {
    from: 'PROCESSING',
    to: 'WAITING',
    move: (queue, id) =>
      queue.release(id, { attempt: 1, keepPlace: true, unsent: true, retryState: { of: id } }),
  }),
  troubleCase('Q-END-1/h', 'settle', () => ({
    prepare: async (healthy, key) => {
      for (const { id } of outcomesOf(key)) await bring(healthy, id, 'PROCESSING')
    },
    call: (queue, key) => queue.settle(outcomesOf(key)),
    verify: async (healthy, key, end) => {
      const outcomes = outcomesOf(key)
      if ('value' in end) same(end.value, { settled: 3, refused: [] }, 'all three are settled')
      for (const { id, stage } of outcomes) {
        await checkOneOf(healthy, id, 'value' in end ? [stage] : ['PROCESSING', stage])
      }
      const again = await resolves(healthy.settle(outcomes), 'the same settle can be repeated')
      same(again, { settled: 3, refused: [] }, 'and then all is settled')
      for (const { id, stage } of outcomes) await checkOneOf(healthy, id, [stage])
    },
    finish: (healthy, key) => remove(healthy, idsOf(outcomesOf(key))),
  })),
  moveTrouble('Q-END-1/i', 'requeue', {
    from: 'FAIL',
    to: 'WAITING',
    move: (queue, id) => queue.requeue([id]),
    answer: { moved: 1, skipped: [] },
  }),
  troubleCase('Q-END-1/j', 'remove', () => ({
    prepare: (healthy, key) => bring(healthy, key, 'SUCCESS'),
    call: (queue, key) => queue.remove([key]),
    verify: async (healthy, key, end) => {
      const isThere = (await healthy.lookup(key)) !== undefined
      if ('value' in end) same([end.value, isThere], [{ removed: 1, skipped: [] }, false], 'it is removed')
      if (isThere) await checkOneOf(healthy, key, ['SUCCESS'])
      const again = await resolves(healthy.remove([key]), 'it can be repeated')
      same(again.removed, isThere ? 1 : 0, 'and says whether the item was there still')
      same(await healthy.lookup(key), undefined, 'then it is gone')
      await resolves(healthy.put(key, 'new'), 'and the id can be put again')
    },
    finish: removed,
  })),
]

interface TroubledMove {
  readonly from: Exclude<Stage, 'WAITING' | 'SUCCESS'>
  readonly to: Stage
  readonly move: (queue: Queue, id: string) => Promise<unknown>
  readonly answer?: unknown
}

function moveTrouble(id: string, verb: string, { from, to, move, answer }: TroubledMove): QueueCase {
  return troubleCase(id, verb, () => ({
    prepare: (healthy, key) => bring(healthy, key, from),
    call: move,
    verify: async (healthy, key, end) => {
      if ('value' in end) same(end.value, answer, 'it gives what it gives when all goes well')
      await checkOneOf(healthy, key, 'value' in end ? [to] : [from, to])
      await resolves(move(healthy, key), 'it can be repeated')
      await checkOneOf(healthy, key, [to])
    },
    finish: removed,
  }))
}

/** Two items for each get; whose they are that it is given is open. */
function getTrouble(get: (queue: Queue) => Promise<QueueItem[]>): TroubledCall<QueueItem[]> {
  const given = new Set<string>()
  return {
    prepare: async (healthy, key) => {
      await healthy.putMany(pairOf(key))
    },
    call: get,
    verify: async (healthy, key, end) => {
      const items = 'value' in end ? end.value : []
      if ('value' in end) check(items.length > 0 && items.length <= 2, 'one or two items are given', items)
      for (const item of items) {
        const [job] = jobsOf([item])
        check(!given.has(job ?? ''), `${job} is given out once`)
        given.add(job ?? '')
        const { stage, attempt, body } = await recordOf(healthy, item.id)
        same([stage, attempt, body], ['PROCESSING', item.attempt, item.body], `${job} is in PROCESSING`)
      }
      for (const { id } of pairOf(key)) await checkClaimed(healthy, id)
    },
    finish: async (healthy, key) => {
      for (const { id } of pairOf(key)) {
        const { stage, attempt } = await recordOf(healthy, id)
        if (stage === 'PROCESSING') await resolves(healthy.success(id, { attempt }), `${id} can be finished`)
      }
      await remove(healthy, idsOf(pairOf(key)))
    },
  }
}

/** Throws unless the item waits or runs, whole and listed once, and waiting has no attempt that counts. */
async function checkClaimed(healthy: Queue, id: string): Promise<void> {
  const { attempt, refunds, stage } = await recordOf(healthy, id)
  await checkOneOf(healthy, id, ['WAITING', 'PROCESSING'], attempt)
  if (stage === 'WAITING') same(attempt - refunds, 0, `${id} waits, and no attempt of it counts`)
}

async function checkPutMany(
  healthy: Queue,
  key: string,
  end: CallEnd<{ added: number; duplicates: readonly string[] }>,
): Promise<void> {
  const items = itemsOf(key)
  const waiting = idsOf(await recordsOf(healthy, 'WAITING'))
  const there = idsOf(items).filter((id) => waiting.includes(id))
  if ('value' in end)
    same([end.value, there.length], [{ added: 3, duplicates: [] }, 3], 'all three are added')
  else if (isSluiceError(end.error) && end.error.stored !== undefined) {
    const { added, unknown } = end.error.stored
    const isTrue = added <= there.length && there.length <= added + unknown
    check(isTrue, 'what the error says is stored is stored', [end.error.stored, there])
  }
  for (const id of there) await checkOneOf(healthy, id, ['WAITING'], 0)
  const again = await resolves(healthy.putMany(items), 'the same putMany can be repeated')
  same(again.added, 3 - there.length, 'it adds what was not there')
  sameMembers(again.duplicates, there, 'and reports what was')
  for (const { id } of items) await checkOneOf(healthy, id, ['WAITING'], 0)
}

function itemsOf(key: string): NewItem[] {
  return [0, 1, 2].map((index) => ({ id: `${key}-${index}`, body: { of: `${key}-${index}` } }))
}

function pairOf(key: string): NewItem[] {
  return itemsOf(key).slice(0, 2)
}

function outcomesOf(key: string): (Settlement & { readonly stage: 'SUCCESS' | 'FAIL' | 'WAITING' })[] {
  return [
    { id: `${key}-s`, attempt: 1, stage: 'SUCCESS', result: { of: key }, exitCode: 0 },
    { id: `${key}-f`, attempt: 1, stage: 'FAIL', reason: 'x', failureClass: 'failed' },
    { id: `${key}-w`, attempt: 1, stage: 'WAITING', keepPlace: true, retryState: 1 },
  ]
}

async function removed(healthy: Queue, key: string): Promise<void> {
  await remove(healthy, [key])
}

async function remove(healthy: Queue, ids: readonly string[]): Promise<void> {
  same((await healthy.remove(ids)).removed, ids.length, 'the items can be removed')
}
