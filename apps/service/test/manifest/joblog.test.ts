import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openQueue } from '@sluice/queue-sql'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Sandbox } from '../sluice.js'

const LOGS = fileURLToPath(new URL('joblogs/', import.meta.url))
const VALUES = [
  'tile-1',
  'b c',
  "it's",
  'd"q',
  String.raw`x\y`,
  'naïve',
  'bad',
  'killed',
  'two  blanks',
  '$HOME *',
  'tile-12',
]
const TILES = Array.from({ length: 13 }, (_, index) => `tile-${index + 1}`)

let box: Sandbox
let url: string

beforeEach(async () => {
  box = await Sandbox.open()
  url = `sqlite:${join(box.dir, 'queue.db')}`
  await writeFile(
    join(box.dir, 'sluice.config.yaml'),
    `queue: { package: sql, name: tiles, url: '${url}' }\n`,
  )
})
afterEach(() => box.close())

/** Loads ids as JSON lines with a log. */
async function load(ids: readonly string[], log: string, flags: readonly string[] = []) {
  await writeFile(
    join(box.dir, 'list.jsonl'),
    ids.map((id) => `${JSON.stringify({ id, body: null })}\n`).join(''),
  )
  const path = log.includes('\t') ? join(box.dir, 'given.tsv') : join(LOGS, `${log}.tsv`)
  if (log.includes('\t')) await writeFile(path, log)
  return box.run(['load', 'list.jsonl', '--joblog', path, '--skip-done', '--json', ...flags])
}

async function waiting(): Promise<string[]> {
  const queue = await openQueue({ name: 'tiles', url })
  try {
    return (await queue.peek(1_000)).map(({ id }) => id)
  } finally {
    await queue.close()
  }
}

