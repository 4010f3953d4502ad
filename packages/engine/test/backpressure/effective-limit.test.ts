import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  EffectiveLimit,
  QUIET_MS,
  recoveredLimit,
  type LimitStep,
} from '../../src/backpressure/effective-limit.js'

const signal = fc.record({
  afterMs: fc.integer({ min: 0, max: 90_000 }),
  unfinished: fc.integer({ min: 0, max: 2_000 }),
  most: fc.oneof(fc.integer({ min: 0, max: 2_000 }), fc.constant(Number.POSITIVE_INFINITY)),
  share: fc.option(fc.double({ min: 0, max: 1.5, noNaN: true }), { nil: undefined }),
  isHeld: fc.boolean(),
})

/** As dispatch uses it: the least of the two. */
function effective(limit: EffectiveLimit, { nowMonotonic, most }: LimitStep): number {
  return Math.min(limit.at(nowMonotonic), most)
}

test('after any signals it is a whole number up to the cap, and at least 1 while the cap is; pushback never raises it', () => {
  fc.assert(
    fc.property(fc.array(signal, { maxLength: 60 }), fc.integer({ min: 1, max: 20 }), (signals, minLimit) => {
      const limit = new EffectiveLimit(minLimit)
      let nowMonotonic = 0
      for (const { afterMs, unfinished, most, share, isHeld } of signals) {
        nowMonotonic += afterMs
        const pushback =
          share === undefined
            ? undefined
            : ({ cause: 'refused', reason: '429', target: share * unfinished } as const)
        const step = { nowMonotonic, unfinished, most, pushback, isHeld }
        const quiet = new EffectiveLimit(minLimit)
        if (limit.lowered !== undefined)
          quiet.resume(limit.lowered, nowMonotonic - limit.quietMs(nowMonotonic))
        quiet.step({ ...step, pushback: undefined, isHeld: false })
        limit.step(step)
        const now = effective(limit, step)
        expect(now).toBeLessThanOrEqual(most)
        expect(now).toBeGreaterThanOrEqual(Math.min(1, most))
        expect(now).toBeGreaterThanOrEqual(Math.min(minLimit, most))
        expect(Number.isInteger(now) || now === Number.POSITIVE_INFINITY).toBe(true)
        expect(now).toBeLessThanOrEqual(pushback === undefined ? most : effective(quiet, step))
      }
    }),
  )
})

test('time alone never lowers it, and a minute without pushback ends it', () => {
  const lowered = fc.record({
    limit: fc.integer({ min: 1, max: 1_000 }),
    pushedBackAt: fc.integer({ min: 1, max: 2_000 }),
  })
  const ms = fc.integer({ min: 0, max: 70_000 })
  fc.assert(
    fc.property(lowered, fc.integer({ min: 1, max: 5_000 }), ms, ms, (one, most, aMs, bMs) => {
      const [early, late] = [Math.min(aMs, bMs), Math.max(aMs, bMs)]
      expect(recoveredLimit(one, late, most)).toBeGreaterThanOrEqual(recoveredLimit(one, early, most))
      expect(recoveredLimit(one, early, most)).toBeLessThanOrEqual(most)
      expect(recoveredLimit(one, 60_000, most)).toBe(most)
    }),
  )
  expect(QUIET_MS).toBeLessThan(60_000)
})

const REFUSED = { cause: 'refused', reason: '429' } as const

test('the jobs of one pushback lower it once, and few jobs never do', () => {
  const limit = new EffectiveLimit(10)
  const step = { unfinished: 100, most: 200, pushback: { ...REFUSED, target: 85 } }
  limit.step({ ...step, nowMonotonic: 10_000 })
  limit.step({ ...step, nowMonotonic: 10_500, pushback: { ...REFUSED, target: 70 } })
  expect(limit.at(10_500)).toBe(85)
  limit.step({ ...step, nowMonotonic: 11_500, pushback: { ...REFUSED, target: 70 } })
  expect(limit.at(11_500)).toBe(70)
  const few = new EffectiveLimit(10)
  few.step({ nowMonotonic: 0, unfinished: 10, most: 200, pushback: { ...REFUSED, target: 1 } })
  expect(few.lowered).toBeUndefined()
})

const limitAfter = (ms: number) => Math.floor(recoveredLimit({ limit: 85, pushedBackAt: 100 }, ms, 1_000))

test('it returns to a little less than where the worker pushed back, stays there, and then goes beyond', () => {
  expect([0, 5_000, 10_000, 30_000, 35_000, 40_000, 45_000, 50_000, QUIET_MS].map(limitAfter)).toEqual([
    85, 90, 95, 95, 96, 110, 157, 317, 1_000,
  ])
})

test('what is held does not pass as quiet', () => {
  const limit = new EffectiveLimit(10)
  const step = { unfinished: 100, most: 200 }
  limit.step({ ...step, nowMonotonic: 0, pushback: { ...REFUSED, target: 80 } })
  limit.step({ ...step, nowMonotonic: 100_000, isHeld: true })
  expect(limit.at(100_000)).toBe(80)
  limit.step({ ...step, nowMonotonic: 160_000 })
  expect(limit.at(160_000)).toBe(Number.POSITIVE_INFINITY)
})
