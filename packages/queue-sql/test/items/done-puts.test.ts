import type { NewItem, PutManyOptions, Queue } from '@sluice/core'
import type { QueueHarness } from '@sluice/testkit'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, inject, onTestFinished, test } from 'vitest'
import { openSqlQueue } from '../support/open-sql-queue.js'
import { optionsSchema } from '../../src/sql-options.js'
import { tableNames } from '../../src/schema/tables.js'
import { bothStores } from '../support/both-stores.js'
import { wrapStatements } from '../support/crashing-dialect.js'
import { freshPrefix } from '../support/postgres-harness.js'

const DONE = { stage: 'SUCCESS' } as const satisfies PutManyOptions
const itemsOf = (ids: readonly string[]): NewItem[] => ids.map((id) => ({ id, body: { of: id } }))
const numbered = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${prefix}-${index}`)

/** All ids of a stage, page by page. */
async function listed(queue: Queue, stage: 'WAITING' | 'SUCCESS'): Promise<string[]> {
  const ids: string[] = []
  for (let cursor: string | undefined, more = true; more;) {
    const page = await queue.listSummaries(stage, { limit: 700, ...(cursor !== undefined && { cursor }) })
    ids.push(...page.items.map(({ id }) => id))
    cursor = page.cursor
    more = cursor !== undefined
  }
  return ids
}

describe.each(bothStores)('putMany into SUCCESS: %s', (_, makeHarness) => {
  let harness: QueueHarness
  let queue: Queue

  beforeEach(async () => {
    harness = await makeHarness()
    queue = await harness.open()
  })
  afterEach(() => harness.close())

  test('of more than fit into a statement is reported in the order of the call, and counted', async () => {
    // Neither in the order of ids, in which rows are locked, nor in that of priorities.
    const ids = numbered('done', 2_500).toReversed()
    const items = itemsOf(ids).map((item, index) => ({ ...item, priority: index % 3 }))
    await queue.putMany(itemsOf(['first']), DONE)
    await queue.putMany(itemsOf(['waits']))
    expect(await queue.putMany(items, DONE)).toEqual({ added: 2_500, skipped: [] })
    expect(await listed(queue, 'SUCCESS')).toEqual(['first', ...ids])
    expect(await queue.sizes()).toEqual({ WAITING: 1, PROCESSING: 0, SUCCESS: 2_501, FAIL: 0 })
    expect((await queue.get(10)).map(({ id }) => id)).toEqual(['waits'])
    expect(await queue.lookup(ids[1] ?? '')).toMatchObject({ priority: 1 })
  })

  test.each([
    ['alone', 1, {}],
    ['with others', 2, {}],
    ['that compares', 1, { compare: true }],
    ['that compares, with others', 2, { compare: true }],
  ])('a put %s gives a whole item, whether or not some were known', async (__, count, more) => {
    // From the second call on PostgreSQL does not rely on ids being new.
    for (const round of ['optimistic', 'checked']) {
      const from = await queue.now()
      const ids = numbered(round, count)
      expect(await queue.putMany(itemsOf(ids), { ...DONE, ...more })).toEqual({ added: count, skipped: [] })
      const until = await queue.now()
      const record = await queue.lookup(ids[0] ?? '')
      expect(record).toEqual({
        id: ids[0],
        uid: expect.any(String),
        stage: 'SUCCESS',
        attempt: 0,
        uncounted: 0,
        priority: 0,
        body: { of: ids[0] },
        putAt: record?.finishedAt,
        finishedAt: record?.putAt,
        history: [],
      })
      expect(record?.putAt).toBeGreaterThanOrEqual(from)
      expect(record?.putAt).toBeLessThanOrEqual(until)
      const { items } = await queue.list('SUCCESS', { limit: 9 })
      expect(items.find(({ id }) => id === ids[0])).toEqual(record)
      const { skipped } = await queue.putMany(itemsOf(ids), { ...DONE, ...more })
      const reason = 'compare' in more ? 'exists-same' : 'exists'
      expect(skipped).toEqual(ids.map((id) => ({ id, reason })))
    }
    expect(await queue.sizes()).toEqual({ WAITING: 0, PROCESSING: 0, SUCCESS: 2 * count, FAIL: 0 })
  })

  test('has no attempt, so a move of one is not a repeated move', async () => {
    await queue.putMany(itemsOf(['done']), DONE)
    const before = await queue.lookup('done')
    for (const move of [
      () => queue.success('done'),
      () => queue.success('done', { attempt: 0 }),
      () => queue.fail('done'),
      () => queue.release('done'),
    ])
      await expect(move()).rejects.toMatchObject({ code: 'SLUICE_STAGE_CONFLICT' })
    const { refused } = await queue.settle([
      { id: 'done', attempt: 0, stage: 'SUCCESS' },
      { id: 'done', attempt: 1, stage: 'SUCCESS' },
    ])
    expect(refused.map(({ reason }) => reason)).toEqual(['wrong-stage', 'not-current'])
    expect(await queue.lookup('done')).toEqual(before)
  })

  test('with items of both stages in one queue, each call counts its own', async () => {
    await queue.putMany(itemsOf(numbered('a', 5)))
    await queue.putMany(itemsOf(numbered('b', 7)), DONE)
    // One of each is known already.
    await queue.putMany(itemsOf(['a-0', 'b-0', 'c']), DONE)
    await queue.putMany(itemsOf(['a-1', 'b-1', 'd']))
    expect(await queue.sizes()).toEqual({ WAITING: 6, PROCESSING: 0, SUCCESS: 8, FAIL: 0 })
    expect(await listed(queue, 'WAITING')).toEqual([...numbered('a', 5), 'd'])
    expect(await listed(queue, 'SUCCESS')).toEqual([...numbered('b', 7), 'c'])
    expect(await queue.remove(['b-0', 'c', 'a-0'])).toEqual({ removed: 3, skipped: [] })
    expect(await queue.sizes()).toEqual({ WAITING: 5, PROCESSING: 0, SUCCESS: 6, FAIL: 0 })
  })
})

describe.each([
  ['SQLite', () => 'sqlite::memory:'],
  ['PostgreSQL', () => inject('postgresUrl')],
])('the statements of putMany: %s', (_, url) => {
  test('a put into SUCCESS has no statement on the backlog, and as many statements as a put into WAITING', async () => {
    const tablePrefix = freshPrefix()
    const { waiting, finished } = tableNames(tablePrefix)
    const sent: string[] = []
    const queue = await openSqlQueue(optionsSchema.parse({ name: 'sent', url: url(), tablePrefix }), {
      wrap: (dialect) =>
        wrapStatements(dialect, (query, execute) => {
          sent.push(query.sql)
          return execute(query)
        }),
    })
    onTestFinished(() => queue.close())
    const sentBy = async (ids: readonly string[], options?: PutManyOptions): Promise<string[]> => {
      sent.length = 0
      await queue.putMany(itemsOf(ids), options)
      return [...sent]
    }
    for (const count of [1, 2_500]) {
      const plain = await sentBy(numbered(`plain-${count}`, count))
      const done = await sentBy(numbered(`done-${count}`, count), DONE)
      expect(done).toHaveLength(plain.length)
      expect(done.filter((text) => text.includes(waiting))).toEqual([])
      expect(plain.filter((text) => text.includes(finished))).toEqual([])
    }
    const compared = await sentBy(['one', 'plain-1-0'], { ...DONE, compare: true })
    expect(compared.filter((text) => text.includes(waiting))).toEqual([])
    expect(await queue.sizes()).toMatchObject({ WAITING: 2_501, SUCCESS: 2_502 })
  })
})

describe('two processes on PostgreSQL', () => {
  const url = inject('postgresUrl')
  let tablePrefix: string
  let queues: readonly [loader: Queue, taker: Queue, service: Queue]
  let blocker: pg.Client
  let watcher: pg.Client
  /** SQLSTATE of what the server refused. */
  let refused: string[]

  async function open(): Promise<Queue> {
    const settings = optionsSchema.parse({ name: 'race', url, tablePrefix, poolSize: 3 })
    return openSqlQueue(settings, {
      wrap: (dialect) =>
        wrapStatements(dialect, async (query, execute) => {
          try {
            return await execute(query)
          } catch (error) {
            if (error instanceof Error && 'code' in error) refused.push(String(error.code))
            throw error
          }
        }),
    })
  }

  beforeEach(async () => {
    tablePrefix = freshPrefix()
    refused = []
    queues = [await open(), await open(), await open()]
    blocker = new pg.Client({ connectionString: url })
    watcher = new pg.Client({ connectionString: url })
    await Promise.all([blocker.connect(), watcher.connect()])
  })
  afterEach(async () => {
    await Promise.all([...queues.map((queue) => queue.close()), blocker.end(), watcher.end()])
  })

  async function waiting(): Promise<number> {
    const text = `select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%${tablePrefix}%'`
    return (await watcher.query(text)).rowCount ?? 0
  }

  /**
   * Puts the same id from both; the first has its item, and is kept from its end until the second waits for
   * it.
   */
  async function race(first: PutManyOptions, second: PutManyOptions, ids: readonly string[]) {
    const [loader, taker, service] = queues
    await blocker.query('begin')
    await blocker.query(`select 1 from ${tableNames(tablePrefix).counters} for update`)
    const one = loader.putMany(itemsOf(ids), first)
    await expect.poll(waiting).toBe(1)
    const two = taker.putMany(itemsOf(ids), second)
    await expect.poll(waiting).toBe(2)
    expect(await service.get(10)).toEqual([])
    expect(await service.lookup('raced')).toBeUndefined()
    await blocker.query('commit')
    return Promise.all([one, two])
  }

  const WAIT: PutManyOptions = {}
  describe.each([
    ['one item', ['raced']],
    ['several', ['other', 'raced']],
  ])('put %s of the same ids at once', (_, ids) => {
    const all = { added: ids.length, skipped: [] }
    const none = (reason: string) => ({ added: 0, skipped: ids.map((id) => ({ id, reason })) })

    test.each([
      ['into SUCCESS first', DONE, WAIT, 'exists'],
      ['into SUCCESS first, the other compares', DONE, { compare: true }, 'exists-same'],
      ['into WAITING first', WAIT, DONE, 'exists'],
      ['into WAITING first, the other compares', WAIT, { ...DONE, compare: true }, 'exists-same'],
    ])('%s: exactly one wins, and a get returns only waiting items', async (__, first, second, reason) => {
      const [, , service] = queues
      expect(await race(first, second, ids)).toEqual([all, none(reason)])
      const isDone = first === DONE
      const given = await service.get(10)
      expect(given.map(({ id }) => id)).toEqual(isDone ? [] : ids)
      expect(await service.sizes()).toEqual({
        WAITING: 0,
        PROCESSING: isDone ? 0 : ids.length,
        SUCCESS: isDone ? ids.length : 0,
        FAIL: 0,
      })
    })
  })

  test('many at once, with claims: no item in two stages, no done item claimed, and no deadlock', async () => {
    const ROUNDS = 8
    const [loader, taker, service] = queues
    const given: string[] = []
    let added = 0
    let underWay = true
    const claims = (async () => {
      // Once more after all is put.
      for (let last = false; !last;) {
        last = !underWay
        for (let items = await service.get(40); items.length > 0; items = await service.get(40))
          given.push(...items.map(({ id }) => id))
      }
    })()
    for (let round = 0; round < ROUNDS; round++) {
      const ids = numbered(`round-${round}`, 200)
      const reports = await Promise.all([
        loader.putMany(itemsOf(ids), DONE),
        taker.putMany(itemsOf(ids.toReversed()), { compare: round % 2 === 1 }),
        loader.putMany(itemsOf(ids.slice(50, 150)), { ...DONE, compare: true }),
      ])
      added += reports.reduce((sum, report) => sum + report.added, 0)
    }
    underWay = false
    await claims
    const done = await listed(service, 'SUCCESS')
    expect([...given, ...done].toSorted()).toEqual(
      Array.from({ length: ROUNDS }, (_, round) => numbered(`round-${round}`, 200))
        .flat()
        .toSorted(),
    )
    expect(added).toBe(ROUNDS * 200)
    expect(await service.sizes()).toEqual({
      WAITING: 0,
      PROCESSING: given.length,
      SUCCESS: done.length,
      FAIL: 0,
    })
    expect(refused).not.toContain('40P01')
  })
})
