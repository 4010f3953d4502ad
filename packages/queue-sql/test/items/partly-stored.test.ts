import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Queue } from '@sluice/core'
import pg from 'pg'
import { afterEach, describe, expect, inject, test } from 'vitest'
import { openQueue } from '../../src/index.js'
import { freshPrefix, startRelay } from '../support/postgres-harness.js'
import { freshDirectory } from '../support/sqlite-harness.js'

const ending: (() => unknown)[] = []

afterEach(async () => {
  for (const end of ending.splice(0).toReversed()) await end()
})

interface Refusing {
  readonly queue: Queue
  readonly refuse: (id: string) => Promise<void>
}

async function sqlite(): Promise<Refusing> {
  const directory = freshDirectory()
  const path = join(directory, 'queue.db')
  const queue = await openQueue({ name: 'partly', url: `sqlite:${path}` })
  ending.push(
    () => rmSync(directory, { recursive: true }),
    () => queue.close(),
  )
  return {
    queue,
    refuse: async (id) => {
      const database = new DatabaseSync(path)
      database.exec(`create trigger refusing before insert on sluice_items when new.id = '${id}'
        begin select raise(abort, 'refused'); end`)
      database.close()
    },
  }
}

async function postgres(): Promise<Refusing> {
  const url = inject('postgresUrl')
  const tablePrefix = freshPrefix()
  const queue = await openQueue({ name: 'partly', url, tablePrefix })
  ending.push(() => queue.close())
  return {
    queue,
    refuse: async (id) => {
      const client = new pg.Client({ connectionString: url })
      await client.connect()
      await client.query(`create function ${tablePrefix}refuse() returns trigger language plpgsql as
        $$ begin if new.id = '${id}' then raise 'refused'; end if; return new; end $$`)
      await client.query(`create trigger refusing before insert on ${tablePrefix}items
        for each row execute function ${tablePrefix}refuse()`)
      await client.end()
    },
  }
}

const items = Array.from({ length: 2_500 }, (_, index) => ({ id: `i${index}`, body: index }))

describe.each([
  ['SQLite', sqlite],
  ['PostgreSQL', postgres],
] as const)('a putMany of three transactions on %s [Q-PUT-3]', (_, open) => {
  test.each([
    ['first', 0, 0],
    ['second', 1_500, 1_000],
    ['third', 2_499, 2_000],
  ])('that fails in the %s reports what is stored', async (_, index, stored) => {
    const { queue, refuse } = await open()
    await queue.putMany(items.slice(0, 10).filter((_, known) => known < stored))
    await refuse(`i${index}`)
    const skipped = Math.min(10, stored)
    await expect(queue.putMany(items)).rejects.toMatchObject({
      code: 'SLUICE_QUEUE_UNAVAILABLE',
      stored: { added: stored - skipped, skipped, unknown: 0 },
    })
    expect(await queue.size('WAITING')).toBe(stored)
  })
})

test('PostgreSQL does not answer: the outcome of the batch under way is unknown', async () => {
  const relay = await startRelay(inject('postgresUrl'))
  ending.push(() => relay.cut())
  const queue = await openQueue({
    name: 'partly',
    url: relay.url,
    tablePrefix: freshPrefix(),
    timeoutMs: 1_000,
  })
  ending.push(() => queue.close())
  await queue.putMany(items.slice(0, 5))
  relay.hold()
  await expect(queue.putMany(items)).rejects.toMatchObject({
    code: 'SLUICE_QUEUE_UNAVAILABLE',
    stored: { added: 0, skipped: 0, unknown: 1_000 },
  })
})
