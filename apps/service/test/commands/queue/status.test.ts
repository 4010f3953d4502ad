import { join } from 'node:path'
import { readdir, writeFile } from 'node:fs/promises'
import type { Queue } from '@sluice/core'
import { startS3Server } from '@sluice/fake-s3'
import { openQueue } from '@sluice/queue-sql'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { QueueStatus } from '../../../src/status/read-status.js'
import type { WatchedStatus } from '../../../src/status/last-status.js'
import { Sandbox, logged } from '../../fixtures/sandbox.js'

let box: Sandbox
let queue: Queue

/** It ends with its folder too, so that none is left behind by a test. */
const JOB = [
  'sh',
  '-c',
  'touch "$GATE.$$"; while [ ! -e "$GATE" ] && [ -d "$(dirname "$GATE")" ]; do sleep 0.1; done',
]

beforeEach(async () => {
  box = await Sandbox.open()
  await configure()
  queue = await openQueue({ name: 'tiles', url: `sqlite:${join(box.dir, 'q.db')}` })
})

afterEach(async () => {
  await queue.close()
  await box.close()
})

async function configure(service: object = {}): Promise<void> {
  const config = {
    queue: { package: 'sql', name: 'tiles', url: 'sqlite:q.db' },
    worker: {
      package: 'process',
      command: JOB,
      dir: join(box.dir, 'jobs'),
      env: { GATE: join(box.dir, 'gate') },
    },
    processing: { limit: 2 },
    service: { intervalMs: 50, leaseTtlMs: 1_500, ...service },
  }
  await writeFile(join(box.dir, 'sluice.config.json'), JSON.stringify(config))
}

const put = (...ids: readonly string[]) => queue.putMany(ids.map((id) => ({ id, body: {} })))
async function status(): Promise<QueueStatus> {
  return JSON.parse((await box.run(['status', '--sample', '0', '--json'])).out)
}
const codes = async () => (await status()).holdups.map(({ code }) => code)
const openGate = () => writeFile(join(box.dir, 'gate'), '')

async function running(count: number): Promise<void> {
  await expect.poll(() => queue.size('PROCESSING'), { timeout: 20_000 }).toBe(count)
}

describe('status', () => {
  test('of a service: none yet, running, stopped, and killed', async () => {
    await put('a', 'b', 'c')
    expect(await status()).toMatchObject({
      service: { state: 'never' },
      holdups: [{ code: 'no-dispatcher', message: expect.stringContaining('none has run yet') }],
    })
    const first = box.start(['run'])
    await running(2)
    // The service writes its status after its sends.
    await expect.poll(status, { timeout: 20_000 }).toMatchObject({
      service: { state: 'dispatching', holder: expect.stringContaining(`/${first.pid}/`), atMost: 2 },
      // As many run as may: which is as it should be, and said to programs alone.
      holdups: [{ code: 'limit', items: 1 }],
    })
    const { out } = await box.run(['status', '--sample', '0'])
    expect(out).toMatch(
      /dispatches, last seen (?:just now|\ds ago) · at most 2 jobs at once, as the service is configured$/m,
    )
    expect(out).not.toContain('held up')
    first.kill('SIGTERM')
    await first
    expect(await status()).toMatchObject({
      service: { state: 'stopped' },
      holdups: [{ code: 'no-dispatcher' }],
    })
    const second = box.start(['run'])
    await logged(second.stderr, 'this service dispatches')
    second.kill('SIGKILL')
    await second
    await expect.poll(async () => (await status()).service.state, { timeout: 20_000 }).toBe('gone')
    const gone = await box.run(['status', '--sample', '0'])
    expect(gone.out).toMatch(/held up: no service is running/)
    // There is no ETA while no service runs.
    expect(await status()).not.toHaveProperty('etaMs')
  }, 60_000)

  test('a frozen service is gone when its lease has expired, and back when it continues', async () => {
    await put('a', 'b', 'c')
    const service = box.start(['run'])
    await running(2)
    service.kill('SIGSTOP')
    await expect.poll(async () => (await status()).service.state, { timeout: 20_000 }).toBe('gone')
    service.kill('SIGCONT')
    await expect.poll(async () => (await status()).service.state, { timeout: 20_000 }).toBe('dispatching')
    service.kill('SIGTERM')
    await service
  }, 60_000)

  test('what holds it up, in an order in which the first explains the rest', async () => {
    await put('a', 'b', 'c')
    await box.run(['pause', '--reason', 'disk full'])
    expect(await codes()).toEqual(['no-dispatcher', 'paused'])
    const service = box.start(['run'])
    await logged(service.stderr, 'this service dispatches')
    await expect.poll(codes, { timeout: 20_000 }).toEqual(['paused'])
    expect((await box.run(['status'])).out).toMatch(
      /^held up: the queue is paused: disk full, since 20\S+Z: `sluice resume` goes on$/m,
    )
    await box.run(['resume'])
    await box.run(['limit', '0'])
    await expect.poll(codes, { timeout: 20_000 }).toEqual(['limit'])
    const limited = await box.run(['status'])
    expect(limited.out).toMatch(
      /^held up: at most 0 jobs .*set by `sluice limit`.*`sluice limit N` raises it$/m,
    )
    expect(limited.out).not.toContain('done in')
    service.kill('SIGTERM')
    expect((await service).stderr).toMatch(/at most 0 jobs at once.*no job starts until it is raised/)
  }, 60_000)

  test('all waiting items delayed: shows when the next is due, unless one is due', async () => {
    await queue.put('late', {}, { delayMs: 3_600_000 })
    await queue.put('later', {}, { delayMs: 7_200_000 })
    const held = (await status()).holdups[1]
    expect(held).toMatchObject({ code: 'nothing-due', items: 2 })
    expect(held?.message).toMatch(
      /^all waiting items are delayed \(2 items\): the next is due in (?:59m \d+s|1h)$/,
    )
    await put('now')
    expect(await codes()).toEqual(['no-dispatcher'])
  })

  test('an empty queue and a finished one have no holdup', async () => {
    expect(await codes()).toEqual([])
    expect((await box.run(['status'])).out).toMatch(/^no service is running · limit/m)
    await put('a')
    await queue.get(1)
    await queue.success('a')
    expect(await codes()).toEqual([])
  })

  test('--watch survives a storage outage, and shows the age of its numbers', async () => {
    const server = await startS3Server()
    const { endpoint, region, credentials } = server.clientOptions()
    const looking = await server.addEndpoint()
    const place = { bucket: server.bucket, prefix: 'q', region, credentials, timeoutMs: 500 }
    const config = { queue: { package: 's3', name: 'tiles', endpoint, ...place } }
    await writeFile(join(box.dir, 'sluice.config.json'), JSON.stringify(config))
    await box.run(['put', 'a', '1'])
    const at = ['--set', `queue.endpoint=${looking.endpoint}`]
    const child = box.start(['status', '--watch', '--interval', '100ms', '--json', ...at])
    const lines: string[] = []
    child.stdout.on('data', (data: Buffer) => lines.push(...data.toString().trim().split('\n')))
    const next = async (isWanted: (read: WatchedStatus) => boolean) =>
      expect
        .poll(() => lines.splice(0).some((line) => isWanted(JSON.parse(line))), { timeout: 20_000 })
        .toBe(true)
    await next(({ ageMs }) => ageMs === undefined)
    looking.onRequest = () => ({ do: 'drop-request' })
    await next(
      ({ ageMs = 0, holdups, service }) =>
        ageMs > 0 && holdups[0]?.code === 'storage-unavailable' && service.state === 'unknown',
    )
    looking.onRequest = undefined
    await next(({ ageMs }) => ageMs === undefined)
    child.kill('SIGINT')
    expect((await child).exitCode).toBe(0)
    await server.close()
  }, 60_000)
})

