import type { NewItem, PutReport, Queue, QueueItem, Settlement, Stage } from '@sluice/core'
import { check, rejects, resolves, same, sameMembers } from '../../../check.js'
import type { QueueCase, StorageTrouble } from '../../queue-harness.js'
import { bringAll, idsOf, recordOf, taken } from '../../queue-walk.js'
import { checkWhole } from '../moves/one-stage.js'
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
    ids: ownId,
    inspect: async (healthy, key, end) => {
      const isThere = (await healthy.lookup(key)) !== undefined
      check(isThere || 'error' in end, 'what was put is there')
      if (isThere) await checkWhole(healthy, key, NEW)
    },
    repeat: async (healthy, key) => {
      const isThere = (await healthy.lookup(key)) !== undefined
      const again = healthy.put(key, { of: key }, { priority: 1 })
      if (isThere) await rejects(again, 'SLUICE_ITEM_EXISTS', 'put again, it is there already')
      else await resolves(again, 'it can be put again')
      same((await checkWhole(healthy, key, NEW)).priority, 1, 'it has its priority')
    },
    finish: remove,
  })),
  troubleCase('Q-END-1/a', 'putMany', () => ({
    call: (queue, key) => queue.putMany(itemsOf(key)),
    ids: pairOf,
    inspect: checkPutMany,
    repeat: async (healthy, key) => {
      const there = await thereOf(healthy, key)
      const again = await resolves(healthy.putMany(itemsOf(key)), 'the same putMany can be repeated')
      same(again.added, 2 - there.length, 'it adds what was not there')
      sameMembers(idsOf(again.skipped), there, 'and reports what was')
      same(await thereOf(healthy, key), pairOf(key), 'then both are there')
    },
    finish: (healthy, keys) =>
      remove(
        healthy,
        keys.flatMap((key) => idsOf(itemsOf(key))),
      ),
  })),
  getCase('Q-END-1/b', 'fails'),
  getCase('Q-END-1/c', 'hangs'),
  getCase('Q-END-1/d', 'answer-lost'),
  fencedGetCase('Q-END-1/e', 'fails'),
  fencedGetCase('Q-END-1/f', 'hangs'),
  fencedGetCase('Q-END-1/g', 'answer-lost'),
  moveTrouble('Q-END-1/h', 'success', {
    from: 'PROCESSING',
    to: 'SUCCESS',
    move: (queue, id) => queue.success(id, { attempt: 1, result: { of: id }, jobUid: 'j' }),
  }),
  moveTrouble('Q-END-1/i', 'fail', {
    from: 'PROCESSING',
    to: 'FAIL',
    move: (queue, id) => queue.fail(id, { attempt: 1, reason: 'x', failureClass: 'failed', exitCode: 1 }),
  }),
  moveTrouble('Q-END-1/j', 'release', {
    from: 'PROCESSING',
    to: 'WAITING',
    move: (queue, id) => queue.release(id, { attempt: 1, countAttempt: false }),
  }),
  moveTrouble('Q-END-1/k', 'release with keepPlace', {
    from: 'PROCESSING',
    to: 'WAITING',
    move: (queue, id) =>
      queue.release(id, { attempt: 1, keepPlace: true, unsent: true, retryState: { of: id } }),
  }),
  troubleCase('Q-END-1/l', 'settle', () => ({
    prepare: (healthy, keys) => bringAll(healthy, keys.flatMap(settledIds), 'PROCESSING'),
    call: (queue, key) => queue.settle(outcomesOf(key)),
    ids: settledIds,
    inspect: async (healthy, key, end) => {
      if ('value' in end) same(end.value, { settled: 2, refused: [] }, 'both are settled')
      for (const { id, stage } of outcomesOf(key)) {
        await checkWhole(healthy, id, {
          stages: 'value' in end ? [stage] : ['PROCESSING', stage],
          attempt: 1,
        })
      }
    },
    repeat: async (healthy, key) => {
      const again = await resolves(healthy.settle(outcomesOf(key)), 'the same settle can be repeated')
      same(again, { settled: 2, refused: [] }, 'and then both are settled')
      for (const { id, stage } of outcomesOf(key))
        await checkWhole(healthy, id, { stages: [stage], attempt: 1 })
    },
    finish: (healthy, keys) => remove(healthy, keys.flatMap(settledIds)),
  })),
  moveTrouble('Q-END-1/m', 'requeue', {
    from: 'FAIL',
    to: 'WAITING',
    move: (queue, id) => queue.requeue([id]),
    answer: { moved: 1, skipped: [] },
  }),
  troubleCase('Q-END-1/n', 'remove', () => ({
    prepare: (healthy, keys) => bringAll(healthy, keys, 'SUCCESS'),
    call: (queue, key) => queue.remove([key]),
    ids: ownId,
    inspect: async (healthy, key, end) => {
      const isThere = (await healthy.lookup(key)) !== undefined
      if ('value' in end) same([end.value, isThere], [{ removed: 1, skipped: [] }, false], 'it is removed')
      if (isThere) await checkWhole(healthy, key, { stages: ['SUCCESS'], attempt: 1 })
    },
    repeat: async (healthy, key) => {
      const isThere = (await healthy.lookup(key)) !== undefined
      const again = await resolves(healthy.remove([key]), 'it can be repeated')
      same(again.removed, isThere ? 1 : 0, 'and says whether the item was there still')
      same(await healthy.lookup(key), undefined, 'then it is gone')
      await resolves(healthy.put(key, 'new'), 'and the id can be put again')
    },
    finish: remove,
  })),
]

