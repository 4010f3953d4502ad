import type { Queue } from '@sluice/core'
import { brokenQueue, unchecked, type QueueMutant } from '../queue-mutant.js'

/** Queues whose sweep takes too much, or anything. */
export const sweepMutants: readonly QueueMutant[] = [
  brokenQueue({
    id: 'sweep-takes-all-finished',
    title: 'sweep removes finished items of any age',
    breaks: ['Q-SWEEP-1', 'Q-SWEEP-1/a', 'Q-SWEEP-1/c'],
    change: () => (inner) => ({
      sweep: async (options) => {
        const report = await inner.sweep?.(options)
        const removed = await removeFinished(inner)
        return { repaired: 0, leftovers: 0, removed: removed + (report?.removed ?? 0) }
      },
    }),
  }),
  brokenQueue({
    id: 'sweep-takes-none',
    title: 'sweep removes nothing',
    breaks: ['Q-SWEEP-1/a'],
    change: () => () => ({ sweep: async () => ({ repaired: 0, leftovers: 0, removed: 0 }) }),
  }),
  brokenQueue({
    id: 'sweep-releases',
    title: 'sweep takes items in PROCESSING for those of dead processes',
    breaks: ['Q-SWEEP-1', 'Q-SWEEP-1/c'],
    change: () => (inner) => ({
      sweep: async (options) => {
        const { items } = await inner.listSummaries('PROCESSING', { limit: 100 })
        await inner.settle(items.map(({ id, attempt }) => ({ id, attempt, stage: 'WAITING' })))
        return (await inner.sweep?.(options)) ?? { repaired: 0, leftovers: 0, removed: 0 }
      },
    }),
  }),
  brokenQueue({
    id: 'sweep-unchecked',
    title: 'sweep takes any age',
    breaks: ['Q-SWEEP-1/b'],
    change: () => (inner) => ({
      sweep: (options) =>
        unchecked(inner.sweep?.(options) ?? Promise.reject(new TypeError('no sweep')), {
          repaired: 0,
          leftovers: 0,
          removed: 0,
        }),
    }),
  }),
]

async function removeFinished(queue: Queue): Promise<number> {
  let removed = 0
  for (const stage of ['SUCCESS', 'FAIL'] as const) {
    const { items } = await queue.listSummaries(stage, { limit: 1_000 })
    removed += (await queue.remove(items.map(({ id }) => id))).removed
  }
  return removed
}