describe('a list that GNU parallel began', () => {
  test.each([
    ['its value is the last argument', 'value', VALUES, [], ['bad', 'killed'], 'last argument of ./process'],
    [
      'by a template',
      'template',
      VALUES,
      ['--joblog-command', './process --in={} --out={.}.out'],
      ['bad', 'killed'],
      '--in={}',
    ],
    [
      'by a template without {}, to which the value is appended',
      'value',
      VALUES,
      ['--joblog-command', './process'],
      ['bad', 'killed'],
      './process',
    ],
    [
      'its commands are the ids',
      'commands',
      [1, 2, 3, 4, 5].map((n) => `./process tile-${n}`).concat('./process bad'),
      [],
      ['./process bad'],
      'the command is the id',
    ],
    ['a value of several lines', 'lines', ['one\ntwo', 'three', 'four'], [], ['four'], 'last argument'],
    ['the latest record of a job counts', 'resumed', VALUES, [], [], 'last argument'],
  ] as const)('%s', async (_, log, ids, flags, left, how) => {
    const { code, out, err } = await load(ids, log, flags)
    expect([code, err]).toEqual([0, ''])
    expect(JSON.parse(out)).toMatchObject({
      rows: ids.length,
      added: left.length,
      done: ids.length - left.length,
      joblog: { untrusted: 0, unmatched: 0, how: expect.stringContaining(how) },
    })
    expect(await waiting()).toEqual(left)
  })

  test('by the value and never by the number: a list with lines on top', async () => {
    const { out } = await load(['new', ...VALUES.toReversed()], 'value')
    expect(JSON.parse(out)).toMatchObject({ added: 3, done: VALUES.length - 2 })
    expect(await waiting()).toEqual(['new', 'killed', 'bad'])
  })

  test.each([
    ['cut', ['tile-12', 'tile-13'], 1],
    ['glued', ['tile-12', 'tile-13'], 1],
    ['glued-early', ['tile-12', 'tile-13'], 1],
  ])('a record that is cut off, or glued to one, counts for nothing: %s', async (log, left, untrusted) => {
    const { code, out } = await load(TILES, log)
    expect([code, JSON.parse(out)]).toMatchObject([
      0,
      { added: left.length, done: 11, joblog: { untrusted } },
    ])
    expect(await waiting()).toEqual(left)
  })

  test('wherever it is cut, and whatever is glued to it, no item is done that did not end well', async () => {
    const whole = await readFile(join(LOGS, 'value.tsv'), 'utf8')
    const lines = whole.trimEnd().split('\n')
    const { Joblog } = await import('../../src/manifest/joblog/joblog.js')
    const path = join(box.dir, 'cut.tsv')
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: lines.length - 1 }),
        fc.nat(),
        fc.boolean(),
        async (at, cut, glue) => {
          const head = lines.slice(0, at).map((line) => `${line}\n`)
          const last = lines[at] ?? ''
          const rest = glue ? lines.slice(at + 1).map((line) => `${line}\n`) : []
          // Of a line that is all there but its end, nothing can be told from one that was longer.
          await writeFile(path, [...head, last.slice(0, cut % (last.length + 1)), ...rest].join(''))
          const log = await Joblog.read(path)
          const done = [...log.commands].filter((command) => log.isDone(command))
          const known = lines
            .slice(1)
            .filter((line) => line.includes('\t0\t0\t./'))
            .map((line) => line.split('\t')[8])
          expect(known).toEqual(expect.arrayContaining(done))
          expect(log.isDone(last.split('\t')[8] ?? '')).toBe(false)
        },
      ),
    )
  })

  test('one value that several jobs had is done when all of them ended well', async () => {
    const [header, first] = (await readFile(join(LOGS, 'lines.tsv'), 'utf8')).split('\n')
    const record = (job: number, exit: number, command: string) =>
      first?.replace(/^1\t/u, `${job}\t`).replace(/\t0\t0\t\.\/.*$/u, `\t${exit}\t0\t${command}`) ?? ''
    const lines = [
      record(1, 0, 'run a'),
      record(2, 1, 'run a'),
      record(3, 0, 'run b'),
      record(4, 0, 'run b'),
      record(5, 1, 'run c'),
      record(6, 0, 'run c'),
      record(5, 0, 'run c'),
    ]
    await load(['a', 'b', 'c'], `${[header, ...lines].join('\n')}\n`)
    expect(await waiting()).toEqual(['a'])
  })

  test.each([
    ['nothing fits', ['other', 'ids'], 'value', [], 'No command of the joblog names an id of the list'],
    [
      'both fit',
      ['./process tile-1', 'tile-2'],
      'commands',
      [],
      'Some ids of the list are whole commands of the joblog',
    ],
    ['no log', VALUES, 'not a joblog\t\n', [], 'is no log of GNU parallel'],
    ['several values', VALUES, 'value', ['--joblog-command', 'process {1} {2}'], 'it has several values'],
    ['no value', VALUES, 'value', ['--joblog-command', 'process {.}'], 'it has no {}'],
    ['another command', VALUES, 'value', ['--joblog-command', 'other {}'], 'No command of the joblog names'],
  ] as const)('is refused where it is not plain what is done: %s', async (_, ids, log, flags, why) => {
    const { code, err } = await load(ids, log, flags)
    expect([code, err]).toEqual([2, expect.stringContaining(why)])
    expect(await waiting()).toEqual([])
  })

  test('a template says which of two that both fit', async () => {
    const ids = ['./process tile-1', 'tile-2']
    const { code, out } = await load(ids, 'commands', ['--joblog-command', '{}'])
    expect([code, JSON.parse(out)]).toMatchObject([0, { added: 1, done: 1, joblog: { unmatched: 5 } }])
    expect(await waiting()).toEqual(['tile-2'])
  })

  test('also from a pipe, which is read twice', async () => {
    const { out } = await box.run(
      ['load', '-', '--format', 'lines', '--joblog', join(LOGS, 'value.tsv'), '--skip-done'],
      { input: `${VALUES.join('\n')}\n` },
    )
    expect(out).toMatch(/^11 rows: 2 added, .* 9 done elsewhere/u)
  })

  test('flags that miss one another are refused', async () => {
    await writeFile(join(box.dir, 'list.jsonl'), '')
    for (const flags of [['--joblog', 'x'], ['--skip-done'], ['--joblog-command', 'x {}']]) {
      expect([flags, (await box.run(['load', 'list.jsonl', ...flags])).code]).toEqual([flags, 2])
    }
  })
})
