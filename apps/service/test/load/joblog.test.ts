import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Queue } from '@sluice/core'
import { openQueue } from '@sluice/queue-sql'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Sandbox } from '../fixtures/sandbox.js'

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

/** Loads ids as JSON lines with a log, and leaves out what is done. */
function load(ids: readonly string[], log: string, flags: readonly string[] = []) {
  return loadAll(ids, log, ['--skip-done', ...flags])
}

async function loadAll(ids: readonly string[], log: string, flags: readonly string[] = []) {
  await writeFile(
    join(box.dir, 'list.jsonl'),
    ids.map((id) => `${JSON.stringify({ id, body: null })}\n`).join(''),
  )
  const path = log.includes('\t') ? join(box.dir, 'given.tsv') : join(LOGS, `${log}.tsv`)
  if (log.includes('\t')) await writeFile(path, log)
  return box.run(['load', 'list.jsonl', '--joblog', path, '--json', ...flags])
}

async function inQueue<T>(use: (queue: Queue) => Promise<T>): Promise<T> {
  const queue = await openQueue({ name: 'tiles', url })
  try {
    return await use(queue)
  } finally {
    await queue.close()
  }
}

function waiting(): Promise<string[]> {
  return inQueue(async (queue) => (await queue.peek(1_000)).map(({ id }) => id))
}

function succeeded(): Promise<[id: string, attempt: number][]> {
  return inQueue(async (queue) => {
    const { items } = await queue.list('SUCCESS', { limit: 1_000 })
    return items.map(({ id, attempt }) => [id, attempt])
  })
}

describe('a list that GNU parallel started', () => {
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

  test('is matched by value, not by number: a list with extra lines at the top', async () => {
    const { out } = await load(['new', ...VALUES.toReversed()], 'value')
    expect(JSON.parse(out)).toMatchObject({ added: 3, done: VALUES.length - 2 })
    expect(await waiting()).toEqual(['new', 'killed', 'bad'])
  })

  test.each([
    ['cut', ['tile-12', 'tile-13'], 1],
    ['glued', ['tile-12', 'tile-13'], 1],
    ['glued-early', ['tile-12', 'tile-13'], 1],
  ])('a truncated or concatenated record is ignored: %s', async (log, left, untrusted) => {
    const { code, out } = await load(TILES, log)
    expect([code, JSON.parse(out)]).toMatchObject([
      0,
      { added: left.length, done: 11, joblog: { untrusted } },
    ])
    expect(await waiting()).toEqual(left)
  })

  test('truncated or concatenated anywhere, it marks no item as done that did not succeed', async () => {
    const whole = await readFile(join(LOGS, 'value.tsv'), 'utf8')
    const written = whole.trimEnd().split('\n')
    const { Joblog } = await import('../../src/load/joblog/joblog.js')
    const path = join(box.dir, 'cut.tsv')
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: written.length - 1 }),
        fc.nat(),
        fc.boolean(),
        fc.constantFrom(':', '7', 'user@node-7', '2/ssh -p 22 node'),
        async (at, cut, glue, host) => {
          const lines = written.map((line) => line.replace('\t:\t', `\t${host}\t`))
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
          // No piece of a record is taken for a command.
          const commands = lines.map((line) => line.split('\t')[8])
          expect(commands).toEqual(expect.arrayContaining([...log.commands]))
          expect(log.isDone(last.split('\t')[8] ?? '')).toBe(false)
        },
      ),
      { numRuns: 1_000 },
    )
  })

  test.each([
    ['behind its exit value', /\t0\t\.\/.*$/u, ':'],
    ['behind its exit value and a tab', /0\t\.\/.*$/u, ':'],
    ['behind its signal', /\t\.\/.*$/u, ':'],
    ['behind the tab in front of its exit value, of a host that is a number', /0\t0\t\.\/.*$/u, '7'],
  ] as const)('a record truncated %s leaves the log usable', async (_, rest, host) => {
    const log = (await readFile(join(LOGS, 'value.tsv'), 'utf8')).replaceAll('\t:\t', `\t${host}\t`)
    const lines = log
      .trimEnd()
      .split('\n')
      .map((line, at) => (at === 2 ? line.replace(rest, '') : `${line}\n`))
    const { code, out, err } = await load(VALUES, lines.join(''))
    expect([code, err]).toEqual([0, ''])
    expect(JSON.parse(out)).toMatchObject({ done: DONE.length - 2, joblog: { untrusted: 1, unmatched: 0 } })
    expect(await waiting()).toEqual([VALUES[1], VALUES[2], 'bad', 'killed'])
  })

  test('a value of several jobs is done when all of them succeeded', async () => {
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
    ['no log', VALUES, 'not a joblog\t\n', [], 'is not a job log of GNU parallel'],
    ['several values', VALUES, 'value', ['--joblog-command', 'process {1} {2}'], 'it has several values'],
    ['no value', VALUES, 'value', ['--joblog-command', 'process {.}'], 'it has no {}'],
    ['another command', VALUES, 'value', ['--joblog-command', 'other {}'], 'No command of the joblog names'],
  ] as const)('is refused if what is done is ambiguous: %s', async (_, ids, log, flags, why) => {
    const { code, err } = await load(ids, log, flags)
    expect([code, err]).toEqual([2, expect.stringContaining(why)])
    expect(await waiting()).toEqual([])
  })

  test('a template decides between two values that both match', async () => {
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
    expect(out).toMatch(/^11 rows: 2 added, .* 9 left out as done elsewhere/u)
  })

  test('flags that need each other are refused', async () => {
    await writeFile(join(box.dir, 'list.jsonl'), '')
    for (const flags of [['--skip-done'], ['--joblog-command', 'x {}']]) {
      expect([flags, (await box.run(['load', 'list.jsonl', ...flags])).code]).toEqual([flags, 2])
    }
  })
})

