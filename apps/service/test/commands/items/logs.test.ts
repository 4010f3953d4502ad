import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import type { Queue } from '@sluice/core'
import { openQueue } from '@sluice/queue-sql'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Sandbox } from '../../fixtures/sandbox.js'

let box: Sandbox

beforeEach(async () => {
  box = await Sandbox.open()
})

afterEach(() => box.close())

async function configure(command: readonly string[], more: object = {}): Promise<void> {
  const config = {
    queue: { package: 'sql', name: 'tiles', url: 'sqlite:queue.db' },
    worker: { package: 'process', command, fsync: false, ...more },
    retry: { maxAttempts: 2, backoff: { baseMs: 1, maxMs: 1 } },
    service: { intervalMs: 50 },
  }
  await writeFile(join(box.dir, 'sluice.config.json'), JSON.stringify(config))
}

async function ran(id = 'a', body = '{}'): Promise<void> {
  await box.run(['put', id, body])
  await box.spawn(['run', '--until-empty', '--log-level', 'silent'])
}

function openTiles(): Promise<Queue> {
  return openQueue({ name: 'tiles', url: `sqlite:${join(box.dir, 'queue.db')}` })
}

const DATA = String.raw`printf 'one\n\000\377\033[31mred\033[0m\n'`
const BYTES = Buffer.from('one\n\0\u00FF\u001B[31mred\u001B[0m\n', 'latin1')

describe('sluice logs', () => {
  test('writes the exact bytes of stdout and stderr, and no notes', async () => {
    await configure(['sh', '-c', `${DATA}; echo oops >&2; exit 3`])
    await ran()
    expect(await box.redirected('> log', ['logs', 'a'])).toEqual({ code: 0, err: '' })
    expect(await readFile(join(box.dir, 'log'))).toEqual(Buffer.concat([BYTES, Buffer.from('oops\n')]))
    await box.redirected('> tail', ['logs', 'a', '--tail', '7'])
    expect(await readFile(join(box.dir, 'tail'), 'latin1')).toBe('m\noops\n')
  })

  test('shows the latest attempt, or the given one', async () => {
    await configure(['sh', '-c', 'echo attempt $SLUICE_ATTEMPT; exit 1'])
    await ran()
    expect(await box.run(['logs', 'a'])).toEqual({ code: 0, out: 'attempt 2', err: '' })
    expect(await box.run(['logs', 'a', '--attempt', '1'])).toEqual({ code: 0, out: 'attempt 1', err: '' })
    expect(await box.run(['logs', 'a', '--attempt', '3'])).toMatchObject({
      code: 3,
      err: expect.stringContaining('it has had 2 attempts'),
    })
    const { out } = await box.run(['logs', 'a', '--json'])
    expect(JSON.parse(out)).toEqual({ attempt: 2, text: 'attempt 2\n' })
  })

  test('falls back to an earlier attempt with a log, and reports it', async () => {
    await configure(['sh', '-c', 'echo attempt $SLUICE_ATTEMPT; exit 1'])
    await ran()
    const queue = await openTiles()
    const item = await queue.lookup('a')
    await queue.close()
    const details = item?.history.at(-1)?.details
    const file = Object.entries(details ?? {}).find(([key]) => key === 'stdoutFile')?.[1]
    const { rm } = await import('node:fs/promises')
    await rm(join(String(file), '..'), { recursive: true })
    const { code, out, err } = await box.run(['logs', 'a'])
    expect([code, out]).toEqual([0, 'attempt 1'])
    expect(err).toMatch(/no log of item "a", attempt 2.*\nThis is the log of attempt 1:/u)
    expect((await box.run(['logs', 'a', '--attempt', '2'])).err).toContain(`It was kept in ${String(file)}`)
  })

  test('a program without output differs from one without a log', async () => {
    await configure(['true'])
    await ran()
    expect(await box.run(['logs', 'a'])).toEqual({
      code: 0,
      out: '',
      err: 'The job of a, attempt 1, wrote no output.',
    })
    expect(await box.run(['logs', 'a', '--json'])).toEqual({ code: 0, out: '', err: '' })
  })

  test('exits with 3 for an item that is not there, that never started, or whose outputs are not stored', async () => {
    await configure(['true'], { keepOutputs: 'none' })
    await ran()
    await box.run(['put', 'waits', '1'])
    expect(await box.run(['logs', 'nope'])).toMatchObject({
      code: 3,
      err: expect.stringContaining('no item nope'),
    })
    expect(await box.run(['logs', 'waits'])).toMatchObject({
      code: 3,
      err: expect.stringContaining('has not been started yet (it is in WAITING)'),
    })
    expect(await box.run(['logs', 'a'])).toMatchObject({
      code: 3,
      err: expect.stringContaining('keepOutputs: none'),
    })
    const wrong = await box.run(['logs', 'a', '--tail', '5x'])
    expect(wrong).toMatchObject({
      code: 2,
      err: expect.stringContaining('number of bytes, such as 4096, 64k or 1m'),
    })
  })

  test('names the machine that has the log of a job which ran on another one', async () => {
    await configure(['true'])
    const queue = await openTiles()
    await queue.put('a', 1)
    const [item] = await queue.get(1)
    await queue.settle([
      {
        id: 'a',
        attempt: item?.attempt ?? 0,
        stage: 'SUCCESS',
        details: { host: 'render-07', stdoutFile: '/jobs/x/stdout' },
      },
    ])
    await queue.close()
    const { code, err } = await box.run(['logs', 'a'])
    expect(code).toBe(3)
    expect(err).toContain(`this machine, ${hostname()}, has no such job`)
    expect(err).toContain('Its job ran on render-07, which has the log (/jobs/x/stdout)')
  })

  test('reports of a running item that its queue runs with another worker', async () => {
    await configure(['sh', '-c', 'sleep 600'])
    await box.run(['put', 'a', '1'])
    const service = box.start(['run', '--log-level', 'silent'])
    await expect.poll(async () => (await box.run(['logs', 'a'])).code, { timeout: 20_000 }).toBe(0)
    const { code, err } = await box.run(['logs', 'a', '--set', `worker.dir=${join(box.dir, 'elsewhere')}`])
    expect([code, err]).toEqual([
      3,
      expect.stringMatching(/runs with another worker, process:\S+; this configuration has process:/u),
    ])
    await box.run(['cancel', 'a', '--yes', '--timeout', '30s'])
    service.kill('SIGTERM')
    await service
  }, 60_000)

  test('a worker without logs is an error of the configuration', async () => {
    await configure(['true'])
    await ran()
    await writeFile(
      join(box.dir, 'worker.mjs'),
      `export const openWorker = async ({ name }) => ({ name, supports: { durable: true, lookupJob: false, cancelJob: false, watch: false },
        async sendJob() {}, async pollAllStatus() { return new Map() }, async close() {} })`,
    )
    await writeFile(
      join(box.dir, 'other.json'),
      JSON.stringify({
        queue: { package: 'sql', name: 'tiles', url: 'sqlite:queue.db' },
        worker: { package: './worker.mjs' },
      }),
    )
    expect(await box.run(['logs', 'a', '-c', 'other.json'])).toEqual({
      code: 2,
      out: '',
      err: expect.stringContaining('does not support logs'),
    })
  })
})