/** An item that was put and never claimed. */
const NEW = { stages: ['WAITING'], attempt: 0 } as const

interface TroubledMove {
  readonly from: Exclude<Stage, 'WAITING' | 'SUCCESS'>
  readonly to: Stage
  readonly move: (queue: Queue, id: string) => Promise<unknown>
  readonly answer?: unknown
}

function moveTrouble(id: string, verb: string, { from, to, move, answer }: TroubledMove): QueueCase {
  return troubleCase(id, verb, () => ({
    prepare: (healthy, keys) => bringAll(healthy, keys, from),
    call: move,
    ids: ownId,
    inspect: async (healthy, key, end) => {
      if ('value' in end) same(end.value, answer, 'it gives what it gives when all goes well')
      await checkWhole(healthy, key, { stages: 'value' in end ? [to] : [from, to], attempt: 1 })
    },
    repeat: async (healthy, key) => {
      await resolves(move(healthy, key), 'it can be repeated')
      await checkWhole(healthy, key, { stages: [to], attempt: 1 })
    },
    finish: remove,
  }))
}

/**
 * A case for each trouble: a get is many operations, and gets that are under way at once make one another try
 * again.
 */
function getCase(id: string, trouble: StorageTrouble): QueueCase {
  return {
    id,
    title: titleOf('get', trouble),
    needs: needsTrouble,
    run: (harness) =>
      atEveryTrouble(
        harness,
        getTrouble(trouble, (queue) => queue.get(2)),
      ),
  }
}

function fencedGetCase(id: string, trouble: StorageTrouble): QueueCase {
  return {
    id,
    title: titleOf('get under a lease', trouble),
    needs: needsTrouble,
    async run(harness) {
      const lease = await taken(await harness.open(), 'me', 3_600_000)
      await atEveryTrouble(
        harness,
        getTrouble(trouble, (queue) => queue.get(2, { lease })),
      )
    },
  }
}

/** Two items for each get; whose they are that it is given is open. */
function getTrouble(
  trouble: StorageTrouble,
  get: (queue: Queue) => Promise<QueueItem[]>,
): TroubledCall<QueueItem[]> {
  const given = new Set<string>()
  return {
    troubles: [trouble],
    atMost: 2,
    prepare: (healthy, keys) => bringAll(healthy, keys.flatMap(pairOf), 'WAITING'),
    call: get,
    ids: pairOf,
    inspect: async (healthy, _, end) => {
      const items = 'value' in end ? end.value : []
      if ('value' in end) check(items.length > 0 && items.length <= 2, 'one or two items are given', items)
      for (const item of items) {
        const job = `${item.id}@${item.attempt}`
        check(!given.has(job), `${job} is given out once`)
        given.add(job)
        await checkWhole(healthy, item.id, { stages: ['PROCESSING'], attempt: item.attempt })
      }
    },
    repeat: async (healthy, key) => {
      for (const id of pairOf(key)) await finishClaimed(healthy, id)
    },
    finish: (healthy, keys) => remove(healthy, keys.flatMap(pairOf)),
  }
}

/**
 * The item waits or runs, and waiting has no attempt that counts; what runs can be finished, also where
 * the answer of its claim was lost.
 */
async function finishClaimed(healthy: Queue, id: string): Promise<void> {
  const { attempt, uncounted, stage } = await recordOf(healthy, id)
  await checkWhole(healthy, id, { stages: ['WAITING', 'PROCESSING'], attempt })
  if (stage === 'WAITING') same(attempt - uncounted, 0, `${id} waits, and no attempt of it counts`)
  else await resolves(healthy.success(id, { attempt }), `${id} can be finished`)
}

async function checkPutMany(healthy: Queue, key: string, end: CallEnd<PutReport>): Promise<void> {
  const there = await thereOf(healthy, key)
  if ('value' in end) {
    same([end.value, there.length], [{ added: 2, skipped: [] }, 2], 'both are added')
    return
  }
  const { stored } = end.error
  if (stored === undefined) return
  const isTrue = stored.added <= there.length && there.length <= stored.added + stored.unknown
  check(isTrue, 'what the error says is stored is stored', [stored, there])
}

/** Which items of a putMany are there; they are whole. */
async function thereOf(healthy: Queue, key: string): Promise<string[]> {
  const records = await Promise.all(itemsOf(key).map(({ id }) => healthy.lookup(id)))
  const found = records.filter((record) => record !== undefined)
  for (const { id, stage, attempt, body } of found) {
    same([stage, attempt, body], ['WAITING', 0, { of: id }], `${id} is there as it was put`)
  }
  return idsOf(found)
}

function itemsOf(key: string): NewItem[] {
  return pairOf(key).map((id) => ({ id, body: { of: id } }))
}

function pairOf(key: string): string[] {
  return [`${key}0`, `${key}1`]
}

function outcomesOf(key: string): (Settlement & { readonly stage: 'SUCCESS' | 'FAIL' | 'WAITING' })[] {
  return [
    { id: `${key}f`, attempt: 1, stage: 'FAIL', reason: 'x', failureClass: 'failed' },
    { id: `${key}w`, attempt: 1, stage: 'WAITING', keepPlace: true, retryState: 1 },
  ]
}

function settledIds(key: string): string[] {
  return idsOf(outcomesOf(key))
}

function ownId(key: string): string[] {
  return [key]
}

async function remove(healthy: Queue, ids: readonly string[]): Promise<void> {
  same((await healthy.remove(ids)).removed, ids.length, 'the items can be removed')
}
