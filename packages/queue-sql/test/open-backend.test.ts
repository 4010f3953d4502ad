import { chmodSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { DatabaseSync } from 'node:sqlite'
import { isSluiceError, type Queue } from '@sluice/core'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { sqlPackage } from './support/sql-package.js'
import { freshPrefix, startRelay } from './support/postgres-harness.js'
import { freshDirectory } from './support/sqlite-harness.js'

const { openQueue } = sqlPackage

let directory: string
const opened: Queue[] = []

beforeEach(() => {
  directory = freshDirectory()
  mkdirSync(directory)
})
afterEach(async () => {
  await Promise.all(opened.splice(0).map((queue) => queue.close()))
  rmSync(directory, { recursive: true, force: true })
})

async function open(options: Record<string, unknown>): Promise<Queue> {
  const queue = await openQueue({ name: 'tiles', ...options })
  opened.push(queue)
  return queue
}

async function refusal(promise: Promise<unknown>): Promise<Error> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof Error)) throw new Error('it did not reject')
  return error
}

describe('options', () => {
  test.each([
    ['no name', { url: 'sqlite::memory:', name: '' }, 'name'],
    ['an unknown kind of url', { url: 'mysql://root:hunter2@db/x' }, 'url'],
    ['sqlite without a path', { url: 'sqlite:' }, 'url'],
    [
      'a prefix that would need quoting',
      { url: 'sqlite::memory:', tablePrefix: 'a"; drop table x' },
      'tablePrefix',
    ],
    ['a pool of none', { url: 'sqlite::memory:', poolSize: 0 }, 'poolSize'],
    ['a timeout of no time', { url: 'sqlite::memory:', timeoutMs: 0 }, 'timeoutMs'],
    ['a mistyped option', { url: 'sqlite::memory:', poolsize: 3 }, 'poolsize'],
  ])('%s is named, and no value is repeated', async (_, options, field) => {
    const error = await refusal(open(options))
    expect(isSluiceError(error, 'SLUICE_CONFIG_INVALID')).toBe(true)
    expect(error.message).toContain(field)
    expect(error.message).not.toContain('hunter2')
  })
})

