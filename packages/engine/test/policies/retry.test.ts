import fc from 'fast-check'
import { expect, test } from 'vitest'
import { backoffMs } from '../../src/policies/backoff.js'
import { retryOf, retryPolicy } from '../../src/policies/retry.js'

function retryDelayMs(...args: Parameters<typeof retryOf>): number | undefined {
  return retryOf(...args)?.delayMs
}

test('exponential up to a bound, and jitter takes from it', () => {
  const backoff = { baseMs: 100, factor: 3, maxMs: 1_000, jitter: 0.5 }
  const delays = [1, 2, 3, 4, 1_000_000].map((failures) => backoffMs(backoff, failures, () => 0))
  expect(delays).toEqual([100, 300, 900, 1_000, 1_000])
  expect(backoffMs(backoff, 1, () => 0.999_999)).toBe(50)
  expect(backoffMs({ ...backoff, baseMs: 0 }, 1_000_000, () => 0)).toBe(0)
})

test('always whole, never negative, never over the bound', () => {
  const unit = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
  fc.assert(
    fc.property(fc.nat(), fc.nat(), fc.nat(), unit, unit, (baseMs, maxMs, failures, jitter, random) => {
      const delay = backoffMs({ baseMs, maxMs, factor: 2, jitter }, failures, () => random)
      expect(Number.isSafeInteger(delay) && delay >= 0 && delay <= maxMs).toBe(true)
    }),
  )
})

test('one attempt by default; uncounted and requeues give more', () => {
  const failed = { item: { attempt: 1, uncounted: 0 }, failureClass: 'failed' }
  expect(retryDelayMs(retryPolicy({}), failed, () => 0)).toBeUndefined()
  const uncounted = { ...failed, item: { attempt: 5, uncounted: 4 } }
  expect(retryDelayMs(retryPolicy({ maxAttempts: 2 }), uncounted, () => 0)).toBe(1_000)
})

test('wrong options are named', () => {
  expect(() => retryPolicy({ maxAttempts: 0 })).toThrow(/retry.maxAttempts/u)
  expect(() => retryPolicy({ maxAttempts: 1.5 })).toThrow(TypeError)
  expect(() => retryPolicy({ backoff: { baseMs: -1 } })).toThrow(/retry.backoff.baseMs/u)
  expect(() => retryPolicy({ backoff: { factor: 0.5 } })).toThrow(/factor/u)
  expect(() => retryPolicy({ backoff: { jitter: 2 } })).toThrow(/jitter/u)
})

const failed = (more: Partial<Parameters<typeof retryDelayMs>[1]> = {}, attempt = 1) => ({
  item: { attempt, uncounted: 0 },
  failureClass: 'failed',
  ...more,
})

/** After which attempt a failure of this kind is the last. */
function attemptsOf(options: Parameters<typeof retryPolicy>[0], how: Parameters<typeof failed>[0]): number {
  const policy = retryPolicy(options)
  for (let attempt = 1; attempt < 100; attempt++)
    if (retryDelayMs(policy, failed(how, attempt), () => 0) === undefined) return attempt
  return Number.POSITIVE_INFINITY
}

const RULES = [
  { classes: ['evicted', 'killed'], maxAttempts: 9 },
  { classes: ['failed'], exitCodes: [75, '130-145'], maxAttempts: 4 },
  { exitCodes: [2], maxAttempts: 1 },
  { exitCodes: ['0-9', '200'], maxAttempts: 3 },
]

test.each([
  ['a class of the first rule', { failureClass: 'evicted' }, 9],
  ['the same, whatever its exit code', { failureClass: 'killed', exitCode: 2 }, 9],
  ['class and code of the second', { exitCode: 75 }, 4],
  ['the first code of a range', { exitCode: 130 }, 4],
  ['the last code of a range', { exitCode: 145 }, 4],
  ['just below a range', { exitCode: 129 }, 1],
  ['just above a range', { exitCode: 146 }, 1],
  ['the code of the second and another class', { failureClass: 'error', exitCode: 75 }, 1],
  ['an earlier rule that forbids it', { exitCode: 2 }, 1],
  ['a later rule by its range', { exitCode: 3 }, 3],
  ['a code that is given as text', { exitCode: 200 }, 3],
  ['no exit code', {}, 1],
  ['an exit code that is none', { exitCode: 3.5 }, 1],
  ['a class that no rule has', { failureClass: 'oom' }, 1],
] as const)('the first rule that matches decides: %s', (_, how, attempts) => {
  expect(attemptsOf({ rules: RULES }, how)).toBe(attempts)
})

