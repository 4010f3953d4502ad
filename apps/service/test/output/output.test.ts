import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { Output, printable } from '../../src/output/output.js'

function capture(json: boolean, env: Record<string, string> = {}, isTTY = false) {
  const stdout = Object.assign(new PassThrough({ encoding: 'utf8' }), { isTTY })
  const stderr = Object.assign(new PassThrough({ encoding: 'utf8' }), { isTTY })
  const output = new Output({ stdout, stderr, env, json })
  return { output, out: () => String(stdout.read() ?? ''), err: () => String(stderr.read() ?? '') }
}

test('a result is text, or one line of JSON', () => {
  const human = capture(false)
  human.output.print(() => 'three', { count: 3 })
  expect(human.out()).toBe('three\n')
  const json = capture(true)
  json.output.print('three', { count: 3 })
  expect(json.out()).toBe('{"count":3}\n')
})

test('notes are text only; warnings are in both', () => {
  const json = capture(true)
  json.output.note('by the way')
  json.output.warn('careful')
  expect(json.err()).toBe('{"warning":"careful"}\n')
  const human = capture(false)
  human.output.note('by the way')
  human.output.warn('careful')
  expect(human.err()).toBe('by the way\nwarning: careful\n')
})

test.each([
  [{}, true, true],
  [{}, false, false],
  [{ NO_COLOR: '1' }, true, false],
  [{ NO_COLOR: '' }, true, true],
  [{ TERM: 'dumb' }, true, false],
  [{ FORCE_COLOR: '1' }, false, true],
])('colours with %o on a terminal %s: %s', (env, isTTY, expected) => {
  expect(capture(false, env, isTTY).output.colors.isColorSupported).toBe(expected)
})

test('a table has aligned columns, no rules, no trailing blanks', () => {
  const { output } = capture(false)
  expect(
    output.table(
      ['stage', 'items'],
      [
        ['WAITING', 12],
        ['FAIL', 3],
      ],
    ),
  ).toBe('stage    items\nWAITING  12\nFAIL     3')
})

test.each([
  ['plain/ÄÖ "q" 🙂', 'plain/ÄÖ "q" 🙂'],
  ['a\nb\tc', 'a\\u000ab\\u0009c'],
  ['\u001B[31mred', '\\u001b[31mred'],
  ['\u202Egnp.exe', '\\u202egnp.exe'],
  ['👩‍👩‍👧', '👩‍👩‍👧'],
])('control characters are escaped: %j', (text, expected) => {
  expect(printable(text)).toBe(expected)
})

test('a long text is truncated, never inside a character', () => {
  expect(printable('abcdef', 4)).toBe('abc…')
  expect(printable('ab🙂🙂', 4).isWellFormed()).toBe(true)
})
