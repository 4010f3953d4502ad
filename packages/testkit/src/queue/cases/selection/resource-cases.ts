import {
  MAX_LIMIT_KEY_BYTES,
  MAX_RESOURCES,
  MAX_RESOURCE_NAME_CHARS,
  type ItemSummary,
  type NewItem,
  type Queue,
  type Resources,
  type Stage,
} from '@sluice/core'
import { at, check, refuses, same } from '../../../check.js'
import { posingAs } from '../../../odd-values.js'
import type { QueueCase } from '../../queue-harness.js'
import {
  bring,
  checkEmpty,
  getOne,
  headsOf,
  idsOf,
  putInTurn,
  recordOf,
  recordsOf,
} from '../../queue-walk.js'
import { allAhead, needsLimitKeys, needsSelection, refsOf, selecting } from './selecting.js'

type Chosen = Pick<ItemSummary, 'resources' | 'limitKey'>

const WHOLE: Chosen = { resources: { gpu: 1, memoryGiB: 0.5 }, limitKey: 'user-1' }

const WRONG: readonly (readonly [field: string, value: Chosen])[] = [
  ['resources', { resources: posingAs(null) }],
  ['resources', { resources: posingAs('gpu') }],
  ['resources', { resources: posingAs([1]) }],
  ['resources.gpu', { resources: { gpu: -1 } }],
  ['resources.gpu', { resources: { gpu: -0 } }],
  ['resources.gpu', { resources: { gpu: Number.NaN } }],
  ['resources.gpu', { resources: { gpu: Number.POSITIVE_INFINITY } }],
  ['resources.gpu', { resources: { gpu: posingAs('1') } }],
  ['resources.gpu', { resources: { gpu: posingAs(undefined) } }],
  ['resources', { resources: { '': 1 } }],
  ['resources', { resources: { '1gpu': 1 } }],
  ['resources', { resources: { 'g pu': 1 } }],
  ['resources', { resources: { gpü: 1 } }],
  ['resources', { resources: { ['g'.repeat(MAX_RESOURCE_NAME_CHARS + 1)]: 1 } }],
  ['resources', { resources: namedResources(MAX_RESOURCES + 1) }],
  ['limitKey', { limitKey: '' }],
  ['limitKey', { limitKey: posingAs(1) }],
  ['limitKey', { limitKey: 'a\0b' }],
  ['limitKey', { limitKey: '\ud800' }],
  ['limitKey', { limitKey: 'x'.repeat(MAX_LIMIT_KEY_BYTES + 1) }],
  ['limitKey', { limitKey: 'é'.repeat(MAX_LIMIT_KEY_BYTES / 2 + 1) }],
]

