import { resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { SluiceError, type Runtime } from '@sluice/core'
import { systemRuntime } from '@sluice/core/backend'
import { CompiledQuery, Kysely, sql, type Dialect } from 'kysely'
import { addIndex, migrate, tryMigration, versionOf, type Migration } from '../schema/migration.js'
import { scannedRows } from '../items/processing-rows.js'
import { agesIndex, sqliteSteps } from '../schema/steps.js'
import { isSqliteBusy } from '../sql-errors.js'
import type { SqlQueueSettings } from '../sql-options.js'
import type { OpenOptions, SqlExpressions, SqlStore, SqlUpkeep, StoreOptions } from '../sql-store.js'
import { NodeSqliteDialect } from './dialect.js'
import { SqliteMoves } from './moves.js'
import { IN_MEMORY, prepareFile } from './path.js'
import { SQLITE_NOW_MS, sqliteStatements } from './statements.js'
import { SqliteSetBack } from './set-back.js'
import { checkSqliteVersion } from './version.js'
import { FileWatch, openFile } from './file-watch.js'
import { tableNames, type TableNames, type Tables } from '../schema/tables.js'

/**
 * The longest call in units of `timeoutMs`: a batch of moves waits this long for the file, may start to read
 * why moves were refused just before its time is over, and may wait for the batch before it. Disk time is not
 * included: see README.md.
 */
const LONGEST_CALL = 4

/**
 * Opens a SQLite file, created with its directory if it does not exist, or a database in memory that only
 * this object sees.
 *
 * With the write-ahead log readers and one writer of several processes work at once. SQLite's own wait for a
 * lock would block the whole process; so it fails at once (`busy_timeout = 0`), and the call is retried
 * outside of it.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID as {@link assertOpenable} does
 */
export function openSqlite(path: string, settings: SqlQueueSettings, options: StoreOptions): SqlStore {
  const { wrap = unwrapped, warn, runtime, minBulkRows } = options
  const inMemory = isInMemory(path)
  const place = inMemory ? 'the SQLite database in memory' : `the SQLite file ${resolve(path)}`
  assertOpenable(path, settings, warn)
  const names = tableNames(settings.tablePrefix)
  const { database, watch } = inMemory ? { database: new DatabaseSync(IN_MEMORY) } : openWatched(path, warn)
  // SQLite reads the machine's clock by itself.
  if (runtime !== systemRuntime) readClock(database, runtime)
  const db = new Kysely<Tables>({ dialect: wrap(new NodeSqliteDialect(database)) })
  const setBack = new SqliteSetBack(db, names, runtime)
  return {
    db,
    names,
    runtime,
    place,
    durable: !inMemory,
    sharedBy: inMemory ? 'process' : 'machine',
    timeoutMs: settings.timeoutMs,
    longestCallMs: LONGEST_CALL * settings.timeoutMs,
    concurrency: 1,
    ...expressionsOf(names),
    ...upkeepOf(db, {
      names,
      place,
      settings,
      onMigrated: () => {
        watch?.start()
        return setBack.start()
      },
    }),
    moves: (queueId) => new SqliteMoves(db, { names, queueId, runtime, minRows: minBulkRows }),
    processing: (queueId) =>
      scannedRows(db, { queueId, claimed: sql.raw(sqliteStatements(names).claimedFrom) }),
    isContention: isSqliteBusy,
    pauseMs: (tries, spentMs) => (spentMs < settings.timeoutMs ? busyPauseMs(tries, runtime) : undefined),
    assertInPlace: (atMonotonic) => watch?.assertInPlace(atMonotonic),
    prepareCall: (atMonotonic) => setBack.prepareCall(atMonotonic),
    close: () => closeSqlite(db, database),
  }
}

async function closeSqlite(db: Kysely<Tables>, database: DatabaseSync): Promise<void> {
  await db.destroy()
  // Kysely closes only a connection that it has used.
  if (database.isOpen) database.close()
}

function expressionsOf(names: TableNames): SqlExpressions {
  const statements = sqliteStatements(names)
  return {
    nowMs: sql.raw(SQLITE_NOW_MS),
    facts: sql.raw(statements.facts),
    // There is one writer at a time, so nothing has to be locked.
    shared: sql.raw(''),
    kept: sql.raw(''),
    durably: sql.raw('1 = 1'),
    counterSlots: 1,
    overriding: '',
    among: (column, values) =>
      sql`${sql.ref(column)} in (select value from json_each(${JSON.stringify(values)}))`,
  }
}

interface UpkeepParts {
  readonly names: TableNames
  readonly place: string
  readonly settings: SqlQueueSettings
  readonly onMigrated: () => Promise<void>
}

function upkeepOf(db: Kysely<Tables>, { names, place, settings, onMigrated }: UpkeepParts): SqlUpkeep {
  const migration = {
    names,
    steps: sqliteSteps(names),
    tableExistsQuery: `select 1 from sqlite_master where name = ?`,
    beginStatements: [],
    place,
  }
  return {
    tablesVersion: () => versionOf(db, migration),
    migrate: async () => {
      await assertOurs(db, migration)
      await setPragmas(db, settings)
      await migrate(db, migration)
      await onMigrated()
    },
    tryMigration: async () => {
      await assertOurs(db, migration)
      await tryMigration(db, migration)
    },
    indexAges: () => addIndex(db, migration, agesIndex(names)),
  }
}

/**
 * Refuses a file that the SQLite of this process can damage. A database in memory has one connection, and so
 * no race.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID
 */
export function assertOpenable(path: string, settings: SqlQueueSettings, warn: OpenOptions['warn']): void {
  if (isInMemory(path)) return
  checkSqliteVersion(resolve(path), { allowed: settings.allowOldSqlite, warn: warn ?? (() => {}) })
}

/** Whether a path is a database in the memory of this process. */
export function isInMemory(path: string): boolean {
  return path === IN_MEMORY
}

/**
 * By its absolute path, which SQLite cannot take for a URI, and which does not depend on the working
 * directory.
 */
function openWatched(given: string, warn: OpenOptions['warn']): { database: DatabaseSync; watch: FileWatch } {
  const path = resolve(given)
  prepareFile(path)
  const { database, identity } = openFile(path)
  return { database, watch: new FileWatch({ database, path, identity, warn: warn ?? (() => {}) }) }
}

/** Replaces SQLite's own function, which reads the machine's clock. */
function readClock(database: DatabaseSync, runtime: Pick<Runtime, 'now'>): void {
  database.function('unixepoch', { varargs: true }, () => runtime.now() / 1_000)
}

function unwrapped(dialect: Dialect): Dialect {
  return dialect
}

/**
 * Short at first, because a transaction takes a millisecond or two; with jitter, so that two waiters do not
 * collide again.
 */
function busyPauseMs(tries: number, runtime: Pick<Runtime, 'random'>): number {
  return runtime.random() * Math.min(20, 1 + tries)
}

async function setPragmas(db: Kysely<Tables>, { synchronous }: SqlQueueSettings): Promise<void> {
  await sql`pragma busy_timeout = 0`.execute(db)
  await sql`pragma journal_mode = wal`.execute(db)
  await sql`pragma synchronous = ${sql.raw(synchronous)}`.execute(db)
}

/**
 * Refuses a file that another program has marked as its own, before changing it. A file with other tables and
 * without a mark is accepted: its owner may want the queue's tables beside them.
 *
 * @see https://www.sqlite.org/pragma.html#pragma_application_id
 * @throws SluiceError SLUICE_QUEUE_CORRUPT
 */
export async function assertOurs(db: Kysely<Tables>, migration: Migration): Promise<void> {
  const { rows } = await db.executeQuery<{ application_id: number }>(
    CompiledQuery.raw('pragma application_id'),
  )
  const id = rows[0]?.application_id ?? 0
  if (id === 0 || (await versionOf(db, migration)) > 0) return
  throw new SluiceError(
    'SLUICE_QUEUE_CORRUPT',
    `Cannot open a queue in ${migration.place}: it is the file of another program (application_id 0x${(id >>> 0).toString(16)}). ` +
      'Name another file',
  )
}
