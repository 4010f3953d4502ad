import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { isSluiceError, type Queue } from '@sluice/core'
import { dropCases, type DropHarness } from '@sluice/testkit'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { dropSqlQueue } from '../../src/admin/drop-queue.js'
import { dropQueue, listQueues, openQueue } from '../../src/index.js'
import { optionsSchema } from '../../src/sql-options.js'
import { tableNames } from '../../src/schema/tables.js'
import { Crash } from '../support/crashing-dialect.js'
import { freshPrefix } from '../support/postgres-harness.js'
import { fastDirectory } from '../support/sqlite-harness.js'

interface Place extends DropHarness {
  readonly options: { readonly url: string; readonly tablePrefix: string }
  /** Every row of every table but that of the schema's version. */
  rows(): Promise<readonly [table: string, rows: number][]>
  run(text: string): Promise<void>
  close(): Promise<void>
}

const { schema: _, ...TABLES } = tableNames('')

type Run = (text: string) => Promise<readonly Record<string, unknown>[]>

function placeAt(options: Place['options'], run: Run, severText?: string): Place {
  const opened: Queue[] = []
  const settings = (name: string) => optionsSchema.parse({ ...options, poolSize: 3, name })
  return {
    options,
    open: async (name) => {
      const queue = await openQueue({ ...options, poolSize: 3, name })
      opened.push(queue)
      return queue
    },
    list: () => listQueues({ ...options, name: 'any' }),
    drop: (name, use) => dropQueue({ ...options, poolSize: 3, name }, use),
    passTime: async (ms) => {
      await run(`update ${tableNames(options.tablePrefix).leases} set expires_at = expires_at - ${ms}`)
    },
    dropCrashing: async (name, point) => {
      // Of the two points of each statement the one before it: just after it is just before the next one, for
      // what is stored.
      const crash = new Crash(2 * point, severText)
      crash.arm()
      await dropSqlQueue(settings(name), {}, { wrap: crash.wrap }).catch(() => undefined)
      return crash.crashed
    },
    rows: async () => {
      const names = tableNames(options.tablePrefix)
      const counts: [string, number][] = []
      for (const [table, name] of Object.entries(names).filter(([one]) => one !== 'schema')) {
        const [row] = await run(`select count(*) as rows from ${name}`)
        counts.push([table, Number(row?.['rows'])])
      }
      return counts
    },
    run: async (text) => void (await run(text)),
    close: async () => {
      await Promise.allSettled(opened.map((queue) => queue.close()))
    },
  }
}

