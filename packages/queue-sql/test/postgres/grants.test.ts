import { randomUUID } from 'node:crypto'
import { isSluiceError, type Queue, type SluiceError } from '@sluice/core'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest'
import { openQueue } from '../../src/index.js'
import { neededGrants } from '../../src/postgres/grants.js'
import { SCHEMA_VERSION } from '../../src/schema/steps.js'
import { tableNames } from '../../src/schema/tables.js'
import { leased, reads, writes } from '../support/every-call.js'
import { oldVersion } from '../support/old-version.js'
import { freshPrefix } from '../support/postgres-harness.js'

const url = inject('postgresUrl')
const tablePrefix = freshPrefix()
const grants = neededGrants(tableNames(tablePrefix)).flatMap(({ kind, name, privileges }) =>
  privileges.map((privilege) => ({ privilege, on: `${kind} ${name}` })),
)
const role = `app_${tablePrefix}`
const schema = `work_${tablePrefix}`

let admin: pg.Client
const opened: Queue[] = []
const warnings: string[] = []

function urlOf(user: string): string {
  const made = new URL(url)
  if (user !== '') made.username = user
  made.searchParams.set('options', `-c search_path=${schema}`)
  return made.href
}

async function open(user: string, more: Record<string, unknown> = {}): Promise<Queue> {
  const logger = {
    debug: () => {},
    info: () => {},
    error: () => {},
    warn: (_: unknown, text: string) => void warnings.push(text),
  }
  const options = { name: randomUUID(), url: urlOf(user), tablePrefix, poolSize: 1, ...more }
  const queue = await openQueue(options, { logger })
  opened.push(queue)
  return queue
}

/** Opens a queue of its own as the role and makes every call, up to the first that is refused. */
async function refusal(): Promise<SluiceError | undefined> {
  try {
    const queue = await open(role)
    for (const [, call] of [...writes, ...reads, ...leased]) await call(queue)
    return undefined
  } catch (error) {
    if (isSluiceError(error, 'SLUICE_QUEUE_DENIED')) return error
    throw error
  }
}

beforeAll(async () => {
  admin = new pg.Client({ connectionString: url })
  await admin.connect()
  await admin.query(`create schema ${schema}`)
  await admin.query(`set search_path = ${schema}`)
  await open('')
  await admin.query(`create role ${role} login password '${new URL(url).password}'`)
  await admin.query(`grant usage on schema ${schema} to ${role}`)
  for (const { privilege, on } of grants) await admin.query(`grant ${privilege} on ${on} to ${role}`)
})
afterEach(async () => {
  await Promise.all(opened.splice(0).map((queue) => queue.close()))
})
afterAll(async () => {
  await admin.query(`drop owned by ${role}`)
  await admin.query(`drop role ${role}`)
  await admin.end()
})

describe('a role with the documented privileges and without ownership', () => {
  test('opens queues and makes every call, sweep among them', async () => {
    warnings.length = 0
    expect(await refusal()).toBeUndefined()
    expect(warnings).toContainEqual(
      expect.stringMatching(/Run once as the owner.*create index concurrently \S+finished_ended on/),
    )
    const queue = await open(role)
    await queue.put('old', 1)
    await queue.get(1)
    await queue.success('old')
    const endedAt = await queue.now()
    while ((await queue.now()) <= endedAt + 1);
    expect(await queue.sweep?.({ retentionMs: 1 })).toMatchObject({ removed: 1 })
  })

  test.each(grants)('without $privilege on $on the error names it', async ({ privilege, on }) => {
    await admin.query(`revoke ${privilege} on ${on} from ${role}`)
    try {
      const error = await refusal()
      expect(error?.message).toContain(`grant ${privilege} on ${on} to ${role}`)
      expect(error?.retryable).toBe(false)
    } finally {
      await admin.query(`grant ${privilege} on ${on} to ${role}`)
    }
  })

  test('without usage of the schema the error names it', async () => {
    await admin.query(`revoke usage on schema ${schema} from ${role}`)
    try {
      expect((await refusal())?.message).toContain(`grant usage on schema ${schema} to ${role}`)
    } finally {
      await admin.query(`grant usage on schema ${schema} to ${role}`)
    }
  })

  test('without tables, the privilege to create them is named', async () => {
    const error: unknown = await open(role, { tablePrefix: freshPrefix() }).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'SLUICE_QUEUE_DENIED' })
    expect(String(error)).toContain(`grant create on schema ${schema} to ${role}`)
  })

  test('tables of an older version are upgraded by their owner', async () => {
    await admin.query(`update ${tablePrefix}schema set version = ${SCHEMA_VERSION - 1}`)
    const error: unknown = await open(role).catch((reason: unknown) => reason)
    await admin.query(`update ${tablePrefix}schema set version = ${SCHEMA_VERSION}`)
    expect(error).toMatchObject({ code: 'SLUICE_QUEUE_DENIED' })
    expect(String(error)).toMatch(/grant create on|is not the owner of the tables/)
  })

  test('an older release that runs as such a role fails at its next lease after an upgrade', async () => {
    const prefix = freshPrefix()
    await openOlder('', prefix)
    await admin.query(`grant select, insert, update, delete on all tables in schema ${schema} to ${role}`)
    const older = await openOlder(role, prefix)
    const lease = await older.lease('dispatcher', 'me', 60_000)
    await open('', { tablePrefix: prefix })
    const refusal = { message: expect.stringContaining('a newer @sluice/queue-sql has upgraded the tables') }
    await expect(lease?.renew()).rejects.toMatchObject(refusal)
    await expect(older.lease('another', 'me', 60_000)).rejects.toMatchObject(refusal)
  })

  test('the error for a database that it may not connect to names the privilege', async () => {
    const database = `db_${tablePrefix}`
    await admin.query(`create database ${database}`)
    await admin.query(`revoke connect on database ${database} from public`)
    const there = new URL(urlOf(role))
    there.pathname = `/${database}`
    const error: unknown = await open(role, { url: there.href }).catch((reason: unknown) => reason)
    await admin.query(`drop database ${database}`)
    expect(error).toMatchObject({ code: 'SLUICE_QUEUE_DENIED' })
    expect(String(error)).toMatch(/database "db_\S+".*CONNECT/)
  })
})

async function openOlder(user: string, prefix: string): Promise<Queue> {
  const options = { name: 'work', url: urlOf(user), tablePrefix: prefix, poolSize: 1 }
  const queue = await (await oldVersion('schema-3'))(options)
  opened.push(queue)
  return queue
}
