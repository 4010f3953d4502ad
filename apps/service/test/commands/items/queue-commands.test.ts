import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
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

/** Items f1… in FAIL with the given reasons. */
async function failed(...reasons: string[]): Promise<void> {
  const ids = reasons.map((_, index) => `f${index + 1}`)
  await queue.putMany(ids.map((id) => ({ id, body: null })))
  await queue.get(ids.length)
  await Promise.all(ids.map((id, index) => queue.fail(id, { attempt: 1, reason: reasons[index] ?? '' })))
}

describe('put', () => {
  test('any id up to 1,024 bytes, any JSON, from the argument, a file and stdin', async () => {
    const odd = `a/../"q" 'x' 🙂 \\ --`
    const long = `${'é'.repeat(511)}🙂`.slice(0, 511).padEnd(513, 'x')
    await writeFile(join(box.dir, 'body.json'), '{"from": "file"}')
    const ended = await Promise.all([
      box.run(['put', odd, '{"n": 1}', '--priority', '5']),
      box.run(['put', long, '[]']),
      box.run(['put', 'file', '@body.json', '--delay', '1h']),
      box.run(['put', 'stdin', '-'], { input: '{"from": "stdin"}\n' }),
      box.run(['put', 'text', 'plain words', '--text']),
      box.run(['put', '--', '-dash', 'null']),
    ])
    expect(ended.map(({ code, err }) => [code, err])).toEqual(ended.map(() => [0, '']))
    expect(await queue.lookup(odd)).toMatchObject({ body: { n: 1 }, priority: 5 })
    expect(await queue.lookup(long)).toMatchObject({ body: [] })
    expect(await queue.lookup('stdin')).toMatchObject({ body: { from: 'stdin' } })
    expect(await queue.lookup('text')).toMatchObject({ body: 'plain words' })
    expect(await queue.lookup('-dash')).toMatchObject({ body: null })
    const delayed = await queue.lookup('file')
    expect(delayed?.body).toEqual({ from: 'file' })
    expect(Number(delayed?.notBeforeAt) - Number(delayed?.putAt)).toBe(3_600_000)
  })

  test('resources and a limit key are kept, and shown', async () => {
    const put = ['put', 'a', '1', '--resources', 'gpu=1,memoryGiB=0.5', '--limit-key', 'ann']
    expect(await box.run(put)).toMatchObject({ code: 0, err: '' })
    expect(await queue.lookup('a')).toMatchObject({ resources: { gpu: 1, memoryGiB: 0.5 }, limitKey: 'ann' })
    const { out } = await box.run(['show', 'a'])
    expect(out).toMatch(/^resources +\{"gpu":1,"memoryGiB":0\.5\}$/mu)
    expect(out).toMatch(/^limit key +ann$/mu)
    expect((await box.run(['ls', '--json'])).out).toContain('"limitKey":"ann"')
    for (const wrong of ['gpu', 'gpu=$.gpu', 'gpu=-1']) {
      expect(await box.run(['put', 'b', '1', '--resources', wrong])).toMatchObject({ code: 2 })
    }
    expect((await box.run(['put', 'b', '1', '--limit-key', 'x'.repeat(129)])).code).toBe(2)
    await writeFile(join(box.dir, 'list.jsonl'), '{"id": "c", "gpu": 3, "user": "bob"}\n')
    const load = ['load', 'list.jsonl', '--resources', 'gpu=$.gpu', '--limit-key', '$.user']
    expect((await box.run(load)).code).toBe(0)
    expect(await queue.lookup('c')).toMatchObject({ resources: { gpu: 3 }, limitKey: 'bob' })
  })

  test('as a process of its own: exit code, output, and no warning of Node about SQLite', async () => {
    expect(await box.spawn(['put', 'a', '1'])).toEqual({ code: 0, out: 'Put a into tiles', err: '' })
    expect((await box.spawn(['put', 'a', '2'])).code).toBe(3)
    expect(await queue.lookup('a')).toMatchObject({ body: 1 })
  })

  test('an id that exists already: 3, unchanged; --if-absent: 0', async () => {
    await queue.put('a', 1)
    const twice = await box.run(['put', 'a', '2', '--json'])
    expect([twice.code, JSON.parse(twice.err).error.code]).toEqual([3, 'SLUICE_ITEM_EXISTS'])
    expect(await box.json(['put', 'a', '2', '--if-absent'])).toEqual({ id: 'a', added: false })
    expect(await queue.lookup('a')).toMatchObject({ body: 1 })
  })

  test('bad bodies: 2, and nothing stored', async () => {
    await writeFile(join(box.dir, 'latin1'), Buffer.from([0x22, 0xe4, 0x22]))
    const ended = await Promise.all([
      box.run(['put', 'a', '{']),
      box.run(['put', 'a', '@gone.json']),
      box.run(['put', 'a', '@latin1']),
      box.run(['put', 'a', '-'], { input: '' }),
      box.run([
        'put',
        'a',
        `"${'x'.repeat(100_000)}"`,
        '--set',
        'queue.name=tiles',
        '--priority',
        '2147483648',
      ]),
    ])
    expect(ended.map((one) => one.code)).toEqual([2, 2, 2, 2, 2])
    expect(ended[1]?.err).toBe("error: the body can't be read from gone.json: no such file")
    expect(await queue.sizes()).toMatchObject({ WAITING: 0 })
  })

  test('a body over the limit of the queue: 2, nothing stored', async () => {
    const { code, err } = await box.run(['put', 'big', '-'], {
      input: JSON.stringify('x'.repeat(queue.supports.maxBodyBytes)),
    })
    expect(code).toBe(2)
    expect(err).toMatch(/^error: body is/)
    expect(await queue.sizes()).toMatchObject({ WAITING: 0 })
  })
})

