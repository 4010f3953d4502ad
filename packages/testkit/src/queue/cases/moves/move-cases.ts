import type { AttemptRef, Queue, Stage } from '@sluice/core'
import { at, check, refuses, rejects, same } from '../../../check.js'
import { badIds, posingAs } from '../../../odd-values.js'
import type { QueueCase } from '../../queue-harness.js'
import { bring, getOne, idsOf, oneInEach, recordOf } from '../../queue-walk.js'

type Verb = 'success' | 'fail' | 'release'

const VERBS: readonly Verb[] = ['success', 'fail', 'release']
const TARGET: Readonly<Record<Verb, Stage>> = { success: 'SUCCESS', fail: 'FAIL', release: 'WAITING' }

/** Q-MOVE-1: the moves out of PROCESSING. */
export const moveCases: readonly QueueCase[] = [
  {
    id: 'Q-MOVE-1',
    title: 'success, fail and release each take a PROCESSING item to their stage',
    async run(harness) {
      const queue = await harness.open()
      for (const verb of VERBS) {
        await bring(queue, verb, 'PROCESSING')
        const before = await recordOf(queue, verb)
        await queue[verb](verb, { attempt: 1, uid: before.uid })
        const after = await recordOf(queue, verb)
        same(after.stage, TARGET[verb], `${verb} moves to ${TARGET[verb]}`)
        same(
          [after.uid, after.attempt, after.body, after.priority, after.putAt],
          [before.uid, 1, before.body, before.priority, before.putAt],
          `${verb} leaves uid, attempt, body, priority and putAt as they were`,
        )
        if (verb === 'release') await queue.remove([verb])
      }
    },
  },
  {
    id: 'Q-MOVE-1/a',
    title: 'from any stage but PROCESSING a move is refused and nothing changes',
    async run(harness) {
      const queue = await harness.open()
      await oneInEach(queue)
      for (const stage of ['WAITING', 'SUCCESS', 'FAIL'] as const) {
        const id = `in-${stage}`
        const before = await recordOf(queue, id)
        // The stage's own verb would be the repeat of a move, and no conflict; but nothing released the one
        // in WAITING.
        const wrong = VERBS.filter((verb) => TARGET[verb] !== stage || stage === 'WAITING')
        for (const verb of wrong) {
          await rejects(
            queue[verb](id, { attempt: before.attempt }),
            'SLUICE_STAGE_CONFLICT',
            `${verb} of an item in ${stage} is refused`,
          )
          await rejects(queue[verb](id), 'SLUICE_STAGE_CONFLICT', `${verb} with no attempt too`)
        }
        same(await recordOf(queue, id), before, `the item in ${stage} is as it was`)
      }
    },
  },
  {
    id: 'Q-MOVE-1/b',
    title: 'for another attempt than the one it is at, a move is refused and nothing changes',
    async run(harness) {
      const queue = await harness.open()
      await bring(queue, 'a', 'PROCESSING')
      await queue.release('a', { attempt: 1 })
      same((await getOne(queue)).attempt, 2, 'it is at attempt 2')
      const before = await recordOf(queue, 'a')
      for (const verb of VERBS) {
        for (const attempt of [0, 1, 3, 2_000_000_000]) {
          await rejects(
            queue[verb]('a', { attempt }),
            'SLUICE_STAGE_CONFLICT',
            `${verb} for attempt ${attempt} of an item at attempt 2 is refused`,
          )
        }
      }
      same(await recordOf(queue, 'a'), before, 'the item is as it was')
      await queue.success('a', { attempt: 2 })
    },
  },
  {
    id: 'Q-MOVE-1/c',
    title: 'for another uid a move is refused: a report of the item that had this id before moves nothing',
    async run(harness) {
      const queue = await harness.open()
      await bring(queue, 'a', 'SUCCESS')
      const { uid: old } = await recordOf(queue, 'a')
      await queue.remove(['a'])
      await bring(queue, 'a', 'PROCESSING')
      const before = await recordOf(queue, 'a')
      for (const verb of VERBS) {
        for (const fencingToken of [{ attempt: 1, uid: old }, { uid: old }, { uid: '' }]) {
          await rejects(
            queue[verb]('a', fencingToken),
            'SLUICE_STAGE_CONFLICT',
            `${verb} with the uid ${JSON.stringify(fencingToken.uid)} of another item is refused, the attempt being the same`,
          )
        }
      }
      same(await recordOf(queue, 'a'), before, 'the item is as it was')
      const settled = await queue.settle([{ id: 'a', attempt: 1, uid: old, stage: 'SUCCESS' }])
      same(settled.settled, 0, 'settle refuses it too')
      same(await queue.lookupStatus('a'), 'PROCESSING', 'and nothing moved')
    },
  },
  {
    id: 'Q-MOVE-1/d',
    title: 'a late fail never overwrites SUCCESS, and a late success never overwrites FAIL',
    async run(harness) {
      const queue = await harness.open()
      await bring(queue, 'good', 'SUCCESS')
      await bring(queue, 'bad', 'FAIL')
      const [good, bad] = [await recordOf(queue, 'good'), await recordOf(queue, 'bad')]
      const late = { attempt: 1, reason: 'late' }
      await rejects(queue.fail('good', late), 'SLUICE_STAGE_CONFLICT', 'fail after success is refused')
      await rejects(queue.release('good', late), 'SLUICE_STAGE_CONFLICT', 'release after success is refused')
      await rejects(
        queue.success('bad', { attempt: 1 }),
        'SLUICE_STAGE_CONFLICT',
        'success after fail is refused',
      )
      const report = await queue.settle([{ id: 'good', attempt: 1, stage: 'FAIL', reason: 'late' }])
      same(report.settled, 0, 'settle refuses it as well')
      same(
        [await recordOf(queue, 'good'), await recordOf(queue, 'bad')],
        [good, bad],
        'both are as they were',
      )
    },
  },
  {
    id: 'Q-MOVE-1/e',
    title: 'with neither attempt nor uid given, a move speaks of the item as it is',
    async run(harness) {
      const queue = await harness.open()
      await bring(queue, 'a', 'PROCESSING')
      await queue.release('a')
      await getOne(queue)
      await queue.fail('a')
      await queue.requeue(['a'])
      await getOne(queue)
      await queue.success('a')
      const { stage, attempt } = await recordOf(queue, 'a')
      same([stage, attempt], ['SUCCESS', 3], 'it went by release, fail and requeue to SUCCESS')
    },
  },
  {
    id: 'Q-MOVE-1/f',
    title:
      'when success, fail and release of one attempt race, one wins and the item is where the winner put it',
    async run(harness) {
      const queues = await Promise.all([harness.open(), harness.open(), harness.open()])
      for (let round = 0; round < 5; round++) {
        const id = `r${round}`
        await bring(queues[0], id, 'PROCESSING')
        const moves = VERBS.map((verb, index) =>
          at(queues, (index + round) % 3, 'a queue')[verb](id, { attempt: 1 }),
        )
        // Two of three are refused, whichever they are.
        const ends = await Promise.allSettled(moves)
        const winners = VERBS.filter((_, index) => ends[index]?.status === 'fulfilled')
        same(winners.length, 1, `exactly one of three moves of ${id} resolves`)
        const stage = await queues[0].lookupStatus(id)
        same(stage, winners.map((verb) => TARGET[verb])[0], `${id} is where ${winners.join()} puts it`)
        await queues[0].remove([id])
      }
    },
  },
  {
    id: 'Q-MOVE-1/g',
    title: 'an argument that is wrong is a TypeError, and nothing moves',
    async run(harness) {
      const queue = await harness.open()
      await bring(queue, 'a', 'PROCESSING')
      const before = await recordOf(queue, 'a')
      for (const verb of VERBS) {
        for (const [what, id] of badIds) {
          await refuses(() => queue[verb](posingAs(id)), `${verb} refuses ${what} as an id`)
        }
        for (const attempt of [-1, 0.5, Number.NaN, '1']) {
          const fencingToken: AttemptRef = { attempt: posingAs(attempt) }
          await refuses(
            () => queue[verb]('a', fencingToken),
            `${verb} refuses ${String(attempt)} as an attempt`,
          )
        }
      }
      await refuses(() => queue.release('a', { delayMs: -1 }), 'release refuses a delay below zero')
      await refuses(() => queue.release('a', { delayMs: 0.5 }), 'release refuses half a millisecond')
      await refuses(
        () => queue.success('a', { result: posingAs(1n) }),
        'success refuses a result that is not JSON',
      )
      await refuses(
        () => queue.fail('a', { details: posingAs({ a: Number.NaN }) }),
        'fail refuses such details',
      )
      await refuses(() => queue.fail('a', { reason: posingAs(7) }), 'fail refuses a reason that is no string')
      const large = 'x'.repeat(Math.min(queue.supports.maxBodyBytes, 20_000_000))
      await refuses(() => queue.success('a', { result: large }), 'success refuses a result over maxBodyBytes')
      same(await recordOf(queue, 'a'), before, 'the item is as it was')
    },
  },
  {
    id: 'Q-MOVE-1/h',
    title: 'countAttempt: false makes uncounted one more, requeue makes it as many as the attempts',
    async run(harness) {
      const queue = await harness.open()
      await bring(queue, 'a', 'PROCESSING')
      await queue.release('a', { attempt: 1, countAttempt: false })
      same(
        await counts(queue, 'a'),
        { attempt: 1, uncounted: 1 },
        'an uncounted release: attempt 1, uncounted 1',
      )
      const second = await getOne(queue)
      same(second.uncounted, 1, 'get shows the uncounted')
      await queue.release('a', { attempt: 2 })
      same(await counts(queue, 'a'), { attempt: 2, uncounted: 1 }, 'a counted release leaves it')
      await getOne(queue)
      await queue.settle([{ id: 'a', attempt: 3, stage: 'WAITING', countAttempt: false }])
      same(
        await counts(queue, 'a'),
        { attempt: 3, uncounted: 2 },
        'settle to WAITING can leave an attempt uncounted too',
      )
      await getOne(queue)
      await queue.fail('a', { attempt: 4 })
      same(await counts(queue, 'a'), { attempt: 4, uncounted: 2 }, 'fail leaves them')
      await queue.requeue(['a'])
      same(
        await counts(queue, 'a'),
        { attempt: 4, uncounted: 4 },
        'requeue: no attempt so far counts any more',
      )
    },
  },
  {
    id: 'Q-MOVE-1/i',
    title: 'requeue moves FAIL to WAITING, and reports what was elsewhere, unknown, or named twice',
    async run(harness) {
      const queue = await harness.open()
      await oneInEach(queue)
      const others = ['in-WAITING', 'in-PROCESSING', 'in-SUCCESS']
      const before = await Promise.all(others.map((id) => recordOf(queue, id)))
      const report = await queue.requeue(['in-FAIL', ...others, 'unknown', 'in-FAIL'])
      same(report.moved, 1, 'one was in FAIL')
      const wrong = others.map((id) => ({ id, reason: 'wrong-stage' }))
      const rest = [
        { id: 'unknown', reason: 'not-found' },
        { id: 'in-FAIL', reason: 'repeated' },
      ]
      same(report.skipped, [...wrong, ...rest], 'the others are reported, each with its reason')
      same(await Promise.all(others.map((id) => recordOf(queue, id))), before, 'and are as they were')
      const after = await recordOf(queue, 'in-FAIL')
      same([after.stage, after.attempt], ['WAITING', 1], 'the one waits, its attempt kept')
      check(after.finishedAt === undefined, 'it is not finished any more', after)
      same(await queue.requeue([]), { moved: 0, skipped: [] }, 'requeue of nothing moves nothing')
      await refuses(() => queue.requeue(['']), 'requeue refuses an empty id')
      await refuses(() => queue.requeue(['a'], { delayMs: -1 }), 'requeue refuses a delay below zero')
      await refuses(() => queue.requeue(['a'], { priority: 0.5 }), 'requeue refuses half a priority')
    },
  },
  {
    id: 'Q-MOVE-1/j',
    title: 'remove takes items of the stages asked for, never one in PROCESSING, and reports the rest',
    async run(harness) {
      const queue = await harness.open()
      await oneInEach(queue)
      const all = ['in-WAITING', 'in-PROCESSING', 'in-SUCCESS', 'in-FAIL']
      const narrow = await queue.remove([...all, 'unknown', 'in-SUCCESS'], { stages: ['SUCCESS'] })
      same(narrow.removed, 1, 'of stages SUCCESS one is removed')
      same(
        narrow.skipped,
        [
          { id: 'in-WAITING', reason: 'wrong-stage' },
          { id: 'in-PROCESSING', reason: 'wrong-stage' },
          { id: 'in-FAIL', reason: 'wrong-stage' },
          { id: 'unknown', reason: 'not-found' },
          { id: 'in-SUCCESS', reason: 'repeated' },
        ],
        'the others are reported, each with its reason',
      )
      same(await queue.lookup('in-SUCCESS'), undefined, 'it is gone')
      const wide = await queue.remove(all)
      same(wide.removed, 2, 'by default WAITING, SUCCESS and FAIL go')
      same(idsOf(wide.skipped), ['in-PROCESSING', 'in-SUCCESS'], 'PROCESSING stays: it has a job')
      same(await queue.sizes(), { WAITING: 0, PROCESSING: 1, SUCCESS: 0, FAIL: 0 }, 'one item is left')
      same(await queue.get(5), [], 'what was removed is not given out')
      same(await queue.remove([]), { removed: 0, skipped: [] }, 'remove of nothing removes nothing')
      await refuses(() => queue.remove(['']), 'remove refuses an empty id')
      await refuses(
        () => queue.remove(['a'], { stages: posingAs(['PROCESSING']) }),
        'remove refuses to take from PROCESSING',
      )
    },
  },
]

async function counts(queue: Queue, id: string): Promise<{ attempt: number; uncounted: number }> {
  const { attempt, uncounted } = await recordOf(queue, id)
  return { attempt, uncounted }
}
