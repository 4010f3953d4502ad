import type { ItemSummary, JobReport } from '@sluice/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type LostPolicy } from '../../src/index.js'
import { decide, type DecideRules, type JobFacts } from '../../src/reconcile/decide.js'
import { retryPolicy, type RetryOptions } from '../../src/policies/retry.js'

const item: ItemSummary = { id: 'a', uid: 'u', stage: 'PROCESSING', attempt: 2, uncounted: 0, priority: 0 }
const ref = { id: 'a', uid: 'u', attempt: 2 }

function rules(policy: LostPolicy = 'fail', retry: RetryOptions = {}): DecideRules {
  return { lost: { policy, graceMs: 1_000 }, retry: retryPolicy(retry), random: () => 0 }
}

const report = (stage: JobReport['stage'], more: Partial<JobReport> = {}): JobReport => ({
  stage,
  uid: 'u',
  attempt: 2,
  ...more,
})

const facts = (sent: JobFacts['sent'], asking: JobFacts['asking'], absentMs = 0): JobFacts => ({
  sent,
  asking,
  absentMs,
  poll: 'complete',
})

const absent = (of: JobFacts, by = rules()) => decide(item, { report: undefined, facts: of }, by)
const present = (of: JobReport, by = rules()) => decide(item, { report: of, facts: facts('sent', 'due') }, by)

test('running: wait', () => {
  expect(present(report('PROCESSING'))).toEqual({ kind: 'wait' })
})

test('succeeded: SUCCESS with its result and evidence', () => {
  const ended = report('SUCCESS', {
    result: { n: 1 },
    url: 'http://x/1',
    details: { node: 'n7' },
    finishedAt: 9,
  })
  expect(present(ended)).toEqual({
    kind: 'settle',
    lost: false,
    settlement: {
      ...ref,
      stage: 'SUCCESS',
      result: { n: 1 },
      details: { node: 'n7', url: 'http://x/1', finishedAt: 9 },
    },
  })
  expect(present(report('SUCCESS'))).toEqual({
    kind: 'settle',
    lost: false,
    settlement: { ...ref, stage: 'SUCCESS' },
  })
})

test('failed: FAIL by default, with reason and class', () => {
  const ended = report('FAIL', { message: 'exit 3', failureClass: 'error', details: [1] })
  expect(present(ended)).toEqual({
    kind: 'settle',
    lost: false,
    settlement: {
      ...ref,
      stage: 'FAIL',
      reason: 'exit 3',
      details: { details: [1] },
      failureClass: 'error',
    },
  })
  expect(present(report('FAIL'))).toMatchObject({
    settlement: { stage: 'FAIL', reason: /did not say why/u, failureClass: 'failed' },
  })
})

test.each([
  ['attempts left', { maxAttempts: 3 }, {}, 'WAITING'],
  ['the last attempt', { maxAttempts: 2 }, {}, 'FAIL'],
  ['an uncounted attempt makes room', { maxAttempts: 2 }, { uncounted: 1 }, 'WAITING'],
  [
    'a class that is tried again',
    { maxAttempts: 3, on: ['evicted'] },
    { failureClass: 'evicted' },
    'WAITING',
  ],
  ['a class that is not', { maxAttempts: 3, on: ['evicted'] }, { failureClass: 'failed' }, 'FAIL'],
  ['no class counts as failed', { maxAttempts: 3, on: ['failed'] }, {}, 'WAITING'],
  [
    'an exit code that a rule has',
    { rules: [{ exitCodes: ['70-75'], maxAttempts: 3 }] },
    { exitCode: 75 },
    'WAITING',
  ],
  ['an exit code that none has', { rules: [{ exitCodes: [75], maxAttempts: 3 }] }, { exitCode: 1 }, 'FAIL'],
] as const)(
  'failed, %s',
  (
    _,
    retry,
    { uncounted = 0, ...more }: { uncounted?: number; failureClass?: string; exitCode?: number },
    stage,
  ) => {
    const job = { report: report('FAIL', { message: 'm', ...more }), facts: facts('sent', 'due') }
    const action = decide({ ...item, uncounted }, job, rules('fail', retry))
    expect(action).toMatchObject({ kind: 'settle', lost: false, settlement: { stage, reason: 'm' } })
    const delayMs = stage === 'WAITING' ? 1_000 * 2 ** (1 - uncounted) : undefined
    expect(action.kind === 'settle' && action.settlement.delayMs).toBe(delayMs)
  },
)

