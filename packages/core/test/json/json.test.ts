import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MAX_JSON_DEPTH } from '../../src/index.js'
import {
  assertJson,
  cloneJson,
  copyJson,
  encodeJson,
  isSameJson,
  utf8Bytes,
} from '../../src/backend/index.js'

test('every JSON value passes and comes back deep-equal', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      // `-0` comes back as `0`: the one loss that is allowed.
      const expected: unknown = JSON.parse(JSON.stringify(value))
      expect(JSON.parse(encodeJson(value, 1 << 20))).toEqual(expected)
    }),
  )
})

test('a copy is what the text would give back, and shares no object with it', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const expected: unknown = JSON.parse(JSON.stringify(value))
      const copy = copyJson(value, 1 << 20)
      expect(copy).toStrictEqual(expected)
      expect(cloneJson(copy)).toStrictEqual(expected)
    }),
  )
  const inner = { list: [{ a: 1 }] }
  const copy = copyJson({ inner }, 1 << 20)
  const clone = cloneJson(copy)
  inner.list.push({ a: 2 })
  expect(copy).toStrictEqual({ inner: { list: [{ a: 1 }] } })
  expect(clone).toStrictEqual(copy)
  expect(clone).not.toBe(copy)
})

test('a copy has a field named __proto__ as a field', () => {
  const body: unknown = JSON.parse('{"__proto__":{"admin":true},"a":1}')
  for (const copy of [copyJson(body, 100), cloneJson(copyJson(body, 100))]) {
    expect(Object.keys(copy ?? {})).toEqual(['__proto__', 'a'])
    expect(copy).not.toHaveProperty('admin')
  }
})

test('a copy is held to the limit in bytes of UTF-8 of its text, what is escaped included', () => {
  expect(copyJson('€', 5)).toBe('€')
  expect(() => copyJson('€', 4)).toThrow(/body is 5 bytes of JSON; this queue takes at most 4/)
  expect(() => copyJson({ '\u0001': '\u0002' }, 18, 'result')).toThrow(/result is 19 bytes/)
  expect(copyJson({ '\u0001': '\u0002' }, 19)).toEqual({ '\u0001': '\u0002' })
  expect(() => copyJson([1, 2, 3], 6)).toThrow(/7 bytes/)
})

test('what is another thing whenever it is read is refused', () => {
  let reads = 0
  const body = {
    get once() {
      reads += 1
      return reads === 1 ? undefined : 1
    },
  }
  expect(() => copyJson(body, 100)).toThrow(/the same whenever it is read/)
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
  expect(() => copyJson(value, 1 << 20)).toThrow(message)
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

test('two values are the same JSON if their texts say the same, keys in any order', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (one, other) => {
      const [a, b] = [copyJson(one, 1 << 20), copyJson(other, 1 << 20)]
      expect(isSameJson(a, cloneJson(a))).toBe(true)
      expect(isSameJson(a, b)).toBe(
        isDeepStrictEqual(JSON.parse(JSON.stringify(a)), JSON.parse(JSON.stringify(b))),
      )
    }),
  )
  expect(isSameJson({ a: 1, b: [2, null] }, { b: [2, null], a: 1 })).toBe(true)
  const proto = JSON.parse('{"__proto__":null}')
  for (const [a, b] of [
    [{ a: 1 }, { b: 1 }],
    [[1], { 0: 1 }],
    [{}, []],
    [[1, 2], [1]],
    [{}, null],
    [1, '1'],
    [{}, proto],
  ]) {
    expect(isSameJson(a, b)).toBe(false)
    expect(isSameJson(b, a)).toBe(false)
  }
})

test.each([
  ['caf\udce9', '$'],
  [{ a: ['\ud800'] }, '$.a[0]'],
  [{ 'x\udc00': 1 }, String.raw`$["x\udc00"]`],
])('a surrogate without its partner is refused: %j', (body, path) => {
  expect(() => assertJson(body)).toThrow(`at ${path}, the `)
  expect(() => copyJson(body, 100)).toThrow(`at ${path}, the `)
  expect(() => encodeJson(body, 100)).toThrow(`at ${path}, the `)
})
