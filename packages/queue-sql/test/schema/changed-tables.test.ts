import type { Queue } from '@sluice/core'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { openQueue } from '../../src/index.js'
import { tableNames, type TableNames } from '../../src/schema/tables.js'
import { failedCalls, reads } from '../support/every-call.js'
import { freshPrefix } from '../support/postgres-harness.js'

/** Every call, and then what brings the queue back to where it was. */
async function everyCall(queue: Queue): Promise<string[]> {
  const failed = await failedCalls(queue)
  await queue.settle(['f', 'g', 'leased'].map((id) => ({ id, attempt: 1, stage: 'FAIL' })))
  const finished = await Promise.all([
    queue.listSummaries('FAIL', { limit: 100 }),
    queue.listSummaries('SUCCESS', { limit: 100 }),
  ])
  await queue.remove(finished.flatMap(({ items }) => items.map(({ id }) => id)))
  return failed
}

describe('tables that are altered while a queue is open', () => {
  const url = inject('postgresUrl')
  let names: TableNames
  let queue: Queue
  let admin: pg.Client

  beforeEach(async () => {
    const tablePrefix = freshPrefix()
    names = tableNames(tablePrefix)
    queue = await openQueue({ name: 'tiles', url, tablePrefix, poolSize: 3 })
    admin = new pg.Client({ connectionString: url })
    await admin.connect()
    // All connections of the pool have their statements prepared.
    await Promise.all([everyCall(queue), ...Array.from({ length: 30 }, () => queue.lookup('f'))])
  })
  afterEach(async () => {
    await admin.end()
    await queue.close()
  })

  test('an added column affects no call', async () => {
    for (const table of Object.values(names)) await admin.query(`alter table ${table} add column more text`)
    expect(await everyCall(queue)).toEqual([])
  })

  test.each([
    ['items', 'body', 'varchar'],
    ['items', 'uid', 'varchar'],
    ['items', 'retry_state', 'varchar'],
    ['items', 'available_at', 'numeric'],
    ['finished', 'reason', 'varchar'],
    ['finished', 'exit_code', 'numeric'],
    ['attempts', 'details', 'varchar'],
    ['processing', 'attempt', 'bigint'],
    ['documents', 'value', 'varchar'],
    ['queues', 'pause_reason', 'varchar'],
    ['limits', 'value', 'real'],
    ['leases', 'fence', 'numeric'],
  ] as const)(
    'a statement whose answer has another type is prepared again: %s.%s becomes %s',
    async (table, column, type) => {
      await admin.query(`alter table ${names[table]} alter column ${column} type ${type}`)
      await Promise.all(Array.from({ length: 10 }, () => queue.lookup('f')))
      expect(
        (await failedCalls(queue, reads)).filter((failed) => !failed.startsWith('lookupStatus')),
      ).toEqual([])
    },
  )

  test('so are those of a write, which is executed once', async () => {
    await admin.query(`alter table ${names.leases} alter column fence type numeric`)
    const lease = await queue.lease('one', 'you', 60_000)
    expect(lease).toBeUndefined()
    await admin.query(`alter table ${names.documents} alter column version type numeric`)
    await queue.document('doc').write(1, { ifVersion: undefined })
    expect(await queue.document('doc').read()).toMatchObject({ value: 1 })
  })
})
