import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MAX_JSON_DEPTH } from '../../src/index.js'
import { isExactNumber, parseJson } from '../../src/backend/index.js'

test('every JSON text of values that JavaScript has is read as JSON.parse reads it', () => {
  fc.assert(
    fc.property(
      fc.jsonValue({ noUnicodeString: false }),
      fc.constantFrom('', ' ', '\t', '  \n'),
      (value, indent) => {
        const text = JSON.stringify(value, undefined, indent)
        const parsed: unknown = JSON.parse(text)
        expect(parseJson(text)).toStrictEqual({ value: parsed })
        // The careful reader reads the same, wherever the fast way ends.
        expect(parseJson(`[${text}, 1.50, -0.0]`)).toMatchObject({ path: '$[2]' })
        expect(parseJson(`[${text}]`, { textAt: [] })).toStrictEqual({ value: [parsed] })
      },
    ),
  )
})

test('a text that is cut anywhere is refused, with no piece of it', () => {
  const text = '{"a": [1, true, {"secret": "\\u00e9\\\\"}], "b": null, "c": -1.5e3}'
  for (let end = 0; end < text.length; end++) {
    const parsed = parseJson(text.slice(0, end))
    expect(parsed).toMatchObject({ reason: expect.stringMatching(/^not JSON: /) })
  }
})

test.each([
  ['[1] 2', /^not JSON: something follows the value at character 5$/, '$'],
  ["{'a': 1}", /^not JSON: expected a key in double quotes at character 2$/, '$'],
  ['{"a": NaN}', /^not JSON: expected a value at character 7$/, '$.a'],
  ['[1, -Infinity]', /^not JSON: expected a value at character 5$/, '$[1]'],
  ['{"a" 1}', /^not JSON: expected a colon at character 6$/, '$.a'],
  ['[1 2]', /^not JSON: expected a comma or \] at character 4$/, '$'],
  ['[01]', /^not JSON: expected a number as JSON writes it at character 2$/, '$[0]'],
  ['[1.]', /^not JSON: expected a number as JSON writes it at character 2$/, '$[0]'],
  ['["a\tb"]', /control character or an unknown escape/, '$[0]'],
  [String.raw`["\x41"]`, /control character or an unknown escape/, '$[0]'],
  ['', /^not JSON: it ends in the middle, after 0 characters$/, '$'],
  ['{"a": 1, "b": {"a": 1, "\\u0061": 2}}', /^the key comes twice in the object$/, '$.b.a'],
  ['{"a": {"id": 864691135012345679}}', /digits would change/, '$.a.id'],
  ['[0.1, 0.1000000000000000055]', /digits would change/, '$[1]'],
  ['[1e400]', /digits would change/, '$[0]'],
  ['[-1e-400]', /a 64-bit float cannot hold this number/, '$[0]'],
  ['[-0.0e5]', /-0 would come back as 0/, '$[0]'],
  ['[-0]', /-0 would come back as 0: write 0, or the string "-0"/, '$[0]'],
  [String.raw`{"p": "caf\udce9.tif"}`, /the string has a surrogate without its partner/, '$.p'],
  ['{"p": "caf\udce9.tif"}', /the string has a surrogate without its partner/, '$.p'],
  [String.raw`{"\uD800": 1}`, /the key has a surrogate without its partner/, '$'],
])('refused: %s', (text, reason, path) => {
  expect(parseJson(text)).toEqual({ reason: expect.stringMatching(reason), path })
})

test('escaped pairs of surrogates, escaped quotes and keys in any order pass', () => {
  const text = String.raw`{"2":"\ud83d\ude00","1":"a\\\":\"","":[{}],"__proto__":{"a":1}}`
  const parsed: unknown = JSON.parse(text)
  expect(parseJson(text)).toStrictEqual({ value: parsed })
})

test('nesting is refused where it is too deep, however deep it is', () => {
  expect(parseJson(nested(MAX_JSON_DEPTH))).toHaveProperty('value')
  for (const depth of [MAX_JSON_DEPTH + 1, 100_000]) {
    expect(parseJson(nested(depth))).toMatchObject({
      reason: expect.stringContaining('nested deeper than 1000'),
    })
  }
})

test('an id that is a number is the digits that were written', () => {
  for (const digits of ['7', '1.0', '1e3', '864691135012345679', '-0', '0.1000000000000000055']) {
    expect(parseJson(`{"id": ${digits}, "n": 1}`, { textAt: ['id'] })).toEqual({
      value: { id: digits, n: 1 },
    })
    const nested = `{"properties": {"id": ${digits}}, "id": 1}`
    expect(parseJson(nested, { textAt: ['properties', 'id'] })).toEqual({
      value: { properties: { id: digits }, id: 1 },
    })
  }
  expect(parseJson('{"id": "7"}', { textAt: ['id'] })).toEqual({ value: { id: '7' } })
  expect(parseJson('{"id": [864691135012345679]}', { textAt: ['id'] })).toMatchObject({ path: '$.id[0]' })
})

test('a number is exact if its decimal value is that of what JavaScript writes', () => {
  const exact = [
    '0',
    '1',
    '-1',
    '0.1',
    '1.0',
    '100',
    '1e3',
    '1E+3',
    '1.50e-7',
    '5e-324',
    '1.7976931348623157e308',
    '0.0',
    '0e99',
  ]
  exact.push('9007199254740992', '123456789012345680000', '1e21', '0.000001', '0.0000001')
  const inexact = [
    '-0',
    '-0.0',
    '-0e5',
    '9007199254740993',
    '4.9e-325',
    '1e400',
    '1e-400',
    '0.1000000000000000055',
    'NaN',
    'Infinity',
  ]
  inexact.push('0.30000000000000004440892098500626', '12345678901234567890')
  expect(exact.filter((text) => !isExactNumber(text))).toEqual([])
  expect(inexact.filter(isExactNumber)).toEqual([])
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (number) => {
      // `String` has no -0.
      expect(isExactNumber(String(number))).toBe(true)
    }),
  )
})

function nested(depth: number): string {
  return `${'['.repeat(depth)}${']'.repeat(depth)}`
}