/** Q-PUT-6 and Q-UPDATE-5. */
export const resourceCases: readonly QueueCase[] = [
  {
    id: 'Q-PUT-6',
    title: 'resources and limit key are in every view of the item, in every stage, and survive every move',
    needs: needsSelection,
    async run(harness) {
      const [queue, other] = [await harness.open(), await harness.open()]
      await queue.put('a', 1, WHOLE)
      await everyView(other, 'a', 'WAITING', WHOLE)
      same(chosenOf(await getOne(other)), WHOLE, 'get gives them')
      await everyView(queue, 'a', 'PROCESSING', WHOLE)
      await queue.release('a', { attempt: 1, keepPlace: true, retryState: { n: 1 } })
      await everyView(other, 'a', 'WAITING', WHOLE)
      const [given] = await selecting(other).getItems(await refsOf(queue, ['a']))
      same([chosenOf(given), given?.retryState], [WHOLE, { n: 1 }], 'getItems gives them, and the retryState')
      await queue.release('a', { attempt: 2 })
      await everyView(other, 'a', 'WAITING', WHOLE)
      same(chosenOf(await getOne(other)), WHOLE, 'get gives them again')
      await queue.fail('a', { attempt: 3, reason: 'x', failureClass: 'oom' })
      await everyView(other, 'a', 'FAIL', WHOLE)
      await queue.requeue(['a'], { priority: 2 })
      await everyView(other, 'a', 'WAITING', WHOLE)
      await queue.update([{ id: 'a', body: 2 }])
      await everyView(other, 'a', 'WAITING', WHOLE)
      await getOne(queue)
      await queue.success('a', { attempt: 4, result: 1 })
      await everyView(other, 'a', 'SUCCESS', WHOLE)
      await queue.remove(['a'])
      await queue.put('a', 1)
      await everyView(other, 'a', 'WAITING', {})
    },
  },
  {
    id: 'Q-PUT-6/a',
    title:
      'putMany keeps those of each item; of one that is there they stay, and compare does not compare them',
    needs: needsSelection,
    async run(harness) {
      const queue = await harness.open()
      const items: NewItem[] = [
        { id: 'both', body: 1, ...WHOLE },
        { id: 'resources', body: 1, resources: { gpu: 2 } },
        { id: 'key', body: 1, limitKey: 'user-2' },
        { id: 'neither', body: 1 },
      ]
      same((await queue.putMany(items)).added, 4, 'all are added')
      for (const item of items) await everyView(queue, item.id, 'WAITING', chosenOf(item))
      const others = items.map(({ id }) => ({ id, body: 1, resources: { cpu: 9 }, limitKey: 'other' }))
      const report = await queue.putMany(others, { compare: true })
      const skipped = items.map(({ id }) => ({ id, reason: 'exists-same' }))
      same(report, { added: 0, skipped }, 'put again with others they are the same')
      for (const item of items) await everyView(queue, item.id, 'WAITING', chosenOf(item))
      await queue.putMany([{ id: 'done', body: 1, ...WHOLE }], { stage: 'SUCCESS' })
      await everyView(queue, 'done', 'SUCCESS', WHOLE)
    },
  },
  {
    id: 'Q-PUT-6/b',
    title:
      'the largest and the oddest that are allowed come back as they were; resources without a name are none',
    needs: needsSelection,
    async run(harness) {
      const queue = await harness.open()
      const amounts = { constructor: 0, toString: Number.MAX_VALUE, 'A.b-c_9': Number.MIN_VALUE, x: 0.1 }
      const name = 'n'.repeat(MAX_RESOURCE_NAME_CHARS)
      const resources: Resources[] = [amounts, { [name]: 2 ** 53 - 1 }, namedResources(MAX_RESOURCES)]
      const keys = [
        'x'.repeat(MAX_LIMIT_KEY_BYTES),
        '😀'.repeat(MAX_LIMIT_KEY_BYTES / 4),
        ' ',
        '\'"\\\n\u007f',
      ]
      const all: Chosen[] = [
        ...resources.map((one) => ({ resources: one })),
        ...keys.map((limitKey) => ({ limitKey })),
        ...['A', 'a', 'é', 'e\u0301', '%', '1'].map((limitKey) => ({ limitKey })),
      ]
      await queue.putMany(all.map((chosen, index) => ({ id: `i${index}`, body: index, ...chosen })))
      for (const [index, chosen] of all.entries()) await everyView(queue, `i${index}`, 'WAITING', chosen)
      await queue.put('none', 1, { resources: {} })
      await everyView(queue, 'none', 'WAITING', {})
    },
  },
  {
    id: 'Q-PUT-6/c',
    title: 'wrong ones are a TypeError that names the field, and in a list the index; nothing is stored',
    needs: needsSelection,
    async run(harness) {
      const queue = await harness.open()
      for (const [field, chosen] of WRONG) {
        const what = `put refuses ${JSON.stringify(chosen).slice(0, 60)}`
        const one = await refuses(() => queue.put('a', 1, chosen), what)
        check(one.message.includes(field), 'its message names the field', one.message)
        const items = [
          { id: 'a', body: 1 },
          { id: 'b', body: 1, ...chosen },
        ]
        const { message } = await refuses(() => queue.putMany(items), `${what}, in a list`)
        check(
          message.includes('[1]') && message.includes(field),
          'its message names index and field',
          message,
        )
      }
      await checkEmpty(queue, 'nothing is stored')
    },
  },
  {
    id: 'Q-UPDATE-5',
    title:
      'update replaces resources and limit key, or takes them away; what it is not given stays, the place too',
    needs: needsSelection,
    async run(harness) {
      const queue = await harness.open()
      await putInTurn(queue, harness, [['a'], ['b'], ['c']])
      const before = await recordOf(queue, 'b')
      const steps: readonly (readonly [change: object, then: Chosen])[] = [
        [WHOLE, WHOLE],
        [{ resources: { cpu: 2 } }, { ...WHOLE, resources: { cpu: 2 } }],
        [{ limitKey: 'user-2' }, { resources: { cpu: 2 }, limitKey: 'user-2' }],
        [{ body: 'new' }, { resources: { cpu: 2 }, limitKey: 'user-2' }],
        [{ resources: null }, { limitKey: 'user-2' }],
        [{ resources: { gpu: 3 }, limitKey: null }, { resources: { gpu: 3 } }],
        [{ resources: {} }, {}],
      ]
      for (const [change, then] of steps) {
        same(await queue.update([{ id: 'b', ...change }]), { updated: 1, skipped: [] }, 'it is changed')
        await everyView(queue, 'b', 'WAITING', then)
        same(idsOf(await queue.peek(5)), ['a', 'b', 'c'], 'it keeps its place')
      }
      same(await recordOf(queue, 'b'), { ...before, body: 'new' }, 'all else is as it was')
      for (const [field, chosen] of WRONG) {
        if (chosen.resources === null) continue
        const changes = [
          { id: 'a', body: 2 },
          { id: 'b', ...chosen },
        ]
        const { message } = await refuses(() => queue.update(changes), `update refuses a wrong ${field}`)
        check(
          message.includes('[1]') && message.includes(field),
          'its message names index and field',
          message,
        )
      }
      same((await recordOf(queue, 'a')).body, null, 'and nothing is changed then')
    },
  },
  {
    id: 'Q-UPDATE-5/a',
    title: 'only of what waits: in another stage they stay as they are',
    needs: needsSelection,
    async run(harness) {
      const queue = await harness.open()
      for (const stage of ['PROCESSING', 'SUCCESS', 'FAIL'] as const) {
        await bring(queue, stage, stage)
        const report = await queue.update([{ id: stage, ...WHOLE }])
        same(report, { updated: 0, skipped: [{ id: stage, reason: 'wrong-stage' }] }, 'it is skipped')
        same(chosenOf(await recordOf(queue, stage)), {}, 'and has neither')
      }
    },
  },
  {
    id: 'Q-UPDATE-5/b',
    title:
      'an item whose limit key is changed is found under the new one, in its place, and no more under the old',
    needs: needsLimitKeys,
    async run(harness) {
      const queue = await harness.open()
      await putInTurn(queue, harness, [['a'], ['b'], ['c']])
      await queue.update(['a', 'b', 'c'].map((id) => ({ id, limitKey: 'old' })))
      await queue.update([{ id: 'c', limitKey: 'new' }])
      await queue.update([{ id: 'b', limitKey: 'new' }])
      const ofKey = async (limitKey: string) => idsOf(await allAhead(queue, 5, { limitKey }))
      same([await ofKey('old'), await ofKey('new')], [['a'], ['b', 'c']], 'each is under the key that it has')
      await queue.update([{ id: 'b', limitKey: null }])
      same(await ofKey('new'), ['c'], 'without a key it is under none')
      same(idsOf(await queue.get(5)), ['a', 'b', 'c'], 'and all are given out in their order')
    },
  },
]

