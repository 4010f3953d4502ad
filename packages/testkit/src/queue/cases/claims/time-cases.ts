import { check, same, sameMembers } from '../../../check.js'
import type { QueueCase } from '../../queue-harness.js'
import { bring, getOne, idsOf, jobsOf, recordOf, recordsOf, settingsOf, spanOf } from '../../queue-walk.js'

const HOUR_MS = 3_600_000
const SOON_MS = 150

/** Q-TIME-1 and Q-NAME-1. */
export const timeCases: readonly QueueCase[] = [
  {
    id: 'Q-TIME-1',
    title:
      'an item that may not be given out yet is WAITING, counted and listed, and neither given nor peeked',
    async run(harness) {
      const queue = await harness.open()
      const notBeforeAt = (await queue.now()) + HOUR_MS
      await queue.put('at', 1, { notBeforeAt })
      await queue.put('in', 1, { delayMs: HOUR_MS, priority: 9 })
      await queue.putMany([
        { id: 'many at', body: 1, notBeforeAt },
        { id: 'many in', body: 1, delayMs: HOUR_MS },
      ])
      const ids = ['at', 'in', 'many at', 'many in']
      same(await queue.get(10), [], 'get gives none of them')
      same(await queue.peek(10), [], 'peek shows none of them')
      same(await queue.size('WAITING'), 4, 'they are counted')
      sameMembers(idsOf(await recordsOf(queue, 'WAITING')), ids, 'they are listed')
      same(await queue.lookupStatus('at'), 'WAITING', 'they are WAITING')
      same((await recordOf(queue, 'at')).notBeforeAt, notBeforeAt, 'lookup shows notBeforeAt as it was given')
      const { notBeforeAt: delayed, putAt } = await recordOf(queue, 'in')
      same(delayed, putAt + HOUR_MS, 'and a delay as an instant, counted from the put')
      await queue.put('now', 1, { priority: -9 })
      same(idsOf(await queue.get(10)), ['now'], 'an item of lower priority is not held up by them')
    },
  },
  {
    id: 'Q-TIME-1/a',
    title: 'once its instant has passed it is given out, by notBeforeAt and by delayMs alike',
    async run(harness) {
      const queue = await harness.open()
      const span = spanOf(queue, SOON_MS)
      await queue.put('at', 1, { notBeforeAt: (await queue.now()) + span })
      await queue.put('in', 1, { delayMs: span })
      await harness.passTime(span + 1)
      sameMembers(idsOf(await queue.peek(5)), ['at', 'in'], 'peek shows both')
      sameMembers(jobsOf(await queue.get(5)), ['at@1', 'in@1'], 'get gives both')
    },
  },
  {
    id: 'Q-TIME-1/b',
    title: 'a released, settled or requeued item stays for its delay, and is given out after it',
    async run(harness) {
      const queue = await harness.open()
      const span = spanOf(queue, SOON_MS)
      for (const [kind, delayMs] of [
        ['long', HOUR_MS],
        ['short', span],
      ] as const) {
        for (const how of ['release', 'settle', 'requeue']) await bring(queue, `${kind} ${how}`, 'PROCESSING')
        await queue.release(`${kind} release`, { attempt: 1, delayMs })
        await queue.settle([{ id: `${kind} settle`, attempt: 1, stage: 'WAITING', delayMs }])
        await queue.fail(`${kind} requeue`, { attempt: 1 })
        await queue.requeue([`${kind} requeue`], { delayMs })
      }
      await harness.passTime(span + 1)
      const given = await queue.get(10)
      sameMembers(
        jobsOf(given),
        ['short release@2', 'short settle@2', 'short requeue@2'],
        'after the short delay those with a short delay are given out, and those with an hour’s are not',
      )
      same(await queue.size('WAITING'), 3, 'the others wait')
      const { notBeforeAt = 0 } = await recordOf(queue, 'long release')
      check(notBeforeAt > (await queue.now()), 'lookup shows until when', notBeforeAt)
    },
  },
  {
    id: 'Q-TIME-1/c',
    title: 'a notBeforeAt that has passed, or a delay of 0, holds nothing up and takes no turn of another',
    async run(harness) {
      const queue = await harness.open()
      const gap = spanOf(queue, 0)
      await queue.put('first', 1)
      await harness.passTime(gap)
      await queue.put('zero', 1, { notBeforeAt: 0 })
      await harness.passTime(gap)
      await queue.put('no delay', 1, { delayMs: 0 })
      same(
        idsOf(await queue.get(5)),
        ['first', 'zero', 'no delay'],
        'all are given out, in the order of their puts',
      )
      await queue.release('first', { delayMs: 0 })
      same(jobsOf(await queue.get(5)), ['first@2'], 'what is released with no delay is there at once')
    },
  },
  {
    id: 'Q-TIME-1/d',
    title:
      'now() is the clock of all instants: it goes on, and putAt, claimedAt and finishedAt are read from it',
    async run(harness) {
      const [queue, other] = [await harness.open(), await harness.open()]
      const slack = queue.supports.orderPrecisionMs
      const start = await queue.now()
      check(Number.isInteger(start) && start > 0, 'now() is whole epoch milliseconds', start)
      await queue.put('a', 1)
      await harness.passTime(20)
      const passed = await other.now()
      // Two processes may estimate the storage's clock differently, within the precision declared.
      check(
        passed >= start + 20 - slack,
        'passTime(20) puts the storage’s clock on by 20 or more, within orderPrecisionMs',
        [start, passed],
      )
      const item = await getOne(other)
      await harness.passTime(20)
      await queue.success('a')
      const end = await queue.now()
      const { putAt, claimedAt = 0, finishedAt = 0 } = await recordOf(queue, 'a')
      const order = [start - slack, putAt, claimedAt, finishedAt, end + slack]
      same(
        order.toSorted((a, b) => a - b),
        order,
        'start ≤ putAt ≤ claimedAt ≤ finishedAt ≤ end',
      )
      same([item.putAt, item.claimedAt], [putAt, claimedAt], 'get and lookup show the same instants')
      check(claimedAt - putAt >= 20 - slack, 'the span between put and claim is at least what passed', order)
      check(finishedAt - claimedAt >= 20 - slack, 'and that between claim and finish', order)
    },
  },
  {
    id: 'Q-NAME-1',
    title: 'queues of different names in one store never see each other’s items',
    async run(harness) {
      const [one, two] = [await harness.open('one'), await harness.open('two')]
      same([one.name, two.name], ['one', 'two'], 'a queue knows its name')
      await one.put('a', 'of one')
      await one.put('only', 1)
      same(await two.lookup('only'), undefined, 'lookup does not see the other’s item')
      same(await two.get(5), [], 'get gives none of the other’s')
      same(await two.peek(5), [], 'peek shows none of the other’s')
      await two.put('a', 'of two')
      same(
        (await two.get(5)).map((item) => [item.id, item.body]),
        [['a', 'of two']],
        'the same id may be in both',
      )
      await two.success('a', { result: 2 })
      const same1 = await recordOf(one, 'a')
      same([same1.stage, same1.body], ['WAITING', 'of one'], 'a move in one moves nothing in the other')
      same(
        await two.remove(['a', 'only']),
        { removed: 1, skipped: [{ id: 'only', reason: 'not-found' }] },
        'nor does remove take from it',
      )
      same(await one.sizes(), { WAITING: 2, PROCESSING: 0, SUCCESS: 0, FAIL: 0 }, 'sizes count one’s own')
      same(await recordsOf(two, 'WAITING'), [], 'list lists one’s own')
      await two.put('b', 1)
      const report = await one.settle([{ id: 'b', attempt: 0, stage: 'SUCCESS' }])
      same(report.refused[0]?.reason, 'not-found', 'settle does not find the other’s item')
      const again = await harness.open('one')
      sameMembers(idsOf(await again.get(5)), ['a', 'only'], 'the same name opened again shows the same items')
    },
  },
  {
    id: 'Q-NAME-1/a',
    title: 'names that look alike are different queues',
    async run(harness) {
      const names = [
        'tiles',
        'Tiles',
        'tiles-1',
        'tiles_1',
        'tiles/1',
        'tiles 1',
        'tile',
        "tile's",
        'tilés',
        'tiles%',
      ]
      const queues = await Promise.all(names.map((name) => harness.open(name)))
      await Promise.all(queues.map((queue) => queue.put('id', queue.name)))
      for (const queue of queues) {
        const items = await queue.get(5)
        same(
          items.map((item) => item.body),
          [queue.name],
          `the queue ${JSON.stringify(queue.name)} gives its own item`,
        )
      }
    },
  },
  {
    id: 'Q-NAME-1/b',
    title: 'control and leases are each name’s own',
    async run(harness) {
      const [one, two] = [await harness.open('one'), await harness.open('two')]
      await one.control.pause('of one')
      await one.control.setLimits({ maxProcessing: 3 })
      same(await settingsOf(two), { paused: false, limits: {} }, 'the other is not paused and has no limits')
      const lease = await one.lease('dispatch', 'me', 60_000)
      const other = await two.lease('dispatch', 'you', 60_000)
      check(lease !== undefined && other !== undefined, 'a lease of one name in two queues is two leases')
    },
  },
]