describe('ls and show', () => {
  test('ls lists by stage, up to --limit; JSON is one item a line', async () => {
    await failed('boom', 'bang')
    await queue.putMany(['w1', 'w2', 'w3'].map((id) => ({ id, body: { id } })))
    const all = await box.run(['ls'])
    expect(all.out.split('\n').map((line) => line.split(/\s+/).slice(0, 3))).toEqual([
      ['stage', 'attempt', 'id'],
      ['FAIL', '1', expect.stringMatching(/f[12]/)],
      ['FAIL', '1', expect.stringMatching(/f[12]/)],
      ['WAITING', '0', 'w1'],
      ['WAITING', '0', 'w2'],
      ['WAITING', '0', 'w3'],
    ])
    const cut = await box.run(['ls', '--limit', '2', '--stage', 'waiting'])
    expect(cut.out.split('\n').length).toBe(3)
    expect(cut.err).toContain('2 of 3 items')
    const json = await box.run(['ls', '--stage', 'FAIL', '--limit', '0', '--json'])
    const lines = json.out.split('\n').map((line) => JSON.parse(line))
    expect(lines.map(({ id, reason }) => `${id} ${reason}`).toSorted()).toEqual(['f1 boom', 'f2 bang'])
  })

  test('ls by a positional stage, prefix, reason and time; what does not match is counted as read', async () => {
    await failed('Timeout after 3 s', 'bang')
    await queue.putMany(['tile/1', 'tile/2', 'w'].map((id) => ({ id, body: 1 })))
    const ids = async (...args: readonly string[]) => {
      const { code, out } = await box.run(['ls', ...args, '--json'])
      expect(code).toBe(0)
      return out === '' ? [] : out.split('\n').map((line) => String(JSON.parse(line).id))
    }
    expect(await ids('fail')).toEqual(['f1', 'f2'])
    expect(await ids('FAIL', '--reason', 'timeout')).toEqual(['f1'])
    expect(await ids('--prefix', 'tile/')).toEqual(['tile/1', 'tile/2'])
    expect(await ids('--prefix', 'tile/', '--limit', '1')).toEqual(['tile/1'])
    expect(await ids('WAITING', '--since', '1h')).toHaveLength(3)
    expect(await ids('--since', '0')).toEqual([])
    expect((await box.run(['ls', 'FAIL', '--reason', 'timeout'])).err).toBe('1 match, 2 items read')
    expect((await box.run(['ls', '--reason', 'nothing'])).err).toBe('no item matches; 5 items read')
    expect((await box.run(['ls', '--prefix', 'tile/', '--limit', '1'])).err).toMatch(
      /^1 match, .*--limit 0 shows all$/,
    )
    expect((await box.run(['ls', 'FAIL', '--stage', 'WAITING'])).code).toBe(2)
    expect((await box.run(['ls', 'DONE'])).code).toBe(2)
  })

  test('an empty queue: nothing on stdout', async () => {
    expect(await box.run(['ls'])).toEqual({ code: 0, out: '', err: 'no items' })
    expect(await box.run(['ls', '--json'])).toEqual({ code: 0, out: '', err: '' })
  })

  test('a reader that closes the pipe ends it without an error', async () => {
    await queue.putMany(Array.from({ length: 20_000 }, (_, n) => ({ id: `i${n}`, body: 'x'.repeat(50) })))
    const child = box.start(['ls', '--limit', '0', '--json'])
    child.stdout.once('data', () => child.stdout.destroy())
    const { exitCode, signal, stderr } = await child
    expect([exitCode, signal, stderr]).toEqual([0, undefined, ''])
  })

  test('show prints all of an item, escaped for a terminal; the body is truncated unless --full', async () => {
    await queue.put('i', { text: `\u001B[31m${'x'.repeat(2000)}` })
    await queue.get(1)
    await queue.success('i', { attempt: 1, result: { bytes: 3 } })
    const { out } = await box.run(['show', 'i'])
    expect(out).toMatch(/^stage +SUCCESS$/m)
    expect(out).toMatch(/^result +\{"bytes":3\}$/m)
    expect(out).toContain('--full shows all')
    expect(out).not.toContain('\u001B')
    expect((await box.run(['show', 'i', '--full'])).out).toContain('x'.repeat(2000))
    expect(await box.json(['show', 'i'])).toEqual(await queue.lookup('i'))
    await queue.put('f', 1)
    await queue.get(1)
    const details = { log: 'y'.repeat(2000), link: 'https://argo.example.org/workflows/a/b' }
    await queue.fail('f', { attempt: 1, reason: 'boom', details })
    // What one field holds doesn't cut off the next.
    expect((await box.run(['show', 'f'])).out).toMatch(
      /^ +link +https:\/\/argo\.example\.org\/workflows\/a\/b$/m,
    )
    const unknown = await box.run(['show', 'missing', '--json'])
    expect([unknown.code, JSON.parse(unknown.err).error.code]).toEqual([3, 'SLUICE_ITEM_NOT_FOUND'])
  })
})

