import type { ItemRef, Queue } from '@sluice/core'
import { check, refuses, same, sameMembers } from '../../../check.js'
import { posingAs } from '../../../odd-values.js'
import type { QueueCase } from '../../queue-harness.js'
import { apart, bringAll, idsOf, jobsOf, oneInEach, putInTurn, recordOf, spanOf } from '../../queue-walk.js'
import { needsSelection, refsOf, selecting } from './selecting.js'

const HOUR_MS = 3_600_000
/** As large as a body may be nearly everywhere. */
const LARGE_BYTES = 1_048_576

/** Q-GET-6. */
export const namedClaimCases: readonly QueueCase[] = [
  {
    id: 'Q-GET-6',
    title:
      'getItems claims the items that it names, wherever they stand, and gives them in the order of the call',
    needs: needsSelection,
    async run(harness) {
      const queue = await harness.open()
      await putInTurn(queue, harness, [['a'], ['high', 5], ['c'], ['d'], ['e']])
      const refs = await refsOf(queue, ['e', 'a', 'd'])
      const before = await queue.now()
      const items = await selecting(queue).getItems([...refs, ...refs.slice(0, 2)])
      same(jobsOf(items), ['e@1', 'a@1', 'd@1'], 'each once, in the order of the call, at attempt 1')
      for (const item of items) {
        const { stage, uncounted, body, priority, claimedAt = 0 } = item
        same([stage, uncounted, body, priority], ['PROCESSING', 0, null, 0], `${item.id} comes whole`)
        check(claimedAt >= item.putAt && claimedAt >= before - 1_000, 'it says when it was claimed', item)
        const { attempt, history } = await recordOf(await harness.open(), item.id)
        same([attempt, history.map((one) => one.attempt)], [1, [1]], 'as lookup does')
      }
      same(await queue.sizes(), { WAITING: 2, PROCESSING: 3, SUCCESS: 0, FAIL: 0 }, 'and no other is claimed')
      same(jobsOf(await queue.get(9)), ['high@1', 'c@1'], 'get gives the others')
      await queue.success('e', { attempt: 1 })
      same((await recordOf(queue, 'e')).stage, 'SUCCESS', 'what was claimed by name is moved as any')
    },
  },
  {
    id: 'Q-GET-6/a',
    title: 'what get could not give out now is left out: unknown, of another uid, elsewhere, or not due',
    needs: needsSelection,
    async run(harness) {
      const queue = await harness.open()
      const { getItems } = selecting(queue)
      await oneInEach(queue)
      await queue.put('later', 1, { delayMs: HOUR_MS })
      await queue.put('again', 1)
      const [old] = await refsOf(queue, ['again'])
      await queue.remove(['again'])
      await queue.put('again', 2)
      const ids = ['in-PROCESSING', 'in-SUCCESS', 'in-FAIL', 'later', 'again']
      const before = await Promise.all(ids.map((id) => recordOf(queue, id)))
      const out: ItemRef[] = [
        ...(await refsOf(queue, ['in-PROCESSING', 'in-SUCCESS', 'in-FAIL', 'later'])),
        { id: 'again', uid: old?.uid ?? '' },
        { id: 'unknown', uid: old?.uid ?? '' },
        { id: 'in-WAITING', uid: 'another' },
        { id: 'in-WAITING', uid: '' },
      ]
      same(await getItems(out), [], 'none of them is given')
      same(await getItems([]), [], 'nor anything of no names')
      same(await Promise.all(ids.map((id) => recordOf(queue, id))), before, 'and all are as they were')
      const items = await getItems([...out, ...(await refsOf(queue, ['in-WAITING', 'again']))])
      same(jobsOf(items), ['in-WAITING@1', 'again@1'], 'among them what can be given is')
      same(items[1]?.body, 2, 'the item that is there now')
    },
  },
  {
    id: 'Q-GET-6/b',
    title: 'names that are none are a TypeError that says which, and nothing moves',
    needs: needsSelection,
    async run(harness) {
      const queue = await harness.open()
      const { getItems } = selecting(queue)
      await queue.put('a', 1)
      const good = await refsOf(queue, ['a'])
      for (const wrong of [null, undefined, 'a', {}, { id: 'a' }, { uid: 'u' }, { id: '', uid: 'u' }]) {
        const what = `getItems refuses ${JSON.stringify(wrong) ?? 'undefined'}`
        const { message } = await refuses(() => getItems([...good, posingAs(wrong)]), what)
        check(message.includes('[1]'), 'its message says which', message)
      }
      for (const wrong of [undefined, 'a', 1, {}]) {
        await refuses(() => getItems(posingAs(wrong)), `getItems refuses ${JSON.stringify(wrong)} as a list`)
      }
      same((await queue.sizes()).WAITING, 1, 'the item waits')
    },
  },
  {
    id: 'Q-GET-6/c',
    title: 'of large items it may give fewer than it could, and [] only when it can give none',
    needs: needsSelection,
    async run(harness) {
      const queue = await harness.open()
      const ids = Array.from({ length: 12 }, (_, index) => `i${index}`)
      const body = 'x'.repeat(Math.min(queue.supports.maxBodyBytes, LARGE_BYTES) - 2)
      for (const id of ids) await queue.put(id, body)
      const refs = await refsOf(queue, ids)
      const given: string[] = []
      const next = () => selecting(queue).getItems(refs)
      for (let items = await next(); items.length > 0; items = await next()) {
        check(
          items.every((item) => item.body === body),
          'each comes with its body',
        )
        given.push(...jobsOf(items))
      }
      sameMembers(
        given,
        ids.map((id) => `${id}@1`),
        'repeated until [] it gives each item once',
      )
    },
  },
  {
    id: 'Q-GET-6/d',
    title:
      'an item is named again after each return: released, to its place too, requeued, updated, come due',
    needs: needsSelection,
    async run(harness) {
      const queue = await harness.open()
      const gap = spanOf(queue, 100)
      await putInTurn(queue, harness, [['first'], ['a']])
      const refs = await refsOf(queue, ['a'])
      const returns: readonly (() => Promise<unknown>)[] = [
        () => queue.release('a', { countAttempt: false, retryState: 1 }),
        () => queue.release('a', { keepPlace: true }),
        () => queue.fail('a').then(() => queue.requeue(['a'])),
        () => queue.release('a').then(() => queue.update([{ id: 'a', priority: 3 }])),
        () => queue.release('a', { delayMs: gap }).then(() => harness.passTime(gap * 2)),
      ]
      for (const [index, comeBack] of returns.entries()) {
        same(
          jobsOf(await selecting(queue).getItems(refs)),
          [`a@${index + 1}`],
          `attempt ${index + 1} is given`,
        )
        if (index === 1) same((await recordOf(queue, 'a')).uncounted, 1, 'what did not count does not')
        await comeBack()
        await apart(queue, harness)
      }
      same(jobsOf(await queue.get(9)), ['a@6', 'first@1'], 'a get gives the next one, by its priority')
    },
  },
  {
    id: 'Q-GET-7',
    title: 'getItems and get at once, of several Queue objects, give every item exactly once between them',
    needs: needsSelection,
    async run(harness) {
      const queues = await Promise.all([0, 1, 2, 3].map(() => harness.open()))
      const [first] = queues
      if (first === undefined) return
      for (let round = 0; round < 3; round++) {
        const ids = Array.from({ length: 24 }, (_, index) => `r${round}-${index}`)
        await bringAll(first, ids, 'WAITING')
        const refs = await refsOf(first, ids)
        const given = await Promise.all(
          queues.flatMap((queue, index) => [
            selecting(queue).getItems(index % 2 === 0 ? refs : refs.toReversed()),
            queue.get(5),
            selecting(queue).getItems(refs.slice(index * 6, index * 6 + 6)),
          ]),
        )
        const rest = await untilNone(() => selecting(first).getItems(refs))
        sameMembers(
          jobsOf([...given.flat(), ...rest]),
          ids.map((id) => `${id}@1`),
          'each is given once',
        )
      }
    },
  },
  {
    id: 'Q-GET-7/a',
    title: 'with claims by name, gets and releases going on at once, no (id, attempt) is given out twice',
    needs: needsSelection,
    async run(harness) {
      const queues = await Promise.all([harness.open(), harness.open(), harness.open()])
      const ids = Array.from({ length: 12 }, (_, index) => `i${index}`)
      await bringAll(queues[0], ids, 'WAITING')
      const refs = await refsOf(queues[0], ids)
      const given: string[] = []
      const work = async (queue: Queue, turn: number) => {
        for (let round = 0; round < 8; round++) {
          const items = await ((round + turn) % 3 === 0 ? queue.get(4) : selecting(queue).getItems(refs))
          given.push(...jobsOf(items))
          const keepPlace = round % 2 === 0
          const moves = items.map(({ id, attempt }) => ({
            id,
            attempt,
            stage: 'WAITING' as const,
            keepPlace,
          }))
          same(await queue.settle(moves), { settled: moves.length, refused: [] }, 'each can be given back')
        }
      }
      await Promise.all(queues.map(work))
      same(new Set(given).size, given.length, `${given.length} were given out, none of them twice`)
      check(given.length > 0, 'items were given out')
      sameMembers(idsOf(await queues[0].get(99)), ids, 'and all are there still')
    },
  },
]

/** Claims until nothing is given; bounded, so that a queue which gives for ever fails instead of hanging. */
async function untilNone<T>(claim: () => Promise<readonly T[]>): Promise<T[]> {
  const given: T[] = []
  for (let round = 0; round < 200; round++) {
    const items = await claim()
    if (items.length === 0) return given
    given.push(...items)
  }
  throw new Error('getItems still gives items after 200 rounds')
}