function namedResources(count: number): Resources {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`r${index}`, index]))
}

/** What a view has of the two, without what it has not. */
function chosenOf(view: Chosen | undefined): Chosen {
  const { resources, limitKey } = view ?? {}
  return { ...(resources !== undefined && { resources }), ...(limitKey !== undefined && { limitKey }) }
}

/** Throws unless every view of an item in a stage has these, and no field for what is absent. */
async function everyView(queue: Queue, id: string, stage: Stage, expected: Chosen): Promise<void> {
  const views: (readonly [call: string, views: readonly ItemSummary[]])[] = [
    ['lookup', [await recordOf(queue, id)]],
    ['list', await recordsOf(queue, stage)],
    ['listSummaries', await headsOf(queue, stage)],
  ]
  if (stage === 'WAITING') {
    views.push(['peek', await queue.peek(100)], ['peekSummaries', await allAhead(queue, 100)])
  }
  for (const [call, found] of views) {
    const view = at(
      found.filter((one) => one.id === id),
      0,
      `${call} shows ${id} in ${stage}`,
    )
    const fields = Object.keys(view).filter((field) => field === 'resources' || field === 'limitKey')
    same(fields.toSorted(), Object.keys(expected).toSorted(), `${call} has the fields that ${id} has`)
    same(chosenOf(view), expected, `${call} shows the resources and the limit key of ${id} in ${stage}`)
  }
}
