import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { isSluiceError, type Queue } from '@sluice/core'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { sqlPackage } from '../support/sql-package.js'
import { neededGrants } from '../../src/postgres/grants.js'
import { SCHEMA_VERSION } from '../../src/schema/steps.js'
import { tableNames } from '../../src/schema/tables.js'
import { freshPrefix } from '../support/postgres-harness.js'

const { checkStorage, openQueue } = sqlPackage

const opened: Queue[] = []
afterEach(async () => {
  await Promise.all(opened.splice(0).map((queue) => queue.close()))
})

/** `fine`, what opening would upgrade, or the code and the message of the error. */
async function checked(options: object): Promise<string> {
  try {
    const { upgrade } = await checkStorage({ name: 'tiles', ...options })
    return upgrade ?? 'fine'
  } catch (error) {
    if (isSluiceError(error)) return `${error.code} ${error.message}`
    throw error
  }
}

async function open(options: object): Promise<Queue> {
  const queue = await openQueue({ name: 'tiles', ...options })
  opened.push(queue)
  return queue
}

describe('a check of PostgreSQL', () => {
  const url = inject('postgresUrl')
  const tablePrefix = freshPrefix()
  const names = tableNames(tablePrefix)
  const grants = neededGrants(names).flatMap(({ kind, name, privileges }) =>
    privileges.map((privilege) => ({ privilege, on: `${kind} ${name}` })),
  )
  const [role, schema] = [`check_${tablePrefix}`, `room_${tablePrefix}`]
  let admin: pg.Client

  function optionsOf(user: string, more: object = {}): object {
    const made = new URL(url)
    if (user !== '') made.username = user
    made.searchParams.set('options', `-c search_path=${schema}`)
    return { url: made.href, tablePrefix, poolSize: 1, ...more }
  }

  /** All that is stored, and where the sequences are. */
  async function everything(): Promise<unknown> {
    const tables = Object.values(names).map(
      (name) => `(select json_agg(t order by t::text) from ${name} t) as ${name}`,
    )
    const { rows } = await admin.query(`select ${tables.join(', ')},
      (select last_value from ${names.items}_turn) as turn, (select last_value from ${names.queues}_id_seq) as queue_ids`)
    return rows
  }

  beforeAll(async () => {
    admin = new pg.Client({ connectionString: url })
    await admin.connect()
    await admin.query(`create schema ${schema}`)
    await admin.query(`set search_path = ${schema}`)
    await (await openQueue({ name: 'tiles', ...optionsOf('') })).close()
    await admin.query(`create role ${role} login password '${new URL(url).password}'`)
    await admin.query(`grant usage on schema ${schema} to ${role}`)
    for (const { privilege, on } of grants) await admin.query(`grant ${privilege} on ${on} to ${role}`)
  })
  afterAll(async () => {
    await admin.query(`drop owned by ${role}`)
    await admin.query(`drop role ${role}`)
    await admin.end()
  })

  test('passes for a role with all privileges, and changes no rows, counters or sequences while a queue works', async () => {
    const queue = await open(optionsOf(''))
    await queue.putMany([
      { id: 'a', body: 1 },
      { id: 'b', body: 2 },
    ])
    await queue.get(1)
    const before = await everything()
    expect(await Promise.all([checked(optionsOf(role)), checked(optionsOf(role))])).toEqual(['fine', 'fine'])
    expect(await everything()).toEqual(before)
  })

  test.each(grants)('without $privilege on $on names it', async ({ privilege, on }) => {
    await admin.query(`revoke ${privilege} on ${on} from ${role}`)
    try {
      const said = await checked(optionsOf(role))
      expect(said).toMatch(/^SLUICE_QUEUE_DENIED /u)
      expect(said).toContain(`grant ${privilege} on ${on} to ${role}`)
    } finally {
      await admin.query(`grant ${privilege} on ${on} to ${role}`)
    }
  })

  test('names several missing privileges at once', async () => {
    const lost = grants.filter(({ privilege }) => privilege === 'delete' || privilege === 'usage')
    for (const { privilege, on } of lost) await admin.query(`revoke ${privilege} on ${on} from ${role}`)
    const said = await checked(optionsOf(role))
    for (const { privilege, on } of lost) {
      await admin.query(`grant ${privilege} on ${on} to ${role}`)
      expect(said).toContain(`grant ${privilege} on ${on} to ${role}`)
    }
  })

  test('reports a read-only database', async () => {
    await admin.query(`alter role ${role} set default_transaction_read_only = on`)
    const said = await checked(optionsOf(role))
    await admin.query(`alter role ${role} reset default_transaction_read_only`)
    expect(said).toMatch(
      /^SLUICE_QUEUE_UNAVAILABLE .*the database is read-only.*default_transaction_read_only/u,
    )
  })

  test('reports a policy that refuses rows', async () => {
    await admin.query(`alter table ${names.items} enable row level security`)
    const said = await checked(optionsOf(role))
    await admin.query(`alter table ${names.items} disable row level security`)
    expect(said).toMatch(/^SLUICE_QUEUE_DENIED .*row-level security.*BYPASSRLS/u)
  })

  test('without tables it creates none, and names the missing privilege', async () => {
    const none = freshPrefix()
    const tables = `select count(*) from pg_class where relname like '${none}%'`
    expect(await checked(optionsOf('', { tablePrefix: none }))).toBe('fine')
    expect((await admin.query(tables)).rows).toEqual([{ count: '0' }])
    const said = await checked(optionsOf(role, { tablePrefix: none }))
    expect(said).toMatch(/^SLUICE_QUEUE_DENIED /u)
    expect(said).toContain(`grant create on schema ${schema} to ${role}`)
  })

  test('leaves tables of an older version alone, and reports what opening them would do', async () => {
    await admin.query(`update ${names.schema} set version = ${SCHEMA_VERSION - 1}`)
    const said = await checked(optionsOf(''))
    const { rows } = await admin.query(`select version from ${names.schema}`)
    await admin.query(`update ${names.schema} set version = ${SCHEMA_VERSION}`)
    expect(rows).toEqual([{ version: SCHEMA_VERSION - 1 }])
    expect(said).toMatch(/of version 4: opening the queue upgrades them to 5.*stop their processes/u)
  })

  test('reports that the server does not answer', async () => {
    expect(await checked({ url: 'postgres://unknown@127.0.0.1:9/none' })).toMatch(
      /^SLUICE_QUEUE_UNAVAILABLE .*127\.0\.0\.1:9/u,
    )
  })
})

