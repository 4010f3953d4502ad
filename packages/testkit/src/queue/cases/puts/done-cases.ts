import type { ItemRecord, NewItem } from '@sluice/core'
import { check, refuses, resolves, same } from '../../../check.js'
import { posingAs } from '../../../odd-values.js'
import type { QueueCase } from '../../queue-harness.js'
import {
  checkEmpty,
  contentOf,
  getOne,
  headsOf,
  idsOf,
  oneInEach,
  recordOf,
  recordsOf,
  spanOf,
} from '../../queue-walk.js'
import { atEveryPoint, needsCrashing } from '../troubles/crash-points.js'

const RETENTION_MS = 10_000
const LEAST_INSTANT = 1_600_000_000_000

const itemsOf = (ids: readonly string[]): NewItem[] => ids.map((id) => ({ id, body: { of: id } }))

/** Q-PUT-5. */
export const doneCases: readonly QueueCase[] = [
  {
    id: 'Q-PUT-5',
    title: 'what is put into SUCCESS is there at attempt 0, is counted, and is never given out',
    async run(harness) {
      const queue = await harness.open()
      await queue.put('waits', { of: 'waits' })
      const items = [...itemsOf(['done-1', 'done-2']), { id: 'done-3', body: null, priority: 7 }]
      same(await queue.putMany(items, { stage: 'SUCCESS' }), { added: 3, skipped: [] }, 'three are added')
      same(await queue.sizes(), { WAITING: 1, PROCESSING: 0, SUCCESS: 3, FAIL: 0 }, 'sizes counts them')
      same(await queue.lookupStatus('done-2'), 'SUCCESS', 'their status is SUCCESS')
      const record = await recordOf(queue, 'done-1')
      same(
        fieldsOf(record),
        fieldsOfDone({ id: 'done-1', body: { of: 'done-1' } }),
        'lookup gives what was put',
      )
      checkInstants(record)
      const third = fieldsOf(await recordOf(queue, 'done-3'))
      same(third, fieldsOfDone({ id: 'done-3', body: null, priority: 7 }), 'with its priority')
      const listed = await recordsOf(queue, 'SUCCESS')
      same(
        listed.map(fieldsOf),
        items.map(fieldsOfDone),
        'list gives them in the order in which they were put',
      )
      same(idsOf(await headsOf(queue, 'SUCCESS')), idsOf(items), 'and so does listSummaries')
      same(idsOf(await queue.peek(10)), ['waits'], 'peek does not see them')
      same(idsOf(await queue.get(10)), ['waits'], 'get gives out what waits, and nothing else')
      same(await queue.get(10), [], 'get ends')
    },
  },
  {
    id: 'Q-PUT-5/a',
    title: 'it skips what is there in any stage, compares it when asked to, and moves nothing',
    async run(harness) {
      const queue = await harness.open()
      await oneInEach(queue)
      const before = await contentOf(queue)
      const ids = ['in-WAITING', 'in-PROCESSING', 'in-SUCCESS', 'in-FAIL']
      const records = await Promise.all(ids.map((id) => recordOf(queue, id)))
      const items = [...itemsOf([...ids, 'new', 'new']), { id: 'new', body: 'another' }]
      const report = await queue.putMany(items, { stage: 'SUCCESS', compare: true })
      const skipped = [
        ...ids.map((id) => ({ id, reason: 'exists-same' })),
        { id: 'new', reason: 'repeated' },
        { id: 'new', reason: 'repeated' },
      ]
      same(report, { added: 1, skipped }, 'those that are there are the same')
      const after = { ...before, SUCCESS: [...before.SUCCESS, 'new'] }
      same(await contentOf(queue), after, 'only the new one came')
      same(await Promise.all(ids.map((id) => recordOf(queue, id))), records, 'the others are as they were')
      const waiting = await queue.putMany([{ id: 'new', body: 2 }], { compare: true })
      same(
        waiting,
        { added: 0, skipped: [{ id: 'new', reason: 'exists-changed' }] },
        'and a put into WAITING skips what is done',
      )
      same((await recordOf(queue, 'new')).stage, 'SUCCESS', 'which stays there')
    },
  },
  {
    id: 'Q-PUT-5/b',
    title: 'such an item is as final as others: no move takes it, remove does, and its id can be put again',
    async run(harness) {
      const queue = await harness.open()
      await queue.putMany(itemsOf(['done', 'gone']), { stage: 'SUCCESS' })
      const before = await recordOf(queue, 'done')
      const { settled } = await queue.settle([{ id: 'done', attempt: 1, stage: 'FAIL', reason: 'late' }])
      same(settled, 0, 'settle refuses it')
      same(
        (await queue.requeue(['done'])).skipped,
        [{ id: 'done', reason: 'wrong-stage' }],
        'so does requeue',
      )
      const { skipped } = await queue.update([{ id: 'done', body: 2 }])
      same(skipped, [{ id: 'done', reason: 'wrong-stage' }], 'and update')
      same(await recordOf(queue, 'done'), before, 'it is as it was')
      same((await queue.remove(['gone'])).removed, 1, 'remove removes it')
      same(await queue.lookup('gone'), undefined, 'so that it is unknown')
      await queue.put('gone', 'again')
      const { id, attempt } = await getOne(queue)
      same([id, attempt], ['gone', 1], 'and may be put as a new item')
    },
  },
  {
    id: 'Q-PUT-5/c',
    title: 'sweep removes it by its age since the call',
    needs: ({ sweep }) => (sweep === true ? undefined : 'the queue has no sweep'),
    async run(harness) {
      const queue = await harness.open()
      await queue.putMany(itemsOf(['old']), { stage: 'SUCCESS' })
      await harness.passTime(spanOf(queue, RETENTION_MS))
      await queue.putMany(itemsOf(['young']), { stage: 'SUCCESS' })
      const report = await queue.sweep?.({ retentionMs: RETENTION_MS })
      same(report?.removed, 1, 'one is older')
      same(idsOf(await recordsOf(queue, 'SUCCESS')), ['young'], 'the young one stays')
    },
  },
  {
    id: 'Q-PUT-5/d',
    title:
      'another stage, or a delay of an item that is given out never, is a TypeError, and nothing is stored',
    async run(harness) {
      const queue = await harness.open()
      const items = itemsOf(['a'])
      for (const stage of ['FAIL', 'PROCESSING', 'success', '', null])
        await refuses(
          () => queue.putMany(items, { stage: posingAs(stage) }),
          `putMany refuses ${JSON.stringify(stage)} as a stage`,
        )
      for (const delay of [{ delayMs: 0 }, { delayMs: 5 }, { notBeforeAt: 5 }])
        await refuses(
          () => queue.putMany([...items, { id: 'b', body: 1, ...delay }], { stage: 'SUCCESS' }),
          `putMany into SUCCESS refuses ${JSON.stringify(delay)}`,
        )
      await checkEmpty(queue, 'nothing is stored of what was refused')
      await queue.putMany(items, { stage: 'WAITING' })
      same(idsOf(await queue.get(9)), ['a'], 'WAITING may be said')
    },
  },
  {
    id: 'Q-PUT-5/e',
    title:
      'a process that dies at any point of it, the batch then put again: each item once, and none is given out',
    needs: needsCrashing,
    async run(harness) {
      const queue = await harness.open()
      await atEveryPoint(harness, async (crashing, point) => {
        const ids = Array.from({ length: 4 }, (_, index) => `p${point}-${index}`)
        // The process dies in it, or it went through: what is stored says which.
        await crashing.putMany(itemsOf(ids), { stage: 'SUCCESS' }).catch(() => undefined)
        same(await queue.get(10), [], 'none waits')
        for (const id of ids) {
          const found = await queue.lookup(id)
          if (found === undefined) continue
          same(fieldsOf(found), fieldsOfDone({ id, body: { of: id } }), `${id} is whole or not there`)
        }
        const again = await resolves(
          queue.putMany(itemsOf(ids), { stage: 'SUCCESS' }),
          'the same batch can be put again',
        )
        same(again.added + again.skipped.length, 4, 'each is either added now or was there')
        const done = idsOf(await recordsOf(queue, 'SUCCESS')).filter((id) => id.startsWith(`p${point}-`))
        same(done.toSorted(), ids, 'each is in SUCCESS exactly once')
        same(await queue.get(10), [], 'and none waits')
      })
    },
  },
]

function fieldsOf(record: ItemRecord) {
  const { uid: _, putAt: __, finishedAt: ___, ...fields } = record
  return fields
}

function fieldsOfDone({ id, body, priority = 0 }: NewItem) {
  return { id, stage: 'SUCCESS', attempt: 0, uncounted: 0, priority, body, history: [] }
}

function checkInstants({ putAt, finishedAt = 0 }: ItemRecord): void {
  check(finishedAt > LEAST_INSTANT, 'it was finished at an instant', finishedAt)
  check(Math.abs(finishedAt - putAt) <= 1_000, 'which is that of the call', finishedAt - putAt)
}
