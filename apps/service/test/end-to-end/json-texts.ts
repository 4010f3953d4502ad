import fc from 'fast-check'
import { LosslessNumber, parse } from 'lossless-json'

/**
 * JSON texts as programs of all kinds write them: numbers of any length, strings escaped or not, keys that
 * may come twice, blanks.
 */
export const jsonTexts: fc.Arbitrary<string> = fc.letrec<{ value: string; array: string; object: string }>(
  (tie) => ({
    value: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      numbers(),
      strings(),
      fc.constantFrom('true', 'false', 'null', '[]', '{}'),
      tie('array'),
      tie('object'),
    ),
    array: fc
      .array(tie('value'), { maxLength: 4 })
      .chain((values) => blanks().map((blank) => `[${blank}${values.join(`${blank},`)}${blank}]`)),
    object: fc
      .array(fc.tuple(keys(), tie('value')), { maxLength: 4 })
      .chain((fields) =>
        blanks().map(
          (blank) => `{${fields.map(([key, value]) => `${blank}${key}:${blank}${value}`).join(',')}}`,
        ),
      ),
  }),
).value

function blanks(): fc.Arbitrary<string> {
  return fc.constantFrom('', ' ', '\t ')
}

function keys(): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom('"a"', '"b"', '"c.d"', '"__proto__"', '"0"') },
    strings(),
  )
}

function numbers(): fc.Arbitrary<string> {
  const digits = fc.stringMatching(/^(0|[1-9]\d{0,24})$/)
  const sign = fc.constantFrom('', '', '-')
  const fraction = fc.oneof(fc.constant(''), fc.stringMatching(/^\.\d{1,20}$/))
  const exponent = fc.oneof(
    { weight: 3, arbitrary: fc.constant('') },
    fc.stringMatching(/^[eE][+-]?\d{1,3}$/),
  )
  return fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
    fc.integer().map(String),
    fc.tuple(sign, digits, fraction, exponent).map((parts) => parts.join('')),
    fc.constantFrom(
      '9007199254740993',
      '0.1',
      '1.0',
      '-0',
      '4.9e-325',
      '1e400',
      '0.1000000000000000055',
      '1E+2',
    ),
  )
}

function strings(): fc.Arbitrary<string> {
  const pieces = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.string({ unit: 'binary', maxLength: 8 }).map((text) => JSON.stringify(text).slice(1, -1)),
    },
    fc.constantFrom(
      String.raw`\u0000`,
      String.raw`\ud83d\ude00`,
      String.raw`\/`,
      String.raw`\u00E9`,
      '\u2028',
      '$(X)',
    ),
    { weight: 1, arbitrary: fc.constantFrom(String.raw`\ud800`, String.raw`\udce9`) },
  )
  return fc.array(pieces, { maxLength: 3 }).map((parts) => `"${parts.join('')}"`)
}

/**
 * What a text says, digit by digit, in one way to write it: keys in order, each number as its digits and an
 * exponent.
 */
export function meaningOf(text: string): string {
  return meaningOfValue(parse(text))
}

/** The same of a part of what `lossless-json` has read. */
export function meaningOfValue(value: unknown): string {
  return JSON.stringify(plain(value))
}

function plain(value: unknown): unknown {
  if (value instanceof LosslessNumber) return { number: decimal(value.value) }
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  const fields = Object.entries(value).map(([key, inner]) => [key, plain(inner)] as const)
  return { fields: fields.toSorted(([a], [b]) => (a < b ? -1 : 1)) }
}

/** By whole numbers of any size: the digits without zeros behind, and the power of ten. */
function decimal(text: string): string {
  const [mantissa = '', exponent = '0'] = text.toLowerCase().split('e')
  const [whole = '', fraction = ''] = mantissa.split('.')
  let digits = BigInt(`${whole}${fraction}`)
  let power = BigInt(exponent) - BigInt(fraction.length)
  if (digits === 0n) return text.startsWith('-') ? '-0' : '0'
  while (digits % 10n === 0n) {
    digits /= 10n
    power += 1n
  }
  return `${digits}e${power}`
}
