import type { Queue } from '@sluice/core'
import type { CompiledQuery } from 'kysely'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { sqlPackage } from '../support/sql-package.js'
import { PostgresSetBack } from '../../src/postgres/set-back.js'
import { tableNames } from '../../src/schema/tables.js'
import { freshPrefix } from '../support/postgres-harness.js'

const { openQueue } = sqlPackage

const HOUR_MS = 3_600_000

async function ids(queue: Queue, max = 10): Promise<string[]> {
  return (await queue.get(max)).map(({ id }) => id)
}

async function fill(queue: Queue): Promise<void> {
  await queue.put('released', 1)
  await queue.get(1)
  await queue.put('first', 1)
  await queue.put('second', 1)
  await queue.put('urgent', 1, { priority: 5 })
  await queue.put('delayed', 1, { delayMs: 60_000 })
  await queue.put('past', 1, { notBeforeAt: 1 })
  await queue.release('released')
}

describe('a step of the clock', () => {
  test('is distinguished from a delayed answer, and from a statement that had to wait', async () => {
    const statements: string[] = []
    const db = {
      executeQuery: async ({ sql }: CompiledQuery) => {
        statements.push(sql.includes('update') ? 'move' : 'ask')
        return { rows: [] }
      },
    }
    let nowMs = 1_000
    const setBack = new PostgresSetBack(db, {
      names: tableNames('t_'),
      queueId: 1,
      runtime: { monotonicMs: () => nowMs },
    })
    const saw = async (serverMs: number, sentAt: number, receivedAt: number): Promise<boolean> => {
      nowMs = receivedAt
      return setBack.saw(serverMs, sentAt)
    }
    expect(await saw(501_000, 1_000, 1_001)).toBe(false)
    expect(await saw(502_000, 2_000, 30_000)).toBe(false)
    expect(await saw(560_000, 31_000, 60_001)).toBe(false)
    expect(await saw(561_000, 61_000, 61_001)).toBe(false)
    expect(statements).toEqual(['ask'])
    expect(await saw(558_000, 62_000, 62_001)).toBe(true)
    expect(await saw(558_100, 62_100, 62_101)).toBe(false)
    expect(statements).toEqual(['ask', 'move'])
  })
})

describe('a server whose clock is set back by an hour', () => {
  let admin: pg.Client
  let schema: string
  let options: Record<string, unknown>
  const opened: Queue[] = []

  beforeEach(async () => {
    admin = new pg.Client({ connectionString: inject('postgresUrl') })
    await admin.connect()
    // Functions of these names that are found before the server's own: what its clock shows is in a table.
    schema = `clock_${freshPrefix()}`
    await admin.query(`create schema ${schema}`)
    await admin.query(`create table ${schema}.shift (ms bigint)`)
    await admin.query(`insert into ${schema}.shift values (0)`)
    for (const name of ['clock_timestamp', 'statement_timestamp']) {
      await admin.query(`create function ${schema}.${name}() returns timestamptz language sql volatile
        as $$ select pg_catalog.${name}() + (select ms from ${schema}.shift) * interval '1 ms' $$`)
    }
    const url = new URL(inject('postgresUrl'))
    url.searchParams.set('options', `-c search_path=${schema},pg_catalog,public`)
    options = { name: 'runtime', url: url.href, tablePrefix: freshPrefix(), poolSize: 2 }
  })
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((queue) => queue.close()))
    await admin.end()
  })

  async function open(): Promise<Queue> {
    const queue = await openQueue(options)
    opened.push(queue)
    return queue
  }

  const shift = (ms: number) => admin.query(`update ${schema}.shift set ms = $1`, [ms])

  test('delays no item without a delay, and keeps the order of the puts', async () => {
    const queue = await open()
    expect(await ids(queue)).toEqual([])
    await fill(queue)
    await shift(-HOUR_MS)
    await queue.put('after', 1)
    expect(await ids(queue)).toEqual(['urgent', 'first', 'second', 'past', 'released', 'after'])
    expect(await queue.lookupStatus('delayed')).toBe('WAITING')
  })

  test('nor an item that an update made available, or gave another priority', async () => {
    const queue = await open()
    expect(await ids(queue)).toEqual([])
    await fill(queue)
    await queue.update([
      { id: 'first', notBeforeAt: 0 },
      { id: 'delayed', notBeforeAt: 5 },
      { id: 'urgent', notBeforeAt: (await queue.now()) + HOUR_MS },
      { id: 'second', priority: 1 },
    ])
    await shift(-HOUR_MS)
    expect(await ids(queue)).toEqual(['second', 'past', 'released', 'first', 'delayed'])
  })

  test('nor for a process that starts afterwards', async () => {
    await fill(await open())
    await shift(-HOUR_MS)
    expect(await ids(await open())).toEqual(['urgent', 'first', 'second', 'past', 'released'])
  })

  test('nor while other items are claimed without pause', async () => {
    const queue = await open()
    await queue.put('seen', 1)
    // It asks for more than there is: what follows are claims that get all that they ask for.
    expect(await ids(queue, 2)).toEqual(['seen'])
    await fill(queue)
    await shift(-HOUR_MS)
    await queue.putMany(Array.from({ length: 9 }, (_, index) => ({ id: `after-${index}`, body: 1 })))
    const given = [
      ...(await ids(queue, 2)),
      ...(await ids(queue, 2)),
      ...(await ids(queue, 2)),
      ...(await ids(queue, 2)),
    ]
    expect(given).toEqual(expect.arrayContaining(['urgent', 'first', 'second']))
  })

  test('and an item returned to its place is found there', async () => {
    const queue = await open()
    await fill(queue)
    await shift(-HOUR_MS)
    const given = await ids(queue)
    await queue.release('first', { keepPlace: true })
    await queue.put('later', 1)
    expect(given).toContain('first')
    expect(await ids(queue)).toEqual(['first', 'later'])
  })

  test('several processes that notice it at once move it once', async () => {
    const queues = await Promise.all([open(), open(), open()])
    const [queue] = queues
    if (queue === undefined) throw new Error('no queue')
    for (const each of queues) await each.get(1)
    await fill(queue)
    await shift(-HOUR_MS)
    const given = (await Promise.all(queues.map((each) => ids(each, 3)))).flat()
    expect(given.toSorted()).toEqual(['first', 'past', 'released', 'second', 'urgent'])
    const { rows } = await admin.query(
      `select count(*)::integer as n from ${schema}.${String(options['tablePrefix'])}waiting`,
    )
    expect(rows).toEqual([{ n: 1 }])
  })
})
