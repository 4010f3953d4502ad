import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { openQueue } from '@sluice/queue-memory'
import { systemRuntime } from '@sluice/core/backend'
import { parse } from 'csv-parse/sync'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { chooseColumns } from '../../src/report/report-columns.js'
import { reportRows } from '../../src/report/report-rows.js'
import { writeReport } from '../../src/report/report-writer.js'

let dir = ''
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-csv-'))
})
afterAll(() => rm(dir, { recursive: true }))

/** What readers of CSV stumble over. */
const ODD = [
  ['#1', '# a', '#', '#\n#', '"', '""', 'a"b', "'", "'a", '\\', '\\"', 'a\\', '\\N', '"a"\n"b"'],
  ['a\nb', 'a\r\nb', 'a\rb', '\r', '\n', 'a\n\n\nb', '\u2028', '\u0085', '\u001A', '\u0001', '\uFEFFbom'],
  [' lead', 'trail ', ' ', '\t', ',', ',,', 'a,b', 'a;b', 'a\tb', 'a|b', '1,5'],
  [
    'NA',
    'null',
    'NULL',
    'NaN',
    'true',
    '007',
    '1e5',
    '-0',
    '=1+1',
    '2026-11-30',
    'id',
    'é😀',
    'x'.repeat(900),
  ],
].flat()

const NAMES = [
  'stage',
  'attempt',
  'exitCode',
  'reason',
  'body.text',
  'body["a.b"]',
  'body.flag',
  'body.number',
]

interface Written {
  readonly csv: string
  readonly rows: number
  /** Each value as text; what isn't there is empty. */
  readonly values: string[][]
}

/** A report about items of these ids, each with the texts in its reason and body too. */
async function reportOf(ids: readonly string[], texts: readonly string[], names = NAMES): Promise<Written> {
  const queue = await openQueue({ name: 'csv' })
  const textOf = (index: number): string => texts[index % texts.length] ?? ''
  const bodyOf = (index: number) => ({
    text: textOf(index),
    ...(index % 3 === 0 ? {} : { 'a.b': textOf(index + 1) }),
    flag: index % 2 === 0,
    number: index / 4,
  })
  await queue.putMany(ids.map((id, index) => ({ id, body: bodyOf(index) })))
  for (const [index, { id }] of (await queue.get(ids.length)).entries())
    await queue.fail(id, { reason: `why: ${textOf(index)}`, ...(index % 2 === 0 ? { exitCode: index } : {}) })
  const columns = chooseColumns(names)
  const values: string[][] = [columns.map(({ name }) => name)]
  for await (const item of reportRows(queue, { runtime: systemRuntime })) {
    const row = columns.map(({ value }) => value(item))
    values.push(row.map((value) => (typeof value === 'string' ? value : (JSON.stringify(value) ?? ''))))
  }
  let csv = ''
  const out = new Writable({
    write: (chunk, _, done) => {
      csv += String(chunk)
      done()
    },
  })
  const rows = await writeReport(reportRows(queue, { runtime: systemRuntime }), out, {
    format: 'csv',
    columns,
  })
  return { csv, rows, values }
}

const SCRIPT = `
import csv, json, sys
csv.field_size_limit(10 ** 9)
with open(sys.argv[1], newline="", encoding="utf-8") as file:
    json.dump(list(csv.reader(file)), sys.stdout)
`

const python = spawnSync('python3', ['-c', 'import sys; print(*sys.version_info[:2])'], { encoding: 'utf8' })
const hasPython = python.status === 0
// NUL is read from 3.11 on.
const [major = 0, minor = 0] = hasPython ? python.stdout.split(' ').map(Number) : []
const readsNul = major > 3 || (major === 3 && minor >= 11)
if (!hasPython && process.env['CI'] === undefined)
  console.warn('python3 is not installed: reports are not read by its csv')

async function readByPython(csv: string): Promise<unknown> {
  const path = join(dir, 'report.csv')
  await writeFile(path, csv)
  const { stdout, stderr, status } = spawnSync('python3', ['-c', SCRIPT, path], {
    encoding: 'utf8',
    maxBuffer: 100_000_000,
    env: { ...process.env, PYTHONIOENCODING: 'utf-8' },
  })
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout)
}

test.skipIf(!hasPython && process.env['CI'] === undefined)(
  'Python’s csv reads exactly the values of a report, and as many rows as it says',
  async () => {
    const odd = readsNul ? [...ODD, 'a\0b', ''] : [...ODD, '']
    for (const ids of [ODD, ODD.toReversed(), ['#1', '#2', 'a', 'b', 'c'], ['\n'], ['"'], []]) {
      const { csv, rows, values } = await reportOf(ids, odd)
      expect(rows).toBe(ids.length)
      expect(await readByPython(csv)).toEqual(values)
    }
  },
)

test.skipIf(!hasPython && process.env['CI'] === undefined)(
  'Python’s csv reads any texts exactly',
  async () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 8 })
    const dirty = fc.string({
      unit: fc.constantFrom('#', '"', ',', '\n', '\r', ' ', 'a', '\\', ';', "'"),
      maxLength: 6,
    })
    const ids = fc.uniqueArray(
      fc.oneof(text, dirty).filter((id) => id !== '' && !id.includes('\0')),
      { maxLength: 30 },
    )
    await fc.assert(
      fc.asyncProperty(ids, fc.array(fc.oneof(text, dirty), { minLength: 1 }), async (some, texts) => {
        const { csv, values } = await reportOf(
          some,
          texts.map((one) => one.replaceAll('\0', '')),
        )
        expect(await readByPython(csv)).toEqual(values)
      }),
      { numRuns: 30 },
    )
  },
)

test('every text is quoted; numbers and missing values are not', async () => {
  const { csv } = await reportOf(
    ['#1', ' '],
    ['#', ''],
    ['reason', 'exitCode', 'body.text', 'body.number', 'body["a.b"]'],
  )
  expect(csv).toBe(
    'id,reason,exitCode,body.text,body.number,"body[""a.b""]"\n"#1","why: #",0,"#",0,\n" ","why: ",,"",0.25,"#"\n',
  )
})

test('a reader that treats # as a comment, as some do, finds every row', async () => {
  const { csv, values } = await reportOf(ODD, ODD)
  expect(parse(csv, { comment: '#' })).toEqual(values)
})
