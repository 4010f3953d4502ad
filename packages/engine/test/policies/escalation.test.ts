import type { JobOverrides } from '@sluice/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { nextOverrides, overridesFor } from '../../src/policies/escalation.js'
import { retryPolicy, type RetryRule } from '../../src/policies/retry.js'
import { retryFindings } from '../../src/policies/retry-findings.js'

const memory = (...values: string[]) => ({ parameter: 'memory', values })
const rule = (escalate: RetryRule['escalate'], maxAttempts = 3): RetryRule => ({
  classes: ['oom'],
  maxAttempts,
  ...(escalate === undefined ? {} : { escalate }),
})

/** The value after one failure that escalates. */
function after(current: string | undefined, values: readonly string[]): string | undefined {
  const { escalations } = retryPolicy({ rules: [rule(memory(...values))] })
  const ran: JobOverrides = current === undefined ? {} : { memory: current }
  return nextOverrides(escalations, { current: ran, escalate: memory(...values) })?.['memory']
}

test.each([
  ['4Gi', ['4Gi', '8Gi', '16Gi'], '8Gi'],
  ['8Gi', ['4Gi', '8Gi', '16Gi'], '16Gi'],
  ['16Gi', ['4Gi', '8Gi', '16Gi'], '16Gi'],
  ['6Gi', ['4Gi', '8Gi', '16Gi'], '8Gi'],
  ['8192Mi', ['4Gi', '8Gi', '16Gi'], '16Gi'],
  ['32Gi', ['4Gi', '8Gi'], '32Gi'],
  [undefined, ['4Gi', '8Gi'], '4Gi'],
  ['small', ['small', 'large'], 'large'],
  ['huge', ['small', 'large'], 'small'],
] as const)('after %s of %o comes %s', (current, values, next) => {
  expect(after(current, values)).toBe(next)
})

test('what the release recorded is sent, whatever is configured now', () => {
  const { escalations } = retryPolicy({ rules: [rule(memory('1Gi', '2Gi'))] })
  const item = { retryState: { overrides: { memory: '8Gi' } } }
  expect(overridesFor(escalations, item)).toEqual({ memory: '8Gi' })
  expect(overridesFor(new Map(), item)).toEqual({ memory: '8Gi' })
  expect(overridesFor(escalations, {})).toEqual({ memory: '1Gi' })
  expect(overridesFor(new Map(), {})).toBeUndefined()
  expect(overridesFor(escalations, { retryState: { overrides: { memory: 8 } } })).toEqual({ memory: '1Gi' })
})

test.each([
  [[rule(memory())], 'retry.rules[0].escalate.values must not be empty'],
  [[rule(memory('8Gi', '4Gi'))], 'retry.rules[0].escalate.values[1] must be larger'],
  [[rule(memory('1Gi', '1024Mi'))], 'retry.rules[0].escalate.values[1] must be larger'],
  [[rule(memory('a', 'b', 'a'))], 'retry.rules[0].escalate.values[2] repeats "a"'],
  [[rule(memory(''))], 'retry.rules[0].escalate.values[0]'],
  [[rule({ parameter: '1x', values: ['a'] })], 'retry.rules[0].escalate.parameter'],
  [[rule(memory('1', '2')), rule(memory('1', '3'))], 'retry.rules[1].escalate.values must be those'],
  [['a', 'b', 'c', 'd', 'e'].map((parameter) => rule({ parameter, values: ['1'] })), 'at most 4'],
])('a wrong escalation is named: %#', (rules, message) => {
  expect(() => retryPolicy({ rules })).toThrow(message)
})

function found(maxAttempts: number): readonly string[] {
  const rules = [rule(memory('4Gi', '8Gi', '16Gi'), maxAttempts)]
  return retryFindings({ rules }).map(({ message }) => message)
}

test('values that no attempt can get are found', () => {
  expect(found(2)).toEqual(['no attempt gets memory 16Gi: there are at most 2 attempts'])
  expect(found(3)).toEqual([])
})

test('a value never shrinks, and is one of the configured ones or the one before', () => {
  const sizes = fc.uniqueArray(fc.integer({ min: 1, max: 64 }), { minLength: 1, maxLength: 5 })
  fc.assert(
    fc.property(sizes, fc.integer({ min: 1, max: 80 }), (unsorted, current) => {
      const values = unsorted.toSorted((a, b) => a - b)
      const next = Number.parseInt(
        after(
          `${current}Gi`,
          values.map((value) => `${value}Gi`),
        ) ?? '',
        10,
      )
      expect(next).toBe(values.find((value) => value > current) ?? current)
    }),
  )
})