const isLeft = (id: string) => id === 'bad' || id === 'killed'
const DONE = VALUES.filter((id) => !isLeft(id))

describe('jobs that GNU parallel completed are stored as succeeded items', () => {
  test.each([
    ['value', VALUES, [], ['bad', 'killed']],
    ['template', VALUES, ['--joblog-command', './process --in={} --out={.}.out'], ['bad', 'killed']],
    ['lines', ['one\ntwo', 'three', 'four'], [], ['four']],
    ['resumed', VALUES, [], []],
    ['cut', TILES, [], ['tile-12', 'tile-13']],
    ['glued', TILES, [], ['tile-12', 'tile-13']],
    ['glued-early', TILES, [], ['tile-12', 'tile-13']],
  ] as const)('%s: the others wait, and loading it again changes nothing', async (log, ids, flags, left) => {
    const done = ids.filter((id) => !left.some((other) => other === id))
    const first = await loadAll(ids, log, flags)
    expect([first.code, first.err]).toEqual([0, ''])
    const counts = { rows: ids.length, changed: 0, duplicate: 0, refused: 0, done: 0 }
    expect(JSON.parse(first.out)).toMatchObject({
      ...counts,
      added: ids.length,
      addedDone: done.length,
      joblog: { done: done.length },
    })
    for (const _ of [1, 2]) {
      expect(await waiting()).toEqual(left)
      expect(await succeeded()).toEqual(done.map((id) => [id, 0]))
      const again = await loadAll(ids, log, flags)
      expect([again.code, again.err, JSON.parse(again.out)]).toMatchObject([
        0,
        '',
        { ...counts, added: 0, same: ids.length, knownDone: done.length, joblog: { waiting: 0 } },
      ])
    }
  })

  test('the text report has the sum, and how many of it are done', async () => {
    await loadAll(VALUES, 'value')
    await inQueue((queue) => queue.remove(["it's", 'bad']))
    const log = ['--joblog', join(LOGS, 'value.tsv')]
    const { out, err } = await box.run(['load', 'list.jsonl', ...log])
    expect(out).toMatch(
      /^11 rows: 2 added \(1 done elsewhere\), 9 same, 0 changed, 0 duplicate, 0 refused, in /u,
    )
    expect(err).toMatch(/^joblog \(the id is the last argument of \.\/process\): 11 records$/mu)
  })

  test('--dry-run reports how many, and creates no queue', async () => {
    for (const [flags, text] of [
      [[], /^11 valid rows \(9 done elsewhere\), 0 refused, .* Nothing was stored\.$/u],
      [['--skip-done'], /^2 valid rows, 9 left out as done elsewhere, 0 refused, /u],
    ] as const) {
      const json = await loadAll(VALUES, 'value', ['--dry-run', ...flags])
      const unstored = 11 - 9 * flags.length
      expect(JSON.parse(json.out)).toMatchObject({
        rows: 11,
        unstored,
        done: 11 - unstored,
        joblog: { done: 9 },
      })
      const log = ['--joblog', join(LOGS, 'value.tsv'), ...flags]
      expect((await box.run(['load', 'list.jsonl', '--dry-run', ...log])).out).toMatch(text)
    }
    expect(existsSync(join(box.dir, 'queue.db'))).toBe(false)
  })

  test('--strict and rows that repeat others: each item once', async () => {
    const twice = [...VALUES, 'b c', 'bad']
    const { out } = await loadAll(twice, 'value', ['--strict'])
    expect(JSON.parse(out)).toMatchObject({ rows: 13, added: 11, addedDone: 9, duplicate: 2 })
    expect(await waiting()).toEqual(['bad', 'killed'])
    const dry = await loadAll(twice, 'value', ['--dry-run'])
    expect(JSON.parse(dry.out)).toMatchObject({ rows: 13, unstored: 11, duplicate: 2, joblog: { done: 9 } })
  })

  test('a delay is ignored, and the priority is kept', async () => {
    const rows = [
      { id: 'tile-1', body: 1, delayMs: 5_000, priority: 7 },
      { id: 'tile-12', body: 2, notBeforeAt: 5 },
      { id: 'bad', body: 3, delayMs: 1_000_000 },
    ]
    await writeFile(join(box.dir, 'd.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
    const log = ['--joblog', join(LOGS, 'value.tsv')]
    expect(await box.json(['load', 'd.jsonl', ...log])).toMatchObject({ added: 3, addedDone: 2 })
    expect((await succeeded()).map(([id]) => id)).toEqual(['tile-1', 'tile-12'])
    expect(await inQueue((queue) => queue.lookup('tile-1'))).toMatchObject({ priority: 7, attempt: 0 })
    expect(await inQueue((queue) => queue.lookup('bad'))).toMatchObject({ stage: 'WAITING' })
  })

  test('an item that was put before stays WAITING, and the report has their number and what to do', async () => {
    await loadAll(VALUES, 'value', ['--dry-run'])
    expect(await box.json(['load', 'list.jsonl'])).toMatchObject({ added: 11 })
    const { code, out, err } = await loadAll(VALUES, 'value')
    expect([code, JSON.parse(out)]).toMatchObject([
      0,
      { same: 11, added: 0, knownDone: 9, joblog: { done: 9, waiting: 9 } },
    ])
    expect(JSON.parse(err)).toEqual({
      warning: expect.stringMatching(
        /^done by the joblog and still in WAITING: 9 items; .* sluice rm --stage WAITING, the same load again/u,
      ),
    })
    expect(await succeeded()).toEqual([])
    expect((await box.run(['rm', '--stage', 'WAITING', '--yes'])).code).toBe(0)
    expect(JSON.parse((await loadAll(VALUES, 'value')).out)).toMatchObject({ added: 11, addedDone: 9 })
    expect((await succeeded()).map(([id]) => id)).toEqual(DONE)
  })

  test('a second load stores what the log has completed since', async () => {
    await loadAll(VALUES, 'value')
    const { code, out } = await loadAll(VALUES, 'resumed')
    expect([code, JSON.parse(out)]).toMatchObject([
      0,
      { same: 11, added: 0, joblog: { done: 11, waiting: 2 } },
    ])
    expect(await waiting()).toEqual(['bad', 'killed'])
    // One of them is running by now, and no more WAITING than what has succeeded.
    await inQueue((queue) => queue.get(1))
    expect(JSON.parse((await loadAll(VALUES, 'resumed')).out)).toMatchObject({ joblog: { waiting: 1 } })
  })

  test('--update-waiting replaces the bodies of waiting items, done or not', async () => {
    await loadAll(VALUES, 'value')
    await inQueue((queue) => queue.remove(['tile-12']))
    await inQueue((queue) => queue.put('tile-12', 'old'))
    await inQueue((queue) => queue.update([{ id: 'bad', body: 'old' }]))
    const { code, out } = await loadAll(VALUES, 'value', ['--update-waiting'])
    expect([code, JSON.parse(out)]).toMatchObject([
      0,
      { same: 9, changed: 2, updated: 2, knownDone: 9, joblog: { waiting: 1 } },
    ])
    expect(await inQueue((queue) => queue.lookup('tile-12'))).toMatchObject({ stage: 'WAITING', body: null })
  })
})
