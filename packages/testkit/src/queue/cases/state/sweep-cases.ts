import type { Queue, QueueSupports, SweepOptions, SweepReport } from '@sluice/core'
import { check, refuses, same } from '../../../check.js'
import { posingAs } from '../../../odd-values.js'
import type { QueueCase } from '../../queue-harness.js'
import { contentOf, idsOf, oneInEach, spanOf } from '../../queue-walk.js'

/**
 * So long that what was finished just now is younger on the slowest machine, and so short that a real store
 * can be waited for.
 */
const RETENTION_MS = 10_000

/** Q-SWEEP-1. */
export const sweepCases: readonly QueueCase[] = [
  {
    id: 'Q-SWEEP-1',
    title: 'sweep without an age changes no item, however often it runs',
    needs,
    async run(harness) {
      const [queue, other] = [await harness.open(), await harness.open()]
      await oneInEach(queue)
      const before = await contentOf(queue)
      same((await sweep(queue)).removed, 0, 'sweep says that it removed nothing')
      await Promise.all([sweep(queue), sweep(other)])
      same(await contentOf(other), before, 'each item is where it was')
      await queue.success('in-PROCESSING', { attempt: 1 })
      same(idsOf(await other.get(9)), ['in-WAITING'], 'what waited is given out still')
    },
  },
  {
    id: 'Q-SWEEP-1/a',
    title:
      'sweep with an age removes what was finished longer ago, and nothing else; such ids can be put again',
    needs,
    async run(harness) {
      const queue = await harness.open()
      await oneInEach(queue)
      await harness.passTime(spanOf(queue, RETENTION_MS))
      await queue.success('in-PROCESSING', { attempt: 1 })
      const { removed } = await sweep(queue, { retentionMs: RETENTION_MS })
      same(removed, 2, 'the two that were finished before are removed')
      const left = { WAITING: ['in-WAITING'], PROCESSING: [], SUCCESS: ['in-PROCESSING'], FAIL: [] }
      same(
        await contentOf(queue),
        left,
        'the one that waits as long stays, and so does the one finished just now',
      )
      same(await queue.lookup('in-FAIL'), undefined, 'what was removed is unknown')
      const { added } = await queue.putMany([
        { id: 'in-SUCCESS', body: 1 },
        { id: 'in-FAIL', body: 1 },
      ])
      same(added, 2, 'their ids are free')
    },
  },
  {
    id: 'Q-SWEEP-1/b',
    title: 'an age that is no whole number of ms, 0 or more, is a TypeError, and nothing is removed',
    needs,
    async run(harness) {
      const queue = await harness.open()
      await oneInEach(queue)
      const before = await contentOf(queue)
      for (const age of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, '1000', null]) {
        await refuses(
          () => sweep(queue, { retentionMs: posingAs(age) }),
          `sweep refuses the age ${String(age)}`,
        )
      }
      same(await contentOf(queue), before, 'each item is where it was')
    },
  },
  {
    id: 'Q-SWEEP-1/c',
    title: 'beside gets, settles and puts sweeps lose no item, and none is given out twice',
    needs,
    run: async (harness) => besideOthers(await harness.open(), await harness.open()),
  },
]

const ITEMS = 60

async function besideOthers(queue: Queue, sweeping: Queue): Promise<void> {
  await queue.putMany(Array.from({ length: ITEMS }, (_, index) => ({ id: `early${index}`, body: index })))
  const worked = new AbortController()
  const given: string[] = []
  const work = async () => {
    for (let round = 0; round < 2 * ITEMS; round++) {
      const items = await queue.get(7)
      if (items.length === 0) return
      given.push(...idsOf(items))
      // One at least comes between a claim and its end, however the two loops are timed.
      await sweep(sweeping)
      await queue.settle(items.map(({ id, attempt }) => ({ id, attempt, stage: 'SUCCESS' })))
      if (round === 0) await queue.put('late', null)
    }
  }
  const tidy = async () => {
    while (!worked.signal.aborted) await sweep(sweeping, { retentionMs: 3_600_000 })
  }
  await Promise.all([work().finally(() => worked.abort()), tidy()])
  same(new Set(given).size, given.length, 'no item was given out twice')
  same((await queue.sizes()).SUCCESS, ITEMS + 1, 'every item is in SUCCESS')
}

function needs(supports: QueueSupports): string | undefined {
  return supports.sweep === true ? undefined : 'the queue has no sweep'
}

async function sweep(queue: Queue, options?: SweepOptions): Promise<SweepReport> {
  const report = await queue.sweep?.(options)
  check(report !== undefined, 'a queue whose supports say so has a sweep, and it gives a report')
  if (report === undefined) throw new Error('unreachable')
  return report
}
