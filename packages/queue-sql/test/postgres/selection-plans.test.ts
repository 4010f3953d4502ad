import type { Queue } from '@sluice/core'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { PLANNED_EACH_TIME, withPlanning } from '../../src/postgres/connection/pool.js'
import { postgresStatements } from '../../src/postgres/statements/statements.js'
import { tableNames } from '../../src/schema/tables.js'
import { optionsSchema } from '../../src/sql-options.js'
import { openSqlQueue } from '../support/open-sql-queue.js'
import { freshPrefix } from '../support/postgres-harness.js'

const url = inject('postgresUrl')
const tablePrefix = freshPrefix()
const names = tableNames(tablePrefix)
const { ahead, aheadOfKey, claimNamed } = postgresStatements(names)
const WAITING = 30_000

let queue: Queue
let client: pg.Client

/**
 * One priority with delayed items alone, above one with many that are due, of which few have the key `rare`.
 */
beforeAll(async () => {
  queue = await openSqlQueue(optionsSchema.parse({ name: 'plans', url, tablePrefix }))
  client = new pg.Client({ connectionString: withPlanning(url) })
  await client.connect()
  await client.query(`insert into ${names.items}
      (seq, queue_id, id, uid, attempt, refunds, priority, put_at, available_at, body, limit_key)
    select n, 1, 'i' || n, gen_random_uuid(), 0, 0, case when n % 3 = 0 then 1 else 0 end, 1,
      case when n % 3 = 0 then 9000000000000 else 1 end, '{}', case when n > ${WAITING - 30} then 'rare' else 'k' || n % 50 end
    from generate_series(1, ${WAITING}) n`)
  await client.query(`insert into ${names.waiting} (queue_id, rank, available_at, seq, limit_key)
    select queue_id, -priority, available_at, seq, limit_key from ${names.items}`)
  await client.query(`analyze ${names.items}, ${names.waiting}`)
})

afterAll(async () => {
  await client.end()
  await queue.close()
})

/** The rows that the nodes of a plan read or leave out, of the large tables. */
async function rowsRead(text: string, parameters: readonly unknown[]): Promise<number> {
  await client.query('begin')
  const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: Node }] }>(
    `explain (analyze, timing off, format json) ${text}`,
    [...parameters],
  )
  await client.query('rollback')
  return rows
    .flatMap(({ 'QUERY PLAN': plans }) => plans.map(({ Plan }) => readBy(Plan)))
    .reduce((a, b) => a + b, 0)
}

interface Node {
  readonly 'Relation Name'?: string
  readonly 'Actual Rows': number
  readonly 'Actual Loops': number
  readonly 'Rows Removed by Filter'?: number
  readonly 'Rows Removed by Index Recheck'?: number
  readonly Plans?: readonly Node[]
}

function readBy(node: Node): number {
  const { 'Rows Removed by Filter': filtered = 0, 'Rows Removed by Index Recheck': rechecked = 0 } = node
  const isLarge = [names.items, names.waiting].some((name) => name === node['Relation Name'])
  const own = isLarge ? (node['Actual Rows'] + filtered + rechecked) * node['Actual Loops'] : 0
  return (node.Plans ?? []).reduce((sum, each) => sum + readBy(each), own)
}

const NOWHERE = [2_147_483_648, 0, 0, null]

describe(`with ${WAITING} waiting items, a third of them delayed`, () => {
  test.each([
    ['from the first on', [null, 0, 0]],
    ['behind a place', [0, 1, WAITING / 2]],
  ])('a look ahead reads what it returns, %s', async (_, after) => {
    expect(await rowsRead(ahead, [1, 11, ...after, ...NOWHERE])).toBeLessThan(40)
  })

  test.each(['rare', 'k7', 'none'])('so does one at the items of a key: %s', async (key) => {
    const text = PLANNED_EACH_TIME + aheadOfKey
    expect(await rowsRead(text, [1, 11, null, 0, 0, ...NOWHERE, key])).toBeLessThan(40)
  })

  test('a claim by name reads the items that it names', async () => {
    const { rows } = await client.query<{ id: string; uid: string }>(
      `select id, uid::text from ${names.items} where seq > ${WAITING - 12}`,
    )
    const parameters = [1, rows.map(({ id }) => id), rows.map(({ uid }) => uid), 1]
    expect(await rowsRead(PLANNED_EACH_TIME + claimNamed, parameters)).toBeLessThan(80)
  })

  test('pages give each due item once and in order, and a claim by name takes from their midst', async () => {
    const seen: string[] = []
    let after: string | undefined
    do {
      const page = await queue.peekSummaries?.(2_500, after === undefined ? {} : { after })
      seen.push(...(page?.items ?? []).map(({ id }) => id))
      after = page?.cursor
    } while (after !== undefined)
    const due = Array.from({ length: WAITING }, (_, index) => index + 1).filter((n) => n % 3 > 0)
    expect(seen).toEqual(due.map((n) => `i${n}`))
  })
})