describe('SQLite', () => {
  test('creates the folders of its file, and names one that cannot be created', async () => {
    await open({ url: `sqlite:${join(directory, 'a', 'b', 'queue.db')}` })
    writeFileSync(join(directory, 'file'), '')
    const error = await refusal(open({ url: `sqlite:${join(directory, 'file', 'c', 'queue.db')}` }))
    expect(isSluiceError(error, 'SLUICE_CONFIG_INVALID')).toBe(true)
    expect(error.message).toMatch(/in its folder .*file.c: .*A part of its path is a file/u)
  })

  test('the directory of the file is created, and its contents persist', async () => {
    const url = `sqlite:${join(directory, 'a', 'b', 'queue.db')}`
    const first = await open({ url })
    await first.put('one', { n: 1 })
    await first.close()
    expect(await (await open({ url })).lookupStatus('one')).toBe('WAITING')
  })

  test('a new file and its companions are readable only by their owner; an existing file keeps its mode', async () => {
    const file = join(directory, 'queue.db')
    const modes = () => [file, `${file}-wal`, `${file}-shm`].map((path) => statSync(path).mode & 0o777)
    const queue = await open({ url: `sqlite:${file}` })
    await queue.put('one', 1)
    expect(modes()).toEqual([0o600, 0o600, 0o600])
    await queue.close()
    chmodSync(file, 0o640)
    await (await open({ url: `sqlite:${file}` })).put('two', 2)
    expect(modes()).toEqual([0o640, 0o640, 0o640])
    const empty = join(directory, 'empty.db')
    writeFileSync(empty, '', { mode: 0o644 })
    await (await open({ url: `sqlite:${empty}` })).put('one', 1)
    expect(statSync(empty).mode & 0o777).toBe(0o644)
  })

  test('in memory each object has a database of its own, as `supports` says', async () => {
    const [one, two] = [await open({ url: 'sqlite::memory:' }), await open({ url: 'sqlite::memory:' })]
    await one.put('one', 1)
    expect(await two.sizes()).toEqual({ WAITING: 0, PROCESSING: 0, SUCCESS: 0, FAIL: 0 })
    expect(one.supports).toMatchObject({ durable: false, sharedBy: 'process' })
  })

  test('a file that is not a database is refused and left alone', async () => {
    const file = join(directory, 'notes.txt')
    writeFileSync(file, 'Not a database, but important.\n'.repeat(100))
    const error = await refusal(open({ url: `sqlite:${file}` }))
    expect(error).toMatchObject({ code: 'SLUICE_QUEUE_CORRUPT' })
    expect(error.message).toContain(file)
    expect(readFileSync(file, 'utf8')).toMatch(/^Not a database/)
  })

  test('a directory as the path is refused with an example of a file', async () => {
    const error = await refusal(open({ url: `sqlite:${directory}` }))
    expect(error).toMatchObject({ code: 'SLUICE_CONFIG_INVALID' })
    expect(error.message).toContain('it is a directory')
  })

  test('a path through a file is refused', async () => {
    writeFileSync(join(directory, 'file'), '')
    const error = await refusal(open({ url: `sqlite:${join(directory, 'file', 'queue.db')}` }))
    expect(error).toMatchObject({ code: 'SLUICE_CONFIG_INVALID' })
  })

  test('tables of a newer release are refused with advice', async () => {
    const file = join(directory, 'queue.db')
    await (await open({ url: `sqlite:${file}` })).close()
    const database = new DatabaseSync(file)
    database.exec('insert into sluice_schema (version) values (99)')
    database.close()
    const error = await refusal(open({ url: `sqlite:${file}` }))
    expect(error).toMatchObject({ code: 'SLUICE_QUEUE_CORRUPT' })
    expect(error.message).toMatch(/version 99.*Upgrade @sluice\/queue-sql/s)
  })

  test('foreign tables of the same names are refused unchanged; another prefix works', async () => {
    const file = join(directory, 'queue.db')
    const database = new DatabaseSync(file)
    database.exec('create table sluice_items (mine text); insert into sluice_items values (1)')
    const error = await refusal(open({ url: `sqlite:${file}` }))
    expect(error).toMatchObject({ code: 'SLUICE_QUEUE_CORRUPT' })
    expect(error.message).toContain('another tablePrefix')
    expect(database.prepare('select name from sqlite_master').all()).toHaveLength(1)
    database.close()
    const queue = await open({ url: `sqlite:${file}`, tablePrefix: 'other_' })
    await queue.put('one', 1)
    expect(await queue.size('WAITING')).toBe(1)
  })

  test('a writer that holds the lock is waited for, until the timeout', async () => {
    const file = join(directory, 'queue.db')
    const queue = await open({ url: `sqlite:${file}`, timeoutMs: 300 })
    const other = new DatabaseSync(file)
    other.exec('begin immediate')
    const error = await refusal(queue.put('one', 1))
    expect(error).toMatchObject({ code: 'SLUICE_QUEUE_UNAVAILABLE', retryable: true })
    // Readers don't wait for writers.
    expect(await queue.sizes()).toMatchObject({ WAITING: 0 })
    const waiting = queue.put('one', 1)
    await pause(20)
    other.exec('commit')
    await waiting
    other.close()
    expect(await queue.lookupStatus('one')).toBe('WAITING')
  })
})