describe('status, pause, resume, limit', () => {
  test('counts, pause and live limit, as text and as JSON', async () => {
    await failed('boom')
    await queue.put('w', 1)
    expect((await box.run(['pause', '--reason', 'disk full'])).code).toBe(0)
    expect(await box.json(['limit'])).toEqual({ limit: { configured: 10 } })
    expect((await box.run(['limit'])).out).toBe('tiles: limit: 10 in this configuration, none set live')
    expect((await box.run(['status'])).out).toMatch(/limit: 10 in this configuration, none set live$/m)
    expect(await box.json(['status'])).toMatchObject({ limit: { configured: 10 } })
    expect(await box.json(['limit', '3'])).toEqual({ limit: { live: 3, configured: 10 } })
    expect(await box.json(['status'])).toMatchObject({
      queue: 'tiles',
      sizes: { WAITING: 1, PROCESSING: 0, SUCCESS: 0, FAIL: 1 },
      total: 2,
      paused: true,
      reason: 'disk full',
      limit: { live: 3, configured: 10 },
    })
    const { out } = await box.run(['status'])
    expect(out).toMatch(/^FAIL +1 +50 %/m)
    expect(out).toContain('disk full')
    expect(out).toMatch(/at most 3 jobs at once, set by `sluice limit`$/m)
    expect(out.replaceAll(/\d{4}-\d\d-\S+Z/gu, '')).not.toContain('10')
    expect(await box.json(['resume'])).toMatchObject({ paused: false })
    expect(await box.json(['limit', '--reset'])).toEqual({ limit: { configured: 10 } })
    expect(await box.json(['limit', '0'])).toMatchObject({ limit: { live: 0 } })
    expect((await queue.control.read()).limits).toEqual({ maxProcessing: 0 })
  })

  test('a rate of zero is reported for the sampled time', async () => {
    await queue.put('a', 1)
    await queue.get(1)
    expect((await box.run(['status'])).out).toMatch(/^none finished within 1s · limit/m)
    const status = await box.json(['status', '--sample', '20ms'])
    expect(status).toMatchObject({ ratePerMinute: 0, measuredMs: expect.any(Number) })
  })

  test('--watch prints a line for each reading without a terminal, until the signal', async () => {
    await queue.put('w', 1)
    const child = box.start(['status', '--watch', '--interval', '100ms'])
    let lines = 0
    child.stdout.on('data', () => (lines += 1) === 2 && child.kill('SIGINT'))
    const { exitCode, stdout } = await child
    expect(exitCode).toBe(0)
    expect(stdout.split('\n')[0]).toBe(
      'WAITING 1 · PROCESSING 0 · SUCCESS 0 · FAIL 0 · held up: no-dispatcher',
    )
  })
})

