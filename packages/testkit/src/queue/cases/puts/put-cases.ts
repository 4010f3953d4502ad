import { MAX_PRIORITY, type PutOptions } from '@sluice/core'
import { at, check, refuses, rejects, same, sameMembers } from '../../../check.js'
import { badBodies, badIds, bodies, oddIds, posingAs } from '../../../odd-values.js'
import type { QueueCase } from '../../queue-harness.js'
import {
  bring,
  checkEmpty,
  contentOf,
  getOne,
  idsOf,
  jobsOf,
  oneInEach,
  recordOf,
  recordsOf,
} from '../../queue-walk.js'

const LARGEST_TRIED_BYTES = 16_777_216

/** Q-PUT-1 and Q-PUT-2. */
export const putCases: readonly QueueCase[] = [
  {
    id: 'Q-PUT-1',
    title: 'a new item is WAITING at attempt 0, and get receives it',
    async run(harness) {
      const queue = await harness.open()
      await queue.put('a', { n: 1 })
      const record = await recordOf(queue, 'a')
      const { stage, attempt, uncounted, priority, body } = record
      same(
        { stage, attempt, uncounted, priority, body },
        { stage: 'WAITING', attempt: 0, uncounted: 0, priority: 0, body: { n: 1 } },
        'after put, lookup shows the item WAITING, never tried, of priority 0',
      )
      check(record.uid.length > 0, 'a new item has a uid', record)
      same(record.history, [], 'a new item has no history')
      const item = await getOne(queue)
      same([item.id, item.body, item.uid], ['a', { n: 1 }, record.uid], 'get gives the item that was put')
    },
  },
  {
    id: 'Q-PUT-1/a',
    title: 'a get on another Queue object that starts after put returned receives the item',
    async run(harness) {
      const [producer, consumer] = [await harness.open(), await harness.open()]
      same(await consumer.get(5), [], 'a fresh store gives nothing')
      await producer.put('a', 1)
      same(idsOf(await consumer.get(5)), ['a'], 'the other Queue object receives the item at once')
    },
  },
  {
    id: 'Q-PUT-1/b',
    title: 'any legal id is held: odd characters, 1,024 bytes, ids that differ in case only',
    async run(harness) {
      const queue = await harness.open()
      await Promise.all(oddIds.map((id, index) => queue.put(id, { index })))
      for (const [index, id] of oddIds.entries()) {
        const { body } = await recordOf(queue, id)
        same(
          body,
          { index },
          `lookup(${JSON.stringify(id).slice(0, 80)}) finds the item that was put under this id`,
        )
      }
      sameMembers(idsOf(await recordsOf(queue, 'WAITING')), oddIds, 'list gives every id as it was put')
      const items = await queue.get(oddIds.length + 5)
      sameMembers(idsOf(items), oddIds, 'get gives every id as it was put')
      await Promise.all(items.map((item) => queue.success(item.id, { attempt: item.attempt })))
      sameMembers(idsOf(await recordsOf(queue, 'SUCCESS')), oddIds, 'success moves every one of them')
    },
  },
  {
    id: 'Q-PUT-1/c',
    title: 'a body of any JSON shape comes back deep-equal from get, peek, lookup and list',
    async run(harness) {
      const queue = await harness.open()
      await Promise.all(bodies.map((body, index) => queue.put(`b${index}`, body)))
      const listed = new Map((await recordsOf(queue, 'WAITING')).map((record) => [record.id, record.body]))
      const peeked = new Map((await queue.peek(bodies.length)).map((item) => [item.id, item.body]))
      const got = new Map((await queue.get(bodies.length)).map((item) => [item.id, item.body]))
      for (const [index, body] of bodies.entries()) {
        const id = `b${index}`
        same(got.get(id), body, `get gives the body of ${id} as it was put`)
        same(peeked.get(id), body, `peek gives the body of ${id} as it was put`)
        same(listed.get(id), body, `list gives the body of ${id} as it was put`)
        same((await recordOf(queue, id)).body, body, `lookup gives the body of ${id} as it was put`)
      }
    },
  },
  {
    id: 'Q-PUT-1/d',
    title: 'an id that is empty, too long, ill-formed, or no string is a TypeError, and nothing is stored',
    async run(harness) {
      const queue = await harness.open()
      for (const [what, id] of badIds) {
        await refuses(() => queue.put(posingAs(id), 1), `put refuses ${what} as an id`)
        await refuses(
          () => queue.putMany([{ id: posingAs(id), body: 1 }]),
          `putMany refuses ${what} as an id`,
        )
      }
      await checkEmpty(queue, 'nothing is stored of what was refused')
    },
  },
  {
    id: 'Q-PUT-1/e',
    title: 'a body that is not JSON is a TypeError that names the path, and nothing is stored',
    async run(harness) {
      const queue = await harness.open()
      for (const [what, body, path] of badBodies) {
        const error = await refuses(() => queue.put('a', posingAs(body)), `put refuses ${what} as a body`)
        check(error.message.includes(path), `the message names where ${what} is: ${path}`, error.message)
      }
      await checkEmpty(queue, 'nothing is stored of what was refused')
    },
  },
  {
    id: 'Q-PUT-1/f',
    title: 'a body of supports.maxBodyBytes is held, one byte more is a TypeError',
    needs: ({ maxBodyBytes }) =>
      maxBodyBytes > LARGEST_TRIED_BYTES ? `bodies may be ${maxBodyBytes} bytes, too many to try` : undefined,
    async run(harness) {
      const queue = await harness.open()
      const { maxBodyBytes } = queue.supports
      const largest = 'x'.repeat(maxBodyBytes - 2)
      await queue.put('largest', largest)
      const { body } = await recordOf(queue, 'largest')
      check(body === largest, `a body of ${maxBodyBytes} bytes of JSON comes back as it was put`)
      await refuses(() => queue.put('larger', `${largest}x`), 'put refuses a body of one byte more')
      const wide = 'é'.repeat(maxBodyBytes / 2)
      await refuses(() => queue.put('wide', wide), 'the limit is in bytes of UTF-8, not in characters')
      same(
        await contentOf(queue).then((content) => content.WAITING),
        ['largest'],
        'only the legal one is stored',
      )
    },
  },
  {
    id: 'Q-PUT-1/g',
    title: 'a priority, notBeforeAt or delayMs that is no whole number in its range is a TypeError',
    async run(harness) {
      const queue = await harness.open()
      const wrong: readonly PutOptions[] = [
        { priority: 0.5 },
        { priority: Number.NaN },
        { priority: MAX_PRIORITY + 1 },
        { priority: posingAs('1') },
        { notBeforeAt: -1 },
        { notBeforeAt: 0.5 },
        { notBeforeAt: Number.POSITIVE_INFINITY },
        { delayMs: -1 },
        { delayMs: 0.5 },
        { delayMs: Number.NaN },
        { delayMs: 1, notBeforeAt: 1 },
      ]
      for (const options of wrong) {
        const shown = JSON.stringify(options)
        await refuses(() => queue.put('a', 1, options), `put refuses the options ${shown}`)
        await refuses(() => queue.putMany([{ id: 'a', body: 1, ...options }]), `putMany refuses ${shown}`)
      }
      await checkEmpty(queue, 'nothing is stored of what was refused')
    },
  },
  {
    id: 'Q-PUT-1/h',
    title: 'the store shares no object with its callers: changing one changes nothing stored',
    async run(harness) {
      const queue = await harness.open()
      const body = { list: [1, 2] }
      await queue.put('a', body)
      body.list.push(3)
      const item = await getOne(queue)
      same(item.body, { list: [1, 2] }, 'what is done to a body after put does not reach the store')
      spoil(item.body)
      spoil((await recordOf(queue, 'a')).body)
      same((await recordOf(queue, 'a')).body, { list: [1, 2] }, 'nor what is done to one that was given out')
    },
  },
  {
    id: 'Q-PUT-1/i',
    title: 'an id that was removed may be put again, and is another item: new uid, attempt 0, no history',
    async run(harness) {
      const queue = await harness.open()
      await bring(queue, 'a', 'FAIL')
      const first = await recordOf(queue, 'a')
      same((await queue.remove(['a'])).removed, 1, 'remove takes the item in FAIL away')
      await queue.put('a', 'new')
      const second = await recordOf(queue, 'a')
      check(second.uid !== first.uid, 'the new item has a uid of its own', [first.uid, second.uid])
      same(
        [second.stage, second.attempt, second.uncounted, second.body, second.history, second.reason],
        ['WAITING', 0, 0, 'new', [], undefined],
        'nothing of the old item is left in the new one',
      )
    },
  },
  {
    id: 'Q-PUT-1/j',
    title: 'uids are all different',
    async run(harness) {
      const queue = await harness.open()
      await queue.putMany(Array.from({ length: 30 }, (_, index) => ({ id: `many${index}`, body: null })))
      await Promise.all(Array.from({ length: 10 }, (_, index) => queue.put(`one${index}`, null)))
      const uids = new Set((await recordsOf(queue, 'WAITING')).map((record) => record.uid))
      same(uids.size, 40, '40 items have 40 uids')
    },
  },
  {
    id: 'Q-PUT-2',
    title: 'put of an id that is there, in whatever stage, rejects and changes nothing',
    async run(harness) {
      const queue = await harness.open()
      await oneInEach(queue)
      for (const stage of ['WAITING', 'PROCESSING', 'SUCCESS', 'FAIL']) {
        const id = `in-${stage}`
        const before = await recordOf(queue, id)
        await rejects(
          queue.put(id, 'other', { priority: 9 }),
          'SLUICE_ITEM_EXISTS',
          `put of an id that is in ${stage} is refused`,
        )
        same(await recordOf(queue, id), before, `the item in ${stage} is as it was`)
      }
      same(
        await queue.sizes(),
        { WAITING: 1, PROCESSING: 1, SUCCESS: 1, FAIL: 1 },
        'no item was added by what was refused',
      )
    },
  },
  {
    id: 'Q-PUT-2/a',
    title: 'of 50 concurrent puts of one id through four Queue objects exactly one wins',
    async run(harness) {
      const queues = [await harness.open(), await harness.open(), await harness.open(), await harness.open()]
      const puts = Array.from({ length: 50 }, (_, index) =>
        at(queues, index % 4, 'a queue').put('a', { index }),
      )
      // Why each loser was refused is checked below.
      const ends = await Promise.allSettled(puts)
      const winners = ends.flatMap((end, index) => (end.status === 'fulfilled' ? [index] : []))
      same(winners.length, 1, 'exactly one of 50 puts of one id resolves')
      const losers = puts.filter((_, index) => !winners.includes(index))
      for (const put of losers) await rejects(put, 'SLUICE_ITEM_EXISTS', 'every other put is told why')
      const queue = at(queues, 0, 'a queue')
      same((await recordOf(queue, 'a')).body, { index: winners[0] }, 'the body is that of the put which won')
      same(jobsOf(await queue.get(10)), ['a@1'], 'the item is given out once')
    },
  },
]

function spoil(value: unknown): void {
  const list = value !== null && typeof value === 'object' && 'list' in value ? value.list : undefined
  // A frozen list refuses, and that is as good.
  if (Array.isArray(list) && !Object.isFrozen(list)) list.push('spoilt')
}
