import { MAX_PAGE_ITEMS, type Queue } from '@sluice/core'
import { check, refuses, same, sameMembers } from '../../../check.js'
import { posingAs } from '../../../odd-values.js'
import type { QueueCase, QueueHarness } from '../../queue-harness.js'
import { apart, headsOf, idsOf, jobsOf, oneInEach, putInTurn, recordOf, spanOf } from '../../queue-walk.js'
import { allAhead, cursorAfter, needsLimitKeys, needsSelection, refsOf, selecting } from './selecting.js'

const HOUR_MS = 3_600_000
const SIZES = [1, 2, 5, 100, MAX_PAGE_ITEMS]

/** Q-PEEK-1 to Q-PEEK-3. */
export const peekCases: readonly QueueCase[] = [
  {
    id: 'Q-PEEK-1',
    title: 'peekSummaries gives the summaries of what get would give, in its order, and moves nothing',
    needs: needsSelection,
    async run(harness) {
      const queue = await harness.open()
      same(await selecting(queue).peekSummaries(5), { items: [] }, 'of an empty queue it is one empty page')
      await oneInEach(queue)
      await putInTurn(queue, harness, [['b'], ['high', 5], ['c'], ['low', -1]])
      await queue.put('later', 1, { delayMs: HOUR_MS })
      const { items, cursor } = await selecting(await harness.open()).peekSummaries(9)
      const order = ['high', 'in-WAITING', 'b', 'c', 'low']
      same([idsOf(items), cursor], [order, undefined], 'it has what may be given out, in the order of get')
      const heads = await headsOf(queue, 'WAITING')
      same(
        items,
        order.map((id) => heads.find((head) => head.id === id)),
        'as listSummaries shows it',
      )
      same(
        idsOf((await selecting(queue).peekSummaries(2)).items),
        ['high', 'in-WAITING'],
        'of two, the first two',
      )
      same(await queue.sizes(), { WAITING: 6, PROCESSING: 1, SUCCESS: 1, FAIL: 1 }, 'nothing moved')
      same(
        jobsOf(await queue.get(9)),
        order.map((id) => `${id}@1`),
        'get gives them so',
      )
    },
  },
  {
    id: 'Q-PEEK-1/a',
    title:
      'it shows an item from when its notBeforeAt has come, and after a release in the place that it has then',
    needs: needsSelection,
    async run(harness) {
      const queue = await harness.open()
      const gap = spanOf(queue, 100)
      await putInTurn(queue, harness, [['a'], ['b'], ['c']])
      await queue.get(2)
      await queue.release('b', { keepPlace: true })
      await queue.release('a')
      same(idsOf(await allAhead(queue, 2)), ['b', 'c', 'a'], 'b in its place, a behind')
      await queue.put('later', 1, { delayMs: gap })
      await harness.passTime(gap * 2)
      await queue.put('d', 1)
      const order = ['b', 'c', 'a', 'later', 'd']
      sameMembers(idsOf(await allAhead(queue, 2)), order, 'what is due is there')
      same(idsOf(await allAhead(queue, 3)), idsOf(await queue.peek(9)), 'in the order of peek')
    },
  },
  {
    id: 'Q-PEEK-1/b',
    title: `a count that is no whole number from 1 to ${MAX_PAGE_ITEMS}, a foreign cursor and a wrong key are TypeErrors`,
    needs: needsSelection,
    async run(harness) {
      const queue = await harness.open()
      await queue.put('a', 1)
      const { peekSummaries } = selecting(queue)
      for (const wrong of [0, -1, 0.5, MAX_PAGE_ITEMS + 1, Number.NaN, '1', undefined, null]) {
        await refuses(() => peekSummaries(posingAs(wrong)), `peekSummaries refuses ${String(wrong)}`)
      }
      for (const after of [1, null, '', 'no cursor', '{}']) {
        const what = `peekSummaries refuses the cursor ${JSON.stringify(after)}`
        await refuses(() => peekSummaries(1, { after: posingAs(after) }), what)
      }
      for (const limitKey of ['', 'a\0', 1, null]) {
        const what = `peekSummaries refuses the key ${JSON.stringify(limitKey)}`
        await refuses(() => peekSummaries(1, { limitKey: posingAs(limitKey) }), what)
      }
    },
  },
  {
    id: 'Q-PEEK-2',
    title: 'with no writer, paging gives each item once and in order, whatever the size of the pages',
    needs: needsSelection,
    async run(harness) {
      const queue = await harness.open()
      await mixture(queue, harness)
      const order = idsOf(await queue.peek(100))
      check(order.length === 20, 'twenty may be given out', order)
      for (const size of SIZES) same(idsOf(await allAhead(queue, size)), order, `so by pages of ${size}`)
    },
  },
  {
    id: 'Q-PEEK-2/a',
    title: 'with writers, paging gives each item once that could be given out throughout, in order',
    needs: needsSelection,
    async run(harness) {
      const [queue, writer] = [await harness.open(), await harness.open()]
      await mixture(queue, harness)
      const order = idsOf(await queue.peek(100))
      const { peekSummaries } = selecting(queue)
      const seen: string[] = []
      let cursor = await cursorAfter(queue, order.slice(0, 3))
      seen.push(...order.slice(0, 3))
      const goes = disturbance(writer, order)
      for (let page = 0; page < 50; page++) {
        await goes(page)
        const { items, cursor: next } = await peekSummaries(3, { after: cursor })
        seen.push(...idsOf(items))
        if (next === undefined) break
        cursor = next
      }
      const stayed = order.filter((id) => !GOING.includes(order.indexOf(id)))
      same(
        seen.filter((id) => stayed.includes(id)),
        stayed,
        'each item that stayed was given once, in order, although others came and went between the pages',
      )
      check(!seen.includes(order[5] ?? ''), 'what was claimed before its page came is not given', seen)
    },
  },
  {
    id: 'Q-PEEK-2/b',
    title:
      'a cursor goes on behind the items of its page when they are all gone, and when they come back elsewhere',
    needs: needsSelection,
    async run(harness) {
      const queue = await harness.open()
      await putInTurn(queue, harness, [['a'], ['b'], ['c'], ['d'], ['e']])
      const { peekSummaries } = selecting(queue)
      const after = await cursorAfter(queue, ['a', 'b'])
      await queue.get(2)
      same(idsOf((await peekSummaries(9, { after })).items), ['c', 'd', 'e'], 'it goes on behind them')
      await queue.release('b', { attempt: 1, keepPlace: true })
      same(
        idsOf((await peekSummaries(9, { after })).items),
        ['c', 'd', 'e'],
        'what is back in its place is behind it',
      )
      await apart(queue, harness)
      await queue.release('a', { attempt: 1 })
      same(
        idsOf((await peekSummaries(9, { after })).items),
        ['c', 'd', 'e', 'a'],
        'what stands at the end is ahead',
      )
      await queue.remove(['b', 'c', 'd', 'e', 'a'].filter((id) => id !== 'a'))
      await queue.get(9)
      same(await peekSummaries(9, { after }), { items: [] }, 'with nothing ahead it is one empty page')
    },
  },
  {
    id: 'Q-PEEK-3',
    title: 'with a limit key it gives the items of that key and no other, in order, by pages of any size',
    needs: needsLimitKeys,
    async run(harness) {
      const queue = await harness.open()
      for (const [index, limitKey] of ['x', 'y', 'x', 'X', 'x ', 'x', 'y', 'x'].entries()) {
        await queue.put(`i${index}`, 1, { limitKey, priority: index === 5 ? 1 : 0 })
        await apart(queue, harness)
      }
      await queue.put('later', 1, { limitKey: 'x', delayMs: HOUR_MS })
      await queue.put('none', 1)
      for (const size of SIZES) {
        const ofKey = async (limitKey: string) => idsOf(await allAhead(queue, size, { limitKey }))
        same(await ofKey('x'), ['i5', 'i0', 'i2', 'i7'], `of x by pages of ${size}`)
        same(
          [await ofKey('y'), await ofKey('X'), await ofKey('x ')],
          [['i1', 'i6'], ['i3'], ['i4']],
          'of others',
        )
        same(await ofKey('none'), [], 'of a key that no item has')
      }
    },
  },
  {
    id: 'Q-PEEK-3/a',
    title: 'items enter and leave the list of their key as they may be given out or not',
    needs: needsLimitKeys,
    async run(harness) {
      const queue = await harness.open()
      const ofKey = async () => idsOf(await allAhead(queue, 2, { limitKey: 'k' }))
      for (const id of ['a', 'b', 'c', 'd', 'e']) {
        await queue.put(id, 1, { limitKey: 'k' })
        await apart(queue, harness)
      }
      await queue.get(2)
      same(await ofKey(), ['c', 'd', 'e'], 'what is claimed is not there')
      await queue.release('b', { attempt: 1, keepPlace: true })
      same(await ofKey(), ['b', 'c', 'd', 'e'], 'what is back in its place is')
      await queue.fail('a', { attempt: 1 })
      await queue.requeue(['a'])
      await apart(queue, harness)
      same(await ofKey(), ['b', 'c', 'd', 'e', 'a'], 'what is requeued is at the end')
      await queue.remove(['d'])
      await selecting(queue).getItems(await refsOf(queue, ['c']))
      await queue.update([{ id: 'e', priority: 3 }])
      same(await ofKey(), ['e', 'b', 'a'], 'removed, claimed by name, and in another priority')
      await queue.update([{ id: 'b', notBeforeAt: (await queue.now()) + HOUR_MS }])
      same(await ofKey(), ['e', 'a'], 'what must not be given out yet is not there')
      same((await recordOf(queue, 'b')).limitKey, 'k', 'and has its key still')
    },
  },
]

