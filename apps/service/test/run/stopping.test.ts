import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Queue } from '@sluice/core'
import { openQueue } from '@sluice/queue-sql'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Sandbox, logged } from '../fixtures/sandbox.js'

let box: Sandbox
let queue: Queue

beforeEach(async () => {
  box = await Sandbox.open()
  queue = await openQueue({ name: 'tiles', url: `sqlite:${join(box.dir, 'queue.db')}` })
})

afterEach(async () => {
  await queue.close()
  await box.close()
})

/**
 * A worker whose jobs are lines of a file: each names a job when its `sendJob` begins (`+`), when it has
 * started (`=`), and when it ended well (`.`). What `HANG` names never answers.
 */
const WORKER = `
  import { appendFileSync, existsSync, readFileSync } from 'node:fs'
  const FILE = 'jobs.txt'
  const { HANG = '', SEND_MS = '0' } = process.env
  const SUPPORTS = { durable: true, lookupJob: true, cancelJob: false, watch: false }
  const lines = () => (existsSync(FILE) ? readFileSync(FILE, 'utf8').split('\\n').filter(Boolean) : [])
  const started = () => new Map(lines().filter((line) => line[0] === '=').map((line) => [line.slice(1), JSON.parse(line.slice(1))]))
  const maybeHang = (call) => (HANG === call ? (console.error(JSON.stringify({ msg: 'hanging' })), new Promise(() => {})) : undefined)
  export const openWorker = async ({ name }) => ({
    name,
    supports: SUPPORTS,
    async check() { await maybeHang('check') },
    async sendJob(id, body, { uid, attempt }) {
      const job = JSON.stringify({ id, uid, attempt })
      appendFileSync(FILE, '+' + job + '\\n')
      await maybeHang('sendJob')
      await new Promise((resolve) => setTimeout(resolve, Number(SEND_MS)))
      if (!started().has(job)) appendFileSync(FILE, '=' + job + '\\n')
    },
    async pollAllStatus() {
      await maybeHang('pollAllStatus')
      const isDone = existsSync('done')
      return new Map([...started().values()].map(({ id, uid, attempt }) => [id, { uid, attempt, stage: isDone ? 'SUCCESS' : 'PROCESSING' }]))
    },
    async lookupJob(job) {
      await maybeHang('lookupJob')
      return (await this.pollAllStatus()).get(job.id)
    },
    async close() { await maybeHang('close') },
  })
`

interface Settings {
  readonly queueOptions?: object
  readonly limit?: number
  readonly service?: Readonly<Record<string, number>>
}

async function configure({ limit = 400, service, queueOptions }: Settings = {}): Promise<void> {
  await writeFile(join(box.dir, 'worker.mjs'), WORKER)
  await writeFile(
    join(box.dir, 'sluice.config.json'),
    JSON.stringify({
      queue: { package: 'sql', name: 'tiles', url: `sqlite:${join(box.dir, 'queue.db')}`, ...queueOptions },
      worker: { package: './worker.mjs' },
      processing: { limit },
      canary: 0,
      service: { intervalMs: 50, leaseTtlMs: 2000, stopDeadlineMs: 5000, ...service },
    }),
  )
}

async function putItems(count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, (_, n) => `item-${n + 1000}`)
  await queue.putMany(ids.map((id) => ({ id, body: { id } })))
  return ids
}

async function jobLines(kind: '+' | '='): Promise<string[]> {
  const text = await readFile(join(box.dir, 'jobs.txt'), 'utf8').catch(() => '')
  return text.split('\n').filter((line) => line.startsWith(kind))
}

async function untilSending(count: number): Promise<void> {
  while ((await jobLines('+')).length < count) await new Promise((resolve) => setTimeout(resolve, 10))
}

function entriesOf(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line): Record<string, unknown> => JSON.parse(line))
}

describe.each(['SIGTERM', 'SIGHUP', 'SIGINT'] as const)('%s', (signal) => {
  test('during 400 slow sends: no send after the signal, the claims are back in WAITING in their places, exit 0, the next service dispatches at once', async () => {
    await configure({ service: { leaseTtlMs: 60_000 } })
    const ids = await putItems(400)
    const first = box.start(['run'], { env: { SEND_MS: '300' } })
    await untilSending(32)
    first.kill(signal)
    const { exitCode, stderr } = await first
    const begun = await jobLines('+')
    expect(exitCode).toBe(0)
    expect(entriesOf(stderr).at(-1)).toMatchObject({ msg: 'stopped; running jobs continue' })
    // Those that were on their way when the signal came, and no more.
    expect(begun.length).toBeLessThanOrEqual(48)
    expect((await jobLines('=')).length).toBe(begun.length)
    expect(await queue.sizes()).toMatchObject({ WAITING: 400 - begun.length, PROCESSING: begun.length })
    expect((await queue.peek(400)).map(({ id }) => id)).toEqual(ids.slice(begun.length))
    const heads = (await queue.listSummaries('WAITING', { limit: 400 })).items
    expect(heads.filter(({ attempt, uncounted }) => attempt !== uncounted)).toEqual([])

    // Its lease would have lived for a minute: it was given back.
    await writeFile(join(box.dir, 'done'), '')
    const next = await box.spawn(['run', '--until-empty', '--json'])
    expect(next.code).toBe(0)
    expect(next.err).not.toContain('standing by: another service dispatches this queue')
    expect(await queue.size('SUCCESS')).toBe(400)
    const starts = await jobLines('=')
    expect(starts).toHaveLength(400)
    expect(new Set(starts.map((line) => JSON.parse(line.slice(1)).id)).size).toBe(400)
  }, 60_000)
})

