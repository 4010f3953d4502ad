import fc from 'fast-check'
import { expect, test } from 'vitest'
import { backoffMs } from '../src/backoff.js'
import { retryDelayMs, retryPolicy } from '../src/retry.js'

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

test('one attempt by default; refunds and requeues give more', () => {
  const failed = { item: { attempt: 1, refunds: 0 }, failureClass: 'failed' }
  expect(retryDelayMs(retryPolicy({}), failed, () => 0)).toBeUndefined()
  const refunded = { ...failed, item: { attempt: 5, refunds: 4 } }
  expect(retryDelayMs(retryPolicy({ maxAttempts: 2 }), refunded, () => 0)).toBe(1_000)
})

test('wrong options are named', () => {
  expect(() => retryPolicy({ maxAttempts: 0 })).toThrow(/retry.maxAttempts/u)
  expect(() => retryPolicy({ maxAttempts: 1.5 })).toThrow(TypeError)
  expect(() => retryPolicy({ backoff: { baseMs: -1 } })).toThrow(/retry.backoff.baseMs/u)
  expect(() => retryPolicy({ backoff: { factor: 0.5 } })).toThrow(/factor/u)
  expect(() => retryPolicy({ backoff: { jitter: 2 } })).toThrow(/jitter/u)
})
