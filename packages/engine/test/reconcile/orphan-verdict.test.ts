import type { AttemptRecord, ItemRecord, JobReport, Stage } from '@sluice/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CANCELLED_DETAILS } from '../../src/index.js'
import { orphanVerdict } from '../../src/reconcile/orphan-verdict.js'

const HEAD = { id: 'a', uid: 'u', uncounted: 0, priority: 0, body: null, putAt: 0 }

function itemWith(stage: Stage, attempt: number, record: Partial<AttemptRecord> = {}): ItemRecord {
  const first: AttemptRecord = { attempt: 1, claimedAt: 0, ...record }
  const later = attempt > 1 ? [{ attempt, claimedAt: 1 }] : []
  return { ...HEAD, stage, attempt, history: [first, ...later] }
}

const running = (more: Partial<JobReport> = {}): JobReport => ({
  stage: 'PROCESSING',
  uid: 'u',
  attempt: 1,
  jobUid: 'one',
  ...more,
})

const FAILED = { outcome: 'FAIL' } as const
const CANCELLED = { ...FAILED, details: CANCELLED_DETAILS }

test.each<[string, ItemRecord | undefined, JobReport, string]>([
  ['in PROCESSING at this attempt', itemWith('PROCESSING', 1), running(), 'awaited'],
  ['gone', undefined, running(), 'left'],
  ['put again, of another uid', itemWith('WAITING', 1, CANCELLED), running({ uid: 'before' }), 'left'],
  ['failed by an operator', itemWith('FAIL', 1, FAILED), running(), 'left'],
  ['cancelled', itemWith('FAIL', 1, CANCELLED), running(), 'cancelled'],
  ['cancelled, requeued and claimed again', itemWith('PROCESSING', 2, CANCELLED), running(), 'cancelled'],
  ['released by an operator', itemWith('WAITING', 1, { outcome: 'WAITING' }), running(), 'left'],
  ['given back as unsent', itemWith('WAITING', 1, { outcome: 'WAITING', unsent: true }), running(), 'unsent'],
  [
    'given back as unsent, then claimed again',
    itemWith('PROCESSING', 2, { outcome: 'WAITING', unsent: true }),
    running(),
    'unsent',
  ],
  [
    'settled by another job of this name',
    itemWith('SUCCESS', 1, { outcome: 'SUCCESS', jobUid: 'zero' }),
    running(),
    'made-again',
  ],
  [
    'settled by this very job, retried by an operator',
    itemWith('FAIL', 1, { ...FAILED, jobUid: 'one' }),
    running(),
    'left',
  ],
  ['settled by a job without a known uid', itemWith('FAIL', 1, FAILED), running(), 'left'],
  [
    'settled by a job with an id, the running one has none',
    itemWith('FAIL', 1, { ...FAILED, jobUid: 'zero' }),
    { stage: 'PROCESSING', uid: 'u', attempt: 1 },
    'left',
  ],
  ['so old that its attempt is in no history', { ...itemWith('FAIL', 60), history: [] }, running(), 'left'],
])('%s', (_, item, report, verdict) => {
  expect(orphanVerdict(item, { id: 'a', report })).toBe(verdict)
})

test('whatever the record: a job is ended only where its own attempt is over, and was cancelled, unsent, or another job’s', () => {
  const record = fc.record(
    {
      outcome: fc.constantFrom('SUCCESS', 'FAIL', 'WAITING'),
      unsent: fc.boolean(),
      jobUid: fc.constantFrom('one', 'two'),
      details: fc.constantFrom(CANCELLED_DETAILS, { cancelled: false }, null, 'cancelled'),
    },
    { requiredKeys: [] },
  ) as fc.Arbitrary<Partial<AttemptRecord>>
  const stages = fc.constantFrom<Stage>('WAITING', 'PROCESSING', 'SUCCESS', 'FAIL')
  const reports = fc.record({ uid: fc.constantFrom('u', 'v'), jobUid: fc.constantFrom('one', 'two') })
  fc.assert(
    fc.property(record, stages, fc.integer({ min: 1, max: 3 }), reports, (of, stage, attempt, more) => {
      const verdict = orphanVerdict(itemWith(stage, attempt, of), { id: 'a', report: running(more) })
      const isEnded = verdict !== 'left' && verdict !== 'awaited'
      if (!isEnded) return
      expect(more.uid).toBe('u')
      expect(stage === 'PROCESSING' && attempt === 1).toBe(false)
      const isOther = of.jobUid !== undefined && of.jobUid !== more.jobUid
      expect(of.unsent === true || of.details === CANCELLED_DETAILS || isOther).toBe(true)
    }),
  )
})
