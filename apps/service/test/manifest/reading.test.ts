import { PassThrough } from 'node:stream'
import fc from 'fast-check'
import { Command } from '@commander-js/extra-typings'
import { describe, expect, test } from 'vitest'
import { CommandError } from '../../src/cli/command-error.js'
import { describeConveniences } from '../../src/manifest/conveniences.js'
import { Manifest } from '../../src/manifest/manifest.js'
import { isRefused, type ReadingOptions } from '../../src/manifest/manifest-entry.js'
import { readingOf, withReadingFlags } from '../../src/commands/lists/reading-flags.js'
import { readText, seen } from './read-text.js'

const LIMITS = { maxBodyBytes: 1_048_576 }

test('warns of values of a TSV that begin and end with a quote, and names the flag', async () => {
  const { entries, conveniences } = await readText('id\tt\n1\t"x""y"\n2\t"z"\n', { format: 'tsv' })
  expect(seen(entries)).toMatchObject([
    [2, { body: { t: '"x""y"' } }],
    [3, { body: { t: '"z"' } }],
  ])
  expect(describeConveniences(conveniences)).toBe(
    `2 values that begin and end with a quote (--quote '"' if the writer quotes)`,
  )
})

describe('a slow producer', () => {
  const cases: readonly (readonly [string, ReadingOptions, readonly string[], readonly string[]])[] = [
    ['JSON lines', { format: 'jsonl' }, ['{"id":"a","body":1}\n', '{"id":"b","body":1}\n'], ['a', 'b']],
    ['sniffed JSON lines', {}, ['{"id":"a","body":1}\n', '{"id":"b","body":1}\n'], ['a', 'b']],
    ['sniffed plain lines', {}, ['a.tif\n', 'b.tif\n'], ['a.tif', 'b.tif']],
    ['NUL', { nul: true }, ['a\0', 'b\0'], ['a', 'b']],
    ['CSV', { format: 'csv' }, ['id,t\na,1\n', 'b,"x\ny"\n'], ['a', 'b']],
    ['CRLF', { format: 'csv' }, ['id,t\r\na,1\r\n', 'b,2\r\n'], ['a', 'b']],
    ['a CSV by its flags', { delimiter: ',' }, ['id,t\na,1\n', 'b,2\n'], ['a', 'b']],
    ['lines after others', { skipLines: 2 }, ['x\r\ny\r\na.tif\r\n', 'b.tif\r\n'], ['a.tif', 'b.tif']],
    ['a document', { path: '$[*]' }, ['[{"id":"a","body":1}', ',{"id":"b","body":1}'], ['a', 'b']],
  ]
  test.each(cases)('%s: an item is there as soon as its line is', async (_, reading, pieces, ids) => {
    const stdin = new PassThrough()
    const manifest = await Manifest.open(['-'], reading, { stdin })
    const entries = manifest.read(LIMITS)
    for (const [index, piece] of pieces.entries()) {
      stdin.write(piece)
      const { value } = await entries.next()
      expect(value).toMatchObject({ item: { id: ids[index] } })
    }
    await manifest.close()
  })
})

async function lines(text: string): Promise<unknown[]> {
  return seen((await readText(text, { format: 'jsonl' })).entries)
}

