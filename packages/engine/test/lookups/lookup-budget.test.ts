import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LookupBudget } from '../../src/lookups/lookup-budget.js'

test('so many within a second, and then one for each that is a second old', () => {
  const budget = new LookupBudget(3)
  expect([0, 10, 20, 30, 999].map((ms) => budget.take(ms))).toEqual([true, true, true, false, false])
  expect([1_000, 1_001, 1_010, 1_011, 1_020].map((ms) => budget.take(ms))).toEqual([
    true,
    false,
    true,
    false,
    true,
  ])
})

test('whenever they are asked for: never more than the budget within any second', () => {
  const waits = fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 200 })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), waits, (perSecond, gaps) => {
      const budget = new LookupBudget(perSecond)
      const taken: number[] = []
      let nowMs = 0
      for (const gap of gaps) {
        nowMs += gap
        const inWindow = taken.filter((ms) => nowMs - ms < 1_000).length
        expect(budget.take(nowMs)).toBe(inWindow < perSecond)
        if (inWindow < perSecond) taken.push(nowMs)
      }
    }),
  )
})
