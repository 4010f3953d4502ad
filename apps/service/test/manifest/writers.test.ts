import { readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { Command } from '@commander-js/extra-typings'
import { Manifest } from '../../src/manifest/manifest.js'
import { isRefused } from '../../src/manifest/manifest-entry.js'
import { readingOf, withReadingFlags } from '../../src/commands/lists/reading-flags.js'
import { WRITER_SAMPLES, WRITTEN_ROWS, type WriterSample } from './writer-samples.js'
import {
  ANY_STRINGS,
  endPython,
  hasPandas,
  hasPython,
  WRITERS,
  type StringTable,
  type TableWriter,
} from './writers.js'

const PYTHON = hasPython()
if (!PYTHON && process.env['CI'] !== undefined) throw new Error('CI has no python3, which two writers need')

const PANDAS = PYTHON && hasPandas()

afterAll(endPython)

const ODD = [
  ...Array.from(',;\t"\'\\\n\r #aN0|{[='),
  '\0',
  '\uFEFF',
  'é',
  '😀',
  '\u2028',
  '\\N',
  '""',
  '\r\n',
  'null',
  '1.0',
]

const value = fc.oneof(
  { weight: 3, arbitrary: fc.string({ unit: fc.constantFrom(...ODD), maxLength: 6 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 12 }) },
)

/**
 * A column without a name is a spreadsheet's; a text that begins with U+FEFF begins with a byte order mark
 * for every reader.
 */
const name = value.filter((text) => text !== '' && !text.startsWith('\uFEFF'))

const table: fc.Arbitrary<StringTable> = fc.uniqueArray(name, { minLength: 1, maxLength: 4 }).chain((names) =>
  fc.record({
    names: fc.constant(names),
    rows: fc.array(fc.array(value, { minLength: names.length, maxLength: names.length }), {
      minLength: 1,
      maxLength: 6,
    }),
  }),
)

/** The flags as a command line has them. */
function readingFor(args: readonly string[], path = '-') {
  const command = withReadingFlags(new Command().argument('<files...>'))
  command.exitOverride().parse([path, ...args], { from: 'user' })
  return readingOf([path], command.opts())
}

const ROWS = ['--id-from', 'row', '--source-name', 't']

function flagsOf({ format, flags }: TableWriter): readonly string[] {
  return format === 'jsonl'
    ? ['--format', 'jsonl', '--id-field', 'the row', ...flags]
    : ['--format', format, ...ROWS, ...flags, ...ANY_STRINGS]
}

/** Of JSON lines the objects need an id each. */
function written(writer: TableWriter, { names, rows }: StringTable): StringTable {
  if (writer.format !== 'jsonl') return { names, rows }
  return { names: ['the row', ...names], rows: rows.map((row, index) => [`t:${index + 1}`, ...row]) }
}

async function expectExact(writer: TableWriter, given: StringTable, pieces: number): Promise<void> {
  const { names, rows } = written(writer, given)
  const bytes = Buffer.from(await writer.write({ names, rows }))
  const chunks = Array.from({ length: Math.ceil(bytes.length / pieces) }, (_, index) =>
    bytes.subarray(index * pieces, (index + 1) * pieces),
  )
  const manifest = await Manifest.open(['-'], readingFor(flagsOf(writer)), { stdin: Readable.from(chunks) })
  const read: unknown[] = []
  for await (const entry of manifest.read({ maxBodyBytes: 1_048_576 })) {
    if (isRefused(entry)) read.push(entry)
    else read.push([entry.item.id, names.map((each) => own(entry.item.body, each)), size(entry.item.body)])
  }
  expect(read).toEqual(rows.map((row, index) => [`t:${index + 1}`, row, names.length]))
}

function own(body: unknown, key: string): unknown {
  return Object.getOwnPropertyDescriptor(body, key)?.value
}

function size(body: unknown): number {
  return Object.keys(Object(body)).length
}

describe('any table of strings comes back exactly, as it was written by', () => {
  for (const writer of WRITERS) {
    const isLeftOut = (writer.needsPython === true && !PYTHON) || (writer.needsPandas === true && !PANDAS)
    const lacks = writer.needsPandas === true ? 'pandas' : 'python3'
    test.skipIf(isLeftOut)(
      `${writer.name} (${writer.format})${isLeftOut ? `: left out, there is no ${lacks} here` : ''}`,
      async () => {
        const property = fc.asyncProperty(table, fc.integer({ min: 1, max: 40 }), async (given, pieces) => {
          fc.pre(writer.cannot?.(written(writer, given)) !== true)
          await expectExact(writer, given, pieces)
        })
        await expect(fc.assert(property, { numRuns: 150 })).resolves.toBeUndefined()
      },
    )
  }
})

describe('without --escape-in a row comes back as it was written, or is refused, as written by', () => {
  const cell = fc.string({
    unit: fc.constantFrom('\\', '"', ',', 'N', 'n', 't', '.', ' ', "'"),
    maxLength: 5,
  })
  const rows = fc.array(fc.array(cell, { minLength: 2, maxLength: 2 }), { minLength: 1, maxLength: 6 })
  const escaping = WRITERS.filter(
    ({ flags, needsPython, needsPandas }) =>
      flags.includes('--escape-in') && (PYTHON || needsPython !== true) && (PANDAS || needsPandas !== true),
  )
  test.each(escaping.map((writer) => [writer.name, writer] as const))('%s', async (_, writer) => {
    const at = writer.flags.indexOf('--escape-in')
    const flags = flagsOf({ ...writer, flags: writer.flags.toSpliced(at, 2) })
    const property = fc.asyncProperty(rows, async (given) => {
      const bytes = Buffer.from(await writer.write({ names: ['t', 'u'], rows: given }))
      const manifest = await Manifest.open(['-'], readingFor(flags), { stdin: Readable.from([bytes]) })
      const read: unknown[] = []
      for await (const entry of manifest.read({ maxBodyBytes: 1_048_576 })) {
        const [row, isToldHow] = [
          given[read.length],
          isRefused(entry) && entry.reason.includes('--escape-in'),
        ]
        if (isRefused(entry)) read.push(isToldHow ? row : entry.reason)
        else read.push(['t', 'u'].map((each) => own(entry.item.body, each)))
      }
      expect(read).toEqual(given)
    })
    await expect(fc.assert(property, { numRuns: 300 })).resolves.toBeUndefined()
  })
})

function expectedBody({ file, reads }: WriterSample, [id = '', t = '', u = '']: readonly (string | null)[]) {
  const read = (text: string | null) => (text === null ? reads.null : text === '' ? reads.empty : text)
  const fields = Object.entries({ t: read(t), u: read(u) }).filter(([, each]) => each !== undefined)
  return { ...(isJson(file) ? { id } : {}), ...Object.fromEntries(fields) }
}

function isJson(file: string): boolean {
  return /\.jsonl?$/u.test(file)
}

describe('one table, as it was written by', () => {
  test.each(WRITER_SAMPLES.map((sample) => [sample.name, sample] as const))('%s', async (_, sample) => {
    const path = fileURLToPath(new URL(`samples/writers/${sample.file}`, import.meta.url))
    const names = sample.columns === true ? ['--columns', 'id,t,u'] : []
    const comment = isJson(sample.file) ? [] : ['--comment', 'none']
    const manifest = await Manifest.open([path], readingFor([...sample.flags, ...names, ...comment], path))
    const read: unknown[] = []
    for await (const entry of manifest.read({ maxBodyBytes: 1_048_576 }))
      read.push(isRefused(entry) ? entry : [entry.item.id, entry.item.body])
    expect(read).toEqual(WRITTEN_ROWS.map((row) => [row[0], expectedBody(sample, row)]))
  })
})

test('docs/manifests.md names the flags that these tests give, for each writer', () => {
  const docs = readFileSync(new URL('../../../../docs/manifests.md', import.meta.url), 'utf8')
  const [, table = ''] = docs.split('<!-- writers -->')
  const rows = [...table.matchAll(/^\| (.+?) +\| (.*?) +\|$/gmu)].map(([, name, flags]) => [name, flags])
  expect(rows.slice(2)).toEqual(
    [...WRITER_SAMPLES, ...WRITERS].map(({ name: writer, flags }) => [writer, shown(flags)]),
  )
  expect(docs).toContain(`\`${ANY_STRINGS.join(' ')}\``)
})

function shown(flags: readonly string[]): string {
  return flags.length === 0 ? '–' : `\`${flags.map(shellWord).join(' ')}\``
}

function shellWord(text: string): string {
  return /^[\w,-]+$/u.test(text) ? text : `'${text}'`
}