describe('requeue, release, rm', () => {
  test('explicit ids need no confirmation; unknown ones give 3 and are named', async () => {
    await failed('boom', 'bang')
    expect(await box.json(['requeue', 'f1'])).toEqual({ moved: 1, skipped: [] })
    const half = await box.run(['requeue', 'f2', 'f1', 'missing'])
    expect(half.code).toBe(3)
    expect(half.out).toBe('Requeued 1 item')
    expect(half.err).toBe('Unchanged (in WAITING): f1\nUnknown, no such item: missing')
    expect(await queue.sizes()).toMatchObject({ WAITING: 2, FAIL: 0 })
  })

  test('unchanged items are listed by stage, and with --json by the reason', async () => {
    await failed('boom')
    await queue.putMany(['run', 'wait1', 'wait2'].map((id) => ({ id, body: 1 })))
    await queue.get(1)
    const told = async (command: string, ids: readonly string[]) => {
      const args = [command, ...ids, ...(command === 'rm' ? ['--yes'] : [])]
      const { code, err } = await box.run(args)
      const json = await box.run([...args, '--json'])
      return { codes: [code, json.code], err: err.split('\n'), json: JSON.parse(json.out) }
    }
    expect(await told('requeue', ['run', 'wait1', 'wait2', 'missing', 'wait1'])).toEqual({
      codes: [3, 3],
      err: [
        'Unchanged (in WAITING): wait1, wait2',
        'Unchanged (in PROCESSING): run',
        'Unknown, no such item: missing',
        'Given more than once: wait1',
      ],
      json: {
        moved: 0,
        skipped: [
          { id: 'run', reason: 'wrong-stage' },
          { id: 'wait1', reason: 'wrong-stage' },
          { id: 'wait2', reason: 'wrong-stage' },
          { id: 'missing', reason: 'not-found' },
          { id: 'wait1', reason: 'repeated' },
        ],
      },
    })
    expect(await told('release', ['f1', 'missing'])).toMatchObject({
      err: ['Unchanged (in FAIL): f1', 'Unknown, no such item: missing'],
      json: {
        moved: 0,
        skipped: [
          { id: 'f1', reason: 'wrong-stage' },
          { id: 'missing', reason: 'not-found' },
        ],
      },
    })
    expect(await told('rm', ['run', 'missing'])).toMatchObject({
      err: ['Unchanged (in PROCESSING): run', 'Unknown, no such item: missing'],
      json: {
        removed: 0,
        skipped: [
          { id: 'run', reason: 'wrong-stage' },
          { id: 'missing', reason: 'not-found' },
        ],
      },
    })
    const dry = await box.run(['requeue', 'wait1', 'missing', '--dry-run'])
    expect([dry.code, dry.err]).toEqual([3, 'Unchanged (in WAITING): wait1\nUnknown, no such item: missing'])
  })

  test('many at once: without a terminal and --yes it ends with 6, prints how many, and does nothing', async () => {
    await failed('timed out', 'boom', 'Timed Out again')
    const refused = await box.run(['requeue', '--all'])
    expect([refused.code, refused.out]).toEqual([6, ''])
    expect(refused.err).toContain('Requeue 3 items of tiles?')
    const matching = await box.run(['requeue', '--reason-matches', 'timed out', '--json'])
    expect(matching.code).toBe(6)
    expect(JSON.parse(matching.err).error).toEqual({
      code: 'REFUSED',
      message: expect.stringContaining('2 items'),
    })
    expect((await box.run(['rm', '--stage', 'FAIL'])).code).toBe(6)
    expect((await box.run(['rm', 'f1'])).code).toBe(6)
    expect(await queue.size('FAIL')).toBe(3)
    expect(await box.json(['requeue', '--reason-matches', 'timed out', '--yes'])).toEqual({
      moved: 2,
      skipped: [],
    })
    expect(await box.json(['rm', '--stage', 'FAIL', '--yes'])).toEqual({ removed: 1, skipped: [] })
    expect(await queue.sizes()).toMatchObject({ WAITING: 2, FAIL: 0 })
  })

  test('with nothing selected there is no confirmation', async () => {
    expect(await box.json(['requeue', '--all'])).toEqual({ moved: 0, skipped: [] })
    expect(await box.json(['release', '--all'])).toEqual({ moved: 0, skipped: [] })
    expect(await box.json(['rm', '--stage', 'SUCCESS'])).toEqual({ removed: 0, skipped: [] })
  })

  test('requeue --all moves more than a page', async () => {
    const ids = Array.from({ length: 1201 }, (_, n) => `i${n}`)
    await queue.putMany(ids.map((id) => ({ id, body: 1 })))
    await queue.get(2000)
    await queue.settle(ids.map((id) => ({ id, attempt: 1, stage: 'FAIL' as const, reason: 'x' })))
    expect(await box.json(['requeue', '--all', '--yes'])).toEqual({ moved: 1201, skipped: [] })
    expect(await queue.size('WAITING')).toBe(1201)
  })

  test('release warns that the job may run, and keeps the reason', async () => {
    await queue.putMany([
      { id: 'a', body: 1 },
      { id: 'b', body: 1 },
      { id: 'c', body: 1 },
    ])
    await queue.get(3)
    const { code, out, err } = await box.run(['release', 'a', '--reason', 'node gone', '--delay', '1h'])
    expect([code, out]).toEqual([0, 'Released 1 item'])
    expect(err).toContain('may run twice')
    expect(await queue.lookup('a')).toMatchObject({ stage: 'WAITING', reason: 'node gone' })
    expect((await box.run(['release', '--all'])).code).toBe(6)
    expect((await box.run(['release', '--all', '--yes'])).out).toBe('Released 2 items')
    expect((await box.run(['release', 'missing'])).code).toBe(3)
    expect(await queue.size('WAITING')).toBe(3)
  })

  test('rm never takes an item whose job may run', async () => {
    await queue.put('a', 1)
    await queue.get(1)
    const { code, out } = await box.run(['rm', 'a', '--yes'])
    expect([code, out]).toEqual([3, 'Removed 0 items'])
    expect(await queue.lookupStatus('a')).toBe('PROCESSING')
  })
})

