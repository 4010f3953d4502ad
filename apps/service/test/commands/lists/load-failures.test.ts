import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { openQueue } from '@sluice/queue-sql'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  memoryStore,
  postgresStore,
  s3Store,
  sqliteStore,
  type FailingStore,
} from '../../fixtures/failing-stores.js'
import { startPostgres } from '../../fixtures/postgres.js'
import { Sandbox, type Ended } from '../../fixtures/sandbox.js'

/** Three batches: of 500, of at most 1,000, and the rest. */
const ITEMS = 1_600
/** Three where storing takes its time: of 500, of 500, and the rest. */
const SLOW_ITEMS = 1_100

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

async function load(queue: object = store.config, count = ITEMS): Promise<Ended> {
  const lines = Array.from({ length: count }, (_, n) => `${JSON.stringify({ id: `i${n}`, body: n })}\n`)
  await writeFile(join(box.dir, 'm.jsonl'), lines.join(''))
  await writeFile(join(box.dir, 'sluice.config.json'), JSON.stringify({ queue }))
  return box.run(['load', 'm.jsonl'])
}

/** What the command says is in the queue. */
function told(err: string): number {
  const [, count = 'nothing'] = /^([\d,]+) items? (?:was|were) added before that/mu.exec(err) ?? []
  return Number(count.replaceAll(',', ''))
}

/** The counts of `12 rows: 10 added, 2 same, …`. */
function countsOf(out: string): Readonly<Record<string, number>> {
  const counts = [...out.matchAll(/(?:^|[:,] )([\d,]*\d) (row|[a-z ]+)/gu)].map(
    ([, count = '', what = '']) =>
      [what === 'row' ? 'rows' : what, Number(count.replaceAll(',', ''))] as const,
  )
  return Object.fromEntries(counts)
}

/** A package that opens a queue of another, whose closing then fails as a lost connection makes it fail. */
async function failingToClose({ package: given, ...options }: FailingStore['config']): Promise<object> {
  const home = given.startsWith('.')
    ? new URL(given, `file://${box.dir}/`).href
    : import.meta.resolve(`@sluice/queue-${given}`)
  await writeFile(
    join(box.dir, 'closing.mjs'),
    `import { openQueue as open } from ${JSON.stringify(home)}
    import { SluiceError } from ${JSON.stringify(import.meta.resolve('@sluice/core'))}
    export async function openQueue(options) {
      const queue = await open(options)
      const close = queue.close.bind(queue)
      queue.close = async () => {
        await close()
        throw new SluiceError('SLUICE_QUEUE_UNAVAILABLE', 'Could not close the queue: the connection is gone')
      }
      return queue
    }`,
  )
  return { package: './closing.mjs', ...options }
}

describe.each([
  ['memory', () => memoryStore(box.dir), { exit: 4, items: ITEMS }],
  ['SQLite', () => sqliteStore(box.dir), { exit: 4, items: ITEMS }],
  ['PostgreSQL', () => postgresStore(postgres.url), { exit: 4, items: ITEMS }],
  ['S3', () => s3Store(), { exit: 5, items: SLOW_ITEMS }],
] as const)('a load into %s', (_, open, { exit, items }) => {
  beforeEach(async () => {
    store = await open()
  })

  test.each([
    ['first', 'i0'],
    ['middle', 'i700'],
    ['last', `i${items - 1}`],
  ])('whose %s batch fails reports it, with the number of stored items', async (_, id) => {
    await store.refuse(id)
    const { code, out, err } = await load(store.config, items)
    expect(code).toBe(exit)
    expect(err).toMatch(/^error: /mu)
    const { WAITING } = await store.stored()
    expect(told(err)).toBe(WAITING)
    expect(WAITING).toBeLessThan(items)
    const { rows, ...counts } = countsOf(out)
    expect(counts).toMatchObject({ added: WAITING, same: 0, changed: 0, duplicate: 0, refused: 0 })
    expect(rows).toBe(Object.values(counts).reduce((sum, count) => sum + count, 0))
    expect(rows).toBeLessThanOrEqual(items)
  })

  test('whose storage can’t be closed has failed, and reports what it stored', async () => {
    const { code, out, err } = await load(await failingToClose(store.config), 30)
    expect([code, err]).toEqual([4, expect.stringContaining('error: Could not close the queue')])
    expect(out).toMatch(/^30 rows: 30 added, 0 same, 0 changed, 0 duplicate, 0 refused/u)
    expect(await store.stored()).toMatchObject({ WAITING: 30 })
  })
})

test('a small load, which is its own last batch: one item is refused, and the others are counted', async () => {
  store = await s3Store()
  await store.refuse('i3')
  const { code, err } = await load(store.config, 7)
  expect([code, told(err)]).toEqual([5, 6])
  expect(await store.stored()).toMatchObject({ WAITING: 6 })
})

test('S3 goes away in the middle of a batch: what had an answer is counted', async () => {
  const s3 = await s3Store(1_000)
  store = s3
  let left = 130
  s3.server.main.onRequest = ({ operation }) =>
    (operation === 'PutObject' && left-- <= 0) || left < 0 ? { do: 'drop-request' } : undefined
  const { code, out, err } = await load(store.config, 120)
  expect([code, countsOf(out)]).toMatchObject([4, { rows: 120, added: told(err), unknown: 120 - told(err) }])
  const { WAITING } = await store.stored()
  const [, unknown] =
    /for (\d+) more it is unknown whether they were; run the same command again/u.exec(err) ?? []
  // An item is in with its second object, and its put knows it from the answer.
  expect(told(err)).toBeGreaterThan(0)
  expect(WAITING).toBeGreaterThanOrEqual(told(err))
  expect(WAITING).toBeLessThanOrEqual(told(err) + Number(unknown))
  expect(Number(unknown)).toBe(120 - told(err))
})

