import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DurationSketch } from '../../src/clocks/duration-sketch.js'

test('a quantile is at most 2 % too large', () => {
  const ms = fc.integer({ min: 1, max: 1_000_000_000 })
  fc.assert(
    fc.property(fc.array(ms, { minLength: 1, maxLength: 200 }), (all) => {
      const sketch = new DurationSketch()
      for (const one of all) sketch.add(one)
      const exact = all.toSorted((a, b) => a - b)[Math.ceil(0.95 * all.length) - 1] ?? 0
      expect(sketch.quantile(0.95)).toBeGreaterThanOrEqual(exact * 0.999_999)
      expect(sketch.quantile(0.95)).toBeLessThanOrEqual(exact * 1.020_001)
    }),
  )
})

test('nothing known, durations of 0 and of ages are no trouble', () => {
  const sketch = new DurationSketch()
  expect(sketch.quantile(0.95)).toBe(0)
  sketch.add(0)
  expect(sketch.quantile(0.95)).toBe(1)
  sketch.add(1e15)
  expect(sketch.quantile(1)).toBeGreaterThan(1e11)
  expect(sketch.count).toBe(2)
})
