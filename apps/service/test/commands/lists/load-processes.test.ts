import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough, type Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { execa } from 'execa'
import type { QueuePackage } from '@sluice/core'
import { openQueue } from '@sluice/queue-sql'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { postgresStore, s3Store, sqliteStore, type FailingStore } from '../../fixtures/failing-stores.js'
import { startPostgres } from '../../fixtures/postgres.js'
import { Sandbox } from '../../fixtures/sandbox.js'

/** Loads as real processes: killed, side by side, slow, and from pipes that go on. */

let postgres: Awaited<ReturnType<typeof startPostgres>>
let box: Sandbox
let store: FailingStore

beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(() => postgres.stop())
beforeEach(async () => {
  box = await Sandbox.open()
})
afterEach(async () => {
  await store.close()
  await box.close()
})

/** `everyBatch`: a death in each of these batches only. */
const BACKENDS = [
  ['SQLite', { rows: 1_300, everyBatch: 1, keepsOrder: true, open: () => sqliteStore(box.dir) }],
  ['PostgreSQL', { rows: 1_300, everyBatch: 2, keepsOrder: true, open: () => postgresStore(postgres.url) }],
  ['S3', { rows: 510, everyBatch: 2, keepsOrder: false, open: () => s3Store() }],
] as const
/** All deaths, and all backends under a slow storage, take minutes. */
const ALL = process.env['SLUICE_LOAD_KILLS'] === 'all'

function jsonl(count: number, from = 0): string {
  const lines = Array.from({ length: count }, (_, n) => ({ id: `i${from + n}`, body: { n: from + n } }))
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('')
}

/** GNU parallel's log of every third item, the second one first. */
function joblog(count: number): string {
  const header = 'Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n'
  const records = Array.from(
    { length: count },
    (_, n) => `${n + 1}\t:\t1796018415.959\t     0.000\t0\t0\t0\t0\trun i${3 * n + 1}\n`,
  )
  return header + records.join('')
}

async function configure(queue: object): Promise<void> {
  await writeFile(join(box.dir, 'sluice.config.json'), JSON.stringify({ queue }))
}

/** Of a list that is killed in each of its batches. */
const BATCHES = 6
const BATCH_ROWS = 20
const BATCHED_ROWS = BATCHES * BATCH_ROWS - 3

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

async function itemsWaiting(): Promise<string[]> {
  const { package: given, ...options } = store.config
  const { openQueue: open }: QueuePackage = await import(`@sluice/queue-${given}`)
  const queue = await open(options)
  try {
    return (await queue.listSummaries('WAITING', { limit: 1_000 })).items.map(({ id }) => id)
  } finally {
    await queue.close()
  }
}

/** Kills the process from a thread of its own. */
const KILL_AFTER = `import { Worker } from 'node:worker_threads'
  let tookMs = 5
  function killAfter(ms) {
    const code = "const { workerData } = require('node:worker_threads');" +
      "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, workerData);" +
      "process.kill(process.pid, 'SIGKILL')"
    new Worker(code, { eval: true, workerData: ms })
  }`

/** A package that opens the queue of another and does something with its `putMany`. */
async function configureAround(putMany: string, before = ''): Promise<void> {
  const { package: given, ...options } = store.config
  await writeFile(
    join(box.dir, 'around.mjs'),
    `import { appendFileSync } from 'node:fs'
    import { setTimeout as sleep } from 'node:timers/promises'
    import { openQueue as open } from ${JSON.stringify(import.meta.resolve(`@sluice/queue-${given}`))}
    ${before}
    export async function openQueue(options) {
      const queue = await open(options)
      const putMany = queue.putMany.bind(queue)
      let calls = 0
      queue.putMany = async (items, how) => { calls += 1; ${putMany} }
      return queue
    }`,
  )
  await configure({ package: './around.mjs', ...options })
}

