import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import type { Queue } from '@sluice/core'
import { openQueue } from '@sluice/queue-sql'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Sandbox, logged } from '../../fixtures/sandbox.js'

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

interface Job {
  /** How long each job takes, in seconds. */
  readonly seconds?: number
  readonly limit?: number
  readonly worker?: string
}

/** Each job writes its item's id into a file as it starts: what ran twice is there twice. */
async function configure({ seconds = 0, limit = 4, worker }: Job = {}): Promise<void> {
  const starts = join(box.dir, 'starts')
  await writeFile(starts, '')
  const command = ['sh', '-c', `echo "$0" >> '${starts}'; sleep ${seconds}; echo '[1]'`, '{id}']
  await writeFile(
    join(box.dir, 'sluice.config.json'),
    JSON.stringify({
      queue: { package: 'sql', name: 'tiles', url: `sqlite:${join(box.dir, 'queue.db')}` },
      worker:
        worker === undefined
          ? { package: 'process', command, dir: join(box.dir, 'jobs') }
          : { package: worker },
      processing: { limit },
      service: { intervalMs: 50, leaseTtlMs: 1500, stopDeadlineMs: 5000 },
    }),
  )
}

async function putItems(count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, (_, n) => `item-${n + 10}`)
  await queue.putMany(ids.map((id) => ({ id, body: { id } })))
  return ids
}

async function startedJobs(): Promise<string[]> {
  const text = await readFile(join(box.dir, 'starts'), 'utf8')
  return text.split('\n').filter((line) => line !== '')
}

/** What a shell makes of a line that knows no quotes but single ones. */
function words(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|(\S+)/g)].map((word) => word[1] ?? word[2] ?? '')
}

/** Resolves when so many jobs were started. */
async function untilStarted(count: number): Promise<void> {
  while ((await startedJobs()).length < count) await new Promise((resolve) => setTimeout(resolve, 20))
}

describe('sluice run --until-empty', () => {
  test('runs every item once, logs JSON lines, ends with 0', async () => {
    await configure()
    const ids = await putItems(20)
    const { code, out, err } = await box.spawn(['run', '--until-empty', '--json'])
    expect(code).toBe(0)
    expect(JSON.parse(out)).toEqual({
      why: 'empty',
      sizes: { WAITING: 0, PROCESSING: 0, SUCCESS: 20, FAIL: 0 },
    })
    expect((await startedJobs()).toSorted()).toEqual(ids)
    expect((await queue.lookup('item-10'))?.result).toEqual([1])
    const entries = err.split('\n').map((line) => JSON.parse(line))
    expect(entries[0]).toMatchObject({ level: 'info', msg: 'service starts', queue: 'tiles', limit: 4 })
    expect(entries.at(-1)).toMatchObject({ msg: 'all items are finished', SUCCESS: 20 })
  })

  test('an empty queue ends it at once', async () => {
    await configure()
    expect((await box.spawn(['run', '--drain'])).code).toBe(0)
  })

  test('a signal before the end exits with 130', async () => {
    await configure({ seconds: 1, limit: 1 })
    await putItems(3)
    const child = box.start(['run', '--until-empty'])
    await logged(child.stderr, 'this service dispatches')
    child.kill('SIGINT')
    expect((await child).exitCode).toBe(130)
  })
})