async function sqlitePlace(): Promise<Place> {
  const directory = fastDirectory()
  const file = join(directory, 'queue.db')
  const run: Run = async (text) => {
    const database = new DatabaseSync(file)
    try {
      return database.prepare(text).all()
    } finally {
      database.close()
    }
  }
  const place = placeAt({ url: `sqlite:${file}`, tablePrefix: 'sluice_' }, run)
  return {
    ...place,
    close: async () => {
      await place.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

async function postgresPlace(): Promise<Place> {
  const url = inject('postgresUrl')
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const place = placeAt(
    { url, tablePrefix: freshPrefix() },
    async (text) => (await client.query<Record<string, unknown>>(text)).rows,
    'select pg_terminate_backend(pg_backend_pid())',
  )
  return {
    ...place,
    close: async () => {
      await place.close()
      await client.end()
    },
  }
}

describe.each([
  ['SQLite', sqlitePlace],
  ['PostgreSQL', postgresPlace],
])('%s', (_, open) => {
  let place: Place

  beforeEach(async () => {
    place = await open()
  })
  afterEach(() => place.close())

  test.each(dropCases)(
    '$title',
    async ({ run }) => {
      await expect(run(place)).resolves.toBeUndefined()
    },
    120_000,
  )

  test('nothing of it stays in any table except the id of its row', async () => {
    const queue = await place.open('one')
    await queue.putMany(Array.from({ length: 2_500 }, (_, index) => ({ id: `item-${index}`, body: index })))
    await queue.settle((await queue.get(1_200)).map(({ id }) => ({ id, attempt: 1, stage: 'FAIL' as const })))
    await queue.settle(
      (await queue.get(1_100)).map(({ id }) => ({ id, attempt: 1, stage: 'WAITING' as const })),
    )
    await queue.get(100)
    await queue.document('notes').write(1, { ifVersion: undefined })
    await queue.control.setLimits({ maxProcessing: 1 })
    await (await queue.lease('dispatcher', 'me', 1_000))?.release()
    const reported: unknown[] = []
    const outcome = await place.drop('one', {
      withRunning: true,
      onProgress: (progress) => void reported.push(progress),
    })
    expect(outcome).toEqual({ is: 'dropped', removed: 2_500, unit: 'items', notes: [] })
    expect(reported).toEqual([1_000, 2_000, 2_500].map((removed) => ({ removed, unit: 'items', of: 2_500 })))
    expect(await place.rows()).toEqual(
      Object.keys(TABLES).map((table) => [table, table === 'queues' ? 1 : 0]),
    )
    expect(await place.list()).toEqual([])
    // The row of the latest drop is one, however many there were.
    for (const name of ['two', 'three']) {
      await place.open(name)
      await place.drop(name)
    }
    expect(await place.rows()).toContainEqual(['queues', 1])
  })

  test('an object of the dropped queue changes nothing of the next one, whatever its number', async () => {
    const old = await place.open('one')
    await old.put('a', 1)
    await place.drop('one')
    const fresh = await place.open('two')
    for (const call of [() => old.put('b', 1), () => old.document('d').write(1, { ifVersion: undefined })])
      await expect(call()).rejects.toMatchObject({ code: 'SLUICE_QUEUE_CORRUPT' })
    await expect(old.sizes()).rejects.toMatchObject({
      code: 'SLUICE_QUEUE_CORRUPT',
      message: expect.stringMatching(/it was dropped.*stop this process/s),
    })
    expect(await fresh.sizes()).toMatchObject({ WAITING: 0 })
    expect(await fresh.documents()).toEqual([])
  })

  test('concurrent puts lose nothing silently: each is acknowledged in the old queue, or refused', async () => {
    const queue = await place.open('one')
    const refusals: unknown[] = []
    let stored = 0
    const putFrom = async (putter: number) => {
      for (let index = 0; ; index++) {
        try {
          await queue.put(`${putter}-${index}`, 1)
          stored += 1
        } catch (error) {
          refusals.push(error)
          return
        }
      }
    }
    const putters = Array.from({ length: 4 }, (_, number) => putFrom(number))
    await expect.poll(() => stored).toBeGreaterThan(20)
    const outcome = await place.drop('one')
    await Promise.all(putters)
    expect(refusals.every((error) => isSluiceError(error, 'SLUICE_QUEUE_CORRUPT'))).toBe(true)
    expect(outcome).toMatchObject({ is: 'dropped', removed: stored })
    expect((await place.rows()).filter(([, rows]) => rows > 0)).toEqual([['queues', 1]])
  })

  test('a queue that is being dropped is listed as such, does not exist for other calls, and its name is free', async () => {
    await (await place.open('one')).put('a', 1)
    expect(await place.drop('one', { signal: AbortSignal.abort() })).toMatchObject({ is: 'stopped' })
    expect(await place.list()).toMatchObject([{ name: 'one', state: 'dropping', leases: [] }])
    const fresh = await place.open('one')
    await fresh.put('b', 1)
    const listed = (await place.list()).map(({ name, state }) => `${name} ${state}`)
    expect(listed.toSorted((a, b) => (a < b ? -1 : 1))).toEqual(['one dropping', 'one ready'])
    expect(await place.drop('one')).toMatchObject({ is: 'dropped' })
    expect((await place.rows()).filter(([, rows]) => rows > 0)).toEqual([['queues', 1]])
  })

  test('the list has sizes, and the leases that are held', async () => {
    const queue = await place.open('one')
    await queue.putMany([
      { id: 'a', body: 1 },
      { id: 'b', body: 1 },
    ])
    await queue.get(1)
    await queue.lease('dispatcher', 'another', 60_000)
    const [one] = await place.list()
    expect(one).toMatchObject({
      name: 'one',
      state: 'ready',
      format: expect.stringMatching(/^tables of version \d+$/),
      sizes: { WAITING: 1, PROCESSING: 1, SUCCESS: 0, FAIL: 0 },
      leases: [{ name: 'dispatcher', holder: 'another' }],
    })
    expect(one?.leases[0]?.leftMs).toBeGreaterThan(50_000)
  })
})

test('PostgreSQL: the error for a role names the privilege that it lacks', async () => {
  const place = await postgresPlace()
  await place.open('one')
  const role = `role_${freshPrefix()}`
  const names = tableNames(place.options.tablePrefix)
  await place.run(`create role ${role} login password 'x'`)
  await place.run(
    `grant select, insert, update on ${Object.values(names).join(', ')} to ${role}; grant delete on ${names.limits}, ${names.items}, ${names.waiting}, ` +
      `${names.processing}, ${names.finished}, ${names.attempts} to ${role}; grant usage on sequence ${names.items}_turn to ${role}`,
  )
  const url = new URL(place.options.url)
  url.username = role
  url.password = 'x'
  await expect(dropQueue({ ...place.options, url: url.href, name: 'one' })).rejects.toMatchObject({
    code: 'SLUICE_QUEUE_DENIED',
    message: expect.stringMatching(
      /lacks privileges to drop a queue. Run as the owner: grant delete on table/,
    ),
  })
  expect(await place.list()).toMatchObject([{ name: 'one', state: 'ready' }])
  await place.close()
})
