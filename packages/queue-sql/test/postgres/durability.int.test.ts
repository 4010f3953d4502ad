import type { Queue } from '@sluice/core'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { sqlPackage } from '../support/sql-package.js'
import {
  splitCommitLevel,
  withCommitLevel,
  durabilityWarnings,
} from '../../src/postgres/connection/durability.js'
import { FOR_TESTS, startOwnPostgres, type OwnPostgresServer } from '../postgres-server.js'
import { writes } from '../support/every-call.js'
import { freshPrefix } from '../support/postgres-harness.js'

const { openQueue } = sqlPackage

/**
 * A commit that does not wait for the log stays in the memory of this server until another commit
 * does: nothing else writes the log, so that each such commit is seen, and lost with the server.
 */
const LAZY_WRITER = ['wal_writer_delay=10s', 'wal_writer_flush_after=1GB', 'wal_buffers=16MB']
const QUIET = ['autovacuum=off', 'checkpoint_timeout=1h', 'wal_level=minimal', 'max_wal_senders=0']

let server: OwnPostgresServer
let admin: pg.Client
const opened: Queue[] = []

/** The url of a role whose commits are not to wait for the log. */
function lazyUrl(more = ''): string {
  const url = new URL(server.url)
  url.username = 'lazy'
  return `${url.href}${more}`
}

async function connectAdmin(): Promise<void> {
  admin = new pg.Client({ connectionString: server.url })
  admin.on('error', () => {
    // The server is killed by the tests.
  })
  await admin.connect()
}

beforeAll(async () => {
  server = await startOwnPostgres([...FOR_TESTS, ...LAZY_WRITER, ...QUIET])
  await connectAdmin()
  await admin.query(`create role lazy login password '${new URL(server.url).password}'`)
  await admin.query('alter role lazy set synchronous_commit = off')
  await admin.query('grant all on schema public to lazy')
})
afterEach(async () => {
  await Promise.allSettled(opened.splice(0).map((queue) => queue.close()))
})
afterAll(async () => {
  await admin.end()
  await server.stop()
})

async function open(options: Record<string, unknown>): Promise<{ queue: Queue; warnings: string[] }> {
  const warnings: string[] = []
  const logger = {
    debug: () => {},
    info: () => {},
    warn: (_: unknown, text: string) => void warnings.push(text),
    error: () => {},
  }
  const queue = await openQueue({ name: 'tiles', poolSize: 2, ...options }, { logger })
  opened.push(queue)
  return { queue, warnings }
}

/**
 * A scan of the backlog has a transaction id, and so a commit, which need not be durable: it wrote nothing.
 */
const EMPTY_COMMIT_BYTES = 64

/** Bytes of the log that are in no file yet. */
async function unwritten(): Promise<number> {
  const { rows } = await admin.query<{ bytes: string }>(
    'select pg_current_wal_insert_lsn() - pg_current_wal_flush_lsn() as bytes',
  )
  return Number(rows[0]?.bytes)
}

describe('a role with synchronous_commit=off', () => {
  test.each([true, false])(
    'each call that writes returns once it is in the log (preparedStatements: %s)',
    async (preparedStatements) => {
      const options = { url: lazyUrl(), preparedStatements, tablePrefix: freshPrefix() }
      const { queue, warnings } = await open(options)
      const lost: string[] = (await unwritten()) === 0 ? [] : ['opening']
      for (const [name, write] of writes) {
        await write(queue)
        if ((await unwritten()) > EMPTY_COMMIT_BYTES) lost.push(name)
        // What one call left behind is no fault of the next.
        await admin.query("select pg_logical_emit_message(true, '', 'flush')")
      }
      expect(lost).toEqual([])
      expect(warnings).toEqual([
        expect.stringMatching(/fsync=off/),
        expect.stringMatching(/full_page_writes=off/),
      ])
    },
  )
})

const PUTS = 60

/** Puts, claims and settles, each acknowledged; the acknowledged outcomes. */
async function work(queue: Queue): Promise<{ claims: string[]; succeeded: string[] }> {
  await queue.putMany(Array.from({ length: PUTS / 2 }, (_, index) => ({ id: `many-${index}`, body: index })))
  await Promise.all(Array.from({ length: PUTS / 2 }, (_, index) => queue.put(`one-${index}`, index)))
  const items = [...(await queue.get(7)), ...(await queue.get(13))]
  const claims = items.map(({ id, attempt }) => `${id}@${attempt}`)
  const done = items.slice(0, 10)
  await queue.settle(done.map(({ id, attempt }) => ({ id, attempt, stage: 'SUCCESS' })))
  return { claims, succeeded: done.map(({ id }) => id) }
}

/** Works on a queue, kills the server, and compares what is there then with what was acknowledged. */
async function killedWhileWorking(options: Record<string, unknown>) {
  const tablePrefix = freshPrefix()
  const { queue, warnings } = await open({ tablePrefix, ...options })
  // Opening makes tables, whose commit waits for the log whatever the settings are.
  const { claims, succeeded } = await work(queue)
  await server.kill()
  await admin.end()
  await connectAdmin()
  const { queue: after } = await open({ tablePrefix, ...options })
  const sizes = await after.sizes()
  const lost = PUTS - Object.values(sizes).reduce((sum, size) => sum + size, 0)
  const stages = await Promise.all(succeeded.map((id) => after.lookupStatus(id).catch(() => 'lost')))
  const again = (await after.get(PUTS)).map(({ id, attempt }) => `${id}@${attempt}`)
  return {
    warnings,
    lost,
    unsettled: stages.filter((stage) => stage !== 'SUCCESS').length,
    doubled: again.filter((claim) => claims.includes(claim)).length,
  }
}

