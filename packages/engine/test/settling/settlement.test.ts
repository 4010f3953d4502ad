import type { JsonValue } from '@sluice/core'
import { expect, test } from 'vitest'
import { storable, type JobSettlement } from '../../src/settling/settlement.js'

const settlement: JobSettlement = { id: 'a', uid: 'u', attempt: 1, stage: 'SUCCESS' }

test('what fits is left as it is', () => {
  const whole = { ...settlement, result: { n: 1 }, details: { url: 'x' } }
  expect(storable(whole, 100)).toBe(whole)
  expect(storable(settlement, 100)).toBe(settlement)
})

test('a result that is too large or no JSON is left out, and the details say so', () => {
  const large = storable({ ...settlement, result: 'x'.repeat(1_000), details: { url: 'x' } }, 500)
  expect(large).toEqual({
    ...settlement,
    details: { url: 'x', leftOut: [expect.stringContaining('result')] },
  })
  const odd = storable({ ...settlement, result: { n: Number.NaN } }, 500)
  expect(odd).toEqual({ ...settlement, details: { leftOut: [expect.stringContaining('result')] } })
})

test('details that do not fit are left out; a good result stays', () => {
  const details = { log: 'x'.repeat(1_000) } satisfies JsonValue
  expect(storable({ ...settlement, result: 1, details }, 500)).toEqual({
    ...settlement,
    result: 1,
    details: { leftOut: [expect.stringContaining('details')] },
  })
})

test('details that fit only without the note give way to it', () => {
  const details = { log: 'x'.repeat(480) }
  const stored = storable({ ...settlement, result: 'y'.repeat(1_000), details }, 500)
  expect(stored.details).toEqual({ leftOut: [expect.stringContaining('result')] })
})
