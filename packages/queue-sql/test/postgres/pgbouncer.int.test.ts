import type { Queue, QueueUse } from '@sluice/core'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { sqlPackage } from '../support/sql-package.js'
import { FOR_TESTS, startOwnPostgres, type OwnPostgresServer } from '../postgres-server.js'
import { failedCalls } from '../support/every-call.js'
import { pgbouncerProgram, pgbouncerVersion, startPgBouncer, type PgBouncer } from '../support/pgbouncer.js'
import { freshPrefix } from '../support/postgres-harness.js'

const { openQueue } = sqlPackage

/** What a queue sets when it connects. */
const IGNORED =
  'options,extra_float_digits,statement_timeout,lock_timeout,idle_in_transaction_session_timeout'
/** A commit that does not wait for the log is lost with the server. */
const LAZY_WRITER = [
  'wal_writer_delay=10s',
  'wal_writer_flush_after=1GB',
  'wal_buffers=16MB',
  'autovacuum=off',
]

describe.skipIf(pgbouncerProgram === '')('behind PgBouncer in transaction mode', () => {
  const [major, minor] = pgbouncerProgram === '' ? [0, 0] : pgbouncerVersion()
  const hasStatements = major > 1 || minor >= 21
  let server: OwnPostgresServer
  let lazyUrl: string
  const ends: (() => Promise<unknown>)[] = []

  beforeAll(async () => {
    server = await startOwnPostgres([...FOR_TESTS, ...LAZY_WRITER])
    const admin = new pg.Client({ connectionString: server.url })
    await admin.connect()
    await admin.query(`create role lazy login password '${new URL(server.url).password}'`)
    await admin.query('alter role lazy set synchronous_commit = off')
    await admin.query('grant all on schema public to lazy')
    await admin.end()
    const url = new URL(server.url)
    url.username = 'lazy'
    lazyUrl = url.href
  })
  afterEach(async () => {
    for (const end of ends.splice(0).toReversed()) await end()
  })
  afterAll(async () => {
    await server.stop()
  })

  async function bouncer(
    settings: Readonly<Record<string, string | number>> = {},
    url = server.url,
  ): Promise<PgBouncer> {
    const started = await startPgBouncer(url, settings)
    ends.push(() => started.stop())
    return started
  }

  async function open(options: Record<string, unknown>, use: QueueUse = {}): Promise<Queue> {
    const settings = { name: 'tiles', tablePrefix: freshPrefix(), poolSize: 2, timeoutMs: 5_000 }
    const queue = await openQueue({ ...settings, ...options }, use)
    ends.push(() => queue.close())
    return queue
  }

  /** What a call, or the opening before it, rejects with. */
  async function refusal(
    options: Record<string, unknown>,
    call: (queue: Queue) => Promise<unknown> = () => Promise.resolve(),
  ): Promise<unknown> {
    try {
      await call(await open(options))
      return undefined
    } catch (error) {
      return error
    }
  }

  test('every call works without prepared statements', async () => {
    const { url } = await bouncer()
    expect(await failedCalls(await open({ url, preparedStatements: false }))).toEqual([])
  })

  test.skipIf(!hasStatements)(
    'every call works with prepared statements where PgBouncer keeps them',
    async () => {
      const { url } = await bouncer({ ignore_startup_parameters: IGNORED, max_prepared_statements: 100 })
      expect(await failedCalls(await open({ url, poolSize: 4 }))).toEqual([])
    },
  )

  test('the reads of a short command share a connection', async () => {
    const { url } = await bouncer({ default_pool_size: 2 })
    const plain = await open({ url, preparedStatements: false }, { brief: true })
    await atOnce(plain)
    expect(await failedCalls(plain)).toEqual([])
  })

  test.skipIf(!hasStatements)('the same with prepared statements', async () => {
    const { url } = await bouncer({
      ignore_startup_parameters: IGNORED,
      max_prepared_statements: 100,
      default_pool_size: 2,
    })
    const queue = await open({ url }, { brief: true })
    await atOnce(queue)
    expect(await failedCalls(queue)).toEqual([])
  })

  test('with synchronous_commit=off for the role a crash of the server loses and duplicates nothing', async () => {
    const { url } = await bouncer({ server_login_retry: 1, default_pool_size: 2 }, lazyUrl)
    const options = { url, preparedStatements: false, tablePrefix: freshPrefix() }
    const queue = await open(options)
    await queue.putMany(Array.from({ length: 30 }, (_, index) => ({ id: `many-${index}`, body: 1 })))
    await Promise.all(Array.from({ length: 30 }, (_, index) => queue.put(`one-${index}`, 1)))
    const claims = (await queue.get(20)).map(({ id, attempt }) => `${id}@${attempt}`)
    await server.kill()
    await expect.poll(async () => queue.now().catch(() => 0), { timeout: 20_000 }).toBeGreaterThan(0)
    const { WAITING, PROCESSING } = await queue.sizes()
    expect([WAITING, PROCESSING]).toEqual([40, 20])
    const again = (await queue.get(60)).map(({ id, attempt }) => `${id}@${attempt}`)
    expect(again.filter((claim) => claims.includes(claim))).toEqual([])
  })

  test('synchronous_commit in the url works, although PgBouncer refuses it as a session setting', async () => {
    const { url } = await bouncer({ default_pool_size: 1 })
    const queue = await open({
      url: `${url}?options=-c%20synchronous_commit%3Doff`,
      preparedStatements: false,
    })
    await queue.put('a', 1)
    await server.kill()
    await expect.poll(async () => queue.now().catch(() => 0), { timeout: 20_000 }).toBeGreaterThan(0)
    // The commit, and that of the tables before it, was nowhere but in the memory of the server.
    expect(await queue.lookupStatus('a').catch(() => 'lost')).toBe('lost')
  })

  test('refused session settings', async () => {
    const { url } = await bouncer()
    expect(await refusal({ url })).toMatchObject({
      code: 'SLUICE_CONFIG_INVALID',
      message: expect.stringMatching(
        /`preparedStatements: false`.*ignore_startup_parameters = options, statement_timeout/,
      ),
    })
  })

  test('a prepared statement of another client', async () => {
    const off = hasStatements ? { max_prepared_statements: 0 } : {}
    const { url } = await bouncer({ ignore_startup_parameters: IGNORED, default_pool_size: 1, ...off })
    const error = await refusal({ url, poolSize: 4 }, atOnce)
    expect(error).toMatchObject({
      code: 'SLUICE_CONFIG_INVALID',
      message: expect.stringMatching(/already exists.*max_prepared_statements.*from 1\.24 on/),
    })
  })

  test('a missing prepared statement', async () => {
    const off = hasStatements ? { max_prepared_statements: 0 } : {}
    const { url } = await bouncer({
      ignore_startup_parameters: IGNORED,
      server_reset_query_always: 1,
      ...off,
    })
    const error = await refusal({ url, poolSize: 1 }, async (queue) => [
      await queue.lookup('a'),
      await queue.lookup('a'),
    ])
    expect(error).toMatchObject({
      code: 'SLUICE_CONFIG_INVALID',
      message: expect.stringMatching(/does not exist.*`preparedStatements: false`/),
    })
  })

  test('no server connection is free', async () => {
    const { url } = await bouncer({ default_pool_size: 1, query_wait_timeout: 1 })
    const queue = await open({ url, preparedStatements: false })
    const busy = new pg.Client({ connectionString: url })
    await busy.connect()
    ends.push(() => busy.end())
    await busy.query('begin')
    await expect(queue.put('a', 1)).rejects.toMatchObject({
      code: 'SLUICE_QUEUE_UNAVAILABLE',
      retryable: true,
      message: expect.stringMatching(/query_wait_timeout.*default_pool_size/),
    })
    await busy.query('commit')
    await queue.put('a', 1)
  })

  test('too many clients', async () => {
    const { url } = await bouncer({ max_client_conn: 1 })
    const queue = await open({ url, preparedStatements: false, poolSize: 1 })
    expect(await refusal({ url, preparedStatements: false })).toMatchObject({
      code: 'SLUICE_QUEUE_UNAVAILABLE',
      retryable: true,
      message: expect.stringMatching(/max_client_conn/),
    })
    await queue.now()
  })

  test('a password that the server refuses', async () => {
    const wrong = new URL(server.url)
    wrong.password = 'wrong'
    const { url } = await bouncer({}, wrong.href)
    expect(await refusal({ url, preparedStatements: false })).toMatchObject({
      code: 'SLUICE_QUEUE_DENIED',
      message: expect.stringMatching(/password/),
    })
  })

  test('an unknown database and an unknown user', async () => {
    const { url } = await bouncer()
    const [elsewhere, unknown] = [new URL(url), new URL(url)]
    elsewhere.pathname = '/elsewhere'
    unknown.username = 'unknown'
    expect(await refusal({ url: elsewhere.href, preparedStatements: false })).toMatchObject({
      code: 'SLUICE_CONFIG_INVALID',
      message: expect.stringMatching(/\[databases\]/),
    })
    expect(await refusal({ url: unknown.href, preparedStatements: false })).toMatchObject({
      code: 'SLUICE_QUEUE_DENIED',
      message: expect.stringMatching(/auth_file/),
    })
  })

  test('statement pooling', async () => {
    const { url } = await bouncer({ pool_mode: 'statement' })
    expect(await refusal({ url, preparedStatements: false })).toMatchObject({
      code: 'SLUICE_CONFIG_INVALID',
      message: expect.stringMatching(/pool_mode = transaction/),
    })
  })
})

async function atOnce(queue: Queue): Promise<void> {
  await Promise.all([
    queue.lookup('a'),
    queue.sizes(),
    queue.lookup('b'),
    queue.lookup('c'),
    queue.documents(),
  ])
  await Promise.all(Array.from({ length: 20 }, () => queue.lookup('d')))
}
