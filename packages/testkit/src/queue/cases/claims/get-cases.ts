import { MAX_PRIORITY, type Queue, type QueueItem } from '@sluice/core'
import { check, refuses, same, sameMembers } from '../../../check.js'
import { posingAs } from '../../../odd-values.js'
import type { QueueCase } from '../../queue-harness.js'
import { apart, getOne, idsOf, jobsOf, putInTurn, recordOf, spanOf } from '../../queue-walk.js'

/** As large as a body may be nearly everywhere. */
const LARGE_BYTES = 1_048_576

/** Q-GET-1 and Q-GET-3. */
export const getCases: readonly QueueCase[] = [
  {
    id: 'Q-GET-1',
    title:
      'get gives at most maxItems; each is PROCESSING at attempt 1, and says when it was put and claimed',
    async run(harness) {
      const queue = await harness.open()
      await putInTurn(queue, harness, [['a'], ['b'], ['c']])
      const before = await queue.now()
      const items = await queue.get(2)
      same(idsOf(items), ['a', 'b'], 'get(2) of three items gives the first two')
      for (const item of items) {
        const { stage, attempt, uncounted, priority } = item
        same(
          { stage, attempt, uncounted, priority },
          { stage: 'PROCESSING', attempt: 1, uncounted: 0, priority: 0 },
          `${item.id} comes PROCESSING at attempt 1`,
        )
        check(Number.isFinite(item.putAt), 'it says when it was put', item)
        check(
          item.claimedAt !== undefined && item.claimedAt >= item.putAt,
          'and when it was claimed, later',
          item,
        )
        check((item.claimedAt ?? 0) >= before - 1_000, 'by the storage’s clock', [item, before])
        same((await recordOf(queue, item.id)).attempt, 1, 'lookup shows the same attempt')
      }
      same(await queue.size('PROCESSING'), 2, 'two are PROCESSING')
      same(idsOf(await queue.get(2)), ['c'], 'the next get gives the third')
    },
  },
  {
    id: 'Q-GET-1/a',
    title: 'get(0) and peek(0) give nothing and move nothing',
    async run(harness) {
      const queue = await harness.open()
      await queue.put('a', 1)
      same(await queue.get(0), [], 'get(0) gives nothing')
      same(await queue.peek(0), [], 'peek(0) gives nothing')
      same(await queue.size('WAITING'), 1, 'the item still waits')
      same((await getOne(queue)).attempt, 1, 'its attempt was not touched')
    },
  },
  {
    id: 'Q-GET-1/b',
    title: 'a maxItems that is no whole number of 0 or more is a TypeError, and nothing moves',
    async run(harness) {
      const queue = await harness.open()
      await queue.put('a', 1)
      for (const wrong of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, '1', undefined, null]) {
        await refuses(() => queue.get(posingAs(wrong)), `get refuses ${String(wrong)}`)
        await refuses(() => queue.peek(posingAs(wrong)), `peek refuses ${String(wrong)}`)
      }
      same(await queue.size('WAITING'), 1, 'nothing moved')
    },
  },
  {
    id: 'Q-GET-1/c',
    title: 'the higher priority goes first, whenever it was put; below zero goes last',
    async run(harness) {
      const queue = await harness.open()
      const items = [
        ['zero'],
        ['low', -1],
        ['ten', 10],
        ['lowest', -MAX_PRIORITY],
        ['nine', 9],
        ['highest', MAX_PRIORITY],
      ] as const
      await putInTurn(queue, harness, items)
      const order = ['highest', 'ten', 'nine', 'zero', 'low', 'lowest']
      same(idsOf(await queue.peek(10)), order, 'peek shows them by priority')
      same(idsOf(await queue.get(4)), order.slice(0, 4), 'get(4) gives the four of highest priority')
      same(idsOf(await queue.get(4)), order.slice(4), 'and then the rest')
    },
  },
  {
    id: 'Q-GET-1/d',
    title: 'of one priority the first put goes first',
    async run(harness) {
      const queue = await harness.open()
      const ids = ['m', 'z', 'a', 'k', 'b']
      await putInTurn(
        queue,
        harness,
        ids.map((id) => [id] as const),
      )
      const given: string[] = []
      for (const size of [1, 2, 2]) given.push(...idsOf(await queue.get(size)))
      same(given, ids, 'get gives them in the order in which they were put')
    },
  },
  {
    id: 'Q-GET-1/e',
    title: 'what is released or requeued goes behind what was available before',
    async run(harness) {
      const queue = await harness.open()
      await putInTurn(queue, harness, [['released'], ['failed'], ['third'], ['fourth']])
      await queue.get(2)
      await queue.release('released', { attempt: 1 })
      await apart(queue, harness)
      await queue.fail('failed', { attempt: 1 })
      await queue.requeue(['failed'])
      await apart(queue, harness)
      await queue.put('last', 1)
      same(
        jobsOf(await queue.get(10)),
        ['third@1', 'fourth@1', 'released@2', 'failed@2', 'last@1'],
        'they come by when they became available',
      )
    },
  },
  {
    id: 'Q-GET-1/f',
    title: 'a delayed item takes its turn by when it becomes available, not by when it was put',
    async run(harness) {
      const queue = await harness.open()
      const gap = spanOf(queue, 100)
      await queue.put('delayed', 1, { delayMs: gap })
      await queue.put('at once', 1)
      await harness.passTime(gap * 2)
      await queue.put('afterwards', 1)
      same(idsOf(await queue.get(5)), ['at once', 'delayed', 'afterwards'], 'they come by when they may')
    },
  },
  {
    id: 'Q-GET-1/g',
    title: 'peek shows what get would give, and moves nothing',
    async run(harness) {
      const queue = await harness.open()
      await putInTurn(queue, harness, [['a'], ['b', 3], ['c']])
      const seen = await queue.peek(2)
      same(jobsOf(seen), ['b@0', 'a@0'], 'peek(2) shows the next two, their attempts not raised')
      for (const item of seen) {
        same(item.stage, 'WAITING', `${item.id} is WAITING still`)
        check(item.claimedAt === undefined, 'nothing was claimed', item)
      }
      same(await queue.peek(2), seen, 'peek shows the same again')
      same(await queue.size('WAITING'), 3, 'all three wait')
      same(jobsOf(await queue.get(2)), ['b@1', 'a@1'], 'get gives what peek showed')
      same(idsOf(await queue.peek(5)), ['c'], 'peek shows the rest')
    },
  },
  {
    id: 'Q-GET-1/h',
    title: 'each get makes the attempt one more, and nothing makes it less',
    async run(harness) {
      const queue = await harness.open()
      await queue.put('a', 1)
      for (let attempt = 1; attempt <= 4; attempt++) {
        same((await getOne(queue)).attempt, attempt, `the get number ${attempt} gives attempt ${attempt}`)
        if (attempt % 2 === 0) await queue.release('a', { attempt, countAttempt: false })
        else {
          await queue.fail('a', { attempt })
          same((await recordOf(queue, 'a')).attempt, attempt, 'fail keeps the attempt')
          same((await queue.requeue(['a'])).moved, 1, 'requeue takes it back to WAITING')
        }
        same((await recordOf(queue, 'a')).attempt, attempt, 'waiting again, it keeps the attempt')
      }
      same((await recordOf(queue, 'a')).uid.length > 0, true, 'it is the same item still')
    },
  },
  {
    id: 'Q-GET-1/i',
    title: 'requeue with a priority replaces the priority, without one keeps it',
    async run(harness) {
      const queue = await harness.open()
      await putInTurn(queue, harness, [
        ['a', 1],
        ['b', 1],
        ['c', 5],
      ])
      await queue.get(3)
      for (const id of ['a', 'b', 'c']) {
        await queue.fail(id)
        await queue.requeue([id], id === 'b' ? { priority: 9 } : {})
        await apart(queue, harness)
      }
      const items = await queue.get(3)
      same(
        items.map((item) => [item.id, item.priority]),
        [
          ['b', 9],
          ['c', 5],
          ['a', 1],
        ],
        'b goes first now',
      )
    },
  },
  {
    id: 'Q-GET-1/j',
    title: 'each of many gets at once gives its items in order, while others claim and put',
    async run(harness) {
      const queues = [await harness.open(), await harness.open()]
      const precisionMs = queues[0]?.supports.orderPrecisionMs ?? 0
      let put = 0
      const putSome = async (queue: Queue): Promise<void> => {
        const items = Array.from({ length: 6 }, () => ({ id: `i${put++}`, body: 1, priority: put % 4 }))
        await queue.putMany(items)
      }
      for (const queue of queues) await putSome(queue)
      const given: QueueItem[][] = []
      const work = async (queue: Queue): Promise<void> => {
        for (let round = 0; round < 2; round++) {
          const [items] = await Promise.all([
            queue.get(4),
            putSome(queue),
            queue.get(3).then((more) => given.push(more)),
          ])
          given.push(items)
        }
      }
      await Promise.all(queues.map(work))
      for (const items of given) {
        for (const [index, item] of items.entries()) {
          const before = items[index - 1]
          if (before === undefined) continue
          const isNext =
            before.priority > item.priority ||
            (before.priority === item.priority && before.putAt <= item.putAt + precisionMs)
          check(isNext, 'an item of a higher priority goes first, of one priority the first put', items)
        }
      }
      check(given.flat().length > 0, 'items were given out')
    },
  },
  {
    id: 'Q-GET-3',
    title: 'get never gives more than there are, and nothing of a queue that has nothing WAITING',
    async run(harness) {
      const queue = await harness.open()
      same(await queue.get(10), [], 'a queue with no items gives []')
      same(await queue.peek(10), [], 'and peek too')
      await queue.putMany(['a', 'b', 'c'].map((id) => ({ id, body: id })))
      const items = await queue.get(100)
      sameMembers(idsOf(items), ['a', 'b', 'c'], 'get(100) of three gives three')
      same(await queue.get(10), [], 'items in PROCESSING are not given out again')
      await queue.success('a')
      await queue.fail('b')
      same(await queue.get(10), [], 'nor are those in SUCCESS and FAIL')
      same(await queue.peek(10), [], 'peek shows none of them either')
    },
  },
  {
    id: 'Q-GET-3/a',
    title: 'of items with large bodies a get may give fewer than there are, and [] only when there are none',
    async run(harness) {
      const queue = await harness.open()
      const ids = Array.from({ length: 12 }, (_, index) => `i${index}`)
      const body = 'x'.repeat(Math.min(queue.supports.maxBodyBytes, LARGE_BYTES) - 2)
      for (const id of ids) await queue.put(id, body)
      const given: string[] = []
      for (let items = await queue.get(12); items.length > 0; items = await queue.get(12)) {
        check(
          items.every((item) => item.body === body),
          'each comes with its body',
        )
        given.push(...jobsOf(items))
      }
      sameMembers(
        given,
        ids.map((id) => `${id}@1`),
        'gets until [] give each item once',
      )
      same((await queue.sizes()).PROCESSING, 12, 'and nothing else is claimed')
    },
  },
]
