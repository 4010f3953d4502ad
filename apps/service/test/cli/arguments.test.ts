import { expect, test } from 'vitest'
import { pattern, spanMs, stageName, wholeNumber } from '../../src/cli/arguments.js'

test.each([
  ['500ms', 500],
  ['30s', 30_000],
  ['1.5m', 90_000],
  ['2h', 7_200_000],
  ['1d', 86_400_000],
  ['0', 0],
])('the duration %s is %i ms', (text, expected) => {
  expect(spanMs(text)).toBe(expected)
})

test.each(['', 'x', '5', '00', '-5s', '5 s', '1e3', '5w', 'NaN', '١s', '36501d'])(
  '%j is not a duration',
  (text) => {
    expect(() => spanMs(text)).toThrow('It must be a duration with a unit, such as 500ms, 30s')
  },
)

test('whole numbers keep their bounds', () => {
  expect(wholeNumber(0)('0')).toBe(0)
  expect(wholeNumber(-5, 5)('-5')).toBe(-5)
})

test.each(['-1', '1.5', '', ' 1', '0x10', '1e3', 'NaN', '9007199254740993'])(
  '%j is not a whole number',
  (text) => {
    expect(() => wholeNumber(0)(text)).toThrow('whole number')
  },
)

test('stages are read in upper and lower case', () => {
  expect(stageName('fail')).toBe('FAIL')
  expect(() => stageName('done')).toThrow('WAITING, PROCESSING, SUCCESS, FAIL')
})

test('patterns are case-insensitive regular expressions', () => {
  expect(pattern('timed? out').test('Time OUT')).toBe(true)
  expect(() => pattern('(')).toThrow('Invalid regular expression')
})