test.each([
  [facts('unsent', 'due'), 'resend'],
  [facts('unsent', 'later'), 'resend'],
  [facts('unsent', 'not-supported'), 'resend'],
  [facts('unknown', 'due'), 'ask'],
  [facts('unknown', 'later', 9_999), 'wait'],
  [facts('unknown', 'no-such-job'), 'resend'],
  [facts('unknown', 'not-supported', 999), 'wait'],
  [facts('unknown', 'not-supported', 1_000), 'resend'],
  [facts('sent', 'due'), 'ask'],
  [facts('sent', 'due', 9_999), 'ask'],
  [facts('sent', 'later', 9_999), 'wait'],
  [facts('sent', 'no-such-job', 999), 'wait'],
  [facts('sent', 'not-supported', 999), 'wait'],
] as const)('absent, %o: %s', (of, kind) => {
  expect(absent(of)).toEqual({ kind })
})

test.each(['no-such-job', 'not-supported'] as const)('lost (%s): by the policy', (asking) => {
  const gone = facts('sent', asking, 1_000)
  expect(absent(gone, rules('hold'))).toEqual({ kind: 'hold' })
  expect(absent(gone, rules('fail'))).toMatchObject({
    kind: 'settle',
    lost: true,
    settlement: { ...ref, stage: 'FAIL', reason: /^lost: /u, failureClass: 'lost' },
  })
  const resend = absent(gone, rules('resend'))
  expect(resend).toMatchObject({ kind: 'settle', lost: true, settlement: { ...ref, stage: 'WAITING' } })
  expect(resend.kind === 'settle' && resend.settlement.countAttempt).toBeUndefined()
})

test.each([
  [facts('unsent', 'due'), 'ended', 'resend'],
  [facts('unsent', 'due'), 'running', 'await-earlier'],
  [facts('unsent', 'due'), 'unknown', 'ask-earlier'],
  [facts('unsent', 'later'), 'unknown', 'ask-earlier'],
  [facts('unsent', 'not-supported'), 'unknown', 'await-earlier'],
  [facts('unsent', 'not-supported'), 'running', 'await-earlier'],
  // Its own job comes first: it may run.
  [facts('unknown', 'due'), 'running', 'ask'],
  [facts('unknown', 'later'), 'unknown', 'wait'],
  [facts('unknown', 'no-such-job'), 'ended', 'resend'],
  [facts('unknown', 'no-such-job'), 'running', 'await-earlier'],
  [facts('unknown', 'no-such-job'), 'unknown', 'ask-earlier'],
  [facts('unknown', 'not-supported', 999), 'running', 'wait'],
  [facts('unknown', 'not-supported', 1_000), 'running', 'await-earlier'],
  [facts('unknown', 'not-supported', 1_000), 'unknown', 'await-earlier'],
  [facts('sent', 'due'), 'running', 'ask'],
  [facts('sent', 'no-such-job', 999), 'running', 'wait'],
] as const)('absent, %o, earlier attempts %s: %s', (of, earlier, kind) => {
  expect(absent({ ...of, earlier })).toEqual({ kind })
})