describe('a call that hangs', () => {
  test.each(['sendJob', 'pollAllStatus', 'check', 'close'])(
    'does not keep the service from ending by its deadline: %s; the lease is given back, and unsent claims',
    async (call) => {
      await configure({ service: { leaseTtlMs: 60_000, stopDeadlineMs: 2000, sendConcurrency: 1 } })
      await putItems(10)
      const child = box.start(['run'], { env: { HANG: call } })
      if (call === 'close') await untilSending(10)
      else await logged(child.stderr, 'hanging')
      const killedAtMs = performance.now()
      child.kill('SIGTERM')
      const { exitCode } = await child
      expect(exitCode).toBe(0)
      // The deadline, and what a machine takes that has other things to do: the call itself never ends.
      expect(performance.now() - killedAtMs).toBeLessThan(2000 + 20_000)
      expect(await queue.size('WAITING')).toBe(call === 'close' ? 0 : call === 'sendJob' ? 9 : 10)
      expect(await queue.lease('dispatcher', 'another', 1000)).toBeDefined()
    },
    30_000,
  )

  test.each([
    ['sendJob', 'sendJob of the worker for "item-1000"'],
    ['pollAllStatus', 'pollAllStatus of the worker'],
  ])(
    'is given up: %s; one error line, another service takes over, and this one ends with 4 one lease later',
    async (call, named) => {
      // No call is given up before twice the longest time that the queue states for one, which is four times
      // this.
      await configure({
        limit: 5,
        service: { stallMs: 1000, leaseTtlMs: 1500 },
        queueOptions: { timeoutMs: 250 },
      })
      await putItems(5)
      const stuck = box.start(['run'], { env: { HANG: call } })
      await logged(stuck.stderr, 'hanging')
      await writeFile(join(box.dir, 'done'), '')
      const other = box.start(['run', '--until-empty'])
      const dispatches = logged(other.stderr, 'this service dispatches')
      const { exitCode, stderr } = await stuck
      expect(exitCode).toBe(4)
      await dispatches
      const errors = entriesOf(stderr).filter(({ level }) => level === 'error')
      expect(errors).toMatchObject([{ msg: expect.stringContaining(named) }])
      expect(stderr).toMatch(/error: .* though it was given up: end this process and start it again/u)
      expect((await other).exitCode).toBe(0)
      expect(await queue.size('SUCCESS')).toBe(5)
      expect(await jobLines('=')).toHaveLength(5)
    },
    30_000,
  )

  test('when the service starts: a check without an answer ends it with 4', async () => {
    await configure({ service: { stallMs: 1000 } })
    const { code, err } = await box.spawn(['run'], { env: { HANG: 'check' } })
    expect(code).toBe(4)
    expect(err).toContain('check of the worker did not answer within 1 s')
  })

  test('a second signal ends it at once', async () => {
    await configure({ service: { stopDeadlineMs: 600_000 } })
    await putItems(1)
    const child = box.start(['run'], { env: { HANG: 'sendJob' } })
    await logged(child.stderr, 'hanging')
    child.kill('SIGHUP')
    // A second signal of the same name may be merged with the first while that one is pending.
    child.kill('SIGTERM')
    expect((await child).exitCode).toBe(130)
  })
})

test('a killed service with a thousand jobs: the standby takes over within the ttl, and follows them all', async () => {
  await configure({ limit: 1000, service: { sendConcurrency: 100 } })
  await putItems(1000)
  const first = box.start(['run'])
  await logged(first.stderr, 'this service dispatches')
  const second = box.start(['run', '--until-empty'])
  await logged(second.stderr, 'standing by: another service dispatches this queue')
  await untilSending(1000)
  first.kill('SIGKILL')
  await first
  await writeFile(join(box.dir, 'done'), '')
  expect((await second).exitCode).toBe(0)
  expect(await queue.size('SUCCESS')).toBe(1000)
  expect(new Set(await jobLines('=')).size).toBe(1000)
}, 60_000)