function at(path: string): object {
  return { url: `sqlite:${path}` }
}

/** To mount a file system takes root, on Linux. */
function canMount(): boolean {
  const place = mkdtempSync(join(tmpdir(), 'sluice-mount-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', place], { stdio: 'pipe' })
    execFileSync('umount', [place])
    return true
  } catch {
    return false
  } finally {
    rmSync(place, { recursive: true, force: true })
  }
}

describe('a check of a SQLite file', () => {
  let directory: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'sluice-check-sqlite-'))
  })
  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  test('creates neither a missing file nor its folder', async () => {
    expect(await checked(at(join(directory, 'deep', 'er', 'queue.db')))).toBe('fine')
    expect(readdirSync(directory)).toEqual([])
  })

  test('changes no byte while a queue works', async () => {
    const path = join(directory, 'queue.db')
    const queue = await open(at(path))
    await queue.putMany([
      { id: 'a', body: 1 },
      { id: 'b', body: 2 },
    ])
    await queue.get(1)
    const before = [path, `${path}-wal`].map((file) => readFileSync(file))
    expect(await checked(at(path))).toBe('fine')
    expect([path, `${path}-wal`].map((file) => readFileSync(file))).toEqual(before)
    expect(readdirSync(directory).toSorted()).toEqual(['queue.db', 'queue.db-shm', 'queue.db-wal'])
  })

  test('creates no tables', async () => {
    const path = join(directory, 'queue.db')
    writeFileSync(path, '')
    expect(await checked(at(path))).toBe('fine')
    expect(readFileSync(path)).toHaveLength(0)
  })

  test('refuses a file of another program', async () => {
    const path = join(directory, 'queue.db')
    const database = new DatabaseSync(path)
    database.exec('pragma application_id = 1234; create table t (x)')
    database.close()
    expect(await checked(at(path))).toMatch(/^SLUICE_QUEUE_CORRUPT .*another program/u)
  })

  test('waits for a lock of another process, and then reports it', async () => {
    const path = join(directory, 'queue.db')
    await open(at(path))
    const other = new DatabaseSync(path)
    other.exec('begin immediate')
    const said = await checked({ ...at(path), timeoutMs: 300 })
    other.exec('rollback')
    other.close()
    expect(said).toMatch(/^SLUICE_QUEUE_UNAVAILABLE .*locked/u)
    expect(await checked(at(path))).toBe('fine')
  })

  test('reports that its folder is a file', async () => {
    writeFileSync(join(directory, 'file'), '')
    expect(await checked(at(join(directory, 'file', 'queue.db')))).toMatch(/^SLUICE_CONFIG_INVALID /u)
  })

  describe.runIf(canMount())('on a disk of its own', () => {
    let disk: string
    let path: string

    beforeEach(async () => {
      disk = join(directory, 'disk')
      path = join(disk, 'queue.db')
      mkdirSync(disk)
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', disk])
      await (await openQueue({ name: 'tiles', ...at(path) })).close()
    })
    afterEach(() => execFileSync('umount', ['--lazy', disk], { stdio: 'pipe' }))

    test('that is read-only is denied, whether the file exists or not', async () => {
      execFileSync('mount', ['-o', 'remount,ro', disk])
      for (const file of [path, join(disk, 'other.db')])
        expect(await checked(at(file))).toMatch(/^SLUICE_QUEUE_DENIED .*(?:EROFS|read-?only)/iu)
    })

    test('reports a full disk', async () => {
      const rest = Buffer.alloc(1_048_576)
      try {
        for (let files = 0; ; files++) writeFileSync(join(disk, `rest-${files}`), rest)
      } catch {
        // Full.
      }
      expect(await checked(at(path))).toMatch(/^SLUICE_QUEUE_UNAVAILABLE .*the disk is full/u)
      expect(readdirSync(disk).filter((name) => name.startsWith('.sluice-check'))).toEqual([])
    })

    test('passes with enough space', async () => {
      expect(await checked(at(path))).toBe('fine')
      expect(existsSync(`${path}-wal`)).toBe(false)
    })
  })
})