test('whatever the facts: no attempt starts unless those before it are known to have ended', () => {
  const anyFacts = fc.record({
    sent: fc.constantFrom('sent', 'unsent', 'unknown'),
    asking: fc.constantFrom('due', 'later', 'no-such-job', 'not-supported'),
    absentMs: fc.nat(3_000),
    poll: fc.constantFrom('complete', 'incomplete'),
    earlier: fc.constantFrom('ended', 'running', 'unknown'),
  })
  fc.assert(
    fc.property(anyFacts, fc.constantFrom<LostPolicy>('fail', 'resend', 'hold'), (of, policy) => {
      const { kind } = absent(of, rules(policy))
      const { kind: alone } = absent({ ...of, earlier: 'ended' }, rules(policy))
      const mayAsk = of.earlier === 'unknown' && of.asking !== 'not-supported'
      const instead = of.earlier === 'ended' ? 'resend' : mayAsk ? 'ask-earlier' : 'await-earlier'
      expect(kind).toBe(alone === 'resend' ? instead : alone)
    }),
  )
})

test('whatever the facts: never FAIL for an absent job unless it was sent and the grace is over', () => {
  const anyFacts = fc.record({
    sent: fc.constantFrom('sent', 'unsent', 'unknown'),
    asking: fc.constantFrom('due', 'later', 'no-such-job', 'not-supported'),
    absentMs: fc.nat(3_000),
    poll: fc.constantFrom('complete', 'incomplete'),
  })
  fc.assert(
    fc.property(anyFacts, fc.constantFrom<LostPolicy>('fail', 'resend', 'hold'), (of, policy) => {
      const action = absent(of, rules(policy))
      const mayBeLost =
        of.poll === 'complete' && of.sent === 'sent' && of.absentMs >= 1_000 && /no/u.test(of.asking)
      expect(action.kind === 'settle' || action.kind === 'hold').toBe(mayBeLost)
      expect(action.kind === 'resend' && of.sent === 'sent').toBe(false)
    }),
  )
})

test.each([
  [facts('unsent', 'later'), 'resend'],
  [facts('unknown', 'due'), 'ask'],
  [facts('unknown', 'no-such-job'), 'resend'],
  [facts('unknown', 'not-supported', 9_999), 'wait'],
  [facts('sent', 'due', 9_999), 'ask'],
  [facts('sent', 'no-such-job', 9_999), 'wait'],
  [facts('sent', 'not-supported', 9_999), 'wait'],
] as const)('absent from an incomplete poll, %o: %s', (of, kind) => {
  expect(absent({ ...of, poll: 'incomplete' })).toEqual({ kind })
  // Be the grace nothing at all.
  const graceless = { ...rules(), lost: { policy: 'fail', graceMs: 0 } } as const
  expect(absent({ ...of, poll: 'incomplete' }, graceless)).toEqual({ kind })
})

test.each([
  ['pending for less', true, { pendingMs: 999 }, 'wait'],
  ['pending for as long', true, { pendingMs: 1_000 }, 'cancel'],
  ['not known to be pending now', undefined, { pendingMs: 9_999 }, 'wait'],
  ['begun', false, {}, 'wait'],
  ['cancelled for it already', true, { pendingMs: 9_999, cancelled: { cause: 'pending' } }, 'wait'],
] as const)('running, %s: %s', (_, pending, more, kind) => {
  const job = {
    report: report('PROCESSING', pending === undefined ? {} : { pending }),
    facts: { ...facts('sent', 'due'), ...more },
  }
  const action = kind === 'cancel' ? { kind, cause: 'pending' } : { kind }
  expect(decide(item, job, { ...rules(), pendingTimeoutMs: 1_000 })).toEqual(action)
  expect(decide(item, job, rules())).toEqual({ kind: 'wait' })
})

