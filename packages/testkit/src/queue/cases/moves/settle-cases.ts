import type { Settlement } from '@sluice/core'
import { refuses, rejects, resolves, same, sameMembers } from '../../../check.js'
import { posingAs } from '../../../odd-values.js'
import type { QueueCase } from '../../queue-harness.js'
import { bring, contentOf, getOne, idsOf, jobsOf, recordOf } from '../../queue-walk.js'

const MANY = 1_200

/** Q-MOVE-1 by settle, and Q-MOVE-2 and Q-MOVE-3. */
export const settleCases: readonly QueueCase[] = [
  {
    id: 'Q-MOVE-1/k',
    title: 'settle does each move on its own: good ones are done, bad ones reported, whatever their order',
    async run(harness) {
      const queue = await harness.open()
      for (const id of ['s', 'f', 'old', 'done']) await bring(queue, id, 'PROCESSING')
      await queue.success('done', { attempt: 1 })
      await bring(queue, 'w', 'PROCESSING')
      await bring(queue, 'waiting', 'WAITING')
      const report = await queue.settle([
        { id: 'unknown', attempt: 1, stage: 'SUCCESS' },
        { id: 's', attempt: 1, stage: 'SUCCESS', result: { n: 1 }, details: { url: 'u' } },
        { id: 'old', attempt: 2, stage: 'SUCCESS' },
        { id: 'f', attempt: 1, stage: 'FAIL', reason: 'why', details: [1] },
        { id: 'done', attempt: 1, stage: 'FAIL' },
        { id: 'w', attempt: 1, stage: 'WAITING', reason: 'again', delayMs: 3_600_000 },
        { id: 'waiting', attempt: 0, stage: 'SUCCESS' },
      ])
      same(report.settled, 3, 'three of seven are done')
      same(
        report.refused.map(({ id, attempt, reason }) => `${id}@${attempt} ${reason}`).toSorted(),
        ['done@1 wrong-stage', 'old@2 not-current', 'unknown@1 not-found', 'waiting@0 wrong-stage'],
        'the other four are refused, each with its reason',
      )
      same(
        await contentOf(queue),
        { WAITING: ['w', 'waiting'], PROCESSING: ['old'], SUCCESS: ['done', 's'], FAIL: ['f'] },
        'each item is where its move puts it',
      )
      const [s, f, w] = [await recordOf(queue, 's'), await recordOf(queue, 'f'), await recordOf(queue, 'w')]
      same([s.result, s.details], [{ n: 1 }, { url: 'u' }], 'the result and details are kept')
      same([f.reason, f.details, w.reason], ['why', [1], 'again'], 'and the reasons')
    },
  },
  {
    id: 'Q-MOVE-1/l',
    title: 'of two moves of one item in one settle the first is done; the other is a conflict, or a repeat',
    async run(harness) {
      const queue = await harness.open()
      for (const id of ['a', 'b', 'c']) await bring(queue, id, 'PROCESSING')
      const report = await queue.settle([
        { id: 'a', attempt: 1, stage: 'SUCCESS', result: 1 },
        { id: 'b', attempt: 1, stage: 'FAIL', reason: 'first' },
        { id: 'a', attempt: 1, stage: 'FAIL', reason: 'late' },
        { id: 'b', attempt: 1, stage: 'FAIL', reason: 'second' },
        { id: 'c', attempt: 9, stage: 'FAIL' },
        { id: 'c', attempt: 1, stage: 'SUCCESS' },
      ])
      same(report.settled, 4, 'a, b, the repeat of b, and c are settled')
      same(
        report.refused.map(({ id, attempt, reason }) => `${id}@${attempt} ${reason}`).toSorted(),
        ['a@1 wrong-stage', 'c@9 not-current'],
        'the late fail of a and the foreign one of c are refused',
      )
      same(
        await contentOf(queue).then(({ SUCCESS, FAIL }) => ({ SUCCESS, FAIL })),
        {
          SUCCESS: ['a', 'c'],
          FAIL: ['b'],
        },
        'the first move counts',
      )
      same((await recordOf(queue, 'b')).reason, 'first', 'the repeat changed nothing')
    },
  },
  {
    id: 'Q-MOVE-1/m',
    title: `settle takes ${MANY} outcomes at once; none at all is fine`,
    async run(harness) {
      const queue = await harness.open()
      same(await queue.settle([]), { settled: 0, refused: [] }, 'settle of nothing settles nothing')
      await queue.putMany(Array.from({ length: MANY }, (_, index) => ({ id: `i${index}`, body: index })))
      const items = await queue.get(MANY)
      same(items.length, MANY, `get(${MANY}) gives them all`)
      const outcomes = items.map(({ id, attempt }, index): Settlement => {
        const stage = index % 2 === 0 ? 'SUCCESS' : 'FAIL'
        return index % 100 === 99 ? { id, attempt: 7, stage } : { id, attempt, stage }
      })
      const report = await queue.settle(outcomes)
      same(
        [report.settled, report.refused.length],
        [MANY - MANY / 100, MANY / 100],
        'one in a hundred is refused',
      )
      same(
        await queue.sizes(),
        { WAITING: 0, PROCESSING: MANY / 100, SUCCESS: MANY / 2, FAIL: MANY / 2 - MANY / 100 },
        'the sizes show it',
      )
    },
  },
  {
    id: 'Q-MOVE-1/n',
    title: 'one malformed outcome in a settle is a TypeError, and nothing of it moves',
    async run(harness) {
      const queue = await harness.open()
      await bring(queue, 'a', 'PROCESSING')
      const wrong: readonly (readonly [what: string, outcome: unknown])[] = [
        ['no attempt', { id: 'a', stage: 'SUCCESS' }],
        ['a fractional attempt', { id: 'a', attempt: 0.5, stage: 'SUCCESS' }],
        ['the stage PROCESSING', { id: 'a', attempt: 1, stage: 'PROCESSING' }],
        ['an unknown stage', { id: 'a', attempt: 1, stage: 'DONE' }],
        ['no id', { attempt: 1, stage: 'FAIL' }],
        ['a result that is not JSON', { id: 'a', attempt: 1, stage: 'SUCCESS', result: 1n }],
        ['a delay below zero', { id: 'a', attempt: 1, stage: 'WAITING', delayMs: -1 }],
      ]
      for (const [what, outcome] of wrong) {
        const good: Settlement = { id: 'a', attempt: 1, stage: 'SUCCESS' }
        await refuses(() => queue.settle([good, posingAs(outcome)]), `settle refuses an outcome with ${what}`)
      }
      same(await queue.lookupStatus('a'), 'PROCESSING', 'nothing moved, not even by the good outcome before')
    },
  },
  {
    id: 'Q-MOVE-2',
    title: 'the same move of the same attempt again succeeds and changes nothing',
    async run(harness) {
      const queue = await harness.open()
      for (const id of ['s', 'f', 'r']) await bring(queue, id, 'PROCESSING')
      const { uid } = await recordOf(queue, 's')
      await queue.success('s', { attempt: 1, result: 'first', details: 1 })
      await queue.fail('f', { attempt: 1, reason: 'first', details: 1 })
      await queue.release('r', { attempt: 1, reason: 'first', countAttempt: false })
      const before = await Promise.all(['s', 'f', 'r'].map((id) => recordOf(queue, id)))
      await harness.passTime(5)
      const again = 'the same move again is no error'
      await resolves(queue.success('s', { attempt: 1, result: 'second', details: 2 }), again)
      await resolves(queue.success('s', { attempt: 1, uid }), again)
      await resolves(queue.success('s'), again)
      await resolves(queue.fail('f', { attempt: 1, reason: 'second' }), again)
      await resolves(
        queue.release('r', { attempt: 1, reason: 'second', countAttempt: false, delayMs: 3_600_000 }),
        again,
      )
      const after = await Promise.all(['s', 'f', 'r'].map((id) => recordOf(queue, id)))
      same(after, before, 'the records are as the first move left them')
    },
  },
  {
    id: 'Q-MOVE-2/a',
    title: 'in settle a repeat counts as settled and changes nothing',
    async run(harness) {
      const queue = await harness.open()
      for (const id of ['s', 'f', 'r']) await bring(queue, id, 'PROCESSING')
      const outcomes: readonly Settlement[] = [
        { id: 's', attempt: 1, stage: 'SUCCESS', result: 1 },
        { id: 'f', attempt: 1, stage: 'FAIL', reason: 'x' },
        { id: 'r', attempt: 1, stage: 'WAITING', delayMs: 3_600_000, countAttempt: false },
      ]
      same(await queue.settle(outcomes), { settled: 3, refused: [] }, 'the first time they move')
      const before = await Promise.all(['s', 'f', 'r'].map((id) => recordOf(queue, id)))
      await harness.passTime(5)
      same(await queue.settle(outcomes), { settled: 3, refused: [] }, 'the second time they count as settled')
      const after = await Promise.all(['s', 'f', 'r'].map((id) => recordOf(queue, id)))
      same(after, before, 'and nothing changed')
    },
  },
  {
    id: 'Q-MOVE-2/b',
    title: 'a move is no repeat once the item has gone on: claimed again, or requeued by an operator',
    async run(harness) {
      const queue = await harness.open()
      await bring(queue, 'a', 'PROCESSING')
      await queue.release('a', { attempt: 1 })
      same(jobsOf([await getOne(queue)]), ['a@2'], 'it is claimed again')
      const late = await queue.settle([{ id: 'a', attempt: 1, stage: 'WAITING' }])
      same(late.settled, 0, 'the release of attempt 1 again is a conflict now')
      same(await queue.lookupStatus('a'), 'PROCESSING', 'the running attempt is not released by it')
      await queue.fail('a', { attempt: 2, reason: 'x' })
      await queue.requeue(['a'])
      const before = await recordOf(queue, 'a')
      const stranger = await queue.settle([
        { id: 'a', attempt: 2, stage: 'WAITING' },
        { id: 'a', attempt: 2, stage: 'FAIL' },
      ])
      same(stranger.settled, 0, 'waiting by requeue, it was not released, and is in FAIL no more')
      same(await recordOf(queue, 'a'), before, 'nothing changed')
    },
  },
  {
    id: 'Q-MOVE-2/c',
    title: 'ten times the same move at once through two Queue objects: all succeed, it moved once',
    async run(harness) {
      const queues = [await harness.open(), await harness.open()] as const
      await bring(queues[0], 'a', 'PROCESSING')
      const moves = Array.from({ length: 10 }, (_, index) =>
        queues[index % 2 === 0 ? 0 : 1].success('a', { attempt: 1 }),
      )
      await resolves(Promise.all(moves), 'every one of ten equal moves succeeds')
      const record = await recordOf(queues[1], 'a')
      same([record.stage, record.history.length], ['SUCCESS', 1], 'the item moved once')
      same(await queues[0].sizes(), { WAITING: 0, PROCESSING: 0, SUCCESS: 1, FAIL: 0 }, 'and is counted once')
    },
  },
  {
    id: 'Q-MOVE-3',
    title: 'a move of an unknown id rejects SLUICE_ITEM_NOT_FOUND; settle, requeue and remove report it',
    async run(harness) {
      const queue = await harness.open()
      await bring(queue, 'gone', 'SUCCESS')
      await queue.remove(['gone'])
      for (const id of ['never', 'gone']) {
        for (const verb of ['success', 'fail', 'release'] as const) {
          await rejects(queue[verb](id), 'SLUICE_ITEM_NOT_FOUND', `${verb} of an id that is not there`)
          await rejects(
            queue[verb](id, { attempt: 1 }),
            'SLUICE_ITEM_NOT_FOUND',
            `${verb} with an attempt too`,
          )
        }
      }
      const report = await queue.settle([
        { id: 'never', attempt: 1, stage: 'FAIL' },
        { id: 'gone', attempt: 1, stage: 'SUCCESS' },
      ])
      same(report.settled, 0, 'nothing is settled')
      sameMembers(
        report.refused.map((one) => one.reason),
        ['not-found', 'not-found'],
        'with the reason',
      )
      sameMembers(idsOf(report.refused), ['gone', 'never'], 'both are reported')
      same(
        await queue.requeue(['never']),
        { moved: 0, skipped: [{ id: 'never', reason: 'not-found' }] },
        'requeue skips it',
      )
      same(
        await queue.remove(['gone']),
        { removed: 0, skipped: [{ id: 'gone', reason: 'not-found' }] },
        'remove skips it',
      )
    },
  },
]
