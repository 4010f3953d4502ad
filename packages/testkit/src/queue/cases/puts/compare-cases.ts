import type { JsonValue } from '@sluice/core'
import { same } from '../../../check.js'
import { bodies } from '../../../odd-values.js'
import type { QueueCase } from '../../queue-harness.js'
import { contentOf, oneInEach, recordOf } from '../../queue-walk.js'

/** Pairs that a comparison of texts, or of one level alone, takes for what they are not. */
const PAIRS: readonly (readonly [
  is: 'exists-same' | 'exists-changed',
  stored: JsonValue,
  given: JsonValue,
])[] = [
  ['exists-same', { a: 1, b: { c: 2, d: 3 } }, { b: { d: 3, c: 2 }, a: 1 }],
  ['exists-same', [1e21, 0.5, 100], [1e21, 5e-1, 1e2]],
  ['exists-same', [-0], [0]],
  ['exists-changed', [1, 2], [2, 1]],
  ['exists-changed', 1, '1'],
  ['exists-changed', 9_007_199_254_740_992, 9_007_199_254_740_991],
  ['exists-changed', null, {}],
  ['exists-changed', [], {}],
  ['exists-changed', { a: 1 }, { a: 1, b: null }],
  ['exists-changed', { a: { b: [1, { c: 'x' }] } }, { a: { b: [1, { c: 'y' }] } }],
  ['exists-changed', 'é', 'e\u0301'],
  ['exists-changed', 'a', 'a '],
  ['exists-changed', 'a', 'A'],
  ['exists-changed', 'a\0b', 'a\0c'],
]

/** Q-PUT-4 and Q-BULK-1 of `putMany`. */
export const compareCases: readonly QueueCase[] = [
  {
    id: 'Q-PUT-4',
    title: 'putMany with compare tells bodies that are deep-equal from those that differ, and stores neither',
    async run(harness) {
      const queue = await harness.open()
      await queue.putMany(PAIRS.map(([, body], index) => ({ id: `pair-${index}`, body })))
      await queue.putMany(bodies.map((body, index) => ({ id: `body-${index}`, body })))
      const again = PAIRS.map(([, , body], index) => ({ id: `pair-${index}`, body }))
      const { added, skipped } = await queue.putMany(again, { compare: true })
      const expected = PAIRS.map(([reason], index) => ({ id: `pair-${index}`, reason }))
      same([added, skipped], [0, expected], 'each is told to be the same or changed')
      const all = bodies.map((body, index) => ({ id: `body-${index}`, body }))
      const told = await queue.putMany(all, { compare: true })
      same(
        told.skipped.filter(({ reason }) => reason !== 'exists-same'),
        [],
        'every shape of JSON is the same as itself',
      )
      same(told.skipped.length, bodies.length, 'and is there')
      for (const [index, [, stored]] of PAIRS.entries()) {
        const { body } = await recordOf(queue, `pair-${index}`)
        same(JSON.stringify(body), JSON.stringify(stored), `pair-${index} is as it was`)
      }
    },
  },
  {
    id: 'Q-PUT-4/a',
    title:
      'it compares with items of every stage, not by priority or delay, and adds what is new beside them',
    async run(harness) {
      const queue = await harness.open()
      await oneInEach(queue)
      const before = await contentOf(queue)
      const ids = ['in-WAITING', 'in-PROCESSING', 'in-SUCCESS', 'in-FAIL']
      const records = await Promise.all(ids.map((id) => recordOf(queue, id)))
      const equal = ids.map((id, index) => ({
        id,
        body: { of: id },
        priority: index,
        delayMs: index * 1_000,
      }))
      const report = await queue.putMany([...equal, { id: 'new', body: 1 }], { compare: true })
      same(
        report,
        { added: 1, skipped: ids.map((id) => ({ id, reason: 'exists-same' })) },
        'the same bodies are the same',
      )
      const other = await queue.putMany(
        ids.map((id) => ({ id, body: { of: 'another' } })),
        { compare: true },
      )
      const changed = ids.map((id) => ({ id, reason: 'exists-changed' }))
      same(other, { added: 0, skipped: changed }, 'other bodies are changed')
      same(await Promise.all(ids.map((id) => recordOf(queue, id))), records, 'the items are as they were')
      same((await contentOf(queue)).WAITING, [...before.WAITING, 'new'], 'the new one waits')
    },
  },
  {
    id: 'Q-BULK-1',
    title: 'putMany says of each item of the call that it did not add why not, in the order of the call',
    async run(harness) {
      const queue = await harness.open()
      await queue.putMany([
        { id: 'there', body: 1 },
        { id: 'other', body: 2 },
      ])
      const items = ['new', 'other', 'there', 'new', 'there', 'newer'].map((id) => ({ id, body: 1 }))
      const first = await queue.putMany(items)
      const plain = withReasons(['exists', 'exists', 'repeated', 'repeated'])
      same(first, { added: 2, skipped: plain }, 'without compare: there, or repeated')
      await queue.remove(['new', 'newer'])
      const second = await queue.putMany(items, { compare: true })
      const compared = withReasons(['exists-changed', 'exists-same', 'repeated', 'repeated'])
      same(second, { added: 2, skipped: compared }, 'with compare: the same or changed, or repeated')
    },
  },
]

function withReasons(reasons: readonly string[]) {
  return ['other', 'there', 'new', 'there'].map((id, index) => ({ id, reason: reasons[index] }))
}
