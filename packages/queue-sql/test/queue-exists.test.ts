import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { sqlPackage } from './support/sql-package.js'
import { freshPrefix } from './support/postgres-harness.js'
import { freshDirectory } from './support/sqlite-harness.js'

const { openQueue, openIfExists } = sqlPackage

/** Both tell whether a queue exists, and change nothing by that. */
const WAYS: readonly (readonly [name: string, exists: typeof sqlPackage.queueExists])[] = [
  ['queueExists', sqlPackage.queueExists],
  [
    'openIfExists',
    async (options, use) => {
      const queue = await openIfExists(options, use)
      await queue?.close()
      return queue !== undefined
    },
  ],
]

let directory: string

beforeEach(() => {
  directory = freshDirectory()
  mkdirSync(directory)
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

/** All files of the directory: names, contents and when they were written. */
function everything(): unknown {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .toSorted()
    .map((name) => {
      const path = join(directory, name)
      const { mtimeMs, mode } = statSync(path)
      return { name, mtimeMs, mode, bytes: statSync(path).isFile() ? readFileSync(path, 'hex') : '' }
    })
}

async function make(options: Record<string, unknown>): Promise<void> {
  await (await openQueue({ name: 'tiles', ...options })).close()
}

describe.each(WAYS)('%s on SQLite', (_, queueExists) => {
  test('exists once it was opened, under its own name, file and prefix only', async () => {
    const url = `sqlite:${join(directory, 'queue.db')}`
    await make({ url })
    const before = everything()
    expect(await queueExists({ name: 'tiles', url })).toBe(true)
    expect(await queueExists({ name: 'tile', url })).toBe(false)
    expect(await queueExists({ name: 'tiles', url, tablePrefix: 'other_' })).toBe(false)
    expect(await queueExists({ name: 'tiles', url: `${url}x` })).toBe(false)
    expect(everything()).toEqual(before)
  })

  test('a mistyped path makes neither file nor directory', async () => {
    const url = `sqlite:${join(directory, 'a', 'b', 'queue.db')}`
    expect(await queueExists({ name: 'tiles', url })).toBe(false)
    expect(existsSync(join(directory, 'a'))).toBe(false)
    writeFileSync(join(directory, 'file'), '')
    const through = `sqlite:${join(directory, 'file', 'queue.db')}`
    expect(await queueExists({ name: 'tiles', url: through })).toBe(false)
  })

  test('is found while other processes use it, also if it is only in the write-ahead log', async () => {
    const url = `sqlite:${join(directory, 'queue.db')}`
    const queue = await openQueue({ name: 'tiles', url })
    const other = new DatabaseSync(join(directory, 'queue.db'))
    other.exec('begin immediate')
    expect(await queueExists({ name: 'tiles', url, timeoutMs: 100 })).toBe(true)
    other.exec('rollback')
    other.close()
    await queue.put('one', 1)
    expect(await queue.size('WAITING')).toBe(1)
    await queue.close()
  })

  test.each(['delete', 'wal'])(
    'the database of another program (%s) is none, and is left as it is',
    async (mode) => {
      const file = join(directory, 'notes.db')
      const database = new DatabaseSync(file)
      database.exec(
        `pragma journal_mode = ${mode}; create table notes (text); insert into notes values ('mine')`,
      )
      database.close()
      const before = everything()
      expect(await queueExists({ name: 'tiles', url: `sqlite:${file}` })).toBe(false)
      expect(everything()).toEqual(before)
    },
  )

  test('an empty file is not a queue, and stays empty', async () => {
    const file = join(directory, 'queue.db')
    writeFileSync(file, '')
    const before = everything()
    expect(await queueExists({ name: 'tiles', url: `sqlite:${file}` })).toBe(false)
    expect(everything()).toEqual(before)
  })

  test('a queue in memory never exists', async () => {
    expect(await queueExists({ name: 'tiles', url: 'sqlite::memory:' })).toBe(false)
  })

  test('it rejects whatever openQueue rejects, and changes nothing', async () => {
    const text = join(directory, 'notes.txt')
    writeFileSync(text, 'Not a database.\n'.repeat(100))
    const newer = join(directory, 'newer.db')
    await make({ url: `sqlite:${newer}` })
    const database = new DatabaseSync(newer)
    database.exec('insert into sluice_schema (version) values (99)')
    database.close()
    const before = everything()
    await expect(queueExists({ name: '', url: 'sqlite:x' })).rejects.toMatchObject({
      code: 'SLUICE_CONFIG_INVALID',
    })
    for (const [path, code, word] of [
      [text, 'SLUICE_QUEUE_CORRUPT', 'not a SQLite database'],
      [newer, 'SLUICE_QUEUE_CORRUPT', 'version 99'],
      [directory, 'SLUICE_CONFIG_INVALID', 'it is a directory'],
    ] as const) {
      const refusal = { code, message: expect.stringContaining(word) }
      await expect(queueExists({ name: 'tiles', url: `sqlite:${path}` })).rejects.toMatchObject(refusal)
    }
    expect(everything()).toEqual(before)
  })
})

describe.each(WAYS)('%s on PostgreSQL', (_, queueExists) => {
  const url = inject('postgresUrl')

  test('exists once it was opened, and the check creates no tables', async () => {
    const tablePrefix = freshPrefix()
    expect(await queueExists({ name: 'tiles', url, tablePrefix })).toBe(false)
    expect(await tablesOf(tablePrefix)).toBe(0)
    await make({ url, tablePrefix })
    expect(await queueExists({ name: 'tiles', url, tablePrefix })).toBe(true)
    expect(await queueExists({ name: 'tile', url, tablePrefix })).toBe(false)
  })

  test('it rejects whatever openQueue rejects', async () => {
    for (const [part, value, code] of [
      ['port', '1', 'SLUICE_QUEUE_UNAVAILABLE'],
      ['password', 'no', 'SLUICE_QUEUE_DENIED'],
      ['pathname', '/no', 'SLUICE_CONFIG_INVALID'],
    ] as const) {
      const other = new URL(url)
      other[part] = value
      await expect(queueExists({ name: 'tiles', url: other.href })).rejects.toMatchObject({ code })
    }
  })

  async function tablesOf(prefix: string): Promise<number> {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    const { rowCount } = await client.query('select 1 from pg_class where starts_with(relname, $1)', [prefix])
    await client.end()
    return rowCount ?? 0
  }
})
