import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { openQueue } from '@sluice/queue-sql'
import type { Queue } from '@sluice/core'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Sandbox } from '../../fixtures/sandbox.js'

let box: Sandbox
let queue: Queue

beforeEach(async () => {
  box = await Sandbox.open()
  const url = `sqlite:${join(box.dir, 'queue.db')}`
  await writeFile(
    join(box.dir, 'sluice.config.yaml'),
    `queue: { package: sql, name: tiles, url: '${url}' }\n`,
  )
  queue = await openQueue({ name: 'tiles', url })
})

afterEach(async () => {
  await queue.close()
  await box.close()
})

async function file(name: string, content: string | Buffer): Promise<string> {
  await writeFile(join(box.dir, name), content)
  return name
}

function jsonl(count: number, from = 0): string {
  const lines = Array.from({ length: count }, (_, index) => ({
    id: `i${from + index}`,
    body: { n: from + index },
  }))
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('')
}

/** Good, bad, good, truncated. */
const MIXED = `${jsonl(1)}{"id":"","body":1}\n{"id":"x"}\n${jsonl(1, 1)}{"id":"y","bo`

describe('load', () => {
  test('reports that it created a missing queue, and where', async () => {
    const path = await file('one.jsonl', '{"id":"a"}\n')
    const at = ['--set', `queue.url=sqlite:${join(box.dir, 'elsewhere.db')}`]
    expect((await box.run(['load', path, ...at])).err).toMatch(
      /^created a new, empty queue "tiles" at sqlite:\S+elsewhere\.db/m,
    )
    expect((await box.run(['load', path, ...at])).err).not.toContain('made a new')
  })

  test('stores items in the order of the file; a second load adds nothing', async () => {
    const name = await file('a.jsonl', jsonl(2_500))
    expect(await box.json(['load', name])).toMatchObject({
      added: 2_500,
      rows: 2_500,
      same: 0,
      refused: 0,
      interrupted: false,
      failed: false,
      problems: [],
    })
    const items = await queue.peek(2_500)
    expect(items.map((item) => item.id)).toEqual(Array.from({ length: 2_500 }, (_, index) => `i${index}`))
    expect(items[7]?.body).toEqual({ n: 7 })
    expect(await box.json(['load', name])).toMatchObject({ rows: 2_500, same: 2_500, added: 0 })
  })

  test('valid lines are stored, refused ones reported with line and field, all of them in the file of rejects', async () => {
    const { code, out, err } = await box.run(['load', await file('m.jsonl', MIXED), '--rejects', 'bad.jsonl'])
    expect(code).toBe(2)
    expect(out).toMatch(/^5 rows: 2 added, 0 same, 0 changed, 0 duplicate, 3 refused, in /u)
    expect(err).toContain('line 2, field "id": id must not be empty')
    expect(err).toContain('line 3, field "body": the field is missing')
    expect(err).toMatch(/line 5: not JSON: .*truncated/u)
    const rejects = (await readFile(join(box.dir, 'bad.jsonl'), 'utf8')).trimEnd().split('\n')
    expect(rejects.map((line) => Object(JSON.parse(line)).line)).toEqual([2, 3, 5])
    expect(await queue.size('WAITING')).toBe(2)
  })

  test('elements of a document on one line are identified by number and byte: in text, in the rejects and in JSON, repeated ones too', async () => {
    const text = '[{"id":"a","body":1},{"id":"b","body":-0},{"id":"a","body":2},{"id":"a","body":1}]'
    const args = ['load', await file('m.json', text), '--path', '$[*]', '--rejects', 'bad.jsonl']
    const { code, err } = await box.run(args)
    expect(code).toBe(2)
    expect(err).toContain('line 1, element 2 (byte 21), id "b", field "$.body": -0 would come back as 0')
    expect(err).toContain(
      'line 1, element 3 (byte 42), id "a": the id came before in this load, with another body',
    )
    const rejects = (await readFile(join(box.dir, 'bad.jsonl'), 'utf8')).trimEnd().split('\n')
    const places = [
      { line: 1, element: 2, byte: 21, id: 'b', what: 'refused' },
      { line: 1, element: 3, byte: 42, id: 'a', what: 'duplicate' },
      { line: 1, element: 4, byte: 62, id: 'a', what: 'duplicate' },
    ]
    expect(rejects.map((line) => Object(JSON.parse(line)))).toMatchObject(places)
    const again = await box.run([...args, '--dry-run', '--json'])
    expect(JSON.parse(again.out).problems).toMatchObject(places.slice(0, 2))
  })

  test('only the first refused lines are shown', async () => {
    const { err } = await box.run(['load', await file('m.jsonl', 'no\n'.repeat(50))])
    expect(err.split('\n').filter((line) => line.startsWith('line '))).toHaveLength(20)
    expect(err).toContain('… and 30 more: use --rejects FILE to get them all')
  })

  test('--strict stores nothing when one line is bad, from a file and from a pipe', async () => {
    const name = await file('m.jsonl', MIXED)
    for (const [args, input] of [
      [['load', name, '--strict'], ''],
      [['load', '-', '--strict'], MIXED],
    ] as const) {
      const { code, out, err } = await box.run(args, { input })
      expect(code).toBe(2)
      expect(out).toContain('Nothing was stored')
      expect(err).toContain('line 2, field "id"')
    }
    expect(await queue.size('WAITING')).toBe(0)
    expect(await box.json(['load', '-', '--strict'], { input: jsonl(10) })).toMatchObject({ added: 10 })
  })

  test('--dry-run needs no queue and stores nothing', async () => {
    const name = await file('m.jsonl', MIXED)
    const { code, out } = await box.run([
      'load',
      name,
      '--dry-run',
      '--set',
      'queue.url=sqlite:/no/such/dir/q.db',
    ])
    expect(code).toBe(2)
    expect(out).toMatch(/^2 valid rows, 3 refused, .*Nothing was stored\.$/u)
    const one = await file('one.jsonl', jsonl(1))
    expect((await box.run(['load', one, '--dry-run'])).out).toMatch(/^1 valid row, 0 refused/u)
    expect(await queue.size('WAITING')).toBe(0)
  })

  test('CSV and plain lines, gzipped, and from standard input', async () => {
    const csv = await file('a.csv.gz', gzipSync('sku,url,rank\na,u1,1\nb,u2,9\n'))
    const flags = ['--id-column', 'sku', '--priority-column', 'rank']
    expect(await box.json(['load', csv, ...flags])).toMatchObject({ added: 2 })
    expect(await queue.peek(2)).toMatchObject([
      { id: 'b', body: { url: 'u2' }, priority: 9 },
      { id: 'a', body: { url: 'u1' }, priority: 1 },
    ])
    expect(await box.json(['load', '-', '--format', 'lines'], { input: 'x\ny\n' })).toMatchObject({
      added: 2,
    })
    expect((await queue.lookup('y'))?.body).toEqual({ line: 'y' })
  })

  test('a CSV row that lacks a column, or a header without ids', async () => {
    const short = await box.run(['load', await file('s.csv', 'id,url\na,u\nb\n'), '--strict'])
    expect([short.code, short.err]).toEqual([
      2,
      expect.stringContaining('line 3, field "url": the column is missing'),
    ])
    const nameless = await box.run(['load', await file('n.csv', 'name,url\na,u\n')])
    expect([nameless.code, nameless.err]).toEqual([2, expect.stringContaining('line 1, field "id"')])
    expect(await queue.size('WAITING')).toBe(0)
  })

  test('a CSV without a header is refused, not read as an empty list', async () => {
    for (const args of [
      ['load', await file('e.csv', '')],
      ['load', await file('e.tsv', '\n'), '--strict'],
    ]) {
      const { code, err } = await box.run(args)
      expect([code, err]).toEqual([2, expect.stringContaining('a CSV begins with a header row')])
    }
  })

  test('a truncated gzip manifest: what was added stays, and the file must be downloaded again', async () => {
    const whole = gzipSync(jsonl(20_000))
    const cut = await file('cut.jsonl.gz', whole.subarray(0, whole.length - 200))
    const { code, err } = await box.run(['load', cut])
    expect(code).toBe(2)
    expect(err).toContain('the gzip file is truncated: download it again, then run the same command again')
    expect(err).toMatch(/items were added before that; a later load leaves them unchanged\.$/u)
    await file('cut.jsonl.gz', whole)
    const stored = await queue.size('WAITING')
    expect(stored).toBeGreaterThan(0)
    expect(await box.json(['load', cut])).toMatchObject({ added: 20_000 - stored, same: stored })
  })

  test('reports a directory as such, and a file without an extension as missing', async () => {
    expect((await box.run(['load', box.dir])).err).toBe(
      `error: Could not read the manifest ${box.dir}: it is a directory`,
    )
    expect((await box.run(['load', 'nowhere'])).err).toMatch(/no such file$/u)
  })

  test('usage errors end with 2 and store nothing', async () => {
    const name = await file('a.jsonl', jsonl(1))
    for (const args of [
      ['load', 'missing.jsonl'],
      ['load', '.'],
      ['load', '-', '-'],
      ['load', name, '--id-from', 'row', '--id-field', 'id'],
      ['load', name, '--id-column', 'id'],
      ['load', name, '--format', 'xml'],
      ['load', await file('a.csv', 'id\na\n'), '--delimiter', ';;'],
      ['load', name, '--rejects', 'no/such/dir/bad.jsonl'],
      ['load'],
    ]) {
      const { code, err } = await box.run(args)
      expect([args, code]).toEqual([args, 2])
      expect(err).toMatch(/^error: /u)
      expect(err).not.toMatch(/\n\s+at /u)
    }
    expect(await queue.size('WAITING')).toBe(0)
  })

  test('an empty manifest is valid', async () => {
    expect(await box.json(['load', await file('e.jsonl', '')])).toMatchObject({ added: 0, refused: 0 })
  })

  test('killed halfway and restarted: each item exists exactly once', async () => {
    const count = 200_000
    const name = await file('big.jsonl', jsonl(count))
    const first = box.start(['load', name])
    for (;;) {
      if ((await queue.size('WAITING')) > 0) break
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    first.kill('SIGKILL')
    await first
    const stored = await queue.size('WAITING')
    expect(stored).toBeLessThan(count)
    expect(await box.json(['load', name])).toMatchObject({ added: count - stored, same: stored })
    expect(await queue.size('WAITING')).toBe(count)
  })

  test('Ctrl-C reports how many were added, and that the same command adds the rest', async () => {
    const load = box.start(['load', await file('big.jsonl', jsonl(200_000))])
    for (;;) {
      if ((await queue.size('WAITING')) > 0) break
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    load.kill('SIGINT')
    const { exitCode, stdout } = await load
    expect(exitCode).toBe(130)
    const stored = (await queue.size('WAITING')).toLocaleString('en')
    expect(stdout).toContain(`${stored} added`)
    expect(stdout).toContain('Run the same command again')
  })
})

describe('report', () => {
  beforeEach(async () => {
    await queue.putMany(Array.from({ length: 30 }, (_, index) => ({ id: `i${index}`, body: index })))
    await queue.get(30)
    for (let index = 0; index < 30; index++) {
      if (index % 3 === 0)
        await queue.fail(`i${index}`, { reason: `exit code 1 of i${index} after ${index} s` })
      else await queue.success(`i${index}`, { result: { size: index } })
    }
  })

  test('to a file as CSV, to standard output as JSON lines', async () => {
    expect(await box.json(['report', '--out', 'o.csv', '--columns', 'stage,result.size'])).toEqual({
      rows: 30,
      out: 'o.csv',
      format: 'csv',
    })
    const csv = (await readFile(join(box.dir, 'o.csv'), 'utf8')).trimEnd().split('\n')
    expect([csv.length, csv[0], csv[1], csv.at(-1)]).toEqual([
      31,
      'id,stage,result.size',
      '"i1","SUCCESS",1',
      '"i27","FAIL",',
    ])
    const { out } = await box.run(['report', '--stage', 'fail', '--format', 'jsonl'])
    expect(out.split('\n').map((line) => Object(JSON.parse(line)).stage)).toEqual(Array(10).fill('FAIL'))
  })

  test('usage errors end with 2', async () => {
    for (const args of [
      ['report', '--columns', 'nothing'],
      ['report', '--stage', 'DONE'],
      ['report', '--format', 'xml'],
      ['report', '--out', 'no/such/dir/o.csv'],
      ['report', '--out', '.'],
    ]) {
      expect([args, (await box.run(args)).code]).toEqual([args, 2])
    }
  })
})

function configure(worker: string): Promise<string> {
  const url = `sqlite:${join(box.dir, 'queue.db')}`
  return file(
    'sluice.config.yaml',
    `queue: { package: sql, name: tiles, url: '${url}' }\nworker: { package: ${worker} }\n`,
  )
}

describe('the capacity of the worker', () => {
  test('is compared with the list: too little is a warning with its numbers, and the list is loaded', async () => {
    await configure('./room-worker.mjs')
    await file(
      'room-worker.mjs',
      `export const openWorker = () => { throw new Error('a load opens no worker') }
      export const checkRoom = async ({ name }, { items }) =>
        items > 3 ? items + ' items of ' + name + ' need more than is free' : undefined`,
    )
    const enough = await box.spawn(['load', await file('three.jsonl', jsonl(3))])
    expect(enough).toMatchObject({ code: 0, err: expect.not.stringContaining('room') })
    const short = await box.spawn(['load', await file('four.jsonl', jsonl(4))])
    expect(short.code).toBe(0)
    expect(short.out).toContain('1 added, 3 same')
    expect(short.err).toContain('too little room for this list: 4 items of tiles need more than is free')
    const checked = await box.spawn(['load', 'four.jsonl', '--dry-run'])
    expect(checked.err).not.toContain('room')
  })

  test('is not compared if the worker is not installed, or reports none', async () => {
    const list = await file('a.jsonl', jsonl(1))
    for (const worker of ["'@acme/not-there'", 'dummy']) {
      await configure(worker)
      expect(await box.spawn(['load', list])).toMatchObject({ code: 0, err: '' })
    }
  })

  test('invalid options of the worker are reported before an item is stored', async () => {
    const list = await file('a.jsonl', jsonl(1))
    await configure("process, command: ['{body.program}']")
    const { code, out, err } = await box.run(['load', list])
    expect([code, out]).toEqual([2, ''])
    expect(err).toMatch(
      /worker\.command\.0: must name the program itself, without a placeholder \(sluice\.config\.yaml:2\)/u,
    )
    expect(await box.json(['status', '--sample', '0'])).toMatchObject({ sizes: { WAITING: 0 } })
    expect((await box.run(['load', list, '--dry-run'])).code).toBe(0)
  })
})
