import type { Queue } from '@sluice/core'
import type { CompiledQuery, Dialect } from 'kysely'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { withPlanning } from '../../src/postgres/connection/pool.js'
import { ProcessingView } from '../../src/postgres/processing-view.js'
import { postgresStatements } from '../../src/postgres/statements/statements.js'
import { optionsSchema } from '../../src/sql-options.js'
import { tableNames } from '../../src/schema/tables.js'
import { wrapStatements } from '../support/crashing-dialect.js'
import { openSqlQueue } from '../support/open-sql-queue.js'
import { freshPrefix } from '../support/postgres-harness.js'

const url = inject('postgresUrl')

describe('PROCESSING, listed repeatedly', () => {
  let tablePrefix: string
  let queue: Queue
  let sent: CompiledQuery[]
  let other: pg.Client

  beforeEach(async () => {
    tablePrefix = freshPrefix()
    sent = []
    const record = (dialect: Dialect): Dialect =>
      wrapStatements(dialect, (query, execute) => {
        sent.push(query)
        return execute(query)
      })
    queue = await openSqlQueue(optionsSchema.parse({ name: 'view', url, tablePrefix }), { wrap: record })
    other = new pg.Client({ connectionString: withPlanning(url) })
    await other.connect()
  })
  afterEach(async () => {
    await other.end()
    await queue.close()
  })

  async function putMany(count: number, from = 0): Promise<void> {
    await queue.putMany(
      Array.from({ length: count }, (_, index) => ({ id: idOf(from + index), body: index })),
    )
  }

  async function listed(limit = 100): Promise<string[]> {
    const ids: string[] = []
    let cursor: string | undefined
    do {
      const page: Awaited<ReturnType<Queue['listSummaries']>> = await queue.listSummaries('PROCESSING', {
        limit,
        ...(cursor === undefined ? {} : { cursor }),
      })
      ids.push(...page.items.map(({ id, attempt }) => `${id}@${attempt}`))
      cursor = page.cursor
    } while (cursor !== undefined)
    return ids
  }

  test('shows what was claimed and what has left since, with any size of page', async () => {
    await putMany(40)
    expect(await listed()).toEqual([])
    const claimed = await queue.get(20)
    expect(await listed()).toEqual(claimed.map(({ id }) => `${id}@1`).toSorted())
    await queue.success(idOf(3))
    await queue.release(idOf(4), { delayMs: 0 })
    await queue.get(21)
    const expected = Array.from({ length: 40 }, (_, index) => index)
      .filter((index) => index !== 3)
      .map((index) => `${idOf(index)}@${index === 4 ? 2 : 1}`)
    for (const limit of [1, 7, 39, 100]) expect(await listed(limit)).toEqual(expected)
  })

  test('shows claims whose transactions end late, whatever began in between', async () => {
    await putMany(6)
    await queue.get(1)
    expect(await listed()).toEqual([`${idOf(0)}@1`])
    await other.query('begin')
    await other.query(claimText(tablePrefix, idOf(5)))
    await queue.get(1)
    expect(await listed()).toEqual([`${idOf(0)}@1`, `${idOf(1)}@1`])
    await queue.get(1)
    expect(await listed()).toEqual([`${idOf(0)}@1`, `${idOf(1)}@1`, `${idOf(2)}@1`])
    await other.query('commit')
    expect(await listed()).toContain(`${idOf(5)}@1`)
    expect(await listed()).toHaveLength(4)
  })

  test('concurrent lists miss nothing, then or later', async () => {
    await putMany(200)
    await listed()
    for (let round = 0; round < 10; round++) {
      const [claimed] = await Promise.all([queue.get(20), listed(5), listed(50), listed()])
      await queue.settle(claimed.slice(0, 10).map(({ id, attempt }) => ({ id, attempt, stage: 'SUCCESS' })))
      expect(await Promise.all([listed(), listed(30)])).toEqual([
        expect.objectContaining({ length: (round + 1) * 10 }),
        expect.objectContaining({ length: (round + 1) * 10 }),
      ])
    }
  })

  test('beside a transaction that stays open it does not walk over what was claimed before', async () => {
    await putMany(5)
    await queue.get(5)
    await other.query('begin isolation level repeatable read')
    await other.query(`select count(*) from ${tableNames(tablePrefix).processing}`)
    await listed()
    for (let batch = 1; batch <= 10; batch++) {
      await putMany(1_000, batch * 1_000)
      await queue.settle(
        (await queue.get(1_000)).map(({ id, attempt }) => ({ id, attempt, stage: 'SUCCESS' })),
      )
    }
    const scan = await buffersOf(() => queue.listSummaries('PROCESSING', { limit: 100 }), true)
    await listed()
    const known = await buffersOf(() => queue.listSummaries('PROCESSING', { limit: 100 }))
    expect(known).toBeLessThan(80)
    expect(scan).toBeGreaterThan(2 * known)
  })

  /** Buffers that a list reads; `whole`: of the statement that scans the table. */
  async function buffersOf(list: () => Promise<unknown>, whole = false): Promise<number> {
    sent = []
    await list()
    const [query] = sent
    const { processing } = postgresStatements(tableNames(tablePrefix))
    const text = whole ? processing.page : (query?.sql ?? '')
    const parameters = whole ? [query?.parameters[0], '', 101] : [...(query?.parameters ?? [])]
    expect(whole || text === processing.since).toBe(true)
    const reader = new pg.Client({ connectionString: withPlanning(url) })
    await reader.connect()
    try {
      const { rows } = await reader.query<{ 'QUERY PLAN': [{ Plan: Record<string, number> }] }>(
        `explain (analyze, buffers, format json) ${text}`,
        parameters,
      )
      const plan = rows[0]?.['QUERY PLAN'][0].Plan ?? {}
      return (plan['Shared Hit Blocks'] ?? 0) + (plan['Shared Read Blocks'] ?? 0)
    } finally {
      await reader.end()
    }
  }
})

