import type { Queue, Stage } from '@sluice/core'
import { resolves, same } from '../../../check.js'
import type { QueueCase, QueueHarness } from '../../queue-harness.js'
import { bring } from '../../queue-walk.js'
import { atEveryPoint, needsCrashing } from '../troubles/crash-points.js'
import { checkOneOf } from './one-stage.js'

interface CrashedMove {
  readonly from: Exclude<Stage, 'WAITING' | 'SUCCESS'>
  readonly to: Stage
  readonly move: (queue: Queue, id: string) => Promise<unknown>
}

/** Q-MOVE-4. */
export const moveCrashCases: readonly QueueCase[] = [
  crashCase('Q-MOVE-4', 'success', {
    from: 'PROCESSING',
    to: 'SUCCESS',
    move: (queue, id) => queue.success(id, { attempt: 1, result: { of: id } }),
  }),
  crashCase('Q-MOVE-4/a', 'fail', {
    from: 'PROCESSING',
    to: 'FAIL',
    move: (queue, id) => queue.fail(id, { attempt: 1, reason: 'x' }),
  }),
  crashCase('Q-MOVE-4/b', 'release', {
    from: 'PROCESSING',
    to: 'WAITING',
    move: (queue, id) => queue.release(id, { attempt: 1, countAttempt: false }),
  }),
  crashCase('Q-MOVE-4/c', 'requeue', {
    from: 'FAIL',
    to: 'WAITING',
    move: (queue, id) => queue.requeue([id]),
  }),
  {
    id: 'Q-MOVE-4/d',
    title: 'a process that dies at any point of settle leaves each item whole, and settle can be repeated',
    needs: needsCrashing,
    async run(harness) {
      const queue = await harness.open()
      await atEveryPoint(harness, async (crashing, point) => {
        const ids = ['s', 'f', 'w'].map((name) => `p${point}-${name}`)
        for (const id of ids) await bring(queue, id, 'PROCESSING')
        const stages = ['SUCCESS', 'FAIL', 'WAITING'] as const
        const outcomes = ids.map((id, index) => ({ id, attempt: 1, stage: stages[index] ?? 'FAIL' }))
        // The process dies in it, or it went through: what is stored says which.
        await crashing.settle(outcomes).catch(() => undefined)
        for (const { id, stage } of outcomes) await checkOneOf(queue, id, ['PROCESSING', stage])
        const again = await resolves(queue.settle(outcomes), 'the same settle can be repeated')
        same(again, { settled: 3, refused: [] }, 'and then all is settled')
        for (const { id, stage } of outcomes) await checkOneOf(queue, id, [stage])
        same((await queue.remove(ids)).removed, 3, 'the items can be removed')
      })
    },
  },
  {
    id: 'Q-MOVE-4/e',
    title:
      'a process that dies at any point of remove leaves the item whole or gone, and remove can be repeated',
    needs: needsCrashing,
    async run(harness) {
      const queue = await harness.open()
      await atEveryPoint(harness, async (crashing, point) => {
        const id = `p${point}`
        await bring(queue, id, 'SUCCESS')
        // The process dies in it, or it went through: what is stored says which.
        await crashing.remove([id]).catch(() => undefined)
        const left = await queue.lookup(id)
        if (left !== undefined) await checkOneOf(queue, id, ['SUCCESS'])
        const again = await resolves(queue.remove([id]), 'remove can be repeated')
        same(again.removed, left === undefined ? 0 : 1, 'it says whether the item was there still')
        same(await queue.lookup(id), undefined, 'the item is gone')
        await resolves(queue.put(id, 'new'), 'the id can be put again')
        await queue.remove([id])
      })
    },
  },
]

function crashCase(id: string, verb: string, how: CrashedMove): QueueCase {
  return {
    id,
    title: `a process that dies at any point of ${verb} leaves the item whole in one stage, and ${verb} can be repeated`,
    needs: needsCrashing,
    run: (harness) => crashMove(harness, how),
  }
}

async function crashMove(harness: QueueHarness, { from, to, move }: CrashedMove): Promise<void> {
  const queue = await harness.open()
  await atEveryPoint(harness, async (crashing, point) => {
    const id = `p${point}`
    await bring(queue, id, from)
    // The process dies in it, or it went through: what is stored says which.
    const answered = await move(crashing, id).then(
      () => true,
      () => false,
    )
    await checkOneOf(queue, id, answered ? [to] : [from, to])
    await resolves(move(queue, id), 'the move can be repeated by another process')
    await checkOneOf(queue, id, [to])
    same((await queue.remove([id])).removed, 1, 'the item can be removed')
  })
}