test.each([['show'], ['requeue'], ['release'], ['rm', '--yes']])(
  '%s of an id that no queue can hold: 2',
  async (...args) => {
    const long = await box.run(
      [...args, 'ok', 'x'.repeat(1025)].filter((arg) => args[0] !== 'show' || arg !== 'ok'),
    )
    const empty = await box.run([...args, ''])
    expect([long.code, empty.code]).toEqual([2, 2])
    expect(long.err).toContain('1025 bytes')
    expect(empty.err).toContain('must not be empty')
  },
)

test('a file that is not a database: 2, one screen, the file unchanged', async () => {
  const path = join(box.dir, 'notes.txt')
  await writeFile(path, 'these are my notes, not a database\n'.repeat(100))
  const { code, out, err } = await box.run(['put', 'a', '1', '--set', `queue.url=sqlite:${path}`])
  expect([code, out]).toEqual([2, ''])
  expect(err).toMatch(/^error: /)
  expect(err.split('\n').length).toBeLessThan(10)
  expect(await readFile(path, 'utf8')).toMatch(/^these are my notes/)
})

test('unreachable storage: 4, and no password in the message', async () => {
  const url = 'postgres://me:secret@127.0.0.1:1/db'
  const { code, err } = await box.run([
    'status',
    '--set',
    `queue.url=${url}`,
    '--set',
    'queue.timeoutMs=1000',
  ])
  expect(code).toBe(4)
  expect(err).not.toContain('secret')
})

test('verify proves the configured storage, and leaves nothing behind', async () => {
  await queue.put('mine', 1)
  const { code, out } = await box.run(['verify', '--only', 'Q-NAME', '--json'])
  expect(code).toBe(0)
  const lines = out.split('\n').map((line) => JSON.parse(line))
  expect(lines.at(-1)).toMatchObject({ failed: 0 })
  expect(lines.length).toBeGreaterThan(1)
  expect(await queue.sizes()).toMatchObject({ WAITING: 1 })
  const memory = await box.run(['verify', '--config', 'x.yaml'])
  expect(memory.code).toBe(2)
})
