import type { Queue } from '@sluice/core'
import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { openSqlQueue } from '../support/open-sql-queue.js'
import { itemStageQuery } from '../../src/items/item-reads.js'
import { withPlanning } from '../../src/postgres/connection/pool.js'
import { postgresStatements } from '../../src/postgres/statements/statements.js'
import { optionsSchema } from '../../src/sql-options.js'
import { tableNames } from '../../src/schema/tables.js'
import { genericPlan } from '../support/generic-plan.js'
import { freshPrefix } from '../support/postgres-harness.js'

const url = inject('postgresUrl')
const tablePrefix = freshPrefix()
const names = tableNames(tablePrefix)
const { claim, claimUnderLease, facts, processing, puts, ...others } = postgresStatements(names)
const lookup = `select i.seq, p.attempt, f.stage from ${facts} where i.queue_id = $1 and i.id = any ($2::text[])`
const stages = `select i.id, ${itemStageQuery(names)} where i.queue_id = $1 and i.id = any ($2::text[])`
// These have no plans.
const { lock: _, copyItems: __, copyEntries: ___, ...waitingPuts } = puts.WAITING
const { WAITING: chosen, SUCCESS: doneChosen } = puts.chosen
const texts = {
  ...others,
  ...waitingPuts,
  donePut: puts.SUCCESS.put,
  donePutOne: puts.SUCCESS.putOne,
  donePutNew: puts.SUCCESS.putNew,
  donePutOneNew: puts.SUCCESS.putOneNew,
  donePutCompared: puts.SUCCESS.putCompared,
  chosenPut: chosen.put,
  chosenPutOne: chosen.putOne,
  chosenPutNew: chosen.putNew,
  chosenPutOneNew: chosen.putOneNew,
  chosenPutCompared: chosen.putCompared,
  doneChosenPut: doneChosen.put,
  doneChosenPutOne: doneChosen.putOne,
  lookup,
  stages,
  processingPage: processing.page,
  processingSince: processing.since,
  claimTop: claim.top,
  claimAt: claim.at,
  claimAfter: claim.after,
  leasedTop: claimUnderLease.top,
  leasedAt: claimUnderLease.at,
  leasedAfter: claimUnderLease.after,
}
/** The tables that grow with what is finished or waiting. */
const large = [names.items, names.finished, names.attempts, names.waiting, names.processing]

let queue: Queue
let client: pg.Client

beforeAll(async () => {
  queue = await openSqlQueue(optionsSchema.parse({ name: 'plans', url, tablePrefix }))
  client = new pg.Client({ connectionString: withPlanning(url) })
  await client.connect()
})

afterAll(async () => {
  await client.end()
  await queue.close()
})

/** The tables that the cached plan of a statement reads from one end to the other. */
async function scannedWhole(text: string): Promise<string[]> {
  const nodes = await genericPlan(client, text)
  return nodes
    .filter((node) => node['Node Type'] === 'Seq Scan')
    .map((node) => node['Relation Name'] ?? '')
    .filter((relation) => large.some((name) => name === relation))
}

