import { MAX_FAILURE_CLASS_CHARS, MAX_JOB_UID_CHARS, type JobOutcome, type Queue } from '@sluice/core'
import { at, check, refuses, resolves, same } from '../../../check.js'
import { posingAs } from '../../../odd-values.js'
import type { QueueCase } from '../../queue-harness.js'
import { bring, getOne, recordOf, recordsOf } from '../../queue-walk.js'

const KEYS = ['failureClass', 'exitCode', 'jobUid', 'unsent'] as const

/** Q-LOOK-2: how an attempt's job ended. */
export const outcomeCases: readonly QueueCase[] = [
  {
    id: 'Q-LOOK-2/f',
    title: 'failureClass, exitCode and jobUid of a fail or a release are in the record and in the history',
    async run(harness) {
      const queue = await harness.open()
      await queue.put('a', 1)
      const bare = await recordOf(queue, 'a')
      same(outcomeIn(bare), {}, 'of what was never claimed there is none')
      const first = { failureClass: 'evicted', exitCode: 137, jobUid: '5b1d7c0e' }
      const second = { failureClass: 'own words', exitCode: -1 }
      const third = { jobUid: 'wf/3' }
      const fourth = { failureClass: 'oom', exitCode: 0, jobUid: 'wf/4' }
      await getOne(queue)
      await queue.release('a', { attempt: 1, reason: 'x', ...first })
      same(outcomeIn(await recordOf(queue, 'a')), first, 'as the release gave it')
      await getOne(queue)
      same(outcomeIn(await recordOf(queue, 'a')), first, 'a claim leaves it, as it leaves the reason')
      await queue.settle([{ id: 'a', attempt: 2, stage: 'WAITING', ...second }])
      same(
        outcomeIn(await recordOf(queue, 'a')),
        second,
        'the latest one counts, and keeps nothing of the last',
      )
      await getOne(queue)
      await queue.settle([{ id: 'a', attempt: 3, stage: 'FAIL', ...third }])
      same(outcomeIn(await recordOf(queue, 'a')), third, 'a fail by settle')
      await queue.requeue(['a'])
      await getOne(queue)
      await queue.fail('a', { attempt: 4, ...fourth })
      const record = await recordOf(queue, 'a')
      same(outcomeIn(record), fourth, 'a fail')
      same(record.history.map(outcomeIn), [first, second, third, fourth], 'the history has each of them')
      same(outcomeIn(at(await recordsOf(queue, 'FAIL'), 0, 'the item')), fourth, 'list shows the same')
    },
  },
  {
    id: 'Q-LOOK-2/g',
    title: 'of an item in SUCCESS there is exitCode and jobUid, and no failureClass',
    async run(harness) {
      const queue = await harness.open()
      await bring(queue, 'a', 'PROCESSING')
      await queue.release('a', { failureClass: 'error', exitCode: 2, jobUid: 'j1' })
      await getOne(queue)
      await queue.success('a', { attempt: 2, exitCode: 0, jobUid: 'j2', result: 1 })
      const done = await recordOf(queue, 'a')
      same(outcomeIn(done), { exitCode: 0, jobUid: 'j2' }, 'as success gave it, and nothing of before')
      same(
        done.history.map(outcomeIn),
        [
          { failureClass: 'error', exitCode: 2, jobUid: 'j1' },
          { exitCode: 0, jobUid: 'j2' },
        ],
        'the history has both',
      )
      await bring(queue, 'b', 'PROCESSING')
      const outcome = { id: 'b', attempt: 1, stage: 'SUCCESS', failureClass: 'error', jobUid: 'j3' } as const
      await queue.settle([outcome])
      same(
        outcomeIn(await recordOf(queue, 'b')),
        { jobUid: 'j3' },
        'a success has no class, whatever it is given',
      )
      same((await recordOf(queue, 'b')).history.map(outcomeIn), [{ jobUid: 'j3' }], 'nor has its attempt')
      await bring(queue, 'c', 'PROCESSING')
      await queue.release('c', { failureClass: 'error', exitCode: 2, jobUid: 'j4' })
      await getOne(queue)
      await queue.success('c')
      same(outcomeIn(await recordOf(queue, 'c')), {}, 'of a success that says nothing there is nothing')
    },
  },
  {
    id: 'Q-LOOK-2/h',
    title: 'after a requeue the record has none of them, and the history has them still',
    async run(harness) {
      const queue = await harness.open()
      await bring(queue, 'a', 'PROCESSING')
      const outcome = { failureClass: 'failed', exitCode: 3, jobUid: 'j1' }
      await queue.fail('a', { attempt: 1, ...outcome })
      await queue.requeue(['a'], { reason: 'again' })
      const requeued = await recordOf(queue, 'a')
      same(outcomeIn(requeued), {}, 'the record has none')
      same(requeued.history.map(outcomeIn), [outcome], 'the history has')
      await getOne(queue)
      const running = await recordOf(queue, 'a')
      same(
        [outcomeIn(running), running.history.map(outcomeIn)],
        [{}, [outcome, {}]],
        'nor when it is claimed',
      )
      await queue.fail('a', { attempt: 2 })
      same(outcomeIn(await recordOf(queue, 'a')), {}, 'nor when the next fail says nothing')
    },
  },
  {
    id: 'Q-LOOK-2/i',
    title: 'an attempt that was never sent says so in the history, and only there, and doesn’t count',
    async run(harness) {
      const queue = await harness.open()
      await bring(queue, 'a', 'PROCESSING')
      await queue.release('a', { attempt: 1, unsent: true, reason: 'refused' })
      const first = await recordOf(queue, 'a')
      same([first.attempt, first.uncounted], [1, 1], 'the attempt does not count')
      same([outcomeIn(first), first.history.map(outcomeIn)], [{}, [{ unsent: true }]], 'the history says why')
      await getOne(queue)
      await queue.settle([
        { id: 'a', attempt: 2, stage: 'WAITING', unsent: true, failureClass: 'unsendable', jobUid: 'j' },
      ])
      await getOne(queue)
      await queue.release('a', { attempt: 3, countAttempt: false, unsent: false })
      await getOne(queue)
      await queue.settle([{ id: 'a', attempt: 4, stage: 'FAIL', unsent: true }])
      const { uncounted, history } = await recordOf(queue, 'a')
      same(uncounted, 3, 'a fail is no way to be uncounted')
      same(
        history.map(outcomeIn),
        [{ unsent: true }, { unsent: true, failureClass: 'unsendable', jobUid: 'j' }, {}, {}],
        'only what came back to WAITING unsent says so',
      )
    },
  },
  {
    id: 'Q-LOOK-2/j',
    title: 'any whole exit code, and the longest and oddest words, come back as they were given',
    async run(harness) {
      const queue = await harness.open()
      const outcomes: readonly JobOutcome[] = [
        { exitCode: 255 },
        { exitCode: 3_221_225_477 },
        { exitCode: -2_147_483_649 },
        { exitCode: Number.MAX_SAFE_INTEGER },
        { exitCode: Number.MIN_SAFE_INTEGER },
        { failureClass: 'x'.repeat(MAX_FAILURE_CLASS_CHARS), jobUid: 'x'.repeat(MAX_JOB_UID_CHARS) },
        { failureClass: '漢'.repeat(MAX_FAILURE_CLASS_CHARS), jobUid: '漢'.repeat(MAX_JOB_UID_CHARS) },
        { failureClass: 'it’s "odd"; -- \\ 😀\n', jobUid: ' ' },
        { failureClass: '__proto__', jobUid: 'null' },
      ]
      for (const [index, outcome] of outcomes.entries()) {
        const id = `i${index}`
        await bring(queue, id, 'PROCESSING')
        await queue.fail(id, { attempt: 1, ...outcome })
        const record = await recordOf(queue, id)
        same([outcomeIn(record), record.history.map(outcomeIn)], [outcome, [outcome]], `outcome ${index}`)
      }
    },
  },
  {
    id: 'Q-LOOK-2/k',
    title: 'a class, exit code or job uid that can’t be one is a TypeError, and nothing moves',
    async run(harness) {
      const queue = await harness.open()
      await bring(queue, 'a', 'PROCESSING')
      const before = await recordOf(queue, 'a')
      const wrong: readonly (readonly [key: 'failureClass' | 'exitCode' | 'jobUid', value: unknown])[] = [
        ...['', 'x'.repeat(MAX_FAILURE_CLASS_CHARS + 1), 'a\0b', '\ud800', 7, null, {}].map(
          (value) => ['failureClass', value] as const,
        ),
        ...['', 'x'.repeat(MAX_JOB_UID_CHARS + 1), 'a\0b', '\ud800', 7, null].map(
          (value) => ['jobUid', value] as const,
        ),
        ...[0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, '1', null].map(
          (value) => ['exitCode', value] as const,
        ),
      ]
      for (const [key, value] of wrong) {
        const what = `${key} ${String(value)}`
        const outcome: JobOutcome = { [key]: posingAs(value) }
        await refuses(() => queue.fail('a', outcome), `fail refuses the ${what}`)
        await refuses(() => queue.release('a', outcome), `release refuses the ${what}`)
        await refuses(() => queue.settle([{ id: 'a', attempt: 1, stage: 'FAIL', ...outcome }]), `settle too`)
        if (key !== 'failureClass')
          await refuses(() => queue.success('a', outcome), `success refuses ${what}`)
      }
      same(await recordOf(queue, 'a'), before, 'the item is as it was')
    },
  },
  {
    id: 'Q-LOOK-2/l',
    title: 'the repeat of a move changes none of them',
    async run(harness) {
      const queue = await harness.open()
      for (const id of ['s', 'f', 'r']) await bring(queue, id, 'PROCESSING')
      await queue.success('s', { attempt: 1, exitCode: 0, jobUid: 'first' })
      await queue.fail('f', { attempt: 1, failureClass: 'failed', exitCode: 1, jobUid: 'first' })
      await queue.release('r', { attempt: 1, failureClass: 'evicted', unsent: true })
      const before = await all(queue)
      await resolves(queue.success('s', { attempt: 1, exitCode: 9, jobUid: 'second' }), 'success again')
      await resolves(queue.fail('f', { attempt: 1, failureClass: 'oom' }), 'fail again')
      await resolves(queue.release('r', { attempt: 1, jobUid: 'second' }), 'release again')
      same(await all(queue), before, 'the records are as the first moves left them')
      check(
        before.every((record) => record.history.length === 1),
        'with one attempt each',
        before,
      )
    },
  },
]

async function all(queue: Queue) {
  return Promise.all(['s', 'f', 'r'].map((id) => recordOf(queue, id)))
}

/** What a record or an attempt says of how the job ended; what it doesn't say is absent, not `undefined`. */
function outcomeIn(view: object): Record<string, unknown> {
  const entries = Object.entries(view).filter(([key]) => KEYS.some((known) => known === key))
  return Object.fromEntries(entries)
}
