import type { NewItem } from '@sluice/core'
import { check, refuses, resolves, same, sameMembers } from '../../../check.js'
import type { QueueCase } from '../../queue-harness.js'
import { apart, checkEmpty, contentOf, idsOf, jobsOf, oneInEach, recordOf } from '../../queue-walk.js'
import { posingAs } from '../../../odd-values.js'
import { atEveryPoint, needsCrashing } from '../troubles/crash-points.js'

const MANY = 1_000

/** Q-PUT-3. */
export const batchCases: readonly QueueCase[] = [
  {
    id: 'Q-PUT-3',
    title: 'putMany adds what is new, leaves what is there in any stage, and reports what it skipped',
    async run(harness) {
      const queue = await harness.open()
      await oneInEach(queue)
      const before = await contentOf(queue)
      const known = ['in-WAITING', 'in-PROCESSING', 'in-SUCCESS', 'in-FAIL']
      const records = await Promise.all(known.map((id) => recordOf(queue, id)))
      const items = ['new-1', ...known, 'new-2', 'new-1'].map((id) => ({ id, body: 'of the batch' }))
      const { added, skipped } = await queue.putMany(items)
      same(added, 2, 'two of the seven are new')
      same(
        idsOf(skipped),
        [...known, 'new-1'],
        'skipped are those that were there, and the repeat, in the order of the call',
      )
      same(
        await contentOf(queue),
        { ...before, WAITING: ['in-WAITING', 'new-1', 'new-2'] },
        'the new ones are WAITING, once each, and nothing else moved',
      )
      same(await Promise.all(known.map((id) => recordOf(queue, id))), records, 'what was there is unchanged')
    },
  },
  {
    id: 'Q-PUT-3/a',
    title: 'putMany keeps the order given, with priorities and delays of their own; none at all is fine',
    async run(harness) {
      const queue = await harness.open()
      same(await queue.putMany([]), { added: 0, skipped: [] }, 'putMany of nothing adds nothing')
      const items: readonly NewItem[] = [
        { id: 'a', body: 1 },
        { id: 'high', body: 2, priority: 5 },
        { id: 'later', body: 3, delayMs: 3_600_000 },
        { id: 'b', body: 4 },
        { id: 'low', body: 5, priority: -5 },
        { id: 'c', body: 6 },
      ]
      same(await queue.putMany(items), { added: 6, skipped: [] }, 'all six are new')
      const order = idsOf(await queue.get(10))
      if (queue.supports.orderPrecisionMs > 0) {
        sameMembers(order, ['a', 'b', 'c', 'high', 'low'], 'all that may be given out are')
        same([order[0], order[4]], ['high', 'low'], 'by priority')
      } else same(order, ['high', 'a', 'b', 'c', 'low'], 'by priority, then in the order of the batch')
      same(await queue.size('WAITING'), 1, 'the delayed one waits')
    },
  },
  {
    id: 'Q-PUT-3/b',
    title: 'one bad item in a batch is a TypeError that names its index, and nothing of the batch is stored',
    async run(harness) {
      const queue = await harness.open()
      const wrong: readonly (readonly [string, NewItem])[] = [
        ['an empty id', { id: '', body: 1 }],
        ['a body of undefined', { id: 'c', body: posingAs(undefined) }],
        ['a fractional priority', { id: 'c', body: 1, priority: 0.5 }],
      ]
      for (const [what, bad] of wrong) {
        const error = await refuses(
          () => queue.putMany([{ id: 'a', body: 1 }, { id: 'b', body: 2 }, bad]),
          `putMany refuses ${what}`,
        )
        check(error.message.includes('[2]'), 'the message names the index, 2', error.message)
      }
      await checkEmpty(queue, 'nothing is stored, not even the good items before the bad one')
    },
  },
  {
    id: 'Q-PUT-3/c',
    title: `putMany of ${MANY} items, most of them a second time, ends with each exactly once`,
    async run(harness) {
      const queue = await harness.open()
      const items = Array.from({ length: MANY }, (_, index) => ({ id: `i${index}`, body: { index } }))
      const first = await queue.putMany(items.slice(0, MANY - 100))
      same(first, { added: MANY - 100, skipped: [] }, 'the first load is all new')
      const second = await queue.putMany(items)
      same(second.added, 100, 'the second load adds what the first had not')
      sameMembers(idsOf(second.skipped), idsOf(items.slice(0, MANY - 100)), 'and reports all others')
      const listed = (await contentOf(queue)).WAITING
      same(listed, idsOf(items).toSorted(), 'each item is listed once')
    },
  },
  {
    id: 'Q-PUT-3/d',
    title: 'concurrent batches that overlap add each item once between them',
    async run(harness) {
      const queues = await Promise.all([harness.open(), harness.open(), harness.open()])
      const batches = [0, 10, 20].map((start) =>
        Array.from({ length: 30 }, (_, index) => ({ id: `i${start + index}`, body: start })),
      )
      const reports = await Promise.all(queues.map((queue, index) => queue.putMany(batches[index] ?? [])))
      const added = reports.reduce((sum, report) => sum + report.added, 0)
      same(added, 50, 'the three batches of 30 hold 50 ids, and add 50 items together')
      const skipped = reports.reduce((sum, report) => sum + report.skipped.length, 0)
      same(skipped, 40, 'and skip the other 40')
      same(await harness.open().then((queue) => queue.size('WAITING')), 50, '50 items are WAITING')
    },
  },
  {
    id: 'Q-PUT-3/e',
    title: 'two puts of one id with the same body are still a put and a refusal, and give one job',
    async run(harness) {
      const queue = await harness.open()
      const report = await queue.putMany([
        { id: 'a', body: 1 },
        { id: 'a', body: 1 },
        { id: 'a', body: 2 },
      ])
      const repeated = { id: 'a', reason: 'repeated' }
      same(report, { added: 1, skipped: [repeated, repeated] }, 'of three in one batch one is added')
      same((await recordOf(queue, 'a')).body, 1, 'the first')
      await apart(queue, harness)
      same(jobsOf(await queue.get(5)), ['a@1'], 'it is given out once')
    },
  },
  {
    id: 'Q-PUT-3/f',
    title: 'a process that dies at any point of putMany, the batch then loaded again: each item exactly once',
    needs: needsCrashing,
    async run(harness) {
      const queue = await harness.open()
      await atEveryPoint(harness, async (crashing, point) => {
        const items = Array.from({ length: 5 }, (_, index) => ({
          id: `p${point}-${index}`,
          body: { point, index },
        }))
        // The process dies in it, or it went through: what is stored says which.
        await crashing.putMany(items).catch(() => undefined)
        for (const { id, body } of items) {
          const found = await queue.lookup(id)
          if (found !== undefined)
            same([found.stage, found.body], ['WAITING', body], `${id} is whole or not there`)
        }
        const again = await resolves(queue.putMany(items), 'the same batch can be loaded again')
        same(again.added + again.skipped.length, 5, 'each is either added now or was there')
        const all = (await queue.get(10)).toSorted((a, b) => (a.id < b.id ? -1 : 1))
        same(
          jobsOf(all),
          items.map((item) => `${item.id}@1`),
          'each is given out exactly once',
        )
        await queue.settle(all.map(({ id, attempt }) => ({ id, attempt, stage: 'SUCCESS' })))
      })
    },
  },
  {
    id: 'Q-PUT-3/g',
    title:
      'a process that dies at any point of put leaves the item whole or not there, and put can be repeated',
    needs: needsCrashing,
    async run(harness) {
      const queue = await harness.open()
      await atEveryPoint(harness, async (crashing, point) => {
        const id = `p${point}`
        // The process dies in it, or it went through: what is stored says which.
        const stored = await crashing.put(id, { point }).then(
          () => true,
          () => false,
        )
        const found = await queue.lookup(id)
        if (stored) check(found !== undefined, 'what put acknowledged is there')
        if (found === undefined) await resolves(queue.put(id, { point }), 'put can be repeated')
        same(jobsOf(await queue.get(10)), [`${id}@1`], 'the item is given out, once')
        same((await recordOf(queue, id)).body, { point }, 'with its body whole')
        await queue.success(id)
      })
    },
  },
]