/** Waits until something holds that another process brings about. */
async function until(holds: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await holds())) await sleep(20)
}

/** Feeds a process until it has ended, and not longer: otherwise its end would be invisible. */
function endWith(load: ReturnType<Sandbox['start']>, input: Readable): void {
  load.stdout.once('close', () => input.destroy())
}

describe.each(BACKENDS)('a load into %s', (_, { rows, everyBatch, keepsOrder, open }) => {
  beforeEach(async () => {
    store = await open()
    await writeFile(join(box.dir, 'm.jsonl'), jsonl(rows))
  })

  /** Gives the rows of a batch when the storing of the one before begins, so that it is read meanwhile. */
  async function loadInBatches(calls: () => Promise<readonly number[]>) {
    const input = new PassThrough()
    const load = box.start(['load', '-', '--format', 'jsonl'], { input })
    endWith(load, input)
    const ended = { yet: false }
    load.stdout.once('close', () => (ended.yet = true))
    for (let at = 0; at < BATCHES; at++) {
      const from = at * BATCH_ROWS
      if (!ended.yet) input.write(jsonl(Math.min(BATCH_ROWS, BATCHED_ROWS - from), from))
      await until(async () => ended.yet || (await calls()).length > at)
    }
    return await load
  }

  const kill = "process.kill(process.pid, 'SIGKILL')"
  const never = 'await new Promise(() => {})'
  /** What the process does in the call that it dies in. */
  const DEATHS = {
    'before the storing': `${kill}; ${never}`,
    // By another thread, after a part of the time that the call before took: also where the storing holds up
    // this one.
    'during the storing': `killAfter(tookMs * (0.1 + 0.8 * Math.random())); const end = await putMany(items, how); ${kill}; return end`,
    'after the answer of the storage': `await putMany(items, how); ${kill}; ${never}`,
  } as const
  const moments = ['before the storing', 'during the storing', 'after the answer of the storage'] as const
  const deaths = Array.from({ length: BATCHES }, (_, at) => at + 1).flatMap((batch) =>
    moments
      // Each moment once or twice, each time in another batch.
      .filter((_, at) => ALL || ((batch + at) % moments.length === 0 && batch % everyBatch === 0))
      .map((moment) => ({ batch, moment })),
  )

  test.each(deaths)(
    'killed $moment of batch $batch and run again: added and same are the rows, each once',
    async ({ batch, moment }) => {
      const log = join(box.dir, 'calls')
      await configureAround(
        `appendFileSync(${JSON.stringify(log)}, items.length + '\\n')
        if (calls === ${batch}) { ${DEATHS[moment]} }
        const beganMs = performance.now()
        try { return await putMany(items, how) } finally { tookMs = performance.now() - beganMs }`,
        KILL_AFTER,
      )
      const calls = async () =>
        (await readFile(log, 'utf8').catch(() => '')).split('\n').slice(0, -1).map(Number)
      const { signal, stdout } = await loadInBatches(calls)
      expect([signal, stdout]).toEqual(['SIGKILL', ''])
      await configure(store.config)
      const sizes = await calls()
      expect(sizes).toHaveLength(batch)
      const acknowledged = sum(moment === 'after the answer of the storage' ? sizes : sizes.slice(0, -1))
      const before = (await store.stored()).WAITING
      expect(before).toBeGreaterThanOrEqual(acknowledged)
      expect(before).toBeLessThanOrEqual(moment === 'during the storing' ? sum(sizes) : acknowledged)
      await writeFile(join(box.dir, 'm.jsonl'), jsonl(BATCHED_ROWS))
      const { added, same, ...again } = Object(await box.json(['load', 'm.jsonl']))
      const none = { changed: 0, duplicate: 0, exists: 0, refused: 0, unknown: 0, unstored: 0 }
      expect(again).toMatchObject({ rows: BATCHED_ROWS, ...none })
      expect(added + same).toBe(BATCHED_ROWS)
      // On S3 an item that was half put is the same one once it is whole.
      const isExact = keepsOrder || moment !== 'during the storing'
      expect(isExact ? same - before : Math.min(same - before, 0)).toBe(0)
      const [ids, expected] = [await itemsWaiting(), Array.from({ length: BATCHED_ROWS }, (_, n) => `i${n}`)]
      expect(keepsOrder ? ids : ids.toSorted()).toEqual(keepsOrder ? expected : expected.toSorted())
    },
  )

  test('killed between the two calls of a batch, one of which has the rows that a joblog lists as done', async () => {
    const log = join(box.dir, 'calls')
    await configureAround(
      `if (how?.stage === 'SUCCESS') { ${kill}; ${never} }
      appendFileSync(${JSON.stringify(log)}, items.length + '\\n'); return putMany(items, how)`,
    )
    await writeFile(join(box.dir, 'm.jsonl'), jsonl(30))
    await writeFile(join(box.dir, 'log.tsv'), joblog(10))
    const args = ['load', 'm.jsonl', '--joblog', 'log.tsv']
    expect((await box.start(args)).signal).toBe('SIGKILL')
    const before = sum((await readFile(log, 'utf8')).split('\n').map(Number))
    expect(await store.stored()).toMatchObject({ WAITING: before, SUCCESS: 0 })
    await configure(store.config)
    const again = { rows: 30, added: 30 - before, addedDone: 10, same: before, knownDone: 0 }
    expect(await box.json(args)).toMatchObject(again)
    expect(await store.stored()).toMatchObject({ WAITING: 20, SUCCESS: 10 })
    expect(await box.json(args)).toMatchObject({ same: 30, added: 0, joblog: { done: 10, waiting: 0 } })
  })

  test('two of one list at once: added adds up to the rows, and none is changed', async () => {
    await configure(store.config)
    const ended = await Promise.all([1, 2].map(() => box.spawn(['load', 'm.jsonl', '--json'])))
    const counts = ended.map(({ out }) => Object(JSON.parse(out)))
    for (const { added, same, ...rest } of counts) {
      expect(added + same).toBe(rows)
      expect(rest).toMatchObject({ rows, changed: 0, duplicate: 0, exists: 0, refused: 0 })
    }
    expect(counts.reduce((sum, { added }) => sum + added, 0)).toBe(rows)
    expect(ended.map(({ code }) => code)).toEqual([0, 0])
    expect(await store.stored()).toMatchObject({ WAITING: rows })
  })
})

