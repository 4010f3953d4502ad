import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { jsonLastLine, lastLines } from '../src/output-tail.js'

const dir = mkdtempSync(join(tmpdir(), 'sluice-tail-'))
afterAll(() => rmSync(dir, { recursive: true }))

function file(text: string | Buffer): string {
  const path = join(dir, 'out')
  writeFileSync(path, text)
  return path
}

describe('jsonLastLine', () => {
  test.each<[string, unknown]>([
    ['{"a": 1}', { a: 1 }],
    ['noise\n[1,2]\n', [1, 2]],
    ['noise\r\n{"a":1}\r\n\r\n', { a: 1 }],
    ['42\n', 42],
    ['"text"', 'text'],
    ['null\n', null],
    ['', undefined],
    ['\n\n', undefined],
    ['{"a": 1}\ndone\n', undefined],
    ['NaN', undefined],
    ['{"a": 1', undefined],
  ])('%j', async (text, expected) => {
    expect(await jsonLastLine(file(text), 10_000)).toEqual(expected)
  })

  test('a line of just the limit is taken, one of a byte more is not', async () => {
    const line = JSON.stringify('x'.repeat(98))
    expect(await jsonLastLine(file(`noise\n${line}\n`), 100)).toBe('x'.repeat(98))
    expect(await jsonLastLine(file(`noise\n"x${line.slice(1)}\n`), 100)).toBeUndefined()
    expect(await jsonLastLine(file('9'.repeat(500)), 100)).toBeUndefined()
  })

  test('JSON that no queue would store is not taken', async () => {
    expect(await jsonLastLine(file(`${'['.repeat(1_200)}${']'.repeat(1_200)}`), 10_000)).toBeUndefined()
  })

  test('no file, no result', async () => {
    expect(await jsonLastLine(join(dir, 'none'), 100)).toBeUndefined()
  })
})

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

  test('a character that the cut goes through is left out', async () => {
    expect(await lastLines(file('🧪🧪🧪'), 10)).toBe('🧪🧪')
  })

  test('bytes that are no UTF-8 do no harm', async () => {
    expect((await lastLines(file(Buffer.from([0x61, 0xff, 0x62])), 10)).isWellFormed()).toBe(true)
  })
})