describe('run --drain', () => {
  test('starts nothing, and ends with 0 when PROCESSING is empty; waiting items stay', async () => {
    await put('a', 'b', 'c', 'd')
    const first = box.start(['run'])
    await running(2)
    // A claim that was not sent yet would be given back, and nothing be left to wait for.
    const begun = async () => (await readdir(box.dir)).filter((name) => name.startsWith('gate.')).length
    await expect.poll(begun, { timeout: 20_000 }).toBe(2)
    first.kill('SIGKILL')
    await first
    const drain = box.start(['run', '--drain', '--json'])
    await logged(drain.stderr, 'this service dispatches')
    await expect.poll(codes, { timeout: 20_000 }).toContain('draining')
    await openGate()
    const { exitCode, stdout } = await drain
    expect([exitCode, JSON.parse(stdout)]).toMatchObject([0, { why: 'drained' }])
    expect(await queue.sizes()).toEqual({ WAITING: 2, PROCESSING: 0, SUCCESS: 2, FAIL: 0 })
    // Nothing is left of it: the next service starts jobs.
    expect((await box.spawn(['run', '--until-empty'])).code).toBe(0)
    expect(await queue.sizes()).toMatchObject({ WAITING: 0, SUCCESS: 4 })
  }, 60_000)

  test('of a queue that has nothing in PROCESSING, and of an empty one, it ends at once', async () => {
    expect((await box.spawn(['run', '--drain'])).code).toBe(0)
    await put('a')
    expect((await box.spawn(['run', '--drain'])).code).toBe(0)
    expect(await queue.sizes()).toMatchObject({ WAITING: 1, SUCCESS: 0 })
  }, 60_000)

  test('while another service dispatches it ends with 3, and names pause', async () => {
    await put('a', 'b', 'c')
    await configure({ leaseTtlMs: 3_000 })
    const service = box.start(['run'])
    await running(2)
    const { code, err } = await box.spawn(['run', '--drain', '--log-format', 'pretty'])
    expect(code).toBe(3)
    expect(err).toMatch(new RegExp(`error: .*/${service.pid}/.* dispatches tiles .*\`sluice pause\``))
    expect(await queue.size('PROCESSING')).toBe(2)
    service.kill('SIGTERM')
    await service
  }, 60_000)

  test('it excludes --until-empty', async () => {
    const { code, err } = await box.run(['run', '--drain', '--until-empty'])
    expect([code, err]).toEqual([2, expect.stringContaining('not both')])
  })
})

describe('a storage that can’t be reached', () => {
  const NOWHERE = ['--set', 'queue.url=postgres://u:p@127.0.0.1:1/x']

  test('ends a command with 4, and run retries, with one line', async () => {
    const { code, err } = await box.run(['status', ...NOWHERE])
    expect([code, err]).toEqual([4, expect.stringContaining('127.0.0.1:1')])
    const service = box.start(['run', ...NOWHERE])
    await logged(service.stderr, 'the storage is unreachable: retrying until it answers')
    service.kill('SIGTERM')
    const { exitCode, stderr } = await service
    expect(exitCode).toBe(0)
    expect(stderr.split('\n').filter((line) => line.includes('retrying until it answers'))).toHaveLength(1)
  }, 60_000)
})

test('a signal while the service loads stops it in order', async () => {
  await put('a')
  const service = box.start(['run'])
  // It has begun, and loaded next to nothing.
  await expect.poll(() => service.pid).toBeGreaterThan(0)
  await new Promise((resolve) => setTimeout(resolve, 150))
  service.kill('SIGTERM')
  expect((await service).exitCode).toBe(0)
}, 60_000)