test.each(BACKENDS.filter(([backend]) => ALL || backend === 'SQLite'))(
  '%s that needs 2 s a batch: progress every second, and SIGTERM waits for one batch',
  async (_, { open }) => {
    store = await open()
    const calls = join(box.dir, 'calls')
    await writeFile(join(box.dir, 'm.jsonl'), jsonl(20_000))
    await configureAround(
      `appendFileSync(${JSON.stringify(calls)}, 'begun\\n'); return (await Promise.all([putMany(items, how), sleep(2_000)]))[0]`,
    )
    const begun = async () => (await readFile(calls, 'utf8').catch(() => '')).split('\n').length - 1
    const load = box.start(['load', 'm.jsonl'])
    await until(async () => (await begun()) === 3)
    load.kill('SIGTERM')
    const { exitCode, stdout, stderr } = await load
    // No batch after the one that was under way.
    expect([exitCode, await begun()]).toEqual([130, 3])
    const lines = stderr.split('\n').filter((line) => line.startsWith('Loading: '))
    // Of the two batches before that, each two seconds, with some time for a busy machine.
    expect(lines.length).toBeGreaterThanOrEqual(3)
    expect(lines.some((line) => / 0 items/u.test(line))).toBe(true)
    expect(lines.some((line) => / 50[01] items/u.test(line))).toBe(true)
    const [, rows = ''] =
      /^([\d,]+) rows: \1 added, .*\nStopped after line \1 of \S*m\.jsonl \([\d,]+ bytes read\)\./u.exec(
        stdout,
      ) ?? []
    // A bucket takes longer to open than a row may wait: its first batch is of one row.
    expect(['1,500', '1,001']).toContain(rows)
    expect(await store.stored()).toMatchObject({ WAITING: Number(rows.replace(',', '')) })
  },
)

