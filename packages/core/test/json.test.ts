import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MAX_JSON_DEPTH, assertJson, encodeJson, utf8Bytes } from '../src/index.js'

test('every JSON value passes and comes back deep-equal', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      // `-0` comes back as `0`: the one loss that is allowed.
      const expected: unknown = JSON.parse(JSON.stringify(value))
      expect(JSON.parse(encodeJson(value, 1 << 20))).toEqual(expected)
    }),
  )
})

class Point {
  x = 1
}
const cycle: Record<string, unknown> = {}
cycle['self'] = { again: cycle }

test.each([
  ['undefined', undefined, /at \$, undefined is not JSON/],
  ['undefined inside', { a: [1, { b: undefined }] }, /at \$\.a\[1\]\.b, undefined is not JSON/],
  ['NaN', { a: Number.NaN }, /at \$\.a, NaN is not a JSON number/],
  ['infinity', [Number.POSITIVE_INFINITY], /at \$\[0\], Infinity/],
  ['bigint', { n: 1n }, /at \$\.n, bigint/],
  ['function', { 'odd key': () => 1 }, /at \$\["odd key"\], function/],
  ['hole', Array.from({ length: 3 }).fill(1, 0, 1), /at \$\[1\], undefined/],
  ['class', { when: new Date(0) }, /at \$\.when, an instance of Date/],
  ['own class', new Point(), /an instance of Point/],
  ['map', new Map(), /an instance of Map/],
  ['symbol key', { [Symbol('s')]: 1 }, /symbol key/],
  ['cycle', cycle, /at \$\.self\.again, it contains itself/],
])('what is not JSON is refused with its path: %s', (_name, value, message) => {
  expect(() => {
    assertJson(value)
  }).toThrow(TypeError)
  expect(() => {
    assertJson(value)
  }).toThrow(message)
})

test('the same object twice side by side is no cycle', () => {
  const shared = { a: 1 }
  expect(() => {
    assertJson([shared, shared])
  }).not.toThrow()
})

test('nesting is bounded, so that no parser overflows', () => {
  let deep: unknown = 1
  for (let level = 0; level < MAX_JSON_DEPTH; level++) deep = [deep]
  expect(() => {
    assertJson(deep)
  }).not.toThrow()
  expect(() => {
    assertJson([deep])
  }).toThrow(/nested deeper than 1000/)
})

test('the limit is in bytes of UTF-8', () => {
  expect(encodeJson('€', 5)).toBe('"€"')
  expect(() => encodeJson('€', 4)).toThrow(/5 bytes of JSON; this queue takes at most 4/)
})

test('utf8Bytes agrees with the encoder, lone surrogates included', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(utf8Bytes(text)).toBe(new TextEncoder().encode(text).length)
    }),
  )
  expect(utf8Bytes('\ud83d')).toBe(3)
})
