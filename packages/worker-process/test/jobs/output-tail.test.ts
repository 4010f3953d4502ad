import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { lastLines, readResult } from '../../src/jobs/output-tail.js'

const dir = mkdtempSync(join(tmpdir(), 'sluice-tail-'))
afterAll(() => rmSync(dir, { recursive: true }))

function file(text: string | Buffer): string {
  const path = join(dir, 'out')
  writeFileSync(path, text)
  return path
}

describe('readResult', () => {
  test.each<[string, unknown]>([
    ['{"a": 1}', { a: 1 }],
    ['noise\n[1,2]\n', [1, 2]],
    ['noise\r\n{"a":1}\r\n\r\n', { a: 1 }],
    ['42\n', 42],
    ['"text"', 'text'],
    ['null\n', null],
    ['{"nul":"\\u0000"}', { nul: '\0' }],
    ['0.1\n', 0.1],
  ])('%j is one', async (text, value) => {
    expect(await readResult(file(text), 10_000)).toEqual({ value })
  })

  test.each([
    '',
    '\n\n',
    '{"a": 1}\ndone\n',
    'done',
    '[INFO] done',
    '2026-11-30',
    'Loaded {"a": 1}',
    'True',
    '"a" and "b',
    '-',
    '}',
    'done [3/3]\n]',
    'struct a {\n  int b;\n}',
    '[INFO] a\n}',
    '{\n "a": 1\n}\ndone }',
  ])('%j is ordinary output: nothing is said', async (text) => {
    expect(await readResult(file(text), 10_000)).toEqual({})
  })

  test.each<[string, RegExp]>([
    ['NaN', /not JSON/u],
    ['{"loss": NaN}\n', /not JSON.*\(\$/u],
    ['{"loss": Infinity}', /not JSON/u],
    ["{'a': 1}", /not JSON/u],
    ['{"a": 1', /not JSON/u],
    ['[1, 2,]', /not JSON/u],
    ['{"a": 1, "a": 2}', /twice/u],
    ['{"id": 864691135012345679}', /\$\.id/u],
    ['864691135012345679', /double|number|digits/u],
    ['1e400', /double|number|digits/u],
    ['-0', /come back as 0/u],
    ['{"path": "/d/caf\\udce9.tif"}', /surrogate.*\$\.path/u],
    ['007', /not JSON/u],
    [`${'['.repeat(1_200)}${']'.repeat(1_200)}`, /deep|nest/u],
  ])('%j leaves a note, and no result', async (text, note) => {
    const { value, note: said = '' } = await readResult(file(text), 10_000)
    expect([value, said]).toEqual([undefined, expect.stringMatching(note)])
    expect(said).toMatch(/^the last line of stdout is not kept as a result: /u)
    expect(said).not.toMatch(/8646|caf/u)
  })

  test.each([
    '{\n  "x": 1\n}\n',
    'noise\n{\n "x": {\n  "y": 1\n }\n}\n\n',
    '[\n  1,\n  2\n]',
    '[{\n "x": 1\n}]\r\n',
    '[[1,\n2\n]]',
    '  {\n    "x": 1\n  } \n',
    "{\n  a: 'text'\n}",
    `{\n${'"x": 1,\n'.repeat(2_000)}"y": 1\n}`,
  ])('the end of a value over several lines leaves a note: %j', async (text) => {
    expect(await readResult(file(text), 10_000)).toEqual({
      note: expect.stringMatching(
        /not kept as a result: .*several lines; print the result in one line \(jq -c/u,
      ),
    })
  })

  test('what is no UTF-8 leaves a note', async () => {
    const { value, note } = await readResult(file(Buffer.from([0x22, 0xe9, 0x22])), 100)
    expect([value, note]).toEqual([undefined, expect.stringContaining('not UTF-8')])
  })

  test('a line of just the limit is taken, one of a byte more leaves a note', async () => {
    const line = JSON.stringify('x'.repeat(98))
    expect(await readResult(file(`noise\n${line}\n`), 100)).toEqual({ value: 'x'.repeat(98) })
    const note = expect.stringMatching(/longer than 100 bytes \(maxResultBytes\)/u)
    for (const text of [
      `noise\n"x${line.slice(1)}\n`,
      `[${'1,'.repeat(500)}1]`,
      '9'.repeat(500),
      `{"a":"${'ü'.repeat(60)}"}\r\n`,
    ])
      expect(await readResult(file(text), 100)).toEqual({ note })
    expect(await readResult(file(`a long line of a log ${'.'.repeat(500)}`), 100)).toEqual({})
  })

  test('no file, no result', async () => {
    expect(await readResult(join(dir, 'none'), 100)).toEqual({})
  })
})

/** As tqdm writes them. */
const bar = (updates: number) =>
  Array.from(
    { length: updates },
    (_, at) => `\r ${at % 100}%|####      | ${at}/300 [00:01<00:02, 99.5it/s]`,
  ).join('')

describe('lastLines', () => {
  test.each([
    ['short\n', 100, 'short'],
    ['first line\nsecond line\nthird\n', 20, 'second line\nthird'],
    ['first line\nsecond line\nthird\n', 15, 'third'],
    ['first line\nsecond line\nthird\n', 100, 'first line\nsecond line\nthird'],
    [`start ${'x'.repeat(50)}`, 20, 'x'.repeat(20)],
    ['\u001B[31mred\u001B[0m\tand\u0000\u0007 plain', 100, 'red\tand plain'],
    ['', 100, ''],
    ['text', 0, ''],
  ])('%j within %d bytes', async (text, maxBytes, expected) => {
    expect(await lastLines(file(text), maxBytes)).toBe(expected)
  })

  test.each([300, 20_000])('%d updates of a progress bar leave the line before them', async (updates) => {
    const text = `Reading chr.fa\nValueError: no such chromosome\n${bar(updates)}`
    expect(await lastLines(file(text), 1_500)).toMatch(
      /^Reading chr\.fa\nValueError: no such chromosome\n {1,2}\d+%\|[^\r\n]*$/,
    )
  })

  test.each([
    ['a bar that the error is written over', `${bar(2)}\rValueError: x\n`, 'ValueError: x'],
    ['a line that is erased', 'Loading 10%\u001B[2K\u001B[1Gdone\n', 'done'],
    ['backspaces', 'Loading  10%\b\b\b20%\n', 'Loading  20%'],
    ['line ends of Windows', 'one\r\ntwo\r\n', 'one\ntwo'],
    ['a bar of two lines', 'x\na 1\nb 1\n\u001B[2A\u001B[2Ka 2\n\u001B[2Kb 2\n', 'x\na 2\nb 2'],
  ])('of %s what a terminal would show is left', async (_, text, expected) => {
    expect(await lastLines(file(text), 100)).toBe(expected)
  })

  test('at whatever byte the part of the file that is read begins', async () => {
    for (let more = 0; more < 70; more++) {
      const text = `ValueError: ü🧪\n${'x'.repeat(more)}${bar(170)}`
      expect(await lastLines(file(text), 1_500)).toMatch(/^ValueError: ü🧪\n {1,2}\d+%/)
    }
  })

  test('of a line that is longer than what is searched its end is left', async () => {
    expect(await lastLines(file(`first\n${'0123456789'.repeat(2_000)}\n`), 20)).toBe('01234567890123456789')
  })

  test('a character that the cut goes through is left out', async () => {
    expect(await lastLines(file('🧪🧪🧪'), 10)).toBe('🧪🧪')
  })

  test('bytes that are no UTF-8 do no harm', async () => {
    expect((await lastLines(file(Buffer.from([0x61, 0xff, 0x62])), 10)).isWellFormed()).toBe(true)
  })
})
