import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type JsonValue } from '../../src/index.js'
import { bodyValueAt, missingInBody, readBodyPath } from '../../src/backend/index.js'

describe('a path into a body', () => {
  test.each([
    ['', []],
    ['.a.b', ['a', 'b']],
    ['.list.0', ['list', '0']],
    ['.list[0][12].x', ['list', '0', '12', 'x']],
    ['["file.path"]', ['file.path']],
    ["['file.path']", ['file.path']],
    ['.a["b c"].d', ['a', 'b c', 'd']],
    ['.Sample Group', ['Sample Group']],
    ['["a\\"b"]', ['a"b']],
    [`['a"b']`, ['a"b']],
    ["['it\\'s']", ["it's"]],
    ['["back\\\\slash"]', ['back\\slash']],
    ['["a]b"]["c}d{"]', ['a]b', 'c}d{']],
    ['["tab\\there"]', ['tab\there']],
    ['["two\nlines"]', ['two\nlines']],
    ['["\\u00fc"]', ['ü']],
    ['[""]', ['']],
    ['["0"]', ['0']],
  ])('%s', (text, keys) => {
    expect(readBodyPath(text)).toEqual({ keys, end: text.length })
  })

  test.each([
    ['.a}', 2],
    ['.a..b', 2],
    ['[', 0],
    ['["a"', 0],
    ['.', 0],
    ['[-1]', 0],
    ['x', 0],
  ])('of %j it reads %d characters', (text, end) => {
    expect(readBodyPath(text).end).toBe(end)
  })

  test('an escape that is none is refused', () => {
    expect(() => readBodyPath('["a\\x"]')).toThrow(/"a\\x" has a backslash that escapes nothing/)
  })

  test('any key can be named, in either quotes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (key) => {
        const double = JSON.stringify(key)
        const single = `'${double.slice(1, -1).replaceAll("'", "\\'").replaceAll('\\"', '"')}'`
        for (const quoted of [double, single]) expect(readBodyPath(`[${quoted}]`).keys).toEqual([key])
      }),
    )
  })
})

describe('what is at a path', () => {
  const body: JsonValue = { a: { b: [1, { c: null }] }, 'x.y': 1, '__proto__ ': 2, s: 'text' }

  test.each<[readonly string[], JsonValue | undefined]>([
    [[], body],
    [['a', 'b', '1', 'c'], null],
    [['x.y'], 1],
    [['a', 'b', 'length'], 2],
    [['a', 'b', '2'], undefined],
    [['s', 'length'], undefined],
    [['toString'], undefined],
    [['__proto__'], undefined],
  ])('%j', (keys, value) => {
    expect(bodyValueAt(body, keys)).toEqual(value)
  })

  test.each<[JsonValue, readonly string[], string]>([
    [{}, ['a'], 'the body has no field "a"'],
    ['text', ['a'], 'the body is a string, and has no field "a"'],
    [null, ['a'], 'the body is null, and has no field "a"'],
    [[1], ['3'], 'the body is a list of 1, and has no element "3"'],
    [null, [], 'the body is null'],
    [{ p: null }, ['p'], '$.p is null'],
    [{ a: [{ 'b c': null }] }, ['a', '0', 'b c'], '$.a[0]["b c"] is null'],
    [{ p: null }, ['p', 'q'], '$.p is null, and has no field "q"'],
    [{ a: { b: 1 } }, ['a', 'b', 'c'], '$.a.b is a number, and has no field "c"'],
    [{ 'a b': [{}] }, ['a b', '0', 'c'], '$["a b"][0] has no field "c"'],
    [
      { 'file.path': 1 },
      ['file', 'path'],
      'the body has no field "file"; it has "file.path", which is written ["file.path"]',
    ],
    [
      { 'Sample Group': 1 },
      ['sample_group'],
      'the body has no field "sample_group"; it has "Sample Group", which is written ["Sample Group"]',
    ],
  ])('%j has nothing at %j: %s', (from, keys, text) => {
    expect(missingInBody(from, keys)).toBe(text)
  })
})
