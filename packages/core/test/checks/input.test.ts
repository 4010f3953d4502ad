import { expect, test } from 'vitest'
import { MAX_REASON_CHARS } from '../../src/index.js'
import {
  assertCount,
  assertItemId,
  checkNewItem,
  checkNewItems,
  copyNewItem,
  cutReason,
  encodeItem,
} from '../../src/backend/index.js'

test.each([
  'a',
  ' ',
  '..',
  '.hidden',
  'a/b//c',
  `quote's "x"`,
  'Ünïcode 🌊',
  'x'.repeat(1_024),
  '🌊'.repeat(256),
  '__proto__',
])('a legal id passes: %s', (id) => {
  expect(() => {
    assertItemId(id)
  }).not.toThrow()
})

test.each([
  ['', /empty/],
  ['a\0b', /NUL/],
  ['\ud800', /well-formed/],
  ['x'.repeat(1_025), /1025 bytes/],
  [`${'🌊'.repeat(256)}x`, /1025 bytes/],
  [7, /not number/],
  [null, /not null/],
])('an illegal id is a TypeError: %j', (id, message) => {
  expect(() => {
    assertItemId(id)
  }).toThrow(TypeError)
  expect(() => {
    assertItemId(id)
  }).toThrow(message)
})

test('a checked item has its defaults', () => {
  expect(checkNewItem({ id: 'a', body: null }, 100)).toEqual({ id: 'a', bodyText: 'null', priority: 0 })
  expect(Object.is(checkNewItem({ id: 'a', body: 1, priority: -0 }, 100).priority, 0)).toBe(true)
})

test.each([
  [{ id: 'a', body: 1, priority: 1.5 }, /priority/],
  [{ id: 'a', body: 1, priority: 2 ** 31 }, /priority/],
  [{ id: 'a', body: 1, notBeforeAt: -1 }, /notBeforeAt/],
  [{ id: 'a', body: 1, delayMs: Number.NaN }, /delayMs/],
  [{ id: 'a', body: 1, delayMs: 1, notBeforeAt: 1 }, /not both/],
  [{ id: 'a', body: Number.NaN }, /body must be JSON/],
])('a bad item is refused: %j', (item, message) => {
  expect(() => checkNewItem(item, 100)).toThrow(message)
})

test('a bad item in a batch is named by its index', () => {
  expect(() =>
    checkNewItems(
      [
        { id: 'a', body: 1 },
        { id: '', body: 1 },
      ],
      100,
    ),
  ).toThrow(/items\[1\]: id must not be empty/)
})

test('a count is a whole number from 0', () => {
  for (const bad of [-1, 0.5, Number.NaN, '1']) {
    expect(() => {
      assertCount(bad, 'maxItems')
    }).toThrow(/maxItems/)
  }
  expect(() => {
    assertCount(0, 'maxItems')
  }).not.toThrow()
})

test('a reason is cut between characters and is storable everywhere', () => {
  const cut = cutReason('🌊'.repeat(MAX_REASON_CHARS)) ?? ''
  expect(cut.length).toBeLessThanOrEqual(MAX_REASON_CHARS)
  expect(cut.isWellFormed()).toBe(true)
  expect(cutReason(`exit code 1: ${'x'.repeat(MAX_REASON_CHARS)} disk full`)).toMatch(
    /^exit code 1: x{487}…x+ disk full$/u,
  )
  for (const lead of ['', 'x']) {
    const halves = cutReason(lead + '🌊'.repeat(MAX_REASON_CHARS)) ?? ''
    expect([halves.isWellFormed(), halves.includes('\u{FFFD}')]).toEqual([true, false])
    expect(halves.length).toBeGreaterThan(MAX_REASON_CHARS - 5)
  }
  expect(cutReason('a\0b\ud800')).toBe('a\u{FFFD}b\u{FFFD}')
  expect(cutReason(undefined)).toBeUndefined()
})

test('an encoded item is checked once, for queues with no smaller limit, and read as any other', () => {
  const item = { id: 'a', body: { text: 'ü' }, priority: 2, delayMs: 5 }
  const encoded = encodeItem(item, 100)
  expect(checkNewItem(encoded, 100)).toBe(encoded)
  expect(checkNewItem(encoded, 200)).toBe(encoded)
  expect(checkNewItem(encoded, 50)).toEqual(checkNewItem(item, 50))
  expect(() => checkNewItem(encoded, 10)).toThrow(/at most 10/)
  expect(copyNewItem(encoded, 100)).toEqual(copyNewItem(item, 100))
  expect(encoded.body).toEqual(item.body)
  expect(() => encodeItem({ id: 'a', body: Number.NaN }, 100)).toThrow(TypeError)
})