describe('one JSON document', () => {
  const element = fc.record({ id: fc.string({ minLength: 1, maxLength: 5 }), value: fc.jsonValue() })
  const document = fc.record({
    before: fc.jsonValue(),
    list: fc.array(element, { minLength: 1, maxLength: 8 }),
    after: fc.jsonValue(),
    indent: fc.constantFrom(undefined, 1, '\t'),
    pieces: fc.integer({ min: 1, max: 60 }),
  })

  test('every element of the list comes back equal, at its own line, whatever stands around it', async () => {
    const property = fc.asyncProperty(document, async ({ before, list, after, indent, pieces }) => {
      const ids = list.map((_, index) => `i${index}`)
      const numbered = list.map((each, index) => ({ ...each, id: `i${index}` }))
      const around = { before, 'a [*] "b"': [{ list: numbered }], list: [{ id: 'other' }], after }
      const text = JSON.stringify(around, null, indent)
      const { entries } = await readText(text, { path: `$['a [*] "b"'][*].list[*]`, pieces })
      const written = text.split('\n')
      for (const [index, entry] of entries.entries()) {
        expect(isRefused(entry) ? entry : JSON.stringify(entry.item.body)).toBe(
          JSON.stringify(numbered[index]),
        )
        // Its `id` is the first key of it: on the next line where the text is spread over lines.
        const at = written[entry.line - (indent === undefined ? 1 : 0)]
        expect(at).toContain(`"id":${indent === undefined ? '' : ' '}"i${index}"`)
      }
      expect(entries).toHaveLength(ids.length)
    })
    await expect(fc.assert(property, { numRuns: 150 })).resolves.toBeUndefined()
  })

  test.each([
    ['{"a":[{"id":"1"}]} x', 'the document is not JSON here'],
    ['{"a":[{"id":"1"}', 'the document is incomplete'],
    ['{"a" [{"id":"1"}]}', 'the document is not JSON here'],
    ['{"a":[{"id":"1"}}', 'the document is not JSON here'],
    ['{"a":[{"id":"1"} {"id":"2"}]}', 'the document is not JSON here'],
    ['{1:[{"id":"1"}]}', 'the document is not JSON here'],
  ])('%s is refused at the place of its error', async (text, reason) => {
    const { entries } = await readText(text, { path: '$.a[*]', pieces: 3 })
    expect(seen(entries).at(-1)).toContain(reason)
  })

  test('an element over the limit is refused, and the next one read', async () => {
    const text = `[{"id":"a","body":"${'x'.repeat(5_000)}"},{"id":"b","body":1},{"id":"c","body":"\\"}]"}]`
    expect(seen((await readText(text, { path: '$[*]', maxLineBytes: 1_000, pieces: 64 })).entries)).toEqual([
      'line 1, element 1 (byte 1): the element is longer than 1000 bytes; store the data elsewhere and put its address into the item',
      [1, { id: 'b', body: 1 }],
      [1, { id: 'c', body: '"}]' }],
    ])
  })

  test('a document over several lines is detected by its first line; a truncated line is not taken for one', async () => {
    expect((await lines('{"id":"a","body":{\n"x":1}}\n'))[0]).toContain('the file is a JSON document')
    expect(await lines('[{"id":"a","body":1},\n{"id":"b","body":2}\n]\n')).toHaveLength(1)
    expect(await lines('{"id":"a","body":"x{\n{"id":"b","body":2}\n')).toEqual([
      expect.stringMatching(/^line 1, field "\$\.body": not JSON/u),
      [2, { id: 'b', body: 2 }],
    ])
  })

  test('a single line that ends within its value is cut off, and no document', async () => {
    for (const text of ['{"id":"a","body":', '{"id":"a","body":{"x":1}\n', '[{"id":"a"},'])
      expect(await lines(text)).toEqual([expect.stringMatching(/^line 1: the line is cut off: /u)])
  })
})

describe('a refusal repeats no value', () => {
  const SECRET = 'hunter-2:s3cret/v4lue'
  const tables: readonly (readonly [string, ReadingOptions])[] = [
    [`id,t\n1,"${SECRET}\n`, {}],
    [`id,t\n1,"${SECRET}"x\n`, {}],
    [`id,t\n1,${SECRET}"\n`, {}],
    [`id,t\n1,a,${SECRET}\n`, {}],
    [`id,t,u\n1,${SECRET}\n`, {}],
    [`id,t,\n1,a,${SECRET}\n`, {}],
    [`id,t\n,${SECRET}\n`, {}],
    [`id,t\r\n1,${SECRET}\n2,b\r\n`, {}],
    [`id,t\n1,${SECRET}\\q\n`, { quote: 'none', escape: '\\' }],
    [`id,t\n1,${SECRET}\n`, { priorityColumn: 't' }],
    [`${SECRET},t\n1,a\n`, {}],
    [`${SECRET},${SECRET}\n1,a\n`, { idFrom: 'row', sourceName: 't' }],
    [`https://${SECRET},t\n1,a\n`, { idFrom: 'row', sourceName: 't' }],
    [`${SECRET} ,t\n1,a\n`, { idFrom: 'row', sourceName: 't' }],
  ]
  test.each(tables)('%j %j', async (text, reading) => {
    const { entries } = await readText(text, { format: 'csv', ...reading })
    const told = seen(entries).filter((each) => typeof each === 'string')
    expect(told.length).toBeGreaterThan(0)
    expect(told.join('\n')).not.toContain('s3cret')
  })

  const texts = [
    `{"id":"a","body":"${SECRET}}`,
    `{"id":"a","body":{"k":"${SECRET}","k":"${SECRET}"}}`,
    `{"id":"a","body":"${SECRET}\\ud800"}`,
    `{"id":"a","body":["${SECRET}",-0]}`,
    `{"id":["${SECRET}"],"body":1}`,
    `{"id":"a","body":1,"priority":"${SECRET}"}`,
    `{"id":"a","body":1,"extra":"${SECRET}"}`,
    `"${SECRET}"`,
  ]
  test.each(texts)('%s', async (text) => {
    for (const [given, reading] of [
      [text, { format: 'jsonl' }],
      [`[${text}]`, { path: '$[*]' }],
      [text, { format: 'csv' }],
      [text, {}],
    ] as const) {
      const { entries } = await readText(given, reading)
      const told = seen(entries).filter((each) => typeof each === 'string')
      expect(told.length).toBeGreaterThan(0)
      expect(told.join('\n')).not.toContain('s3cret')
    }
  })
})