/** Twenty items that may be given out, of three priorities; some were claimed and are back. */
async function mixture(queue: Queue, harness: QueueHarness): Promise<void> {
  await putInTurn(
    queue,
    harness,
    Array.from({ length: 18 }, (_, index) => [`i${index}`, index % 3] as const),
  )
  await queue.get(4)
  await queue.settle(
    ['i2', 'i5'].map((id) => ({ id, attempt: 1, stage: 'WAITING', keepPlace: true, unsent: true })),
  )
  await queue.settle(['i8', 'i11'].map((id) => ({ id, attempt: 1, stage: 'WAITING' })))
  await apart(queue, harness)
  await putInTurn(queue, harness, [
    ['last', -1],
    ['lowest', -2],
  ])
}

/** Which of the items, by their places in the order, go or change theirs meanwhile. */
const GOING = [0, 1, 5, 8, 11, 14]

function disturbance(writer: Queue, order: readonly string[]): (page: number) => Promise<void> {
  const [first = '', second = '', sixth = '', ninth = '', twelfth = '', fifteenth = ''] = GOING.map(
    (index) => order[index] ?? '',
  )
  const steps = [
    async () => {
      await writer.get(2)
      await selecting(writer).getItems(await refsOf(writer, [sixth]))
      await writer.put('new', 1, { priority: 9 })
    },
    async () => {
      await writer.remove([ninth])
      await writer.release(first, { attempt: (await recordOf(writer, first)).attempt })
      await writer.put('new at the end', 1, { priority: -9 })
    },
    async () => {
      await writer.update([{ id: twelfth, priority: 7 }])
      await writer.update([{ id: fifteenth, notBeforeAt: 0 }])
      await writer.fail(second, { attempt: (await recordOf(writer, second)).attempt })
    },
  ]
  return async (page) => steps[page]?.()
}
