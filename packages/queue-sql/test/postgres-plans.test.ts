import pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { openSqlQueue } from '../src/open-sql-queue.js'
import { postgresTexts } from '../src/postgres-texts.js'
import { optionsSchema } from '../src/sql-options.js'
import type { SqlQueue } from '../src/sql-queue.js'
import { tableNames } from '../src/tables.js'
import { freshPrefix } from './support/postgres-harness.js'

const url = inject('postgresUrl')
const tablePrefix = freshPrefix()
const names = tableNames(tablePrefix)
const { claim, ...others } = postgresTexts(names)
const texts = { ...others, claimTop: claim.top, claimAt: claim.at, claimAfter: claim.after }
/** The tables that grow with what is finished or waiting. */
const large = [names.items, names.bodies, names.attempts, names.waiting]

let queue: SqlQueue
let client: pg.Client

beforeAll(async () => {
  queue = await openSqlQueue(optionsSchema.parse({ name: 'plans', url, tablePrefix }))
  client = new pg.Client({ connectionString: url })
  await client.connect()
})

afterAll(async () => {
  await client.end()
  await queue.close()
})

interface PlanNode {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly Plans?: readonly PlanNode[]
}

/** The tables that the cached plan of a statement reads from one end to the other. */
async function scannedWhole(text: string): Promise<string[]> {
  const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(
    `explain (generic_plan, format json) ${text}`,
  )
  const scanned: string[] = []
  const visit = (node: PlanNode): void => {
    const relation = node['Relation Name']
    if (
      node['Node Type'] === 'Seq Scan' &&
      relation !== undefined &&
      large.some((name) => name === relation)
    ) {
      scanned.push(relation)
    }
    for (const child of node.Plans ?? []) visit(child)
  }
  for (const { 'QUERY PLAN': plans } of rows) for (const { Plan } of plans) visit(Plan)
  return scanned
}

describe('plans that a connection keeps', () => {
  test.each(Object.entries(texts))(
    'made while the tables are empty: %s reads no table whole',
    async (_, text) => {
      expect(await scannedWhole(text)).toEqual([])
    },
  )

  describe('with 50,000 finished items and 5,000 waiting', () => {
    beforeAll(async () => {
      await client.query(`insert into ${names.items} (seq, queue_id, id, uid, stage, attempt, refunds, priority, put_at, available_at, claimed_at)
        select n, 1, 'done-' || n, gen_random_uuid(), 2, 1, 0, 0, 1, 1, 1 from generate_series(1, 50000) n`)
      await client.query(`insert into ${names.attempts} (seq, attempt, queue_id, outcome, final, claimed_at, ended_at)
        select n, 1, 1, 2, 2, 1, 1 from generate_series(1, 50000) n`)
      await client.query(
        `insert into ${names.bodies} (seq, body) select n, '{}' from generate_series(1, 50000) n`,
      )
      await client.query(`select setval('${names.items}_turn', 50000)`)
      for (let batch = 0; batch < 5; batch++) {
        await queue.putMany(
          Array.from({ length: 1_000 }, (_, index) => ({ id: `item-${batch}-${index}`, body: { index } })),
        )
      }
      await client.query(`analyze ${large.join(', ')}`)
    })

    test.each(Object.entries(texts))('%s reads no table whole', async (_, text) => {
      expect(await scannedWhole(text)).toEqual([])
    })

    test('the stage of an item changes within its page, without a new entry in any index', async () => {
      const other = await openSqlQueue(optionsSchema.parse({ name: 'plans', url, tablePrefix, poolSize: 1 }))
      const before = await updates()
      for (let round = 0; round < 5; round++) {
        const items = await other.get(100)
        await other.settle(items.map(({ id, attempt }) => ({ id, attempt, stage: 'SUCCESS' })))
      }
      // A server process hands its counts in when it ends.
      await other.close()
      await expect.poll(async () => (await updates()).all - before.all, { timeout: 10_000 }).toBe(1_000)
      expect((await updates()).hot - before.hot).toBeGreaterThan(900)
    })
  })
})

async function updates(): Promise<{ all: number; hot: number }> {
  const { rows } = await client.query<{ all: string; hot: string }>(
    `select n_tup_upd as all, n_tup_hot_upd as hot from pg_stat_user_tables where relname = $1`,
    [names.items],
  )
  return { all: Number(rows[0]?.all), hot: Number(rows[0]?.hot) }
}