describe('rows after a misplaced quote', () => {
  test('no row is lost, however many quotes are never closed', async () => {
    const rows = Array.from({ length: 3_000 }, (_, index) =>
      index % 3 === 0 ? `${index},"open` : `${index},v`,
    )
    const { entries } = await readText(`id,t\n${rows.join('\n')}\n`, { format: 'csv', pieces: 4_096 })
    expect(entries).toHaveLength(rows.length)
    expect(entries.map(({ line }) => line)).toEqual(rows.map((_, index) => index + 2))
    for (const [index, entry] of entries.entries()) expect(isRefused(entry)).toBe(index % 3 === 0)
  })
})

function parsed(...args: string[]): ReadingOptions {
  const command = withReadingFlags(new Command().argument('<files...>')).exitOverride()
  command.configureOutput({ writeErr: () => undefined }).parse(args, { from: 'user' })
  return readingOf(command.processedArgs[0], command.opts())
}

describe('the flags of reading', () => {
  test('an absent flag sets nothing', () => {
    expect(parsed('a.csv')).toEqual({})
    expect(parsed('a.csv', '--delimiter', 'tab', '--quote', 'none', '--max-row-lines', '5')).toEqual({
      delimiter: '\t',
      quote: 'none',
      maxRowLines: 5,
    })
    expect(parsed('-', '-0')).toEqual({ nul: true })
  })

  test.each([
    [['-', '-'], /standard input can be read only once/u],
    [['a.csv', '--id-field', 'x'], /--id-field needs --format jsonl; a\.csv is read as csv/u],
    [['a.jsonl', '--typed'], /--typed needs --format csv, tsv or --split; a\.jsonl is read as jsonl/u],
    [['a.csv', '--split'], /--split needs --format lines; a\.csv is read as csv/u],
    [['a.txt', '--split', '--quote', "'"], /--quote needs --format csv or tsv/u],
    [['a.txt', '--split', '-0'], /exclude each other/u],
    [['a.csv', '--id-from', 'row', '--id-column', 'x'], /remove --id-column/u],
    [['a.csv', '--source-name', 'x'], /--source-name needs --id-from row/u],
    [['a.jsonl', '--priority-field', 'p'], /--priority-field needs --id-field or --body-field/u],
    [['a.csv', '--delimiter', '"'], /--delimiter and --quote must differ/u],
    [['a.csv', '--escape', ','], /--delimiter and --escape must differ/u],
    [['a.csv', '--escape-in', 'quotes'], /--escape-in needs --escape/u],
    [['a.csv', '--escape', '\\', '--quote', 'none', '--escape-in', 'quotes'], /needs quoted values/u],
    [['a.csv', '--columns', 'id', '--header-blanks', 'trim'], /--columns is for files without one/u],
    [['a.jsonl', '--comment', '#'], /--comment applies to CSV and lines/u],
    [['-', '-0', '--comment', '#'], /remove --comment/u],
    [['-', '-0', '--skip-lines', '1'], /remove --comment, --line-ends, --byte-order-marks, --skip-lines/u],
    [['a.jsonl', '--byte-order-marks', 'drop'], /--byte-order-marks applies to CSV and lines/u],
    [['a.json', '--path', '$', '--skip-lines', '1'], /--skip-lines applies to lines/u],
  ])('%j is a usage error', (args, message) => {
    expect(() => parsed(...args)).toThrow(CommandError)
    expect(() => parsed(...args)).toThrow(message)
  })

  test.each([
    ['--delimiter', ';;'],
    ['--quote', ''],
    ['--escape', '\n'],
    ['--comment', ''],
    ['--blank', 'null'],
    ['--line-ends', 'lfcr'],
    ['--max-row-lines', '0'],
    ['--path', '.a'],
    ['--path', '$.a[0]'],
    ['--format', 'xml'],
  ])('%s %j is refused', (flag, value) => {
    expect(() => parsed('-', flag, value)).toThrow(/argument '|is not a path/u)
  })
})
