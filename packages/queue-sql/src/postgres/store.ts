import { Kysely, PostgresDialect, sql, type Dialect } from 'kysely'
import { DURABLY, durabilityWarnings, readServerSettings, splitCommitLevel } from './connection/durability.js'
import { addIndex, migrate, tryMigration, versionOf } from '../schema/migration.js'
import { adviceOnRefusal, isRefusal, lackingPrivileges } from './grants.js'
import { PostgresMoves } from './moves.js'
import { MAX_PIPELINED } from './connection/brief-connections.js'
import { postgresPool, UNLIMITED } from './connection/pool.js'
import { assertUtf8, openKnown, readEncoding, type OpeningParts } from './opening.js'
import { ProcessingView } from './processing-view.js'
import { postgresStatements } from './statements/statements.js'
import { POSTGRES_NOW_MS, POSTGRES_SLOTS } from './statements/parts.js'
import { agesIndex, postgresSteps } from '../schema/steps.js'
import { isPostgresContention } from '../sql-errors.js'
import type { SqlQueueSettings } from '../sql-options.js'
import type { SqlExpressions, SqlStore, SqlUpkeep, StoreOptions } from '../sql-store.js'
import { tableNames, type TableNames, type Tables } from '../schema/tables.js'

/**
 * One batch runs while another waits for the disk or for this process. With more, fewer calls would share a
 * batch.
 */
const CONCURRENCY = 2

/**
 * The longest call in units of `timeoutMs`: a page of whole items is five statements, each of which may wait
 * this long for a connection and again for its answer, and for the answers to those that share its
 * connection; one more for contention.
 */
function longestCall({ brief = false }: Pick<StoreOptions, 'brief'>): number {
  return 5 * (1 + (brief ? MAX_PIPELINED : 1)) + 1
}

/** The server detects a deadlock after a second; the same transactions rarely conflict again. */
const MAX_TRIES = 6

/** Opens a PostgreSQL database. It connects at the first statement: a wrong address fails in `migrate`. */
export function openPostgres(
  url: string,
  settings: SqlQueueSettings,
  { wrap = unwrapped, warn, runtime, minBulkRows, brief }: StoreOptions,
): SqlStore {
  const names = tableNames(settings.tablePrefix)
  const place = placeName(url)
  const { level } = splitCommitLevel(url)
  const db = new Kysely<Tables>({
    dialect: wrap(new PostgresDialect({ pool: postgresPool(url, settings, { runtime, brief }) })),
  })
  return {
    db,
    names,
    runtime,
    place,
    durable: true,
    sharedBy: 'network',
    timeoutMs: settings.timeoutMs,
    longestCallMs: longestCall({ brief }) * settings.timeoutMs,
    concurrency: CONCURRENCY,
    ...expressionsOf(names),
    ...upkeepOf(db, { names, place, level, warn }),
    moves: (queueId) => new PostgresMoves(db, { names, queueId, runtime, minBulkRows }),
    processing: (queueId) => new ProcessingView(db, { queueId, texts: postgresStatements(names).processing }),
    isContention: isPostgresContention,
    pauseMs: (tries, spentMs) =>
      tries < MAX_TRIES && spentMs < settings.timeoutMs ? runtime.random() * 50 * tries : undefined,
    adviceOn: (error) => adviceOnRefusal(error, { db, names }),
    lackingPrivileges: () => lackingPrivileges(db, names),
    close: () => db.destroy(),
  }
}

function expressionsOf(names: TableNames): SqlExpressions {
  const statements = postgresStatements(names)
  return {
    nowMs: sql.raw(POSTGRES_NOW_MS),
    facts: sql.raw(statements.facts),
    shared: sql.raw('for share'),
    kept: sql.raw('for key share'),
    durably: sql.raw(`${DURABLY} is not null`),
    counterSlots: POSTGRES_SLOTS,
    overriding: 'overriding system value',
    among: (column, values) =>
      sql`${sql.ref(column)} = any (${values}::${sql.raw(column === 'i.id' ? 'text[]' : 'bigint[]')})`,
  }
}

function upkeepOf(db: Kysely<Tables>, parts: OpeningParts): SqlUpkeep {
  const { names, place, level, warn } = parts
  const migration = {
    names,
    steps: postgresSteps(names),
    // Not to_regclass: its cache may be stale after the wait for the lock, when another process has created
    // the table.
    tableExistsQuery: `select 1 from pg_catalog.pg_class where relname = $1 and pg_table_is_visible(oid)`,
    beginStatements: ['set local statement_timeout = 0', 'set local lock_timeout = 0'],
    lockStatement: `select pg_advisory_xact_lock(hashtextextended('sluice ${names.schema}', 0))`,
    mark: UNLIMITED,
    place,
  }
  return {
    tablesVersion: () => versionOf(db, migration),
    openKnown: (name) => openKnown(db, name, parts),
    migrate: async () => {
      assertUtf8(await readEncoding(db), place)
      await migrate(db, migration)
      if (warn === undefined) return
      for (const text of durabilityWarnings(await readServerSettings(db, names), { place, level })) warn(text)
    },
    tryMigration: async () => {
      assertUtf8(await readEncoding(db), place)
      await tryMigration(db, migration)
    },
    indexAges: async () => {
      const index = agesIndex(names)
      try {
        await addIndex(db, migration, index)
      } catch (error) {
        if (!isRefusal(error)) throw error
        // A sweep works without the index, which only the owner of a table may create.
        warn?.(`${place}: ${withoutIndex(index)}`)
      }
    },
  }
}

function withoutIndex({ name, on }: { name: string; on: string }): string {
  return (
    'the role of this queue may not create the index by which a sweep finds old items, so each batch of a thousand reads all finished items. ' +
    `Run once as the owner of the tables: create index concurrently ${name} on ${on}`
  )
}

function unwrapped(dialect: Dialect): Dialect {
  return dialect
}

/** Host, port and database, without secrets. */
function placeName(url: string): string {
  const { hostname, port, pathname, searchParams } = new URL(url)
  const host = hostname === '' ? (searchParams.get('host') ?? 'localhost') : hostname
  return `PostgreSQL at ${host}:${port === '' ? '5432' : port}${pathname === '' ? '' : `, database ${pathname.slice(1)}`}`
}