describe('after the server was killed', () => {
  afterEach(async () => {
    await admin.query('alter system reset synchronous_commit')
    await admin.query('alter database postgres reset synchronous_commit')
    await admin.query('select pg_reload_conf()')
  })

  test.each([
    ['role', '', lazyUrl],
    ['database', 'alter database postgres set synchronous_commit = off', () => server.url],
    ['server', 'alter system set synchronous_commit = off', () => server.url],
  ] as const)(
    'with synchronous_commit=off for the %s nothing is lost and nothing is doubled',
    async (_, setting, url) => {
      if (setting !== '') await admin.query(setting)
      await admin.query('select pg_reload_conf()')
      expect(await killedWhileWorking({ url: url() })).toMatchObject({ lost: 0, unsettled: 0, doubled: 0 })
    },
  )

  test('with synchronous_commit=off in the url it may, with a warning', async () => {
    const { warnings, ...ended } = await killedWhileWorking({
      url: `${server.url}?options=-c%20synchronous_commit%3Doff`,
    })
    expect(ended).toEqual({ lost: PUTS, unsettled: 10, doubled: 0 })
    expect(warnings).toContainEqual(
      expect.stringMatching(/synchronous_commit=off.*items that were put are gone/),
    )
  })
})

async function levelAfter(before: string, level?: 'off' | 'on'): Promise<unknown> {
  await admin.query(`set synchronous_commit = ${before}`)
  await admin.query(withCommitLevel('begin', level))
  const { rows } = await admin.query('show synchronous_commit')
  await admin.query('rollback')
  return rows[0]
}

describe('the level of a commit', () => {
  test.each([
    ['off', 'on'],
    ['local', 'local'],
    ['remote_write', 'remote_write'],
    ['on', 'on'],
    ['remote_apply', 'remote_apply'],
  ])('%s becomes %s: a higher level is not lowered', async (before, after) => {
    expect(await levelAfter(before)).toEqual({ synchronous_commit: after })
  })

  test.each(['off', 'on', 'remote_apply'])(
    'from %s it is that of the url, if the url has one',
    async (before) => {
      expect(await levelAfter(before, 'off')).toEqual({ synchronous_commit: 'off' })
      expect(await levelAfter(before, 'on')).toEqual({ synchronous_commit: 'on' })
    },
  )

  test.each([
    ['', undefined, ''],
    ['?options=-c%20search_path%3Dwork', undefined, 'search_path=work'],
    ['?options=-c%20synchronous_commit%3Doff', 'off', ''],
    ['?options=-csynchronous_commit=Local', 'local', ''],
    ['?options=--synchronous-commit%3Don%20-c%20geqo%3Doff', 'on', 'geqo=off'],
    ['?options=-c%20synchronous_commit%3Don%20-c%20synchronous_commit%3Dfalse', 'off', ''],
    ['?sslmode=disable&options=-c%20my.synchronous_commit_x%3D1', undefined, 'my.synchronous_commit_x=1'],
  ])('is read from the url %s', (more, level, rest) => {
    const split = splitCommitLevel(`postgres://a:b@host/db${more}`)
    expect(split.level).toBe(level)
    const options = new URL(split.url).searchParams.get('options') ?? ''
    expect(options.replace('-c ', '')).toBe(rest)
  })

  test('that is unknown is refused', () => {
    expect(() => splitCommitLevel('postgres://host/db?options=-c%20synchronous_commit%3Dmaybe')).toThrow(
      expect.objectContaining({ code: 'SLUICE_CONFIG_INVALID' }),
    )
  })
})

describe('warnings about durability', () => {
  const sound = {
    fsync: 'on',
    full_page_writes: 'on',
    synchronous_commit: 'on',
    synchronous_standby_names: '',
    unlogged: [] as readonly string[],
  }
  const said = (settings: Partial<typeof sound>) =>
    durabilityWarnings({ ...sound, ...settings }, { place: 'PostgreSQL at db:5432', level: undefined }).join(
      '\n',
    )

  test('none for a sound server, or for a role whose level each transaction raises', () => {
    expect(said({})).toBe('')
    expect(said({ synchronous_commit: 'off' })).toBe('')
    expect(said({ synchronous_commit: 'local' })).toBe('')
  })

  test.each([
    [{ fsync: 'off' }, /fsync=off\. A power cut/],
    [{ full_page_writes: 'off' }, /full_page_writes=off/],
    [
      { synchronous_commit: 'local', synchronous_standby_names: '2 (a, b)' },
      /is local.*standbys \(2 \(a, b\)\).*failover/,
    ],
    [{ synchronous_commit: 'remote_write', synchronous_standby_names: '*' }, /is remote_write/],
    [{ unlogged: ['sluice_items'] }, /alter table sluice_items set logged/],
  ])('%o', (settings, pattern) => {
    expect(said(settings)).toMatch(pattern)
  })

  test('an unlogged table is reported at opening', async () => {
    const tablePrefix = freshPrefix()
    await open({ url: server.url, tablePrefix })
    await admin.query(`alter table ${tablePrefix}waiting set unlogged`)
    const { warnings } = await open({ url: server.url, tablePrefix })
    expect(warnings).toContainEqual(expect.stringContaining(`${tablePrefix}waiting is unlogged`))
  })
})
