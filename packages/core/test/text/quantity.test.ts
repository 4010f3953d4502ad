import { expect, test } from 'vitest'
import { isSize, quantityOf } from '../../src/backend/index.js'

test.each([
  ['4Gi', 4 * 1024 ** 3, true],
  ['1.5G', 1.5e9, true],
  ['512Mi', 512 * 1024 ** 2, true],
  ['2k', 2_000, false],
  ['500m', 0.5, false],
  ['8', 8, false],
  ['', undefined, false],
  ['4 Gi', undefined, false],
  ['4GB', undefined, false],
  ['-1', undefined, false],
  ['large', undefined, false],
] as const)('%j is %s', (text, value, isOne) => {
  expect(quantityOf(text)).toBe(value)
  expect(isSize(text)).toBe(isOne)
})