test('no rule, no retry; a rule without conditions matches every failure', () => {
  expect(attemptsOf({ rules: [] }, {})).toBe(1)
  expect(attemptsOf({ rules: [{ maxAttempts: 3 }] }, { failureClass: 'whatever' })).toBe(3)
})

test('attempts that failed in other ways count against the rule that matches now', () => {
  const policy = retryPolicy({ rules: [{ classes: ['evicted'], maxAttempts: 9 }, { maxAttempts: 2 }] })
  expect(retryDelayMs(policy, failed({ failureClass: 'evicted' }, 3), () => 0)).toBeDefined()
  expect(retryDelayMs(policy, failed({}, 1), () => 0)).toBeDefined()
  expect(retryDelayMs(policy, failed({}, 4), () => 0)).toBeUndefined()
  const uncounted = { ...failed(), item: { attempt: 4, uncounted: 3 } }
  expect(retryDelayMs(policy, uncounted, () => 0)).toBeDefined()
})

test('a rule has a backoff of its own, and takes what it leaves open from the others', () => {
  const backoff = { baseMs: 100, jitter: 0 }
  const rules = [{ exitCodes: [75], maxAttempts: 9, backoff: { baseMs: 5_000 } }, { maxAttempts: 9 }]
  const policy = retryPolicy({ backoff, rules })
  expect(retryDelayMs(policy, failed({ exitCode: 75 }, 2), () => 0.9)).toBe(10_000)
  expect(retryDelayMs(policy, failed({ exitCode: 1 }, 2), () => 0.9)).toBe(200)
})

test('`on` and `maxAttempts` are the short form of one rule', () => {
  const short = retryPolicy({ maxAttempts: 4, on: ['evicted'], backoff: { baseMs: 7 } })
  const rules = [{ classes: ['evicted'], maxAttempts: 4, backoff: { baseMs: 7 } }]
  expect(short.rules).toEqual(retryPolicy({ rules }).rules)
})

test.each(['rejected', 'unsendable', 'invalid-body'])('no rule makes %s be tried again', (failureClass) => {
  const rules = [{ classes: [failureClass], maxAttempts: 9 }, { maxAttempts: 9 }]
  expect(attemptsOf({ rules }, { failureClass })).toBe(1)
})

test.each([
  [{ rules: [{ maxAttempts: 0 }] }, 'retry.rules[0].maxAttempts'],
  [{ rules: [{ maxAttempts: 1 }, { maxAttempts: 2.5 }] }, 'retry.rules[1].maxAttempts'],
  [{ rules: [{ maxAttempts: 1, exitCodes: [1, -1] }] }, 'retry.rules[0].exitCodes[1]'],
  [{ rules: [{ maxAttempts: 1, exitCodes: ['9-3'] }] }, 'retry.rules[0].exitCodes[0]'],
  [{ rules: [{ maxAttempts: 1, exitCodes: ['1-'] }] }, 'retry.rules[0].exitCodes[0]'],
  [{ rules: [{ maxAttempts: 1, exitCodes: [1.5] }] }, 'retry.rules[0].exitCodes[0]'],
  [{ rules: [{ maxAttempts: 1, exitCodes: [] }] }, 'retry.rules[0].exitCodes'],
  [{ rules: [{ maxAttempts: 1, classes: [] }] }, 'retry.rules[0].classes'],
  [{ rules: [{ maxAttempts: 1, backoff: { baseMs: -1 } }] }, 'retry.rules[0].backoff.baseMs'],
  [{ rules: [{ maxAttempts: 1 }], maxAttempts: 3 }, 'retry.maxAttempts'],
  [{ rules: [{ maxAttempts: 1 }], on: ['failed'] }, 'retry.on'],
])('a wrong rule is named: %j', (options, field) => {
  expect(() => retryPolicy(options)).toThrow(TypeError)
  expect(() => retryPolicy(options)).toThrow(field)
})
