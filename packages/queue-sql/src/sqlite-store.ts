import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { SluiceError } from '@sluice/core'
import { Kysely, sql, type Dialect } from 'kysely'
import { addIndex, migrate, versionOf } from './migration.js'
import { agesIndex, sqliteSteps } from './schema.js'
import { isSqliteBusy } from './sql-errors.js'
import type { SqlQueueSettings } from './sql-options.js'
import type { OpenOptions, SqlStore } from './sql-store.js'
import { NodeSqliteDialect } from './sqlite-dialect.js'
import { SqliteMoves } from './sqlite-moves.js'
import { SQLITE_NOW_MS, sqliteTexts } from './sqlite-texts.js'
import { checkSqliteVersion } from './sqlite-version.js'
import { tableNames, type Tables } from './tables.js'

const IN_MEMORY = ':memory:'

/**
 * The longest call in units of `timeoutMs`: a batch of moves waits so long for the file, may begin to ask why some were refused just before its time is
 * over, and may wait for the batch before it. Disks are not counted: see README.md.
 */
const LONGEST_CALL = 4

/**
 * Opens a SQLite file, made with its directory if it isn't there, or a database in memory that only this object sees.
 *
 * The write-ahead log lets readers and one writer of several processes work at once. SQLite itself would wait for a lock with the whole
 * process asleep, timers and other queues included; so it is told to give up at once, and the waiting is done outside of it.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID as {@link assertOpenable} does
 */
export function openSqlite(path: string, settings: SqlQueueSettings, options: OpenOptions = {}): SqlStore {
  const { wrap = unwrapped, warn } = options
  const inMemory = path === IN_MEMORY
  const place = inMemory ? 'the SQLite database in memory' : `the SQLite file ${resolve(path)}`
  assertOpenable(path, settings, warn)
  if (!inMemory) prepareFile(path)
  const names = tableNames(settings.tablePrefix)
  const database = new DatabaseSync(path)
  const db = new Kysely<Tables>({ dialect: wrap(new NodeSqliteDialect(database)) })
  const migration = {
    names,
    steps: sqliteSteps(names),
    tableExistsText: `select 1 from sqlite_master where name = ?`,
    beginTexts: [],
    place,
  }
  const texts = sqliteTexts(names)
  return {
    db,
    names,
    place,
    durable: !inMemory,
    timeoutMs: settings.timeoutMs,
    longestCallMs: LONGEST_CALL * settings.timeoutMs,
    nowMs: sql.raw(SQLITE_NOW_MS),
    facts: sql.raw(texts.facts),
    claimed: sql.raw(texts.claimedFrom),
    // There is one writer at a time.
    shared: sql.raw(''),
    durably: sql.raw('1 = 1'),
    counterSlots: 1,
    lanes: 1,
    among: (column, values) =>
      sql`${sql.ref(column)} in (select value from json_each(${JSON.stringify(values)}))`,
    moves: (queueId) => new SqliteMoves(db, names, queueId),
    isContention: isSqliteBusy,
    pauseMs: (tries, spentMs) => (spentMs < settings.timeoutMs ? busyPauseMs(tries) : undefined),
    hasTables: async () => (await versionOf(db, migration)) > 0,
    migrate: async () => {
      await setPragmas(db, settings)
      await migrate(db, migration)
    },
    indexAges: () => addIndex(db, migration, agesIndex(names)),
    close: async () => {
      await db.destroy()
      // Kysely closes only what it has used.
      if (database.isOpen) database.close()
    },
  }
}

/**
 * Refuses a file when the SQLite of this process can damage it. What is in memory has one connection, and so no race.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID
 */
export function assertOpenable(path: string, settings: SqlQueueSettings, warn: OpenOptions['warn']): void {
  if (path === IN_MEMORY) return
  checkSqliteVersion(resolve(path), { allowed: settings.allowOldSqlite, warn: warn ?? (() => {}) })
}

function unwrapped(dialect: Dialect): Dialect {
  return dialect
}

/** Short at first, since a transaction takes a millisecond or two; with jitter, so that two waiters don't meet again and again. */
function busyPauseMs(tries: number): number {
  return Math.random() * Math.min(20, 1 + tries)
}

async function setPragmas(db: Kysely<Tables>, { synchronous }: SqlQueueSettings): Promise<void> {
  await sql`pragma busy_timeout = 0`.execute(db)
  await sql`pragma journal_mode = wal`.execute(db)
  await sql`pragma synchronous = ${sql.raw(synchronous)}`.execute(db)
}

/** Makes the file that isn't there yet, readable by its owner alone, since bodies may be private; SQLite gives `-wal` and `-shm` its mode. */
function prepareFile(path: string): void {
  if (sqliteFileExists(path)) return
  makeFolder(dirname(resolve(path)))
  try {
    writeFileSync(path, '', { flag: 'wx', mode: 0o600 })
  } catch (error) {
    // Of ten processes that start together nine find that another has made it.
    if (!isThere(error)) throw error
  }
}

/** One folder after the other: where the system lets nobody make one, Node's own recursion may try for ever. */
function makeFolder(path: string): void {
  if (existsSync(path)) return
  makeFolder(dirname(path))
  try {
    mkdirSync(path)
  } catch (error) {
    // Another process that starts at the same time has made it.
    if (!isThere(error)) throw error
  }
}

/**
 * Whether the file is there; what is in memory never is.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID when it is a directory
 */
export function sqliteFileExists(path: string): boolean {
  if (path === IN_MEMORY) return false
  const found = statSync(path, { throwIfNoEntry: false })
  if (found?.isDirectory() !== true) return found !== undefined
  const file = resolve(path)
  throw new SluiceError(
    'SLUICE_CONFIG_INVALID',
    `Cannot open the SQLite file ${file}: it is a directory. Name a file in it instead, such as ${file}/sluice.db`,
  )
}

function isThere(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EEXIST'
}
