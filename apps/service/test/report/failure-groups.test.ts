import { readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { systemRuntime } from '@sluice/core/backend'
import type { Queue } from '@sluice/core'
import { failureGroupOf } from '@sluice/core/backend'
import { openQueue } from '@sluice/queue-sql'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { moveSelected } from '../../src/items/bulk-move.js'
import { Output } from '../../src/output/output.js'
import { Sandbox } from '../fixtures/sandbox.js'

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

interface Failed {
  readonly id: string
  readonly reason?: string
  readonly failureClass?: string
  readonly exitCode?: number
}

async function fail(...failures: readonly Failed[]): Promise<void> {
  await queue.putMany(failures.map(({ id }) => ({ id, body: null })))
  const items = await queue.get(failures.length)
  const attempts = new Map(items.map(({ id, attempt }) => [id, attempt]))
  await queue.settle(
    failures.map((failure) => ({
      ...failure,
      attempt: attempts.get(failure.id) ?? 1,
      stage: 'FAIL' as const,
    })),
  )
}

function three(n: number): Failed {
  return {
    id: `tile-${n}`,
    reason: `exit code 3: Traceback (most recent call last):\n  File "/app/t.py", line 3, in <module>\nValueError: tile-${n} is empty`,
    failureClass: 'failed',
    exitCode: 3,
  }
}

function missing(n: number): Failed {
  const reason = 'exit code 127: sh: 1: samtools: not found'
  return { id: `x-${n}`, reason, failureClass: 'error', exitCode: 127 }
}

/**
 * Ten tiles that ended with 3 by their own words, five whose program was not there, one that is alone; the
 * ids of the first two groups.
 */
async function failTiles(): Promise<{ readonly empty: string; readonly absent: string }> {
  await fail(
    ...Array.from({ length: 10 }, (_, n) => three(n)),
    ...Array.from({ length: 5 }, (_, n) => missing(n)),
    { id: 'odd', reason: 'killed by SIGKILL', failureClass: 'killed' },
  )
  return { empty: failureGroupOf(three(0)).id, absent: failureGroupOf(missing(0)).id }
}

async function failMany(count: number): Promise<void> {
  await fail(...Array.from({ length: count }, (_, n) => ({ id: `i${n}`, reason: 'x' })))
}

/** What a command has of the world, with a signal of the test's own. */
function contextOf(signal: AbortSignal): {
  context: Parameters<typeof moveSelected>[2]
  shown: () => string
} {
  let text = ''
  const stream = new Writable({
    write(chunk, _encoding, done) {
      text += String(chunk)
      done()
    },
  })
  const output = new Output({ stdout: stream, stderr: stream, env: {}, json: false })
  return { context: { output, interrupted: () => signal, runtime: systemRuntime }, shown: () => text }
}

describe('report --summary', () => {
  test('exit codes 3 and 127 are two groups, the largest first, with all that distinguishes them', async () => {
    await fail(
      { id: 'a', reason: 'exit code 3', failureClass: 'failed', exitCode: 3 },
      { id: 'b', reason: 'exit code 127', failureClass: 'error', exitCode: 127 },
      { id: 'c', reason: 'exit code 3', failureClass: 'failed', exitCode: 3 },
    )
    const at = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/u
    expect(await box.json(['report', '--summary'])).toEqual({
      sizes: { WAITING: 0, PROCESSING: 0, SUCCESS: 0, FAIL: 3 },
      failed: 3,
      failures: [
        {
          group: expect.stringMatching(/^[0-9a-f]{16}$/u),
          count: 2,
          share: 0.6667,
          template: 'exit code 3',
          failureClass: 'failed',
          exitCode: 3,
          firstAt: expect.stringMatching(at),
          lastAt: expect.stringMatching(at),
          samples: expect.arrayContaining(['a', 'c']),
        },
        expect.objectContaining({ count: 1, template: 'exit code 127', exitCode: 127, samples: ['b'] }),
      ],
      failureGroups: 2,
      otherFailures: 0,
    })
  })

  test('as a table: counts and shares, and below each group its template and examples', async () => {
    const { empty, absent } = await failTiles()
    const { out } = await box.run(['report', '--summary'])
    const [head, ...rows] = out.split('\n').slice(6)
    expect(head).toMatch(/^failed +share +group +class +exit +first seen +last seen$/u)
    const minute = String.raw`\d{4}-\d\d-\d\d \d\d:\d\dZ`
    const row = (text: string) => expect.stringMatching(new RegExp(`^${text} +${minute} +${minute}$`, 'u'))
    expect(rows).toEqual([
      row(`10 +63% +${empty} +failed +3`),
      '    exit code 3: ValueError: <id> is empty',
      expect.stringMatching(/^ {4}such as tile-\d, tile-\d, tile-\d$/u),
      row(`5 +31% +${absent} +error +127`),
      '    exit code 127: sh: <n>: samtools: not found',
      expect.stringMatching(/^ {4}such as x-\d, x-\d, x-\d$/u),
      row('1 +6% +[0-9a-f]{16} +killed +-'),
      '    killed by SIGKILL',
      '    odd',
    ])
  })

  test('shows the requested number of groups, and how many more there are', async () => {
    await failTiles()
    const { out } = await box.run(['report', '--summary', '-n', '1'])
    expect(out.split('\n').at(-1)).toBe('… and 6 failures in 2 more groups')
    expect(await box.json(['report', '--summary', '-n', '0'])).toMatchObject({
      failures: { length: 3 },
      failureGroups: 3,
    })
    expect((await box.run(['report', '-n', '1'])).code).toBe(2)
  })

  test('can be limited to some failures', async () => {
    await failTiles()
    expect(await box.json(['report', '--summary', '--class', 'error', '--class', 'killed'])).toMatchObject({
      failed: 6,
      failures: [{ count: 5 }, { count: 1 }],
    })
  })

  test('of an empty queue has the stages and no failures', async () => {
    const { code, out } = await box.run(['report', '--summary'])
    expect([code, out.split('\n')]).toEqual([
      0,
      [
        expect.stringMatching(/^stage +items$/u),
        'WAITING     0',
        'PROCESSING  0',
        'SUCCESS     0',
        'FAIL        0',
      ],
    ])
    expect(await box.json(['report', '--summary'])).toMatchObject({
      failed: 0,
      failures: [],
      failureGroups: 0,
    })
    expect(await box.run(['report'])).toMatchObject({ code: 0, out: expect.stringMatching(/^id,stage,/u) })
  })
})

describe('report --group', () => {
  test('lists the items of a group, by the beginning of its id', async () => {
    const { absent } = await failTiles()
    const args = ['report', '--group', absent.slice(0, 6).toUpperCase(), '--columns', 'exitCode,group']
    const { code, out } = await box.run(args)
    expect(code).toBe(0)
    expect(out.split('\n').toSorted((a, b) => (a < b ? -1 : 1))).toEqual([
      ...Array.from({ length: 5 }, (_, n) => `"x-${n}",127,"${absent}"`),
      'id,exitCode,group',
    ])
  })

  test('without a match ends with 3, and does not change the file', async () => {
    await failTiles()
    for (const args of [
      ['--group', 'ffff'],
      ['--exit-code', '9'],
      ['--reason-matches', 'no such thing'],
    ]) {
      const { code, out, err } = await box.run(['report', '--out', 'o.csv', ...args])
      expect([args, code, out]).toEqual([args, 3, ''])
      expect(err).toContain('`sluice report --summary` lists the')
    }
    expect(await readdir(box.dir)).not.toContain('o.csv')
    await box.run(['report', '--out', 'o.csv', '--exit-code', '3', '--columns', 'stage'])
    expect((await readFile(join(box.dir, 'o.csv'), 'utf8')).trimEnd().split('\n')).toHaveLength(11)
  })
})

describe('requeue by failure group, class and exit code', () => {
  test('--group takes the beginning of an id, and several of them', async () => {
    const { empty, absent } = await failTiles()
    expect(await box.json(['requeue', '--group', empty.slice(0, 8), '--yes'])).toEqual({
      moved: 10,
      skipped: [],
    })
    expect(await queue.sizes()).toMatchObject({ WAITING: 10, FAIL: 6 })
    const odd = failureGroupOf({ id: 'odd', reason: 'killed by SIGKILL', failureClass: 'killed' }).id
    expect(await box.json(['requeue', '--group', absent, '--group', odd, '--yes'])).toEqual({
      moved: 6,
      skipped: [],
    })
    expect(await queue.size('FAIL')).toBe(0)
  })

  test('an item must match each filter, and any of the values of one', async () => {
    await failTiles()
    const count = async (...args: string[]) => await box.json(['requeue', '--dry-run', ...args])
    expect(await count('--class', 'failed', '--exit-code', '3')).toMatchObject({ count: 10 })
    expect(await count('--class', 'failed', '--class', 'error')).toMatchObject({ count: 15 })
    expect(await count('--exit-code', '3', '--exit-code', '127')).toMatchObject({ count: 15 })
    expect(await count('--class', 'error', '--reason-matches', 'SAMTOOLS')).toMatchObject({ count: 5 })
    expect((await box.run(['requeue', '--class', 'error', '--exit-code', '3', '--yes'])).code).toBe(3)
    expect(await queue.size('FAIL')).toBe(16)
  })

  test('--dry-run lists exactly the matching items, and moves none', async () => {
    const { absent } = await failTiles()
    expect(await box.json(['requeue', '--group', absent, '--dry-run'])).toMatchObject({
      dryRun: true,
      count: 5,
      samples: { length: 5 },
      failures: [{ group: absent, count: 5 }],
    })
    const { code, out } = await box.run(['requeue', '--all', '--dry-run'])
    expect([code, out.split('\n')[0]]).toEqual([
      0,
      expect.stringMatching(/^Would requeue 16 items of tiles: .*, …$/u),
    ])
    const ids = await box.run(['requeue', 'odd', 'missing', '--dry-run'])
    expect([ids.code, ids.out.split('\n')[0]]).toEqual([3, 'Would requeue 1 item of tiles: odd'])
    expect(ids.err).toContain('missing')
    expect(await queue.size('FAIL')).toBe(16)
  })

  test('without a match it ends with 3, confirmed or not', async () => {
    await failTiles()
    for (const more of [[], ['--yes'], ['--dry-run']]) {
      for (const [args, what] of [
        [['--group', '0123456789abcdef'], '--group 0123456789abcdef'],
        [['--class', 'oom', '--exit-code', '9'], '--class oom --exit-code 9'],
        [['--reason-matches', 'typo'], '--reason-matches "typo"'],
      ] as const) {
        const { code, err } = await box.run(['requeue', ...args, ...more])
        expect([code, err]).toEqual([
          3,
          `error: Of 16 items in FAIL of tiles none matches ${what}: none was requeued. ` +
            '`sluice report --summary` lists the failure groups.',
        ])
      }
    }
    const json = await box.run(['requeue', '--class', 'oom', '--yes', '--json'])
    expect([json.out, JSON.parse(json.err).error.code]).toEqual([
      expect.not.stringContaining('moved'),
      'CONFLICT',
    ])
  })

  test('an unknown beginning of an id: 3; an ambiguous one: 2, with the groups', async () => {
    const ids = Array.from({ length: 600 }, (_, n) => ({ id: `i${n}`, reason: `no ${inLetters(n)}` }))
    await fail(...ids, { id: 'again', reason: ids[0]?.reason ?? '' })
    const groups = ids.map((failure) => failureGroupOf(failure).id)
    const shared = groups.map((id) => id.slice(0, 4)).find((prefix, n, all) => all.indexOf(prefix) !== n)
    const unknown = ['ffff', 'fffe', 'fffd'].find((prefix) => !groups.some((id) => id.startsWith(prefix)))
    const none = await box.run(['requeue', '--group', unknown ?? '', '--yes'])
    expect([none.code, none.err]).toEqual([3, expect.stringContaining(`id prefix ${unknown}`)])
    const several = await box.run(['requeue', '--group', shared ?? '', '--yes'])
    expect(several.code).toBe(2)
    for (const id of groups.filter((group) => group.startsWith(shared ?? '')))
      expect(several.err).toContain(`  ${id}  1 item  no `)
    expect(await queue.size('FAIL')).toBe(601)
  })

  test('usage errors end with 2', async () => {
    for (const args of [
      ['--group', 'xyz1'],
      ['--group', 'abc'],
      ['--group', 'a'.repeat(17)],
      ['--exit-code', 'three'],
      ['a', '--class', 'oom'],
      [],
    ]) {
      expect([args, (await box.run(['requeue', ...args])).code]).toEqual([args, 2])
    }
  })

  test('with an empty FAIL --all does nothing, and a filter matches nothing', async () => {
    expect(await box.run(['requeue', '--all'])).toMatchObject({
      code: 0,
      out: 'Requeued 0 items: FAIL is empty',
    })
    expect(await box.run(['requeue', '--class', 'oom'])).toMatchObject({
      code: 3,
      err: 'error: No item is in FAIL of tiles, so none matches --class oom: none was requeued.',
    })
    expect((await box.run(['requeue', '--group', 'abcd'])).code).toBe(3)
    expect((await box.run(['requeue', '--all', '--dry-run'])).code).toBe(0)
    expect(await box.run(['rm', '--stage', 'FAIL', '--yes'])).toMatchObject({
      code: 0,
      out: 'Removed 0 items: FAIL is empty',
    })
  })
})

describe('rm by failure group, class and exit code', () => {
  test('a filter applies to FAIL, unless a stage is given', async () => {
    const { absent } = await failTiles()
    expect(await box.json(['rm', '--group', absent, '--dry-run'])).toMatchObject({ count: 5 })
    expect((await box.run(['rm', '--group', absent])).err).toContain('Remove 5 items of tiles permanently?')
    expect(await box.json(['rm', '--group', absent, '--yes'])).toEqual({ removed: 5, skipped: [] })
    expect((await box.run(['rm', '--group', absent, '--yes'])).code).toBe(3)
    expect((await box.run(['rm', '--stage', 'SUCCESS', '--class', 'failed', '--yes'])).code).toBe(3)
    expect(await queue.size('FAIL')).toBe(11)
  })

  test('an item that never failed is in no group', async () => {
    await queue.put('waits', 1)
    const none = failureGroupOf({ id: 'waits' }).id
    expect((await box.run(['rm', '--stage', 'WAITING', '--group', none, '--yes'])).code).toBe(3)
    expect(await queue.size('WAITING')).toBe(1)
  })
})

describe('a walk over many items', () => {
  test('a signal ends it after the current page; the same command does the rest', async () => {
    await failMany(1_201)
    const stop = new AbortController()
    let pages = 0
    const bulk = {
      selection: { stage: 'FAIL' as const, reasonMatches: /x/u },
      done: 'requeued',
      move: async (items: readonly { id: string }[]) => {
        pages += 1
        const { moved } = await queue.requeue(items.map(({ id }) => id))
        if (pages === 2) stop.abort('SIGINT')
        return moved
      },
    }
    expect(await moveSelected(queue, bulk, contextOf(stop.signal).context)).toEqual({
      selected: 1_000,
      moved: 1_000,
      interrupted: true,
      isExact: true,
    })
    expect(await queue.sizes()).toMatchObject({ WAITING: 1_000, FAIL: 201 })
    expect(await box.json(['requeue', '--reason-matches', 'x', '--yes'])).toEqual({ moved: 201, skipped: [] })
  })

  test('a signal during the count ends it before any move: 130', async () => {
    await writeFile(
      join(box.dir, 'slow.mjs'),
      `import { openQueue as open } from ${JSON.stringify(import.meta.resolve('@sluice/queue-sql'))}
      export async function openQueue(options) {
        const queue = await open(options)
        const list = queue.list.bind(queue)
        queue.list = async (...args) => {
          const told = new Promise((resolve) => process.once('SIGINT', resolve))
          // A signal that is awaited does not keep the process alive.
          const alive = setInterval(() => undefined, 1_000)
          process.kill(process.pid, 'SIGINT')
          await told
          clearInterval(alive)
          return list(...args)
        }
        return queue
      }`,
    )
    await failMany(501)
    const { exitCode, stdout, stderr } = await box.start([
      'requeue',
      '--reason-matches',
      'x',
      '--set',
      'queue.package=./slow.mjs',
    ])
    expect([exitCode, stdout, stderr]).toEqual([130, '', 'error: Interrupted: nothing was done.'])
    expect(await queue.size('FAIL')).toBe(501)
  })
})

/** A number in letters, which no rule takes for a number. */
function inLetters(index: number): string {
  return String(index).replaceAll(/\d/gu, (digit) => 'ghijklmnop'.charAt(Number(digit)))
}
