import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { STAGES, type ItemSummary, type Queue, type Stage } from '@sluice/core'
import pg from 'pg'
import { afterAll, afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { openSqlQueue } from './support/open-sql-queue.js'
import { optionsSchema } from '../src/sql-options.js'
import { freshPrefix } from './support/postgres-harness.js'
import { fastDirectory } from './support/sqlite-harness.js'

const PROGRAM = fileURLToPath(new URL('support/queue-process.mjs', import.meta.url))
const PROCESSES = 10

const directories: string[] = []
afterAll(() => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true })
})

function freshFile(): string {
  const directory = fastDirectory()
  directories.push(directory)
  return `sqlite:${join(directory, 'queue.db')}`
}

interface Running {
  readonly child: ChildProcess
  readonly lines: string[]
  /** Resolves after this many lines of output, or at its end. */
  readonly said: (count: number) => Promise<void>
  readonly ended: Promise<number | NodeJS.Signals | null>
}

function start(mode: string, url: string, prefix: string): Running {
  const child = spawn(process.execPath, [PROGRAM, mode, url, prefix], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines: string[] = []
  const reader = createInterface({ input: child.stdout })
  const waiters: { count: number; resolve: () => void }[] = []
  reader.on('line', (line) => {
    lines.push(line)
    for (const { count, resolve } of waiters) if (lines.length >= count) resolve()
  })
  const ended = Promise.all([once(child, 'close'), once(reader, 'close')]).then(
    () => child.signalCode ?? child.exitCode,
  )
  const said = async (count: number): Promise<void> => {
    if (lines.length >= count) return
    await Promise.race([new Promise<void>((resolve) => waiters.push({ count, resolve })), ended])
  }
  return { child, lines, said, ended }
}

async function summaries(queue: Queue, stage: Stage): Promise<ItemSummary[]> {
  const found: ItemSummary[] = []
  let cursor: string | undefined
  do {
    const page = await queue.listSummaries(stage, {
      limit: 1_000,
      ...(cursor === undefined ? {} : { cursor }),
    })
    found.push(...page.items)
    cursor = page.cursor
  } while (cursor !== undefined)
  return found
}

/** The server may still be at the last statement of a client that is dead already. */
async function outlived(own: Queue, url: string, prefix: string): Promise<void> {
  if (url.startsWith('sqlite:')) return
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const text = `select pid from pg_stat_activity where pid <> pg_backend_pid() and query like $1`
  const count = async () => {
    // The one that is left is our own queue's, which a pool closes when it has been idle for long.
    await own.sizes()
    return (await client.query(text, [`%${prefix}%`])).rowCount
  }
  await expect.poll(count, { timeout: 30_000 }).toBe(1)
  await client.end()
}

describe.each([
  ['SQLite', () => freshFile()],
  ['PostgreSQL', () => inject('postgresUrl')],
])('many processes on one %s', (_, urlOf) => {
  let url: string
  let prefix: string
  let queue: Queue | undefined
  const open = async (): Promise<Queue> =>
    (queue = await openSqlQueue(
      optionsSchema.parse({ name: 'contract', url, tablePrefix: prefix, poolSize: 1 }),
    ))

  beforeEach(() => {
    url = urlOf()
    prefix = freshPrefix()
  })
  afterEach(async () => {
    await queue?.close()
    queue = undefined
  })

  test('ten that open a fresh database together all find the one queue', { timeout: 120_000 }, async () => {
    const all = Array.from({ length: PROCESSES }, () => start('open', url, prefix))
    expect(await Promise.all(all.map(({ ended }) => ended))).toEqual(all.map(() => 0))
    expect(all.map(({ lines }) => lines)).toEqual(all.map(() => ['open']))
    expect(await (await open()).sizes()).toEqual({ WAITING: 0, PROCESSING: 0, SUCCESS: 0, FAIL: 0 })
  })

  test('ten that drain 20,000 items get each (id, attempt) exactly once', { timeout: 120_000 }, async () => {
    const own = await open()
    const items = Array.from({ length: 20_000 }, (_, index) => ({ id: `item-${index}`, body: index }))
    await own.putMany(items)
    const all = Array.from({ length: PROCESSES }, () => start('drain', url, prefix))
    expect(await Promise.all(all.map(({ ended }) => ended))).toEqual(all.map(() => 0))
    const claims = all.flatMap(({ lines }) => lines)
    expect(claims.toSorted()).toEqual(items.map(({ id }) => `${id} 1`).toSorted())
    expect(await own.sizes()).toEqual({ WAITING: 0, PROCESSING: 0, SUCCESS: 20_000, FAIL: 0 })
  })

  test(
    'kill -9 in the middle of claims and moves loses and doubles nothing',
    { timeout: 120_000 },
    async () => {
      const own = await open()
      const ids = Array.from({ length: 200 }, (_, index) => `item-${index}`)
      await own.putMany(ids.map((id) => ({ id, body: { id } })))
      const claims: string[] = []
      for (let round = 0; round < 8; round++) {
        const pair = [start('churn', url, prefix), start('churn', url, prefix)]
        await Promise.all(
          pair.map(async ({ child, said, ended }, index) => {
            // Somewhere in its work: another place each time.
            await said(7 * (1 + round * 2 + index) + round)
            child.kill('SIGKILL')
            expect(await ended).toBe('SIGKILL')
          }),
        )
        await outlived(own, url, prefix)
        for (const { lines } of pair) claims.push(...lines.filter((line) => /^\S+ \d+$/.test(line)))
        // What the dead had claimed is PROCESSING, at an attempt that can be read, and can be moved on.
        const held = await summaries(own, 'PROCESSING')
        const report = await own.settle(held.map(({ id, attempt }) => ({ id, attempt, stage: 'WAITING' })))
        expect(report).toEqual({ settled: held.length, refused: [] })
      }
      expect(new Set(claims).size).toBe(claims.length)
      const sizes = await own.sizes()
      const byStage = await Promise.all(STAGES.map((stage) => summaries(own, stage)))
      expect(Object.fromEntries(STAGES.map((stage, index) => [stage, byStage[index]?.length]))).toEqual(sizes)
      const found = byStage.flat().map(({ id }) => id)
      expect(new Set(found).size).toBe(found.length)
      expect(ids.filter((id) => !found.includes(id))).toEqual([])
      for (const { id } of byStage.flat()) expect((await own.lookup(id))?.body).toBeDefined()
    },
  )
})