test.each([
  ['FAIL', ['unschedulable'], 'WAITING'],
  ['FAIL', ['killed'], 'FAIL'],
  ['SUCCESS', ['unschedulable'], 'SUCCESS'],
] as const)('ended in %s after it was cancelled for the timeout, retried on %o: %s', (end, on, stage) => {
  const job = {
    report: report(end, { message: 'Stopped', failureClass: 'killed', url: 'http://x/1' }),
    facts: {
      ...facts('sent', 'due'),
      pendingMs: 9_999,
      cancelled: { cause: 'pending', message: 'no room' } as const,
    },
  }
  const action = decide(item, job, { ...rules('fail', { maxAttempts: 3, on }), pendingTimeoutMs: 1_000 })
  expect(action).toMatchObject({ kind: 'settle', lost: false, settlement: { ...ref, stage } })
  if (end === 'SUCCESS') return
  expect(action).toMatchObject({
    settlement: {
      reason: expect.stringMatching(/^unschedulable: .*1000 ms.*no room$/u),
      details: { url: 'http://x/1' },
      failureClass: 'unschedulable',
    },
  })
})

const timed: DecideRules = { ...rules('fail', { maxAttempts: 3 }), attemptMs: 1_000, itemMs: 9_000 }

test.each([
  ['for less than the deadline', { runningMs: 999, itemLeftMs: 1 }, undefined],
  ['for the deadline of an attempt', { runningMs: 1_000, itemLeftMs: 1 }, 'attempt-deadline'],
  ['past the deadline of the item', { runningMs: 1, itemLeftMs: 0 }, 'item-deadline'],
  ['as recorded to be cancelled', { cancelling: 'straggler' }, 'straggler'],
  ['and cancelled by this engine', { runningMs: 1_000, cancelled: { cause: 'attempt-deadline' } }, undefined],
  ['as a straggler that is only marked', { isStraggler: true }, undefined],
] as const)('running %s', (_, more, cause) => {
  const job = { report: report('PROCESSING'), facts: { ...facts('sent', 'due'), ...more } }
  expect(decide(item, job, timed)).toEqual(cause === undefined ? { kind: 'wait' } : { kind: 'cancel', cause })
})

test('a straggler is cancelled once for each item', () => {
  const job = { report: report('PROCESSING'), facts: { ...facts('sent', 'due'), isStraggler: true } }
  const by = { ...timed, retriesStragglers: true }
  expect(decide(item, job, by)).toEqual({ kind: 'cancel', cause: 'straggler' })
  expect(decide({ ...item, retryState: { straggled: true } }, job, by)).toEqual({ kind: 'wait' })
})

test.each([
  ['attempt-deadline', { stage: 'WAITING', failureClass: 'timeout' }],
  ['item-deadline', { stage: 'FAIL', failureClass: 'timeout' }],
  ['straggler', { stage: 'WAITING', countAttempt: false, keepPlace: true, retryState: { straggled: true } }],
] as const)('ended after it was cancelled: %s', (cause, settlement) => {
  for (const known of [{ cancelled: { cause } }, { cancelling: cause }]) {
    const failed = { report: report('FAIL'), facts: { ...facts('sent', 'due'), ...known } }
    expect(decide(item, failed, timed)).toMatchObject({ kind: 'settle', settlement })
    const well = { report: report('SUCCESS'), facts: failed.facts }
    expect(decide(item, well, timed)).toMatchObject({ settlement: { stage: 'SUCCESS' } })
  }
})

test('no attempt starts after the deadline of the item: neither a retry nor a send', () => {
  const failing = (itemLeftMs: number) =>
    decide(item, { report: report('FAIL'), facts: { ...facts('sent', 'due'), itemLeftMs } }, timed)
  expect(failing(2_001)).toMatchObject({ settlement: { stage: 'WAITING', delayMs: 2_000 } })
  expect(failing(2_000)).toMatchObject({
    settlement: {
      stage: 'FAIL',
      failureClass: 'failed',
      reason: expect.stringContaining('deadlines.itemMs'),
    },
  })
  expect(absent({ ...facts('unsent', 'due'), itemLeftMs: 0 }, timed)).toEqual({ kind: 'overdue' })
  expect(absent({ ...facts('unsent', 'due'), itemLeftMs: 1 }, timed)).toEqual({ kind: 'resend' })
})
