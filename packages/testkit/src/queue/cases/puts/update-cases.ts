import type { ItemChange, Queue } from '@sluice/core'
import { check, refuses, same } from '../../../check.js'
import { bodies, posingAs } from '../../../odd-values.js'
import type { QueueCase } from '../../queue-harness.js'
import { apart, bring, getOne, idsOf, jobsOf, oneInEach, putInTurn, recordOf } from '../../queue-walk.js'

const HOUR_MS = 3_600_000
const ROUNDS = 8
/** Of races, in each of which forty items are put, changed, claimed and looked up. */
const RACES = 4
const RACERS = 40

/** Q-UPDATE-1 to Q-UPDATE-3. */
export const updateCases: readonly QueueCase[] = [
  {
    id: 'Q-UPDATE-1',
    title:
      'update changes the body, the priority or the delay of items that wait, and the next get gives them so',
    async run(harness) {
      const queue = await harness.open()
      await putInTurn(queue, harness, [['a'], ['b'], ['c']])
      const before = await recordOf(queue, 'a')
      const now = await queue.now()
      const report = await queue.update([
        { id: 'a', uid: before.uid, body: { new: [1, null] } },
        { id: 'b', priority: 7 },
        { id: 'c', body: 'later', priority: -1, notBeforeAt: now + HOUR_MS },
      ])
      same(report, { updated: 3, skipped: [] }, 'all three are changed')
      const other = await harness.open()
      same(
        await recordOf(other, 'a'),
        { ...before, body: { new: [1, null] } },
        'of a the body alone is another',
      )
      const c = await recordOf(other, 'c')
      same([c.body, c.priority, c.notBeforeAt], ['later', -1, now + HOUR_MS], 'c has all that was given')
      const items = await other.get(5)
      same(jobsOf(items), ['b@1', 'a@1'], 'they are given out by their new priorities, c not yet')
      same(
        items.map(({ body }) => body),
        [null, { new: [1, null] }],
        'with their bodies',
      )
      same(await queue.update([]), { updated: 0, skipped: [] }, 'update of nothing changes nothing')
    },
  },
  {
    id: 'Q-UPDATE-1/a',
    title:
      'with claims in flight, what an update acknowledged is what the claim gives, and what it skipped is not',
    async run(harness) {
      const queues = await Promise.all([harness.open(), harness.open(), harness.open(), harness.open()])
      for (let round = 0; round < RACES; round++) await race(queues, round)
    },
  },
  {
    id: 'Q-UPDATE-1/b',
    title:
      'of updates of one item at once each is done whole or before another: body and priority belong together',
    async run(harness) {
      const queues = await Promise.all([harness.open(), harness.open()])
      for (let round = 0; round < ROUNDS; round++) {
        const id = `i${round}`
        await queues[0].put(id, 0)
        const numbers = [1, 2, 3, 4, 5, 6]
        const reports = await Promise.all(
          numbers.map((n) => queues[n % 2 === 0 ? 0 : 1].update([{ id, body: n, priority: n }])),
        )
        same(
          reports.map(({ updated }) => updated),
          [1, 1, 1, 1, 1, 1],
          'all are done',
        )
        const { body, priority } = await recordOf(queues[1], id)
        same(body, priority, 'the body and the priority are of one and the same update')
        await queues[0].remove([id])
      }
    },
  },
  {
    id: 'Q-UPDATE-1/c',
    title: 'every shape of JSON is held as a new body, long after short and short after long',
    async run(harness) {
      const queue = await harness.open()
      await queue.put('a', 0)
      for (const body of bodies) {
        same(await queue.update([{ id: 'a', body }]), { updated: 1, skipped: [] }, 'the body is changed')
        same((await recordOf(queue, 'a')).body, body, 'and comes back deep-equal')
      }
      same((await getOne(queue)).body, bodies.at(-1), 'the last one is given out')
    },
  },
  {
    id: 'Q-UPDATE-2',
    title:
      'what is not WAITING, not there, of another uid or named before is skipped with its reason, and unchanged',
    async run(harness) {
      const queue = await harness.open()
      await oneInEach(queue)
      await queue.put('mine', 1)
      const ids = ['in-WAITING', 'in-PROCESSING', 'in-SUCCESS', 'in-FAIL', 'mine']
      const before = await Promise.all(ids.map((id) => recordOf(queue, id)))
      const { uid = '' } = before[0] ?? {}
      const change = { body: 'new', priority: 9, notBeforeAt: 0 }
      const report = await queue.update([
        { id: 'in-PROCESSING', ...change },
        { id: 'unknown', ...change },
        { id: 'in-SUCCESS', ...change },
        { id: 'in-WAITING', ...change, uid: 'unknown' },
        { id: 'in-FAIL', ...change },
        { id: 'in-PROCESSING', body: 'again' },
        { id: 'mine', ...change, uid },
      ])
      const skipped = [
        ['in-PROCESSING', 'wrong-stage'],
        ['unknown', 'not-found'],
        ['in-SUCCESS', 'wrong-stage'],
        ['in-WAITING', 'not-current'],
        ['in-FAIL', 'wrong-stage'],
        ['in-PROCESSING', 'repeated'],
        ['mine', 'not-current'],
      ].map(([id, reason]) => ({ id, reason }))
      same(report, { updated: 0, skipped }, 'all are skipped, in the order of the call')
      same(await Promise.all(ids.map((id) => recordOf(queue, id))), before, 'and are as they were')
      const twice = await queue.update([
        { id: 'in-WAITING', body: 'first' },
        { id: 'in-WAITING', body: 'second' },
      ])
      const repeated = { id: 'in-WAITING', reason: 'repeated' }
      same(twice, { updated: 1, skipped: [repeated] }, 'of two of one id the first counts')
      same((await recordOf(queue, 'in-WAITING')).body, 'first', 'and is what is stored')
    },
  },
  {
    id: 'Q-UPDATE-2/a',
    title:
      'a change that says nothing or something wrong is a TypeError that names its index, and none is made',
    async run(harness) {
      const queue = await harness.open()
      await queue.put('a', 1)
      const before = await recordOf(queue, 'a')
      const wrong: readonly ItemChange[] = [
        { id: 'a' },
        { id: 'a', uid: 'u' },
        { id: '', body: 1 },
        { id: 'a', body: posingAs(undefined) },
        { id: 'a', body: posingAs(Number.NaN) },
        { id: 'a', body: 'x'.repeat(queue.supports.maxBodyBytes) },
        { id: 'a', body: 2, uid: posingAs(1) },
        { id: 'a', body: 2, priority: 0.5 },
        { id: 'a', body: 2, notBeforeAt: -1 },
        { id: 'a', body: 2, notBeforeAt: posingAs('now') },
      ]
      for (const change of wrong) {
        const what = `update refuses ${JSON.stringify(change).slice(0, 60)}`
        const { message } = await refuses(() => queue.update([{ id: 'a', body: 2 }, change]), what)
        check(message.includes('[1]'), 'the message names the index, 1', message)
      }
      same(await recordOf(queue, 'a'), before, 'the item is as it was')
    },
  },
  {
    id: 'Q-UPDATE-3',
    title:
      'a new body keeps the place; a new priority the turn in it; a new instant gives the place of an item put then',
    async run(harness) {
      const queue = await harness.open()
      await putInTurn(queue, harness, [['a'], ['b'], ['c'], ['d'], ['high', 5]])
      const order = async () => idsOf(await (await harness.open()).peek(9))
      await queue.update([{ id: 'b', body: 2 }])
      await queue.update([{ id: 'c', body: 2, priority: 0 }])
      same(await order(), ['high', 'a', 'b', 'c', 'd'], 'a body alone, and the same priority, keep the place')
      await queue.update([{ id: 'd', priority: 5 }])
      same(
        await order(),
        ['d', 'high', 'a', 'b', 'c'],
        'in another priority it stands by when it became available',
      )
      await queue.update([{ id: 'high', priority: 0 }])
      same(await order(), ['d', 'a', 'b', 'c', 'high'], 'also below, behind those that came before it')
      await queue.update([{ id: 'a', notBeforeAt: 0 }])
      same(
        await order(),
        ['d', 'b', 'c', 'high', 'a'],
        'a new instant, now, puts it behind all of its priority',
      )
      await apart(queue, harness)
      await queue.put('new', 1)
      await queue.update([{ id: 'b', notBeforeAt: (await queue.now()) + HOUR_MS }])
      same(await order(), ['d', 'c', 'high', 'a', 'new'], 'what must not be given out yet is not')
      same(idsOf(await queue.get(9)), ['d', 'c', 'high', 'a', 'new'], 'so they are given out')
      await queue.update([{ id: 'b', notBeforeAt: 0 }])
      same(jobsOf(await queue.get(9)), ['b@1'], 'what was delayed is given out once it is now')
    },
  },
  {
    id: 'Q-UPDATE-3/a',
    title: 'update raises no attempt and leaves what is known of the attempts so far; it can be repeated',
    async run(harness) {
      const queue = await harness.open()
      await bring(queue, 'a', 'PROCESSING')
      await queue.release('a', {
        attempt: 1,
        countAttempt: false,
        reason: 'why',
        retryState: { n: 1 },
        failureClass: 'evicted',
      })
      const { body: _, priority: __, notBeforeAt: ___, ...before } = await recordOf(queue, 'a')
      const change = { id: 'a', body: 'new', priority: 3, notBeforeAt: 0 }
      for (const time of ['first', 'second']) {
        same(await queue.update([change]), { updated: 1, skipped: [] }, `it is done the ${time} time`)
        const { body, priority, notBeforeAt: ____, ...after } = await recordOf(queue, 'a')
        same([body, priority], ['new', 3], 'the body and the priority are the new ones')
        same(after, before, 'all else is as it was')
      }
      await apart(queue, harness)
      const item = await getOne(queue)
      same(
        [item.attempt, item.uncounted, item.retryState],
        [2, 1, { n: 1 }],
        'the next attempt is the second',
      )
      same(await queue.sizes(), { WAITING: 0, PROCESSING: 1, SUCCESS: 0, FAIL: 0 }, 'and it is counted once')
    },
  },
]

