import { expect, test } from 'vitest'
import { WorkRate } from '../../src/sending/work-rate.js'

const bounds = { least: 16, most: 500, unknown: 100 }

test('without a sample the unknown; with one as much as fits, within the bounds', () => {
  const rate = new WorkRate(16)
  expect(rate.countWithin(1_000, bounds)).toBe(100)
  rate.note(20, 1_000)
  expect(rate.countWithin(1_000, bounds)).toBe(20)
  expect(rate.countWithin(100, bounds)).toBe(16)
  expect(rate.countWithin(60_000, bounds)).toBe(500)
})

test('the latest samples weigh most', () => {
  const rate = new WorkRate(16)
  rate.note(1_000, 1_000)
  for (let sample = 0; sample < 10; sample++) rate.note(20, 1_000)
  expect(rate.countWithin(1_000, bounds)).toBeLessThan(25)
})

test('a few that take no time say nothing, a few that take long do; nothing at all says nothing', () => {
  const rate = new WorkRate(16)
  rate.note(1, 300)
  rate.note(0, 60_000)
  expect(rate.countWithin(1_000, bounds)).toBe(100)
  rate.note(2, 10_000)
  expect(rate.countWithin(60_000, bounds)).toBe(16)
})