describe('PostgreSQL', () => {
  const url = inject('postgresUrl')

  test('a wrong password is DENIED, and no password is shown', async () => {
    const wrong = new URL(url)
    wrong.password = 'hunter2-wrong'
    const error = await refusal(open({ url: wrong.href }))
    expect(error).toMatchObject({ code: 'SLUICE_QUEUE_DENIED', retryable: false })
    expect(error.message).toContain(`${wrong.hostname}:${wrong.port}`)
    for (const secret of ['hunter2-wrong', new URL(url).password]) {
      expect(`${error.message}${error.stack ?? ''}${JSON.stringify(error)}`).not.toContain(secret)
    }
  })

  test('a wrong port is UNAVAILABLE, at once and without the password', async () => {
    const wrong = new URL(url)
    wrong.port = '1'
    const error = await refusal(open({ url: wrong.href }))
    expect(error).toMatchObject({ code: 'SLUICE_QUEUE_UNAVAILABLE', retryable: true })
    expect(error.message).not.toContain(wrong.password)
  })

  test('the error for a missing database names it', async () => {
    const wrong = new URL(url)
    wrong.pathname = '/nowhere'
    const error = await refusal(open({ url: wrong.href }))
    expect(error).toMatchObject({ code: 'SLUICE_CONFIG_INVALID' })
    expect(error.message).toContain('nowhere')
  })

  test('a user who may not create tables is DENIED', async () => {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    const role = `role_${freshPrefix()}`
    await client.query(`create role ${role} login password 'other-secret'`)
    const poor = new URL(url)
    poor.username = role
    poor.password = 'other-secret'
    const error = await refusal(open({ url: poor.href, tablePrefix: freshPrefix() }))
    await client.query(`drop role ${role}`)
    await client.end()
    expect(error).toMatchObject({ code: 'SLUICE_QUEUE_DENIED' })
    expect(error.message).not.toContain('other-secret')
  })

  test('a database of another encoding is refused', async () => {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    const name = `latin_${freshPrefix()}`
    await client.query(`create database ${name} encoding 'SQL_ASCII' locale 'C' template template0`)
    const other = new URL(url)
    other.pathname = `/${name}`
    const error = await refusal(open({ url: other.href }))
    await client.query(`drop database ${name} with (force)`)
    await client.end()
    expect(error).toMatchObject({ code: 'SLUICE_CONFIG_INVALID' })
    expect(error.message).toMatch(/SQL_ASCII.*UTF8/s)
  })

  test('a network that drops everything is UNAVAILABLE within the timeout, and close ends in any case', async () => {
    const relay = await startRelay(url)
    const queue = await open({ url: relay.url, tablePrefix: freshPrefix(), timeoutMs: 400 })
    relay.hold()
    const startedAt = performance.now()
    expect(await refusal(queue.get(1))).toMatchObject({ code: 'SLUICE_QUEUE_UNAVAILABLE', retryable: true })
    expect(await refusal(queue.get(1))).toMatchObject({ code: 'SLUICE_QUEUE_UNAVAILABLE' })
    await queue.close()
    // The machine may be busy: far from the time that nothing would end it in.
    expect(performance.now() - startedAt).toBeLessThan(2 * (queue.supports.longestCallMs ?? 0) + 10_000)
    await relay.cut()
  })

  test('a connection that breaks while idle does not end the process, and the next call opens a new one', async () => {
    const tablePrefix = freshPrefix()
    const queue = await open({ url, tablePrefix })
    await queue.size('WAITING')
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    const { rowCount } = await client.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where query like $1 and pid <> pg_backend_pid()`,
      [`%${tablePrefix}%`],
    )
    await client.end()
    expect(rowCount).toBeGreaterThan(0)
    await expect.poll(() => queue.size('WAITING').catch(() => undefined)).toBe(0)
  })

  test('it works without prepared statements and session settings, as old poolers require', async () => {
    const queue = await open({ url, tablePrefix: freshPrefix(), preparedStatements: false })
    await queue.putMany([
      { id: 'a', body: 1 },
      { id: 'b', body: 2 },
    ])
    const items = await queue.get(2)
    await queue.settle(items.map(({ id, attempt }) => ({ id, attempt, stage: 'SUCCESS' })))
    expect(await queue.sizes()).toEqual({ WAITING: 0, PROCESSING: 0, SUCCESS: 2, FAIL: 0 })
  })

  test('tables of a newer release are refused', async () => {
    const tablePrefix = freshPrefix()
    await (await open({ url, tablePrefix })).close()
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    await client.query(`insert into ${tablePrefix}schema (version) values (99)`)
    await client.end()
    expect(await refusal(open({ url, tablePrefix }))).toMatchObject({ code: 'SLUICE_QUEUE_CORRUPT' })
  })
})
