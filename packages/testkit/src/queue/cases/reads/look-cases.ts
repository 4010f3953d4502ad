import { MAX_HISTORY, MAX_REASON_CHARS, STAGES, type Stage } from '@sluice/core'
import { at, check, refuses, rejects, same } from '../../../check.js'
import { bodies, posingAs } from '../../../odd-values.js'
import type { QueueCase } from '../../queue-harness.js'
import { bring, getOne, oneInEach, recordOf, recordsOf } from '../../queue-walk.js'

/** Q-SIZE-1, Q-LOOK-1 and Q-LOOK-2. */
export const lookCases: readonly QueueCase[] = [
  {
    id: 'Q-SIZE-1',
    title: 'each item is counted once, in its one stage, right after each move',
    async run(harness) {
      const queue = await harness.open()
      const other = await harness.open()
      const expect = async (what: string, ...counts: [number, number, number, number]) => {
        const wanted = Object.fromEntries(STAGES.map((stage, index) => [stage, counts[index]]))
        same(await queue.sizes(), wanted, `sizes() ${what}`)
        for (const stage of STAGES) same(await other.size(stage), wanted[stage], `size(${stage}) ${what}`)
      }
      await expect('of an empty queue', 0, 0, 0, 0)
      await queue.putMany(['a', 'b', 'c', 'd'].map((id) => ({ id, body: 1 })))
      await queue.put('later', 1, { delayMs: 3_600_000 })
      await expect('after five puts, one of them delayed', 5, 0, 0, 0)
      await queue.get(4)
      await expect('after get(4)', 1, 4, 0, 0)
      await queue.success('a')
      await queue.fail('b')
      await queue.release('c')
      await expect('after a success, a fail and a release', 2, 1, 1, 1)
      // Whether it is refused is another case's; here the sizes count.
      await queue.success('a').catch(() => undefined)
      // Whether it is refused is another case's; here the sizes count.
      await queue.fail('a', { attempt: 1 }).catch(() => undefined)
      // Whether it is refused is another case's; here the sizes count.
      await queue.put('a', 1).catch(() => undefined)
      await expect('after a repeat, a conflict and a refused put', 2, 1, 1, 1)
      await queue.requeue(['b'])
      await expect('after a requeue', 3, 1, 1, 0)
      await queue.remove(['a', 'b', 'c', 'later'])
      await expect('after four items were removed', 0, 1, 0, 0)
    },
  },
  {
    id: 'Q-SIZE-1/a',
    title: 'a stage that is none of the four is a TypeError',
    async run(harness) {
      const queue = await harness.open()
      for (const wrong of ['waiting', 'DONE', '', undefined, '__proto__', 'toString']) {
        const stage: Stage = posingAs(wrong)
        await refuses(() => queue.size(stage), `size refuses ${String(wrong)}`)
        await refuses(() => queue.list(stage, { limit: 1 }), `list refuses ${String(wrong)}`)
        await refuses(
          () => queue.listSummaries(stage, { limit: 1 }),
          `listSummaries refuses ${String(wrong)}`,
        )
      }
    },
  },
  {
    id: 'Q-LOOK-1',
    title: 'lookupStatus gives the current stage, on any Queue object, right after each move',
    async run(harness) {
      const [queue, other] = [await harness.open(), await harness.open()]
      const expect = async (stage: Stage, what: string) => {
        same(await other.lookupStatus('a'), stage, `after ${what} another Queue object sees ${stage}`)
        same(await queue.lookupStatus('a'), stage, `after ${what} the same Queue object sees ${stage}`)
      }
      await queue.put('a', 1)
      await expect('WAITING', 'put')
      await queue.get(1)
      await expect('PROCESSING', 'get')
      await queue.release('a')
      await expect('WAITING', 'release')
      await other.get(1)
      await queue.fail('a')
      await expect('FAIL', 'fail')
      await other.requeue(['a'])
      await expect('WAITING', 'requeue')
      await queue.get(1)
      await other.success('a')
      await expect('SUCCESS', 'success')
    },
  },
  {
    id: 'Q-LOOK-1/a',
    title: 'of an unknown id lookupStatus rejects SLUICE_ITEM_NOT_FOUND and lookup gives undefined',
    async run(harness) {
      const queue = await harness.open()
      await oneInEach(queue)
      await queue.remove(['in-FAIL'])
      for (const id of [
        'never',
        'in-FAIL',
        'IN-WAITING',
        'in-WAITING ',
        '__proto__',
        'in-WAITIN%',
        'in_WAITING',
      ]) {
        await rejects(queue.lookupStatus(id), 'SLUICE_ITEM_NOT_FOUND', `lookupStatus(${JSON.stringify(id)})`)
        same(await queue.lookup(id), undefined, `lookup(${JSON.stringify(id)})`)
      }
      await refuses(() => queue.lookup(''), 'lookup refuses an empty id')
      await refuses(() => queue.lookupStatus(posingAs(undefined)), 'lookupStatus refuses no id at all')
    },
  },
  {
    id: 'Q-LOOK-2',
    title: 'lookup shows what each move did: instants, reason, result, details, and no more than there is',
    async run(harness) {
      const queue = await harness.open()
      await queue.put('a', { n: 1 }, { priority: 3 })
      const put = await recordOf(queue, 'a')
      const { claimedAt, finishedAt, reason } = put
      same([claimedAt, finishedAt, reason], [undefined, undefined, undefined], 'nothing happened yet')
      same(['result' in put, 'details' in put], [false, false], 'there is no result and there are no details')
      await harness.passTime(10)
      await queue.get(1)
      const claimed = await recordOf(queue, 'a')
      check((claimed.claimedAt ?? 0) >= put.putAt, 'claimedAt is not before putAt', claimed)
      await harness.passTime(10)
      await queue.fail('a', { attempt: 1, reason: 'disk full', details: { url: 'u' } })
      const failed = await recordOf(queue, 'a')
      check(
        (failed.finishedAt ?? 0) >= (claimed.claimedAt ?? 0),
        'finishedAt is not before claimedAt',
        failed,
      )
      same(
        [failed.reason, failed.details, 'result' in failed],
        ['disk full', { url: 'u' }, false],
        'as fail gave it',
      )
      await queue.requeue(['a'], { reason: 'more disk' })
      const requeued = await recordOf(queue, 'a')
      same([requeued.reason, 'finishedAt' in requeued], ['more disk', false], 'requeue gives its reason')
      await queue.get(1)
      await queue.success('a', { attempt: 2, result: [1, null], details: 'log' })
      const done = await recordOf(queue, 'a')
      same([done.result, done.details, done.attempt], [[1, null], 'log', 2], 'as success gave it')
      same(
        [done.body, done.priority, done.putAt, done.uid],
        [{ n: 1 }, 3, put.putAt, put.uid],
        'the rest stays',
      )
      check((done.finishedAt ?? 0) >= (failed.finishedAt ?? 0), 'it finished later than it failed', done)
    },
  },
  {
    id: 'Q-LOOK-2/a',
    title:
      'the history tells each attempt: when it was claimed, when and how it ended, why, with what details',
    async run(harness) {
      const queue = await harness.open()
      await queue.put('a', 1)
      await getOne(queue)
      await queue.settle([{ id: 'a', attempt: 1, stage: 'WAITING', reason: 'evicted', details: { node: 7 } }])
      await getOne(queue)
      await queue.fail('a', { attempt: 2, reason: 'broken', details: [0] })
      await queue.requeue(['a'], { reason: 'an operator asked' })
      await getOne(queue)
      const running = (await recordOf(queue, 'a')).history
      same(
        running.map(({ attempt, outcome, reason, details }) => ({ attempt, outcome, reason, details })),
        [
          { attempt: 1, outcome: 'WAITING', reason: 'evicted', details: { node: 7 } },
          { attempt: 2, outcome: 'FAIL', reason: 'broken', details: [0] },
          { attempt: 3, outcome: undefined, reason: undefined, details: undefined },
        ],
        'oldest first, the running attempt last, with no outcome yet',
      )
      check(
        !('endedAt' in at(running, 2, 'three attempts')),
        'the running attempt has no endedAt',
        running[2],
      )
      await queue.success('a', { attempt: 3, details: 'log' })
      const { history, claimedAt } = await recordOf(queue, 'a')
      const last = at(history, 2, 'three attempts')
      same(
        [last.attempt, last.outcome, last.details, last.claimedAt],
        [3, 'SUCCESS', 'log', claimedAt],
        'then it has',
      )
      for (const attempt of history) {
        check((attempt.endedAt ?? -1) >= attempt.claimedAt, 'an attempt ends after its claim', attempt)
      }
    },
  },
  {
    id: 'Q-LOOK-2/b',
    title: `the history keeps the newest ${MAX_HISTORY} attempts`,
    async run(harness) {
      const queue = await harness.open()
      await queue.put('a', 1)
      const last = MAX_HISTORY + 3
      for (let attempt = 1; attempt < last; attempt++) {
        await queue.get(1)
        await queue.release('a', { attempt, reason: `r${attempt}` })
      }
      await queue.get(1)
      const { history, attempt } = await recordOf(queue, 'a')
      same(attempt, last, `after ${last} gets it is at attempt ${last}`)
      const kept = Array.from({ length: MAX_HISTORY }, (_, index) => last - MAX_HISTORY + 1 + index)
      same(
        history.map((one) => one.attempt),
        kept,
        `the history keeps the newest ${MAX_HISTORY}, oldest first`,
      )
      same(at(history, 0, 'a history').reason, `r${kept[0]}`, 'with their reasons')
    },
  },
  {
    id: 'Q-LOOK-2/c',
    title: 'results and details of any JSON shape come back deep-equal',
    async run(harness) {
      const queue = await harness.open()
      const shapes = bodies.slice(0, -2)
      await queue.putMany(shapes.map((_, index) => ({ id: `i${index}`, body: index })))
      const items = await queue.get(shapes.length)
      await queue.settle(
        items.map(({ id, attempt, body }) => {
          const shape = shapes[Number(body)] ?? null
          return { id, attempt, stage: 'SUCCESS', result: shape, details: shape }
        }),
      )
      const records = new Map((await recordsOf(queue, 'SUCCESS')).map((record) => [record.id, record]))
      for (const [index, shape] of shapes.entries()) {
        const record = records.get(`i${index}`)
        same(record?.result, shape, `the result ${index} comes back as it was given`)
        same(record?.details, shape, `the details ${index} come back as they were given`)
        same(record?.history[0]?.details, shape, `and those of the attempt too`)
      }
    },
  },
  {
    id: 'Q-LOOK-2/d',
    title: `a reason may hold any text, and is cut to ${MAX_REASON_CHARS} characters`,
    async run(harness) {
      const queue = await harness.open()
      const odd = 'first line\nsecond\t"quoted" \'; -- 😀 \u0001 %s'
      await bring(queue, 'odd', 'PROCESSING')
      await queue.fail('odd', { reason: odd })
      same((await recordOf(queue, 'odd')).reason, odd, 'an odd reason comes back as it was given')
      await bring(queue, 'nul', 'PROCESSING')
      await queue.fail('nul', { reason: 'a\0b' })
      check((await recordOf(queue, 'nul')).reason?.length === 3, 'NUL in a reason is replaced, not refused')
      await bring(queue, 'long', 'PROCESSING')
      await queue.fail('long', { reason: 'x'.repeat(50_000) })
      const { reason = '' } = await recordOf(queue, 'long')
      check(
        reason.length > MAX_REASON_CHARS - 5 && reason.length <= MAX_REASON_CHARS && reason.startsWith('xxx'),
        `a reason of 50,000 characters is cut to ${MAX_REASON_CHARS}`,
        reason.length,
      )
    },
  },
  {
    id: 'Q-LOOK-2/e',
    title:
      'the reason is that of the latest fail, release or requeue, and of one that gave none there is none',
    async run(harness) {
      const queue = await harness.open()
      await bring(queue, 'a', 'PROCESSING')
      await queue.release('a', { reason: 'first' })
      same((await recordOf(queue, 'a')).reason, 'first', 'the reason of the release')
      await queue.get(1)
      same((await recordOf(queue, 'a')).reason, 'first', 'a claim leaves it')
      await queue.fail('a', { attempt: 2 })
      same((await recordOf(queue, 'a')).reason, undefined, 'a fail with no reason: none')
      same((await recordOf(queue, 'a')).history[0]?.reason, 'first', 'the history has the old one')
    },
  },
]
