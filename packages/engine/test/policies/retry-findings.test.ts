import type { FailureKind } from '@sluice/core'
import { expect, test } from 'vitest'
import { retryFindings, type RetryRule } from '../../src/index.js'

/** As those of local processes, on which signals show as 128 + their number. */
const FAILURES: readonly FailureKind[] = [
  { failureClass: 'failed', exitCodes: [1, 2, 75] },
  { failureClass: 'error', exitCodes: [126, 127] },
  { failureClass: 'killed', exitCodes: [130, 137, 143] },
  { failureClass: 'timeout' },
]

function found(rules: readonly Omit<RetryRule, 'maxAttempts'>[], failures?: readonly FailureKind[]) {
  const whole = rules.map((rule) => ({ maxAttempts: 3, ...rule }))
  return retryFindings({ rules: whole }, failures).map(({ rule, message }) => `${rule}: ${message}`)
}

test.each<[string, readonly Omit<RetryRule, 'maxAttempts'>[], readonly string[]]>([
  ['nothing', [{ classes: ['failed'] }, { classes: ['killed'], exitCodes: [143] }, {}], []],
  ['an exception before the rule', [{ exitCodes: [2] }, { exitCodes: ['1-255'] }, {}], []],
  [
    'a class that never comes',
    [{ classes: ['evicted'] }],
    ['0: this worker never reports the class evicted'],
  ],
  [
    'one of two classes',
    [{ classes: ['failed'] }, { classes: ['oom', 'error'] }],
    ['1: this worker never reports the class oom'],
  ],
  [
    'classes that are never retried',
    [{ classes: ['rejected', 'lost', 'invalid-body'] }],
    [
      '0: failures of the class rejected are never retried',
      '0: rules do not apply to the class lost: lost.policy does',
      '0: failures of the class invalid-body are never retried',
    ],
  ],
  [
    'exit codes that the class never has',
    [{ classes: ['failed'], exitCodes: [75, '130-145'] }],
    [
      '0: exit codes 130-145 never occur with the class failed: such a failure is of the class killed or timeout',
    ],
  ],
  [
    'an exit code that the class never has',
    [{ classes: ['killed'], exitCodes: [75] }],
    ['0: exit code 75 never occurs with the class killed: such a failure is of the class failed or timeout'],
  ],
  [
    'a rule behind one for all',
    [{}, { classes: ['failed'] }],
    ['1: it has no effect: rule 0 matches all of its failures first'],
  ],
  [
    'a rule behind two that have it all together',
    [{ exitCodes: ['0-74'] }, { exitCodes: ['75-255'] }, { classes: ['error'], exitCodes: ['70-130'] }],
    ['2: it has no effect: rule 1 matches all of its failures first'],
  ],
  [
    'a rule behind those of all classes',
    [{ classes: ['failed', 'error'] }, { classes: ['killed', 'timeout'] }, {}],
    ['2: it has no effect: rules 0, 1 match all of its failures first'],
  ],
  ['a rule for jobs without an exit code', [{ exitCodes: ['0-255'] }, {}], []],
])('finds %s', (_, rules, expected) => {
  expect(found(rules, FAILURES)).toEqual(expected)
})

test('of a worker that does not tell, any class may come, with any exit code', () => {
  expect(found([{ classes: ['quota'], exitCodes: [3] }, { classes: ['evicted', 'unschedulable'] }])).toEqual(
    [],
  )
  expect(found([{ classes: ['unsendable'] }])).toEqual([
    '0: failures of the class unsendable are never retried',
  ])
})

test('the class unschedulable needs a timeout', () => {
  const rules = [{ classes: ['unschedulable'] }]
  expect(found(rules, FAILURES)).toEqual([
    '0: the class unschedulable needs jobs.pendingTimeoutMs, and a worker that reports pending jobs',
  ])
  expect(found(rules, [...FAILURES, { failureClass: 'unschedulable' }])).toEqual([])
})

test('the short form is one rule', () => {
  expect(retryFindings({ maxAttempts: 2, on: ['evicted', 'failed'] }, FAILURES)).toEqual([
    { rule: 0, message: 'this worker never reports the class evicted' },
  ])
  expect(retryFindings({ maxAttempts: 2 }, FAILURES)).toEqual([])
})