test('an item without an answer is unknown', async () => {
  const s3 = await s3Store(1_000)
  store = s3
  s3.server.main.onRequest = ({ key }) => (key.split('/').includes('i3') ? { do: 'drop-reply' } : undefined)
  const { code, err } = await load(store.config, 7)
  expect([code, told(err)]).toEqual([4, 6])
  expect(err).toContain('for 1 more it is unknown whether they were')
})

test('PostgreSQL ends the connection in the last batch', async () => {
  store = await postgresStore(postgres.url, 'perform pg_terminate_backend(pg_backend_pid())')
  await store.refuse(`i${ITEMS - 1}`)
  const { code, err } = await load()
  expect(code).toBe(4)
  expect(told(err)).toBe((await store.stored()).WAITING)
})

test('with --json the failure has the counts as numbers', async () => {
  store = await s3Store()
  await store.refuse('i3')
  await load(store.config, 7)
  const { code, out, err } = await box.run(['load', 'm.jsonl', '--json'])
  expect(code).toBe(5)
  expect(JSON.parse(out)).toMatchObject({ rows: 7, added: 0, failed: true, stopped: { line: 0 } })
  expect(JSON.parse(err)).toMatchObject({
    error: { code: 'SLUICE_QUEUE_DENIED', stored: { added: 0, skipped: 6, unknown: 0 } },
  })
})

describe.runIf(existsSync('/dev/full'))('a full disk', () => {
  beforeEach(async () => {
    store = await sqliteStore(box.dir)
  })

  test('under the file of rejects fails a load, which reports what it stored', async () => {
    await load()
    await writeFile(join(box.dir, 'm.jsonl'), `${JSON.stringify({ id: 'new', body: 1 })}\nno\n`)
    const { code, err } = await box.run(['load', 'm.jsonl', '--rejects', '/dev/full'])
    expect(code).toBe(2)
    expect(err).toContain('Could not write the rejects to /dev/full: the disk is full')
    expect(told(err)).toBe(1)
  })

  test('under a report fails it with a message, to a file and to standard output', async () => {
    await load(store.config, 3)
    const file = await box.run(['report', '--stage', 'WAITING', '--out', '/dev/full'])
    expect([file.code, file.err]).toEqual([2, 'error: Could not write the file /dev/full: the disk is full'])
    const piped = await box.redirected('> /dev/full', ['report', '--stage', 'WAITING'])
    expect(piped).toEqual({ code: 2, err: 'error: could not write to standard output: the disk is full' })
  })
})

test('standard input that can’t be read is a usage error', async () => {
  store = await sqliteStore(box.dir)
  await writeFile(join(box.dir, 'sluice.config.json'), JSON.stringify({ queue: store.config }))
  const input = new Readable({ read: () => void input.destroy(new Error('read EIO')) })
  const { code, err } = await box.run(['put', 'a', '-'], { input })
  expect([code, err]).toEqual([2, "error: the body can't be read from stdin: read EIO"])
})

/** A queue of 1,200 items in a stage, whose storage fails at the second page of 500. */
async function brokenAtSecondPage(call: 'settle' | 'requeue' | 'remove'): Promise<void> {
  store = await sqliteStore(box.dir)
  const items = Array.from({ length: 1_200 }, (_, n) => ({ id: `i${n}`, body: n }))
  const queue = await openQueue({ name: store.config.name, url: `sqlite:${join(box.dir, 'queue.db')}` })
  await queue.putMany(items)
  const claimed = call === 'remove' ? [] : await queue.get(1_200)
  if (call === 'requeue')
    await queue.settle(claimed.map(({ id, attempt }) => ({ id, attempt, stage: 'FAIL' as const })))
  await queue.close()
  await writeFile(
    join(box.dir, 'breaking.mjs'),
    `import { openQueue as open } from ${JSON.stringify(import.meta.resolve('@sluice/queue-sql'))}
    import { SluiceError } from ${JSON.stringify(import.meta.resolve('@sluice/core'))}
    export async function openQueue(options) {
      const queue = await open(options)
      const call = queue.${call}.bind(queue)
      let calls = 0
      queue.${call} = async (...args) => {
        if (++calls === 2) throw new SluiceError('SLUICE_QUEUE_UNAVAILABLE', 'gone')
        return call(...args)
      }
      return queue
    }`,
  )
  const config = { queue: { ...store.config, package: './breaking.mjs' } }
  await writeFile(join(box.dir, 'sluice.config.json'), JSON.stringify(config))
}

describe('commands on many items that fail in the middle report how many they moved', () => {
  test.each([
    ['release', 'settle', ['release', '--all', '--yes'], 'released'],
    ['requeue', 'requeue', ['requeue', '--all', '--yes'], 'requeued'],
    ['rm', 'remove', ['rm', '--stage', 'WAITING', '--yes'], 'removed'],
  ] as const)('%s', async (_, call, command, done) => {
    await brokenAtSecondPage(call)
    const { code, out, err } = await box.run(command)
    expect([code, out]).toEqual([4, ''])
    expect(err).toContain(
      `error: gone\nAt least 500 items were ${done} before that; run the same command again for the rest.`,
    )
  })
})
