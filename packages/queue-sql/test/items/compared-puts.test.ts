import type { JsonValue, NewItem, Queue } from '@sluice/core'
import type { QueueHarness } from '@sluice/testkit'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { comparedReason } from '../../src/items/item-rows.js'
import { openSqlQueue } from '../support/open-sql-queue.js'
import { optionsSchema } from '../../src/sql-options.js'
import { tableNames } from '../../src/schema/tables.js'
import { bothStores } from '../support/both-stores.js'
import { wrapStatements } from '../support/crashing-dialect.js'
import { freshPrefix } from '../support/postgres-harness.js'

/** What is reported of each kind. */
const REASONS: Readonly<Record<string, string>> = {
  'exists-same': 'exists-same',
  reordered: 'exists-same',
  'exists-changed': 'exists-changed',
  longer: 'exists-changed',
}

const large = (text: string): NewItem[] => [{ id: 'large', body: text.repeat(500_000) }]

test('only texts of one length are compared as values', () => {
  const given = '{"a":1,"b":"\\u0000"}'
  expect(comparedReason({ same: true, body: null }, given)).toBe('exists-same')
  expect(comparedReason({ same: 1, body: null }, given)).toBe('exists-same')
  expect(comparedReason({ same: 0, body: null }, given)).toBe('exists-changed')
  expect(comparedReason({ same: false, body: '{"b":"\\u0000","a":1}' }, given)).toBe('exists-same')
  expect(comparedReason({ same: false, body: '{"b":"\\u0001","a":1}' }, given)).toBe('exists-changed')
})

describe.each(bothStores)('putMany that compares: %s', (_, makeHarness) => {
  let harness: QueueHarness
  let queue: Queue

  beforeEach(async () => {
    harness = await makeHarness()
    queue = await harness.open()
  })
  afterEach(() => harness.close())

  test('of more than fit into a statement, new, the same, changed and repeated ones mixed', async () => {
    const kinds = ['new', 'exists-same', 'reordered', 'exists-changed', 'longer'] as const
    const all = Array.from({ length: 2_500 }, (__, index) => {
      const kind = kinds[index % 5] ?? 'new'
      const id = `${kind}-${index}`
      const stored: JsonValue = { n: index, text: 'é' }
      const others: Record<string, JsonValue> = {
        reordered: { text: 'é', n: index },
        'exists-changed': { n: index, text: 'è' },
        longer: { n: index, text: 'é', more: null },
      }
      return { id, kind, stored, given: others[kind] ?? stored }
    })
    await queue.putMany(
      all.filter(({ kind }) => kind !== 'new').map(({ id, stored }) => ({ id, body: stored })),
    )
    const items: NewItem[] = all.map(({ id, given }) => ({ id, body: given }))
    const again = items.slice(0, 10)
    const skipped = [
      ...all.filter(({ kind }) => kind !== 'new').map(({ id, kind }) => ({ id, reason: REASONS[kind] })),
      ...again.map(({ id }) => ({ id, reason: 'repeated' })),
    ]
    expect(await queue.putMany([...items, ...again], { compare: true })).toEqual({ added: 500, skipped })
    const report = await queue.putMany(items, { compare: true })
    expect(report.skipped).toHaveLength(2_500)
    expect(report.skipped.filter(({ reason }) => reason === 'exists-same')).toHaveLength(1_500)
    expect(await queue.sizes()).toMatchObject({ WAITING: 2_500 })
  })
})

describe('on PostgreSQL', () => {
  const url = inject('postgresUrl')
  let tablePrefix: string
  let queue: Queue
  let other: pg.Client
  /** Of each statement that was answered, how many characters. */
  let answers: number[]

  beforeEach(async () => {
    tablePrefix = freshPrefix()
    answers = []
    const settings = optionsSchema.parse({ name: 'compared', url, tablePrefix, poolSize: 3 })
    queue = await openSqlQueue(settings, {
      wrap: (dialect) =>
        wrapStatements(dialect, async (query, execute) => {
          const result = await execute(query)
          answers.push(JSON.stringify(result.rows).length)
          return result
        }),
    })
    other = new pg.Client({ connectionString: url })
    await other.connect()
    // From now on puts don't rely on their ids being new.
    await queue.put('known', 1)
    await queue.put('known', 1).catch(() => undefined)
  })
  afterEach(async () => {
    await Promise.all([queue.close(), other.end()])
  })

  async function waiting(): Promise<number> {
    const { rowCount } = await other.query(
      `select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%${tablePrefix}%'`,
    )
    return rowCount ?? 0
  }

  /** As a put of another process does, that has not committed yet. */
  async function beginPut(body: string): Promise<void> {
    const { items } = tableNames(tablePrefix)
    await other.query('begin')
    await other.query(
      `insert into ${items} (seq, queue_id, id, uid, attempt, refunds, priority, put_at, available_at, body)
        select nextval('${items}_turn') * 1000, queue_id, 'raced', gen_random_uuid(), 0, 0, 0, put_at, put_at, $1
        from ${items} where id = 'known'`,
      [body],
    )
  }

  test.each([
    ['commit', '{"a":1}', { added: 1, skipped: [{ id: 'raced', reason: 'exists-same' }] }],
    ['commit', '{"a":2}', { added: 1, skipped: [{ id: 'raced', reason: 'exists-changed' }] }],
    ['rollback', '{"a":1}', { added: 2, skipped: [] }],
  ])(
    'an item whose put ends meanwhile, by %s of %s, is reported as it then is',
    async (end, body, report) => {
      await beginPut(body)
      const put = queue.putMany(
        [
          { id: 'raced', body: { a: 1 } },
          { id: 'mine', body: 1 },
        ],
        { compare: true },
      )
      await expect.poll(waiting).toBe(1)
      await other.query(end)
      expect(await put).toEqual(report)
      expect((await queue.sizes()).WAITING).toBe(1 + report.added)
    },
  )

  test('no body is returned if its text or length decides', async () => {
    await queue.putMany(large('a'), { compare: true })
    answers.length = 0
    const reasons = await Promise.all(
      ['a', 'aa', 'ä'].map(async (text) => queue.putMany(large(text), { compare: true })),
    )
    expect(reasons.map(({ skipped }) => skipped[0]?.reason)).toEqual([
      'exists-same',
      'exists-changed',
      'exists-changed',
    ])
    expect(Math.max(...answers)).toBeLessThan(1_000)
    const [{ reason } = { reason: '' }] = (await queue.putMany(large('b'), { compare: true })).skipped
    expect(reason).toBe('exists-changed')
  })
})