test('the steps that `sluice init` prints work, and have a result to show', async () => {
  const { out } = await box.run(['init'])
  const [put = '', run = '', show = ''] = [...out.matchAll(/sluice\.mjs'? ((?:put|run|show) .*)/g)].map(
    (match) => match[1],
  )
  expect((await box.spawn(words(put))).code).toBe(0)
  expect((await box.spawn(words(run))).code).toBe(0)
  // Processes of their own: the paths in the configuration are relative to where they run.
  const shown = JSON.parse((await box.spawn([...words(show), '--json'])).out)
  const bytes = (await readFile(join(box.dir, 'sluice.config.yaml'))).length
  expect(shown).toMatchObject({ stage: 'SUCCESS', result: { bytes } })
  await box.spawn(['put', 'gone', '{"path": "no such file"}'])
  await box.spawn(words(run))
  const gone = JSON.parse((await box.spawn(['show', 'gone', '--json'])).out)
  expect(gone).toMatchObject({ stage: 'FAIL', reason: expect.stringContaining('no such file') })
})

describe('stopping and continuing', () => {
  test('SIGTERM: running jobs continue, exit 0; the next service adopts them and starts none twice', async () => {
    await configure({ seconds: 1 })
    const ids = await putItems(8)
    const first = box.start(['run'])
    await untilStarted(4)
    first.kill('SIGTERM')
    const { exitCode, stderr } = await first
    expect(exitCode).toBe(0)
    expect(stderr).toContain('stopped; running jobs continue')
    expect(await queue.size('SUCCESS')).toBeLessThan(8)
    expect((await box.spawn(['run', '--until-empty'])).code).toBe(0)
    expect((await startedJobs()).toSorted()).toEqual(ids)
    expect(await queue.size('SUCCESS')).toBe(8)
  })

  test('kill -9, twice: no item is lost, none is run twice', async () => {
    await configure({ seconds: 0.3 })
    const ids = await putItems(16)
    for (const started of [3, 9]) {
      const child = box.start(['run'])
      await untilStarted(started)
      child.kill('SIGKILL')
      expect((await child).signal).toBe('SIGKILL')
    }
    expect((await box.spawn(['run', '--until-empty'])).code).toBe(0)
    expect((await startedJobs()).toSorted()).toEqual(ids)
    expect(await queue.sizes()).toEqual({ WAITING: 0, PROCESSING: 0, SUCCESS: 16, FAIL: 0 })
  })

  test('two services: one stands by, and takes over when the other is killed', async () => {
    await configure({ seconds: 0.3, limit: 2 })
    const ids = await putItems(12)
    const first = box.start(['run'])
    await logged(first.stderr, 'this service dispatches')
    const second = box.start(['run', '--until-empty'])
    await logged(second.stderr, 'standing by: another service dispatches this queue')
    await untilStarted(2)
    first.kill('SIGKILL')
    const { exitCode, stderr } = await second
    expect(exitCode).toBe(0)
    expect(stderr).toContain('this service dispatches')
    expect((await startedJobs()).toSorted()).toEqual(ids)
    await first
  })
})

describe('a third-party worker', () => {
  const HEAD = `
    const SUPPORTS = { durable: false, lookupJob: false, cancelJob: false, watch: false }
    const coded = (code, retryable) => Object.defineProperty(
      Object.assign(new Error('the cluster says no'), { code, retryable }), Symbol.for('@sluice/error'), { value: true })
    const worker = (name, more) => ({ name, supports: SUPPORTS, sendJob: async () => {}, pollAllStatus: async () => new Map(), close: async () => {}, ...more })
  `

  async function configureWorker(text: string): Promise<void> {
    await writeFile(join(box.dir, 'worker.mjs'), `${HEAD}\n${text}`)
    await configure({ worker: './worker.mjs' })
    await putItems(1)
  }

  test('that hangs: the first signal waits for the deadline and exits with 0, the second exits with 130 at once', async () => {
    await configureWorker(`export const openWorker = async ({ name }) => worker(name, {
      sendJob: () => { console.error(JSON.stringify({ msg: 'hanging' })); return new Promise(() => {}) },
    })`)
    const patient = box.start(['run', '--set', 'service.stopDeadlineMs=200'])
    await logged(patient.stderr, 'hanging')
    patient.kill('SIGTERM')
    const ended = await patient
    expect(ended.exitCode).toBe(0)
    expect(ended.stderr).toContain('did not end in time')
    const never = ['--set', 'service.stopDeadlineMs=600000', '--set', 'lost.graceMs=0']
    const impatient = box.start(['run', ...never])
    await logged(impatient.stderr, 'hanging')
    impatient.kill('SIGINT')
    // A second signal of the same name may be merged with the first while that one is pending.
    impatient.kill('SIGTERM')
    expect((await impatient).exitCode).toBe(130)
    expect(await queue.size('PROCESSING')).toBe(1)
  })

  test('whose check denies: 5 and one message; an unreachable one is retried', async () => {
    await configureWorker(`export const openWorker = async ({ name }) => worker(name, {
      check: async () => { throw process.env.DENY ? coded('SLUICE_WORKER_DENIED', false) : coded('SLUICE_WORKER_UNAVAILABLE', true) },
    })`)
    const denied = await box.spawn(['run'], { env: { DENY: '1' } })
    expect(denied.code).toBe(5)
    expect(denied.err).toContain('error: the cluster says no')
    expect(denied.err).not.toMatch(/^\s+at /m)
    const child = box.start(['run'])
    await logged(child.stderr, 'this service dispatches')
    child.kill('SIGTERM')
    expect((await child).exitCode).toBe(0)
  })
})

test('the capacity of the worker is compared with WAITING: too little is a warning with its numbers', async () => {
  await configure({ worker: './room-worker.mjs' })
  const dummy = pathToFileURL(createRequire(import.meta.url).resolve('@sluice/worker-dummy')).href
  await writeFile(
    join(box.dir, 'room-worker.mjs'),
    `import { openWorker as open } from '${dummy}'
    export const openWorker = ({ name }) => open({ name, rule: { afterMs: 1 } })
    export const checkRoom = async ({ name }, { items }) =>
      items > 3 ? items + ' items of ' + name + ' need more than is free' : undefined`,
  )
  await putItems(4)
  const short = await box.spawn(['run', '--until-empty', '--json'])
  expect(short.code).toBe(0)
  const warnings = short.err.split('\n').map((line) => JSON.parse(line))
  expect(warnings.filter(({ level }) => level === 'warn')).toMatchObject([
    { msg: 'too little room for the items in WAITING: 4 items of tiles need more than is free' },
  ])
  expect(await queue.size('SUCCESS')).toBe(4)
  const enough = await box.spawn(['run', '--until-empty', '--json'])
  expect(enough.err).not.toContain('too little')
})

test('a third party’s queue is loaded by its name from the user’s own node_modules', async () => {
  const folder = join(box.dir, 'node_modules', '@acme', 'queue-ram')
  await mkdir(folder, { recursive: true })
  const memory = pathToFileURL(createRequire(import.meta.url).resolve('@sluice/queue-memory')).href
  await writeFile(
    join(folder, 'package.json'),
    JSON.stringify({ name: '@acme/queue-ram', type: 'module', exports: { import: './main.js' } }),
  )
  await writeFile(
    join(folder, 'main.js'),
    `import { openQueue as open } from '${memory}'
    export async function openQueue({ name, items }) {
      const queue = await open({ name })
      await queue.putMany(Array.from({ length: items }, (_, n) => ({ id: 'i' + n, body: n })))
      return queue
    }`,
  )
  await writeFile(
    join(box.dir, 'sluice.config.mjs'),
    `export default {
      queue: { package: '@acme/queue-ram', name: 'q', items: 30 },
      worker: { package: 'dummy', rule: { afterMs: 5 } },
      service: { intervalMs: 20 },
    }`,
  )
  const { code, out, err } = await box.spawn(['run', '--until-empty', '--json'])
  expect([code, JSON.parse(out).sizes]).toEqual([0, { WAITING: 0, PROCESSING: 0, SUCCESS: 30, FAIL: 0 }])
  expect(err).toContain('only in this process')
})
