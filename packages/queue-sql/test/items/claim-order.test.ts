import type { Queue } from '@sluice/core'
import type { CompiledQuery } from 'kysely'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, inject, test } from 'vitest'
import { inOrder } from '../../src/items/claims.js'
import type { ClaimedRow } from '../../src/items/moves.js'
import { openSqlQueue } from '../support/open-sql-queue.js'
import { optionsSchema } from '../../src/sql-options.js'
import { wrapStatements } from '../support/crashing-dialect.js'
import { freshPrefix } from '../support/postgres-harness.js'
import { fastDirectory } from '../support/sqlite-harness.js'

const row = (id: string, priority: number | null, available_at: number | null, seq: number): ClaimedRow => ({
  id,
  uid: id,
  attempt: 1,
  refunds: null,
  priority,
  put_at: 50,
  claimed_at: 99,
  retry_state: null,
  resources: null,
  limit_key: null,
  body: '1',
  available_at,
  seq,
})
const isLook = ({ sql }: CompiledQuery) => sql.includes('level(rank, depth)')

test('items claimed by several statements are sorted as one claim', () => {
  const rows = [
    row('second put', null, null, 2),
    row('first put', null, null, 1),
    row('released', null, 60, 0),
    row('low', -1, 40, 3),
    row('urgent', 9, 70, 4),
    row('delayed put', null, 40, 5),
  ]
  expect(inOrder(rows).map(({ id }) => id)).toEqual([
    'urgent',
    'delayed put',
    'first put',
    'second put',
    'released',
    'low',
  ])
})

const directory = fastDirectory()
afterAll(() => rmSync(directory, { recursive: true, force: true }))

describe.each([
  ['SQLite', () => `sqlite:${join(directory, 'queue.db')}`],
  ['PostgreSQL', () => inject('postgresUrl')],
])('a get of several statements on %s', (_, urlOf) => {
  const opened: Queue[] = []
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((queue) => queue.close()))
  })

  test('returns its items in order, even if a higher priority is put in between', async () => {
    const options = optionsSchema.parse({ name: 'order', url: urlOf(), tablePrefix: freshPrefix() })
    let meanwhile: (() => Promise<void>) | undefined
    const queue = await openSqlQueue(options, {
      wrap: (dialect) =>
        wrapStatements(dialect, async (query, execute) => {
          const run = isLook(query) ? meanwhile : undefined
          meanwhile = run === undefined ? meanwhile : undefined
          await run?.()
          return execute(query)
        }),
    })
    const other = await openSqlQueue(options)
    opened.push(queue, other)
    await queue.putMany([
      { id: 'low', body: 1, priority: -1 },
      { id: 'five', body: 1, priority: 5 },
      { id: 'zero', body: 1 },
    ])
    meanwhile = () => other.put('urgent', 1, { priority: 9 })
    const items = await queue.get(10)
    expect(items.map(({ id }) => id)).toEqual(['urgent', 'five', 'zero', 'low'])
  })
})
