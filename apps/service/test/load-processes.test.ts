import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough, type Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { execa } from 'execa'
import { openQueue } from '@sluice/queue-sql'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { postgresStore, s3Store, sqliteStore, type FailingStore } from './failing-stores.js'
import { startPostgres } from './postgres.js'
import { Sandbox } from './sluice.js'

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

const POINTS = ['before', 'during', 'after'] as const
/** Several batches; few deaths on S3, where each item is requests of its own. */
const BACKENDS = [
  ['SQLite', { rows: 1_300, points: POINTS, open: () => sqliteStore(box.dir) }],
  ['PostgreSQL', { rows: 1_300, points: POINTS, open: () => postgresStore(postgres.url) }],
  ['S3', { rows: 510, points: ['during'] as const, open: () => s3Store() }],
] as const

function jsonl(count: number, from = 0): string {
  const lines = Array.from({ length: count }, (_, n) => ({ id: `i${from + n}`, body: { n: from + n } }))
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('')
}

async function configure(queue: object): Promise<void> {
  await writeFile(join(box.dir, 'sluice.config.json'), JSON.stringify({ queue }))
}

/** A package that opens the queue of another and does something with its `putMany`. */
async function configureAround(putMany: string): Promise<void> {
  const { package: given, ...options } = store.config
  await writeFile(
    join(box.dir, 'around.mjs'),
    `import { appendFileSync } from 'node:fs'
    import { setTimeout as sleep } from 'node:timers/promises'
    import { openQueue as open } from ${JSON.stringify(import.meta.resolve(`@sluice/queue-${given}`))}
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

/** What feeds a process goes on until it has ended, and not longer, or nobody would see that it has. */
function endWith(load: ReturnType<Sandbox['start']>, input: Readable): void {
  load.stdout.once('close', () => input.destroy())
}

describe.each(BACKENDS)('a load into %s', (_, { rows, points, open }) => {
  beforeEach(async () => {
    store = await open()
    await writeFile(join(box.dir, 'm.jsonl'), jsonl(rows))
  })

  test.each([1, 2].flatMap((call) => points.map((point) => ({ call, point }))))(
    'killed $point the storing of batch $call and run again: added and same are the rows',
    async ({ call, point }) => {
      const kill = "process.kill(process.pid, 'SIGKILL')"
      const put = {
        before: `${kill}; await new Promise(() => {})`,
        during: `const putting = putMany(items, how); await new Promise(setImmediate); ${kill}; return putting`,
        after: `await putMany(items, how); ${kill}; await new Promise(() => {})`,
      }[point]
      await configureAround(`if (calls === ${call}) { ${put} } return putMany(items, how)`)
      const died = await box.start(['load', 'm.jsonl'])
      expect(died.signal).toBe('SIGKILL')
      await configure(store.config)
      const before = (await store.stored()).WAITING
      const { added, same, ...again } = Object(await box.json(['load', 'm.jsonl']))
      expect(again).toMatchObject({ rows, changed: 0, duplicate: 0, exists: 0, refused: 0 })
      expect(added + same).toBe(rows)
      // On S3 an item that was half put is the same one once it is whole.
      expect(same).toBeGreaterThanOrEqual(before)
      expect(await store.stored()).toMatchObject({ WAITING: rows })
    },
  )

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

test('a storage that needs 2 s a batch: progress every second, and SIGTERM has one batch to wait for', async () => {
  store = await sqliteStore(box.dir)
  const calls = join(box.dir, 'calls')
  await writeFile(join(box.dir, 'm.jsonl'), jsonl(20_000))
  await configureAround(
    `appendFileSync(${JSON.stringify(calls)}, 'begun\\n'); await sleep(2_000); return putMany(items, how)`,
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
  expect(lines.some((line) => / 500 items/u.test(line))).toBe(true)
  expect(stdout).toMatch(
    /^1,500 rows: 1,500 added, .*\nStopped after line 1,500 of \S*m\.jsonl; [\d,]+ bytes had been read\./u,
  )
  expect(await store.stored()).toMatchObject({ WAITING: 1_500 })
})

const size = async () => (await store.stored()).WAITING

describe('a pipe that goes on', () => {
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
    '%s: what was read is stored at once, and SIGTERM says where it stopped',
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
        expect.stringContaining(
          `Stopped after line ${line} of standard input; ${bytes} bytes had been read.`,
        ),
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

  test('a storage that fails ends it, though the pipe is silent', async () => {
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