/**
 * Updates and claims of the same items at once: for each item one of the two is first, and both know which.
 */
async function race(queues: readonly Queue[], round: number): Promise<void> {
  const [one, two, ...claimers] = queues
  if (one === undefined || two === undefined) return
  const ids = Array.from({ length: RACERS }, (_, index) => `r${round}-${index}`)
  await one.putMany(ids.map((id) => ({ id, body: 'old' })))
  const told = new Map<string, string>()
  const update = async (queue: Queue, own: readonly string[]) => {
    const { skipped } = await queue.update(own.map((id) => ({ id, body: 'new' })))
    for (const id of own) told.set(id, skipped.find((one) => one.id === id)?.reason ?? 'updated')
  }
  const given = new Map<string, unknown>()
  const claim = async (queue: Queue) => {
    for (let items = await queue.get(4); items.length > 0; items = await queue.get(4)) {
      for (const { id, body } of items) given.set(id, body)
    }
  }
  const chunks = Array.from({ length: RACERS / 4 }, (_, index) => ids.slice(index * 4, index * 4 + 4))
  await Promise.all([
    ...claimers.map(claim),
    ...chunks.map((chunk, index) => update(index % 2 === 0 ? one : two, chunk)),
  ])
  await claim(one)
  same(given.size, RACERS, 'every item is given out')
  for (const id of ids) {
    const expected = told.get(id) === 'updated' ? 'new' : 'old'
    const why = `${id}: the update said ${told.get(id)}`
    same(given.get(id), expected, `${why}, and the claim gives that body`)
    same((await recordOf(two, id)).body, expected, `${why}, and the item has that body`)
  }
  const outcomes = ids.map((id) => ({ id, attempt: 1, stage: 'SUCCESS' as const }))
  same((await one.settle(outcomes)).settled, RACERS, 'all can be finished')
}