describe('a view', () => {
  interface Answer {
    readonly seen: string
    readonly server?: string
    readonly ids: readonly string[]
  }

  /** A database that gives these answers in turn, and the statements that it got. */
  function viewOf(...answers: readonly (Answer | Error)[]) {
    const asked: [text: string, ...parameters: unknown[]][] = []
    const left = [...answers]
    const executeQuery = async ({ sql, parameters }: CompiledQuery): Promise<never> => {
      asked.push([sql, ...parameters.slice(1)])
      const answer = left.shift()
      if (answer === undefined || answer instanceof Error) throw answer ?? new Error('no answer left')
      const { seen, server = 'one', ids } = answer
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a result of the type that was asked for
      return { rows: [{ id: null, seen, server }, ...ids.map((id) => ({ id }))] } as never
    }
    const view = new ProcessingView({ executeQuery }, { queueId: 1, texts: { page: 'page', since: 'since' } })
    return { view, asked }
  }

  test('asks for transactions that its last snapshot did not see', async () => {
    const { view, asked } = viewOf(
      { seen: '5:9:5,7', ids: ['a'] },
      { seen: '7:12:7', ids: ['a', 'b'] },
      { seen: '20:20:', ids: ['b'] },
      { seen: '21:21:', ids: ['b'] },
    )
    for (let turn = 0; turn < 4; turn++) await view.page(10, '')
    expect(asked).toEqual([
      ['page', '', 11],
      ['since', '{"a"}', '9', '{5,7}'],
      ['since', '{"a","b"}', '12', '{7}'],
      ['since', '{"b"}', '20', null],
    ])
  })

  test('keeps the snapshot of the first page of its scan', async () => {
    const { view, asked } = viewOf(
      { seen: '5:9:5', ids: ['a', 'b', 'c'] },
      { seen: '30:30:', ids: ['c'] },
      { seen: '40:40:', ids: [] },
    )
    expect(await view.page(2, '')).toMatchObject({ next: 'b' })
    expect(await view.page(2, 'b')).not.toHaveProperty('next')
    await view.page(10, '')
    expect(asked.at(-1)).toEqual(['since', '{"a","b","c"}', '9', '{5}'])
  })

  test('knows nothing before a scan has come to its end', async () => {
    const { view, asked } = viewOf(
      { seen: '5:9:5', ids: ['a', 'b', 'c'] },
      { seen: '30:30:', ids: ['c'] },
      { seen: '40:40:', ids: ['c'] },
    )
    await view.page(2, '')
    await view.page(2, 'bb')
    await view.page(10, '')
    expect(asked.map(([text]) => text)).toEqual(['page', 'page', 'page'])
  })

  test.each([
    ['another server answers', { seen: '50:50:', server: 'two', ids: [] }],
    ['the transactions are numbered from a lower number', { seen: '4:4:', ids: [] }],
  ])('scans again in the same call if %s', async (_, answer) => {
    const { view, asked } = viewOf({ seen: '9:9:', ids: ['a'] }, answer, { ...answer, ids: ['z'] })
    await view.page(10, '')
    expect(await view.page(10, '')).toEqual({ rows: [{ id: 'z' }] })
    expect(asked.map(([text]) => text)).toEqual(['page', 'since', 'page'])
  })

  test('scans again after an error', async () => {
    const { view, asked } = viewOf({ seen: '9:9:', ids: ['a'] }, new Error('gone'), {
      seen: '9:9:',
      ids: ['z'],
    })
    await view.page(10, '')
    await expect(view.page(10, '')).rejects.toThrow('gone')
    expect(await view.page(10, '')).toEqual({ rows: [{ id: 'z' }] })
    expect(asked.map(([text]) => text)).toEqual(['page', 'since', 'page'])
  })
})

function idOf(index: number): string {
  return `i${String(index).padStart(6, '0')}`
}

/** As a process claims an item that is slow to commit. */
function claimText(tablePrefix: string, id: string): string {
  const { waiting, items, processing } = tableNames(tablePrefix)
  return `with gone as (
      delete from ${waiting} where seq in (select seq from ${items} where id = '${id}') returning seq
    )
    insert into ${processing} (queue_id, seq, claimed_at, attempt, uid, id)
    select queue_id, seq, 1, 1, uid, id from ${items} where seq in (select seq from gone)`
}
