import type { Queue, QueueItem, ReleaseOptions } from '@sluice/core'
import { refuses, resolves, same } from '../../../check.js'
import { posingAs } from '../../../odd-values.js'
import type { QueueCase, QueueHarness } from '../../queue-harness.js'
import { apart, getOne, idsOf, jobsOf, putInTurn, recordOf, spanOf } from '../../queue-walk.js'
import { atEveryPoint, needsCrashing } from '../troubles/crash-points.js'

const HOUR_MS = 3_600_000

/** Q-MOVE-5. */
export const placeCases: readonly QueueCase[] = [
  {
    id: 'Q-MOVE-5',
    title: 'what is given back with keepPlace, by release or settle, goes where it was before its claim',
    async run(harness) {
      const queue = await harness.open()
      await putInTurn(queue, harness, [['a'], ['low', -1], ['b'], ['high', 5], ['c'], ['d']])
      const items = await queue.get(4)
      same(idsOf(items), ['high', 'a', 'b', 'c'], 'four are claimed')
      await apart(queue, harness)
      await queue.put('new', 1)
      await apart(queue, harness)
      // Not in their order, and by both calls.
      await queue.release('c', { attempt: 1, keepPlace: true })
      await giveBack(queue, items.slice(0, 2).toReversed())
      await queue.release('b', { keepPlace: true, delayMs: 0 })
      const order = ['high', 'a', 'b', 'c', 'd', 'new', 'low']
      same(
        idsOf(await (await harness.open()).peek(9)),
        order,
        'another Queue object sees them in their places',
      )
      same(jobsOf(await queue.get(3)), ['high@2', 'a@2', 'b@2'], 'and so they are given out')
      same(jobsOf(await queue.get(9)), ['c@2', 'd@1', 'new@1', 'low@1'], 'those that still waited in between')
    },
  },
  {
    id: 'Q-MOVE-5/a',
    title: 'so it does a second and a third time, while what is released without goes behind',
    async run(harness) {
      const queue = await harness.open()
      await putInTurn(queue, harness, [['a'], ['b'], ['c'], ['d']])
      for (const round of [1, 2, 3]) {
        const items = await queue.get(3)
        same(jobsOf(items), [`a@${round}`, `b@${round}`, `c@${round}`], `claimed the ${round}. time`)
        await apart(queue, harness)
        await giveBack(queue, items.toReversed())
      }
      const [a] = await queue.get(2)
      await apart(queue, harness)
      await queue.release('a', { attempt: a?.attempt ?? 0 })
      await queue.release('b', { keepPlace: true })
      same(idsOf(await queue.peek(9)), ['b', 'c', 'd', 'a'], 'released without it, it goes behind')
      await queue.get(4)
      await apart(queue, harness)
      await queue.put('e', 1)
      await queue.release('d', { keepPlace: true })
      await queue.release('a', { keepPlace: true })
      same(idsOf(await queue.get(9)), ['d', 'a', 'e'], 'behind is then the place that it keeps')
    },
  },
  {
    id: 'Q-MOVE-5/b',
    title: 'the place of an item that was delayed is the one by when it became available',
    async run(harness) {
      const queue = await harness.open()
      const gap = spanOf(queue, 100)
      await queue.put('delayed', 1, { delayMs: gap })
      await queue.put('first', 1)
      await harness.passTime(gap * 2)
      await putInTurn(queue, harness, [['last']])
      await giveBack(queue, await queue.get(2))
      same(idsOf(await queue.peek(9)), ['first', 'delayed', 'last'], 'of a delayed put')
      await queue.get(1)
      await queue.release('first', { delayMs: gap })
      await harness.passTime(gap * 2)
      await putInTurn(queue, harness, [['very last']])
      await giveBack(queue, (await queue.get(3)).toReversed())
      const order = ['delayed', 'last', 'first', 'very last']
      same(idsOf(await queue.peek(9)), order, 'and of a delayed release')
      same(idsOf(await queue.get(9)), order, 'they are given out at once, with no wait left')
    },
  },
  {
    id: 'Q-MOVE-5/c',
    title: 'the place of an item that was requeued is the one by its requeue and its new priority',
    async run(harness) {
      const queue = await harness.open()
      await putInTurn(queue, harness, [['a'], ['b'], ['c', 3]])
      await queue.get(3)
      for (const id of ['b', 'c', 'a']) {
        await queue.fail(id, { attempt: 1 })
        await queue.requeue([id], id === 'c' ? { priority: -3 } : {})
        await apart(queue, harness)
      }
      await giveBack(queue, (await queue.get(2)).toReversed())
      same(idsOf(await queue.peek(9)), ['b', 'a', 'c'], 'in the order of the requeues, by the new priorities')
      await giveBack(queue, (await queue.get(3)).toReversed())
      same(jobsOf(await queue.get(9)), ['b@4', 'a@4', 'c@3'], 'also given back once more')
    },
  },
  {
    id: 'Q-MOVE-5/d',
    title: 'it counts as any other release: the attempt stays, and is uncounted only where that is asked for',
    async run(harness) {
      const queue = await harness.open()
      await putInTurn(queue, harness, [['a'], ['b']])
      const expect = async (attempt: number, uncounted: number, what: string) => {
        const record = await recordOf(queue, 'a')
        same([record.stage, record.attempt, record.uncounted], ['WAITING', attempt, uncounted], what)
        same(record.history.map((one) => one.outcome).at(-1), 'WAITING', 'and the history says how it ended')
        same((await getOne(queue)).id, 'a', 'it is the first again')
      }
      await getOne(queue)
      await queue.release('a', { attempt: 1, keepPlace: true, reason: 'paused' })
      same((await recordOf(queue, 'a')).reason, 'paused', 'the reason is kept')
      await expect(1, 0, 'a plain one counts')
      await queue.release('a', { attempt: 2, keepPlace: true, countAttempt: false })
      await expect(2, 1, 'an uncounted one does not')
      await queue.settle([{ id: 'a', attempt: 3, stage: 'WAITING', keepPlace: true, unsent: true }])
      await expect(3, 2, 'nor does one that was never sent')
      await queue.release('a', { attempt: 4, keepPlace: true, unsent: true, countAttempt: false })
      await expect(4, 3, 'and nothing is uncounted twice')
    },
  },
  {
    id: 'Q-MOVE-5/e',
    title: 'keepPlace with a delay, or that is no boolean, is a TypeError, and nothing moves',
    async run(harness) {
      const queue = await harness.open()
      await queue.put('a', 1)
      await queue.get(1)
      const before = await recordOf(queue, 'a')
      const wrong: readonly ReleaseOptions[] = [
        { keepPlace: true, delayMs: 1 },
        { keepPlace: true, delayMs: HOUR_MS },
        { keepPlace: posingAs('yes') },
        { keepPlace: posingAs(1) },
        { unsent: posingAs('no') },
        { countAttempt: posingAs(0) },
      ]
      for (const options of wrong) {
        const shown = JSON.stringify(options)
        await refuses(() => queue.release('a', options), `release refuses ${shown}`)
        const outcome = { id: 'a', attempt: 1, stage: 'WAITING', ...options } as const
        await refuses(() => queue.settle([outcome]), `settle refuses ${shown}`)
      }
      same(await recordOf(queue, 'a'), before, 'the item is as it was')
      await queue.release('a', { keepPlace: false, delayMs: HOUR_MS })
      same(await queue.get(1), [], 'keepPlace: false forbids no delay')
    },
  },
  {
    id: 'Q-MOVE-5/f',
    title: 'a repeat of it, as of any move, succeeds and changes nothing, be it with or without',
    async run(harness) {
      const queue = await harness.open()
      await putInTurn(queue, harness, [['a'], ['b'], ['c']])
      await queue.get(2)
      await apart(queue, harness)
      await queue.release('a', { attempt: 1, keepPlace: true, countAttempt: false })
      await queue.release('b', { attempt: 1 })
      const before = [await recordOf(queue, 'a'), await recordOf(queue, 'b')]
      await resolves(
        queue.release('a', { attempt: 1, keepPlace: true, countAttempt: false }),
        'the same again',
      )
      await resolves(queue.release('a', { attempt: 1, delayMs: HOUR_MS }), 'and without it')
      await resolves(queue.release('b', { attempt: 1, keepPlace: true }), 'and with it afterwards')
      same([await recordOf(queue, 'a'), await recordOf(queue, 'b')], before, 'the records are as they were')
      same(idsOf(await queue.get(9)), ['a', 'c', 'b'], 'and so are the places')
    },
  },
  {
    id: 'Q-MOVE-5/g',
    title: 'a process that dies at any point of it leaves the item whole; repeated, it is in its place',
    needs: needsCrashing,
    run: crashed,
  },
]

