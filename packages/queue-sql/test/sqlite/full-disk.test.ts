import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Queue } from '@sluice/core'
import { CompiledQuery, type Dialect } from 'kysely'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openSqlQueue } from '../support/open-sql-queue.js'
import { optionsSchema } from '../../src/sql-options.js'
import { FailingDisk, wrapStatements, type Execute } from '../support/crashing-dialect.js'
import { freshDirectory } from '../support/sqlite-harness.js'

let directory: string

beforeEach(() => {
  directory = freshDirectory()
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

function open(path: string, wrap: (dialect: Dialect) => Dialect) {
  return openSqlQueue(optionsSchema.parse({ name: 'tiles', url: `sqlite:${path}`, synchronous: 'NORMAL' }), {
    wrap,
  })
}

/**
 * The error of a full disk: the code, retryable, the file, what is wrong, and what to do.
 */
function fullDisk(file: string) {
  return {
    code: 'SLUICE_QUEUE_UNAVAILABLE',
    retryable: true,
    message: expect.stringMatching(
      new RegExp(`in the SQLite file ${file}: the disk is full.*free space`, 's'),
    ),
  }
}

test('a file that cannot grow accepts no writes, serves reads, and works again once there is space', async () => {
  const file = join(directory, 'queue.db')
  let execute: Execute | undefined
  const queue = await open(file, (dialect) =>
    wrapStatements(dialect, (query, through) => {
      execute = through
      return through(query)
    }),
  )
  // SQLite's own limit makes the very error of a full disk, and rolls back by itself as it does then.
  const allow = (pages: number) => execute?.(CompiledQuery.raw(`pragma max_page_count = ${pages}`))
  await allow(100)
  const body = 'x'.repeat(500)
  const batch = (from: number) => Array.from({ length: 50 }, (_, index) => ({ id: `i${from + index}`, body }))
  let stored = 0
  const filling = async (): Promise<void> => {
    for (;;) {
      await queue.putMany(batch(stored))
      stored += 50
    }
  }
  await expect(filling()).rejects.toMatchObject(fullDisk(file))
  await expect(queue.putMany(batch(stored))).rejects.toMatchObject(fullDisk(file))
  await expect(queue.put('large', 'x'.repeat(100_000))).rejects.toMatchObject(fullDisk(file))
  expect(stored).toBeGreaterThan(0)
  // Reading needs no space, and what was refused is not counted.
  expect(await queue.sizes()).toMatchObject({ WAITING: stored, PROCESSING: 0 })

  await allow(10_000)
  await queue.putMany(batch(stored))
  const items = await queue.get(1_000)
  expect(items).toHaveLength(stored + 50)
  await queue.settle(items.map(({ id, attempt }) => ({ id, attempt, stage: 'SUCCESS', result: body })))
  expect(await queue.sizes()).toEqual({ WAITING: 0, PROCESSING: 0, SUCCESS: stored + 50, FAIL: 0 })
  await queue.close()
})

test('a service whose disk fills up fails no item and loses none', async () => {
  const file = join(directory, 'queue.db')
  let execute: Execute | undefined
  const queue = await open(file, (dialect) =>
    wrapStatements(dialect, (query, through) => {
      execute = through
      return through(query)
    }),
  )
  await queue.putMany(Array.from({ length: 400 }, (_, index) => ({ id: `i${index}`, body: index })))
  const { rows } = (await execute?.(CompiledQuery.raw('pragma page_count'))) ?? {}
  const [{ page_count: pages = 0 } = {}] = (rows ?? []) as { page_count?: number }[]
  await execute?.(CompiledQuery.raw(`pragma max_page_count = ${pages + 10}`))

  const outages: unknown[] = []
  for (let done = 0; done < 400;) {
    try {
      const { items: summaries } = await queue.listSummaries('PROCESSING', { limit: 100 })
      const claimed = summaries.length > 0 ? summaries : await queue.get(20)
      const outcomes = claimed.map(({ id, attempt }) => {
        return { id, attempt, stage: 'SUCCESS', result: 'x'.repeat(2_000) } as const
      })
      done += (await queue.settle(outcomes)).settled
    } catch (error) {
      outages.push(error)
      const room = pages + 10 + outages.length * 20
      await execute?.(CompiledQuery.raw(`pragma max_page_count = ${room}`))
    }
  }
  expect(outages.length).toBeGreaterThan(3)
  expect(outages).toEqual(outages.map(() => expect.objectContaining(fullDisk(file))))
  expect(await queue.sizes()).toEqual({ WAITING: 0, PROCESSING: 0, SUCCESS: 400, FAIL: 0 })
  const { items } = await queue.listSummaries('SUCCESS', { limit: 400 })
  expect(new Set(items.map(({ attempt }) => attempt))).toEqual(new Set([1]))
  await queue.close()
})

/** Each a call with its answer on a queue that the calls before it have left. */
const calls: ((queue: Queue) => Promise<unknown>)[] = [
  (queue) => queue.putMany(['a', 'b', 'c', 'd'].map((id) => ({ id, body: id }))),
  (queue) => queue.put('e', 'e'),
  async (queue) => (await queue.get(4)).map(({ id, attempt }) => ({ id, attempt })),
  (queue) =>
    queue.settle([
      { id: 'a', attempt: 1, stage: 'SUCCESS' },
      { id: 'b', attempt: 1, stage: 'FAIL' },
    ]),
  (queue) => queue.release('c'),
  (queue) => queue.requeue(['b']),
  (queue) => queue.remove(['e']),
  async (queue) => (await queue.lease('dispatcher', 'me', 1_000))?.fencingToken,
  (queue) => queue.control.setLimits({ maxProcessing: 3 }),
  (queue) => queue.control.pause('why'),
  (queue) => queue.sizes(),
]

describe.each([
  ['disk full', 13],
  ['write error', 778],
  ['sync error', 1034],
])('%s at any statement, COMMIT among them', (_, errcode) => {
  test.each([
    ['SQLite has rolled back', true],
    ['SQLite has left that to us', false],
  ])('%s: the call is UNAVAILABLE, and the same call then goes through whole', async (__, rollsBack) => {
    const failures: unknown[] = []
    for (let point = 0; ; point++) {
      const disk = new FailingDisk({ point, errcode, rollsBack })
      const queue = await open(':memory:', disk.wrap)
      disk.arm()
      const answers: unknown[] = []
      for (const call of calls) {
        const first = await call(queue).catch((error: unknown) => {
          failures.push(error)
          return call(queue)
        })
        answers.push(first)
      }
      expect(answers).toEqual(await undisturbed())
      await queue.close()
      if (!disk.failed) break
    }
    expect(failures.length).toBeGreaterThan(40)
    const unavailable = { code: 'SLUICE_QUEUE_UNAVAILABLE', retryable: true }
    expect(failures).toEqual(failures.map(() => expect.objectContaining(unavailable)))
  })
})

let expected: unknown[] | undefined
async function undisturbed(): Promise<unknown[]> {
  if (expected !== undefined) return expected
  const queue = await open(':memory:', (dialect) => dialect)
  expected = []
  for (const call of calls) expected.push(await call(queue))
  await queue.close()
  return expected
}
