import type { NewItem, Queue } from '@sluice/core'
import { encodeItem, takesEncodedItems } from '@sluice/core/backend'
import type { QueueHarness } from '@sluice/testkit'
import { testQueue } from '@sluice/testkit/vitest'
import type { Dialect } from 'kysely'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, inject, onTestFinished, test } from 'vitest'
import { optionsSchema } from '../../src/sql-options.js'
import { tableNames } from '../../src/schema/tables.js'
import { bothStores } from '../support/both-stores.js'
import { wrapStatements } from '../support/crashing-dialect.js'
import { openSqlQueue } from '../support/open-sql-queue.js'
import { freshPrefix, postgresHarness } from '../support/postgres-harness.js'
import { sqliteHarness } from '../support/sqlite-harness.js'
import { waitsMostly } from '../support/waiting-cases.js'

/** Every put of two items or more is one by `BulkPuts` where it can be. */
const EARLY = { minBulkRows: 2 }
const putsOnly = (id: string) => /^Q-(PUT|BULK|GET|ABORT|DOWN)/.test(id)
const ways = [
  ['PostgreSQL, by COPY', () => postgresHarness(inject('postgresUrl'), {}, EARLY)],
  ['SQLite, by one statement', () => sqliteHarness({}, EARLY)],
] as const

describe('puts of many rows', () => {
  for (const [name, makeHarness] of ways)
    testQueue(name, makeHarness, { only: (id) => putsOnly(id) && !waitsMostly(id) })
  describe.concurrent('that wait for items to be old', () => {
    for (const [name, makeHarness] of ways)
      testQueue(name, makeHarness, { only: (id) => putsOnly(id) && waitsMostly(id), concurrent: true })
  })
})

const MANY = 4_321
const oddIds = [
  'tab\t',
  'line\n',
  'return\r',
  'back\\slash',
  String.raw`\N`,
  String.raw`\.`,
  'quote"',
  '😀 ü',
]

function manyItems(): NewItem[] {
  const named = oddIds.map((id) => ({ id, body: { text: id, 'k\\': ['\u2028', '\u0001', null] } }))
  const numbered = Array.from({ length: MANY - named.length }, (_, index) => ({
    id: `i${(index * 7_919) % 100_003}`,
    body: index,
    priority: index % 3,
  }))
  return [...numbered, ...named]
}

describe.each(bothStores)('a putMany of thousands on %s', (_, makeHarness) => {
  let harness: QueueHarness
  let queue: Queue

  beforeEach(async () => {
    harness = await makeHarness()
    queue = await harness.open()
  })
  afterEach(() => harness.close())

  test('is claimed by priority and in its order, with the bodies as given', async () => {
    const items = manyItems()
    expect(await queue.putMany(items)).toEqual({ added: MANY, skipped: [] })
    expect(await queue.sizes()).toEqual({ WAITING: MANY, PROCESSING: 0, SUCCESS: 0, FAIL: 0 })
    const wanted = items.toSorted((a, b) => (b.priority ?? 0) - (a.priority ?? 0))
    const claimed: { id: string; body: unknown }[] = []
    while (claimed.length < MANY) claimed.push(...(await queue.get(1_000)))
    expect(claimed.map(({ id, body }) => ({ id, body }))).toEqual(
      wanted.map(({ id, body }) => ({ id, body })),
    )
  })

  test('waits until the instants of its items', async () => {
    const later = { notBeforeAt: (await queue.now()) + 3_600_000 }
    const items = manyItems().map((item, index) => (index === 0 ? item : { ...item, ...later }))
    await queue.putMany(items)
    expect((await queue.get(10)).map(({ id }) => id)).toEqual([items[0]?.id])
    expect(await queue.lookup('tab\t')).toMatchObject(later)
  })

  test('with known ids among them reports each, and adds the others', async () => {
    const items = manyItems()
    const known = [items[17], items[4_000]].flatMap((item) => item ?? [])
    const [same = { id: '', body: null }, other = { id: '', body: null }] = known
    await queue.putMany([same, { id: other.id, body: 'another' }])
    expect(await queue.putMany(items, { compare: true })).toEqual({
      added: MANY - 2,
      skipped: [
        { id: same.id, reason: 'exists-same' },
        { id: other.id, reason: 'exists-changed' },
      ],
    })
    expect(await queue.size('WAITING')).toBe(MANY)
    // All are known now.
    expect((await queue.putMany(items)).added).toBe(0)
  })

  test('takes items whose bodies are text already', async () => {
    expect(takesEncodedItems(queue)).toBe(true)
    const items = manyItems()
    const encoded = items.map((item) => encodeItem(item, 1_000))
    expect((await queue.putMany(encoded)).added).toBe(MANY)
    expect((await queue.putMany(items.slice(0, 500), { compare: true })).skipped[499]).toMatchObject({
      reason: 'exists-same',
    })
  })

  test('into SUCCESS is never claimable', async () => {
    await queue.putMany(manyItems(), { stage: 'SUCCESS' })
    expect(await queue.sizes()).toEqual({ WAITING: 0, PROCESSING: 0, SUCCESS: MANY, FAIL: 0 })
    expect(await queue.get(1)).toEqual([])
    expect(await queue.lookup('line\n')).toMatchObject({ stage: 'SUCCESS' })
  })
})

const tablePrefix = freshPrefix()

async function openPostgres(url = inject('postgresUrl')): Promise<{ queue: Queue; statements: string[] }> {
  const statements: string[] = []
  const wrap = (dialect: Dialect) =>
    wrapStatements(dialect, (query, run) => {
      statements.push(query.sql)
      return run(query)
    })
  const queue = await openSqlQueue(optionsSchema.parse({ name: 'bulk', url, tablePrefix }), { wrap })
  onTestFinished(() => queue.close())
  return { queue, statements }
}

const copies = (statements: readonly string[]) => statements.filter((text) => text.includes('copy')).length

test('PostgreSQL: items and their places are copied in one transaction, which reads the clock under its lock', async () => {
  const { queue, statements } = await openPostgres()
  statements.length = 0
  await queue.putMany(manyItems())
  expect(statements.map((text) => /^(\/\*.*\*\/ )?\w+/.exec(text)?.[0])).toEqual([
    'begin',
    'lock',
    'select',
    '/* copy in */ copy',
    '/* copy in */ copy',
    'with',
    'commit',
  ])
  expect(statements[2]).toContain('clock_timestamp()')
})

test('PostgreSQL: where a policy of row-level security refuses COPY, items are put by statements', async () => {
  await openPostgres()
  const url = new URL(inject('postgresUrl'))
  const admin = new pg.Client({ connectionString: url.href })
  await admin.connect()
  const role = freshPrefix()
  const { items } = tableNames(tablePrefix)
  await admin.query(`create role ${role} login password 'x'; grant usage on schema public to ${role};
    grant all on all tables in schema public to ${role}; grant all on all sequences in schema public to ${role};
    alter table ${items} enable row level security; create policy open on ${items} for all using (true) with check (true)`)
  onTestFinished(async () => {
    await admin.query(`drop policy open on ${items}; alter table ${items} disable row level security;
      drop owned by ${role}; drop role ${role}`)
    await admin.end()
  })
  url.username = role
  url.password = 'x'
  const { queue, statements } = await openPostgres(url.href)
  const put = (name: string) =>
    queue.putMany(Array.from({ length: 4_000 }, (_, n) => ({ id: `${name}${n}`, body: n })))
  expect((await put('rls-a')).added).toBe(4_000)
  expect((await put('rls-b')).added).toBe(4_000)
  // It is tried once.
  expect(copies(statements)).toBe(1)
})