async function crashed(harness: QueueHarness): Promise<void> {
  const queue = await harness.open()
  await atEveryPoint(harness, async (crashing, point) => {
    const ids = [0, 1, 2, 3].map((index) => `p${point}-${index}`)
    await putInTurn(
      queue,
      harness,
      ids.map((id) => [id] as const),
    )
    const items = await queue.get(3)
    await apart(queue, harness)
    // The process dies in it, or it went through: what is stored says which.
    await giveBack(crashing, items).catch(() => undefined)
    for (const { id, body } of items) {
      const record = await recordOf(queue, id)
      same(
        [record.attempt, record.body],
        [1, body],
        `${id} is at the attempt that was claimed, its body intact`,
      )
    }
    await resolves(giveBack(queue, items), 'it can be repeated by another process')
    same(
      jobsOf(await queue.get(9)),
      ids.map((id, index) => `${id}@${index < 3 ? 2 : 1}`),
      'all are in their places',
    )
    await queue.settle(ids.map((id, index) => ({ id, attempt: index < 3 ? 2 : 1, stage: 'SUCCESS' })))
    same((await queue.remove(ids)).removed, ids.length, 'and can be finished and removed')
  })
}

async function giveBack(queue: Queue, items: readonly QueueItem[]): Promise<void> {
  const report = await queue.settle(
    items.map(({ id, attempt }) => ({ id, attempt, stage: 'WAITING', keepPlace: true })),
  )
  same(report, { settled: items.length, refused: [] }, 'what was claimed can be given back')
}
