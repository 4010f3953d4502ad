import { setTimeout as pause } from 'node:timers/promises'
import type { Lease, Queue } from '@sluice/core'
import type { QueueHarness } from '@sluice/testkit'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { openSqlQueue } from '../support/open-sql-queue.js'
import { optionsSchema } from '../../src/sql-options.js'
import { tableNames } from '../../src/schema/tables.js'
import { bothStores } from '../support/both-stores.js'
import { wrapStatements } from '../support/crashing-dialect.js'
import { freshPrefix } from '../support/postgres-harness.js'

const LOST = expect.objectContaining({ code: 'SLUICE_LEASE_LOST', retryable: false })

async function held(queue: Queue, holder: string): Promise<Lease> {
  const lease = await queue.lease('dispatcher', holder, 60_000)
  if (lease === undefined) throw new Error('another holder has it')
  return lease
}

describe.each(bothStores)('claims under a lease: %s', (_, makeHarness) => {
  let harness: QueueHarness
  let queue: Queue
  let other: Queue

  beforeEach(async () => {
    harness = await makeHarness()
    queue = await harness.open()
    other = await harness.open()
    await queue.putMany([3, 2, 1].map((priority) => ({ id: `item-${priority}`, body: priority, priority })))
  })

  afterEach(() => harness.close())

  test('that is held, they are as without one', async () => {
    const lease = await held(queue, 'me')
    expect((await other.get(2, { lease })).map(({ id }) => id)).toEqual(['item-3', 'item-2'])
    expect((await other.get(5, { lease })).map(({ id }) => id)).toEqual(['item-1'])
    expect(await other.get(5, { lease })).toEqual([])
    expect(await other.get(0, { lease })).toEqual([])
    expect(queue.supports.fencedClaims).toBe(true)
  })

  test.each([
    ['released', async (lease: Lease) => lease.release()],
    [
      'run out by the clock of the database',
      async (lease: Lease) => {
        await queue.lease(lease.name, lease.holder, 100)
        await pause(110)
      },
    ],
    [
      'another holder’s',
      async (lease: Lease) => {
        await lease.release()
        await held(queue, 'other')
      },
    ],
  ])('that is %s, nothing is claimed, of an empty queue too', async (__, lose) => {
    const lease = await held(queue, 'me')
    await lose(lease)
    await expect(other.get(3, { lease })).rejects.toEqual(LOST)
    await expect(other.get(0, { lease })).rejects.toEqual(LOST)
    expect(await queue.sizes()).toMatchObject({ WAITING: 3, PROCESSING: 0 })
    expect((await queue.get(9)).map(({ attempt }) => attempt)).toEqual([1, 1, 1])
    await expect(other.get(3, { lease })).rejects.toEqual(LOST)
  })

  test('of another token or another name are refused', async () => {
    const lease = await held(queue, 'me')
    await expect(queue.get(1, { lease: { ...lease, fencingToken: lease.fencingToken + 1 } })).rejects.toEqual(
      LOST,
    )
    await expect(queue.get(1, { lease: { ...lease, name: 'else' } })).rejects.toEqual(LOST)
    await expect(queue.get(1, { lease: { ...lease, holder: 'else' } })).rejects.toEqual(LOST)
    const other = await harness.open('other')
    await expect(other.get(1, { lease })).rejects.toEqual(LOST)
  })
})

describe('on PostgreSQL', () => {
  const url = inject('postgresUrl')
  const tablePrefix = freshPrefix()
  const settings = optionsSchema.parse({ name: 'fenced', url, tablePrefix })
  const asked: string[] = []
  let queue: Queue

  beforeEach(async () => {
    queue = await openSqlQueue(settings, {
      wrap: (dialect) =>
        wrapStatements(dialect, (query, execute) => {
          asked.push(query.sql)
          return execute(query)
        }),
    })
  })

  afterEach(() => queue.close())

  test('a full claim under a lease is one statement, also if the lease is lost', async () => {
    await queue.putMany([{ id: 'a', body: 1 }])
    const lease = await held(queue, 'me')
    asked.length = 0
    await queue.get(1, { lease })
    expect(asked).toHaveLength(1)
    await lease.release()
    await expect(queue.get(1, { lease })).rejects.toEqual(LOST)
    expect(asked.filter((text) => text.includes('delete from'))).toHaveLength(2)
    // Between the two the lease was released, and the version of the places read, as once in a second.
    expect(asked).toHaveLength(4)
  })

  test('a takeover waits for a claim under way, so that the next holder sees the claimed items', async () => {
    await queue.put('late', 1)
    const lease = await held(queue, 'me')
    const client = new pg.Client({ connectionString: url })
    const watcher = new pg.Client({ connectionString: url })
    await Promise.all([client.connect(), watcher.connect()])
    const waiting = async (): Promise<number> => {
      const text = `select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%${tablePrefix}%'`
      return (await watcher.query(text)).rowCount ?? 0
    }
    // A transaction that has these rows delays the claim after it has read the lease.
    await client.query('begin')
    await client.query(`select 1 from ${tableNames(tablePrefix).counters} for update`)
    const claim = queue.get(1, { lease })
    await expect.poll(waiting).toBe(1)
    let isReleased = false
    const release = lease.release().then(() => (isReleased = true))
    await expect.poll(waiting).toBe(2)
    expect(isReleased).toBe(false)
    await client.query('commit')
    await Promise.all([client.end(), watcher.end()])
    expect((await claim).map(({ id }) => id)).toEqual(['late'])
    await release
  })
})