async function indexesOf(text: string): Promise<string[]> {
  return (await genericPlan(client, text)).flatMap((node) => node['Index Name'] ?? [])
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
      await client.query(`insert into ${names.items} (seq, queue_id, id, uid, attempt, refunds, priority, put_at, available_at, body)
        select n, 1, 'done-' || n, gen_random_uuid(), 0, 0, 0, 1, 1, '{}' from generate_series(1, 50000) n`)
      await client.query(`insert into ${names.finished} (seq, attempt, queue_id, stage, claimed_at, ended_at)
        select n, 1, 1, 2, 1, 1 from generate_series(1, 50000) n`)
      await client.query(`insert into ${names.attempts} (seq, attempt, outcome, claimed_at, ended_at)
        select n, 0, 0, 1, 1 from generate_series(1, 50000) n`)
      await client.query(`select setval('${names.items}_turn', 51)`)
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

    describe('and a few in PROCESSING', () => {
      const claims = `${names.processing}_claims`
      beforeAll(async () => {
        await client.query(`insert into ${names.processing} (seq, claimed_at, queue_id, attempt, uid, id)
          select seq, 1, 1, 1, uid, id from ${names.items} where seq <= 300`)
        await client.query(`analyze ${names.processing}`)
      })
      afterAll(async () => {
        await client.query(`delete from ${names.processing}`)
      })

      test('a list finds new claims by their transactions', async () => {
        expect(await indexesOf(processing.since)).toEqual([
          expect.stringContaining(`${names.processing}_pkey`),
          claims,
          claims,
          expect.stringContaining(`${names.items}_pkey`),
        ])
      })

      test.each(Object.entries(texts).filter(([name]) => name !== 'processingSince'))(
        '%s does not read rows by the transactions that claimed them',
        async (_, text) => {
          expect(await indexesOf(text)).not.toContain(claims)
        },
      )
    })

    test.each(['update', 'putCompared', 'donePutCompared'] as const)(
      '%s compares no row of a batch with all others of it',
      async (name) => {
        const each = Array.from({ length: 1_000 }, (_, index) => index)
        const ids = `'{${each.map((index) => `item-0-${index}`).join(',')}}'`
        const numbers = `'{${each.join(',')}}'`
        const lines = `'${each.map(() => '{"index":7}').join('\n')}'`
        const uids = `'{${each.map(() => randomUUID()).join(',')}}'`
        const put = [ids, uids, numbers, lines, 'null', 'null', 'null', '1000', '1']
        const batch = {
          update: [ids, 'null', lines, numbers, 'null', '1', '1000', 'null', 'null'],
          putCompared: put,
          donePutCompared: put,
        }
        await client.query(`prepare ${name} as ${texts[name]}`)
        await client.query('begin')
        const { rows } = await client.query<{ 'QUERY PLAN': string }>(
          `explain (analyze, timing off) execute ${name} (1, ${batch[name].join(', ')})`,
        )
        await client.query('rollback')
        const plan = rows.map((row) => row['QUERY PLAN']).join('\n')
        expect(plan).toMatch(/rows=1000(\.00)? loops=1/)
        const removed = [...plan.matchAll(/Rows Removed by (?:Join )?Filter: (\d+)/g)].map(([, rows = '']) =>
          Number(rows),
        )
        expect(removed.reduce((sum, one) => sum + one, 0)).toBeLessThan(5_000)
        const looped = [...plan.matchAll(/rows=([\d.]+) loops=(\d+)/g)].map(
          ([, rows, loops]) => Number(rows) * Number(loops),
        )
        expect(Math.max(...looped)).toBeLessThan(10_000)
      },
    )

    test('an item is written once: claims and settlements leave its row alone', async () => {
      const before = await changes()
      for (let round = 0; round < 5; round++) {
        const items = await queue.get(100)
        await queue.settle(items.map(({ id, attempt }) => ({ id, attempt, stage: 'SUCCESS' })))
      }
      // A server process hands its counts in when it ends.
      await queue.close()
      await expect.poll(async () => (await changes()).processing - before.processing).toBe(1_000)
      expect((await changes()).items).toBe(before.items)
    })
  })
})

/** Items that were changed or deleted, and what came to PROCESSING and left it. */
async function changes(): Promise<{ items: number; processing: number }> {
  await client.query('select pg_stat_force_next_flush()')
  const { rows } = await client.query<{ relname: string; n: string }>(
    `select relname, case relname when $1 then 0 else n_tup_ins end + n_tup_upd + n_tup_del as n from pg_stat_user_tables where relname in ($1, $2)`,
    [names.items, names.processing],
  )
  const of = (table: string): number => Number(rows.find(({ relname }) => relname === table)?.n)
  return { items: of(names.items), processing: of(names.processing) }
}
