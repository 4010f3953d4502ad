import { expect, test } from 'vitest'
import { processingLimit, unlimited, type DispatchSnapshot } from '../../src/index.js'
import { roomIn } from '../../src/policies/dispatch-policy.js'

const at = (processing: number, more: Partial<DispatchSnapshot> = {}): DispatchSnapshot => ({
  processing,
  orphans: 0,
  limits: {},
  nowAt: 0,
  ...more,
})

test('processingLimit: what is left of the number; orphans take places', () => {
  expect(processingLimit(3)(at(1))).toBe(2)
  expect(processingLimit(3)(at(1, { orphans: 1 }))).toBe(1)
  expect(processingLimit(3)(at(9))).toBe(0)
  expect(processingLimit(0)(at(0))).toBe(0)
})

test('a live limit takes the place of the number, 0 included', () => {
  expect(processingLimit(3)(at(1, { limits: { maxProcessing: 10 } }))).toBe(9)
  expect(processingLimit(3)(at(0, { limits: { maxProcessing: 0 } }))).toBe(0)
  expect(processingLimit(3)(at(0, { limits: { other: 0 } }))).toBe(3)
})

test('unlimited: all, unless a person has set a limit', () => {
  expect(unlimited()(at(1_000))).toBe(Number.POSITIVE_INFINITY)
  expect(unlimited()(at(4, { limits: { maxProcessing: 5 } }))).toBe(1)
})

test('the result of a third party’s policy is made a whole number of 0 or more', () => {
  for (const [said, room] of [
    [Number.NaN, 0],
    [-3, 0],
    [2.9, 2],
    [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
  ] as const) {
    expect(roomIn(() => said, at(0))).toBe(room)
  }
})

test('a wrong number is a TypeError', () => {
  for (const wrong of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    expect(() => processingLimit(wrong)).toThrow(TypeError)
  }
})