const size = async () => (await store.stored()).WAITING

describe('a pipe that stays open', () => {
  beforeEach(async () => {
    store = await sqliteStore(box.dir)
    await configure(store.config)
  })

  test.each([
    ['jsonl', '', (id: string) => `{"id":"${id}","body":1}\n`],
    ['csv', 'id,n\n', (id: string) => `${id},1\n`],
    ['tsv', 'id\tn\n', (id: string) => `${id}\t1\n`],
    ['lines', '', (id: string) => `${id}\n`],
  ] as const)(
    '%s: what was read is stored at once, and SIGTERM reports where it stopped',
    async (format, head, row) => {
      const input = new PassThrough()
      const load = box.start(['load', '-', '--format', format], { input })
      endWith(load, input)
      input.write(head + row('tile-a'))
      await until(async () => (await size()) === 1)
      input.write(row('tile-b') + row('tile-c') + row('tile-d').slice(0, 3))
      await until(async () => (await size()) === 3)
      load.kill('SIGTERM')
      const { exitCode, stdout } = await load
      const line = 3 + head.split('\n').length - 1
      const bytes = Buffer.byteLength(head + row('tile-a') + row('tile-b') + row('tile-c')) + 3
      expect([exitCode, stdout]).toEqual([
        130,
        expect.stringContaining(`Stopped after line ${line} of standard input (${bytes} bytes read).`),
      ])
      expect(stdout).toMatch(/^3 rows: 3 added/u)
      expect(await size()).toBe(3)
    },
  )

  test('tail -f list | sluice load -: its first job starts at once', async () => {
    const list = join(box.dir, 'list')
    await writeFile(list, 'first\n')
    const worker = { package: 'process', command: ['touch', 'job-{id}'] }
    await writeFile(join(box.dir, 'sluice.config.json'), JSON.stringify({ queue: store.config, worker }))
    const tail = execa('tail', ['-n', '+1', '-f', list], { reject: false, buffer: false })
    const load = box.start(['load', '-', '--format', 'lines'], { input: tail.stdout })
    endWith(load, tail.stdout)
    const run = box.start(['run'])
    const hasSucceeded = async (id: string) => {
      const queue = await openQueue({ name: store.config.name, url: `sqlite:${join(box.dir, 'queue.db')}` })
      const found = await queue.lookup(id)
      await queue.close()
      return found?.stage === 'SUCCESS'
    }
    await until(() => hasSucceeded('first'))
    await appendFile(list, 'second\n')
    await until(() => hasSucceeded('second'))
    load.kill('SIGINT')
    const { exitCode, stdout } = await load
    expect([exitCode, stdout]).toEqual([130, expect.stringMatching(/^2 rows: 2 added/u)])
    run.kill('SIGTERM')
    tail.kill('SIGKILL')
    expect((await run).exitCode).toBe(0)
    await tail
  })

  test('a storage error ends it although the pipe is silent', async () => {
    await store.refuse('tile-b')
    const input = new PassThrough()
    const load = box.start(['load', '-', '--format', 'lines', '--json'], { input })
    endWith(load, input)
    input.write('tile-a\n')
    await until(async () => (await size()) === 1)
    input.write('tile-b\n')
    const { exitCode, stdout } = await load
    expect([exitCode, JSON.parse(stdout)]).toMatchObject([
      4,
      { rows: 2, added: 1, failed: true, stopped: { source: 'standard input', line: 1, bytes: 14 } },
    ])
  })
})