async function begun(): Promise<void> {
  await expect.poll(async () => (await box.run(['logs', 'a'])).out, { timeout: 20_000 }).toBe('begun')
}

describe('a log that grows', () => {
  const GATED = [
    'sh',
    '-c',
    'echo begun; until [ -e "$GO" ] || [ ! -d "$(dirname "$GO")" ]; do sleep 0.02; done; echo done',
  ]

  /** In an object: a process is a promise of its end, too. */
  async function running(): Promise<{ readonly service: ReturnType<Sandbox['start']> }> {
    await configure(GATED, { env: { GO: join(box.dir, 'go') } })
    await box.run(['put', 'a', '{}'])
    return { service: box.start(['run', '--until-empty', '--log-level', 'silent']) }
  }

  test('is followed to its end', async () => {
    const { service } = await running()
    await begun()
    const following = box.start(['logs', 'a', '--follow'])
    await once(following.stdout, 'data')
    await writeFile(join(box.dir, 'go'), '')
    expect(await following).toMatchObject({ exitCode: 0, stdout: 'begun\ndone', stderr: '' })
    expect((await service).exitCode).toBe(0)
  }, 60_000)

  test.each(['SIGINT', 'SIGTERM'] as const)(
    'ends with 130 at %s, and the job goes on',
    async (signal) => {
      const { service } = await running()
      await begun()
      const following = box.start(['logs', 'a', '--follow'])
      await once(following.stdout, 'data')
      following.kill(signal)
      expect(await following).toMatchObject({ exitCode: 130, stdout: 'begun', stderr: '' })
      await writeFile(join(box.dir, 'go'), '')
      expect((await service).exitCode).toBe(0)
    },
    60_000,
  )

  test('ends without an error when its reader closes the pipe', async () => {
    await configure(['sh', '-c', 'yes | head -c 5000000'], { result: 'none' })
    await ran()
    const { code, err } = await box.redirected('| head -1 > first', ['logs', 'a'])
    expect([code, err]).toEqual([0, ''])
    expect(await readFile(join(box.dir, 'first'), 'utf8')).toBe('y\n')
  })
})

test('removes control sequences on a terminal, unless --raw is given', async () => {
  await configure(['sh', '-c', DATA])
  await ran()
  const { main } = await import('../../../src/cli/main.js')
  const shown = async (...flags: string[]): Promise<Buffer> => {
    const chunks: Buffer[] = []
    const write = (chunk: Buffer, _: string, done: () => void): void => {
      chunks.push(chunk)
      done()
    }
    const stdout = Object.assign(new Writable({ write }), { isTTY: true })
    const stderr = new Writable({ write: (_, __, done) => done() })
    const world = { cwd: box.dir, env: {}, stdin: Readable.from([]), stdout, stderr }
    expect(await main(['logs', 'a', ...flags], world)).toBe(0)
    return Buffer.concat(chunks)
  }
  expect((await shown()).toString()).toBe('one\n\u{FFFD}red\n')
  expect(await shown('--raw')).toEqual(BYTES)
})
