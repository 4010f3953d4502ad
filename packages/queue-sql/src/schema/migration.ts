import { SluiceError } from '@sluice/core'
import { CompiledQuery, type Kysely } from 'kysely'
import { SCHEMA_VERSION, type SchemaSteps } from './steps.js'
import type { TableNames, Tables } from './tables.js'

export interface Migration {
  readonly names: TableNames
  readonly steps: SchemaSteps
  /** Returns a row if a table or an index is visible; one parameter, the name. */
  readonly tableExistsQuery: string
  /** Locks the migration against other processes, before anything is read. */
  readonly lockStatement?: string
  /** Run before the lock: they lift the time limits. */
  readonly beginStatements: readonly string[]
  /** Starts a statement without a time limit. */
  readonly mark?: string
  readonly place: string
}

/**
 * Creates or upgrades the tables to {@link SCHEMA_VERSION} in one transaction: a killed process leaves the
 * previous version, and of several processes one does the work while the others wait and find it done.
 *
 * @throws SluiceError SLUICE_QUEUE_CORRUPT if a newer release has upgraded the tables
 */
export async function migrate(db: Kysely<Tables>, migration: Migration): Promise<void> {
  if ((await versionOf(db, migration)) === SCHEMA_VERSION) return
  await db.transaction().execute((trx) => migrateWithin(trx, migration))
}

/** Creates the tables and rolls back, to check that they can be created. */
export async function tryMigration(db: Kysely<Tables>, migration: Migration): Promise<void> {
  await rolledBack(db, (trx) => migrateWithin(trx, migration))
}

async function migrateWithin(trx: Kysely<Tables>, migration: Migration): Promise<void> {
  const run = (text: string) => trx.executeQuery(CompiledQuery.raw(`${migration.mark ?? ''}${text}`))
  for (const text of migration.beginStatements) await run(text)
  if (migration.lockStatement !== undefined) await run(migration.lockStatement)
  const version = await versionOf(trx, migration)
  for (const step of migration.steps.slice(version)) {
    for (const text of step) await run(text)
  }
  await noteVersion(trx, migration, version)
}

/** Runs a transaction that is always rolled back. */
export async function rolledBack(
  db: Kysely<Tables>,
  run: (trx: Kysely<Tables>) => Promise<void>,
): Promise<void> {
  const done = new Error('rolled back on purpose')
  try {
    await db.transaction().execute(async (trx) => {
      await run(trx)
      throw done
    })
  } catch (error) {
    if (error !== done) throw error
  }
}

/**
 * The version of the tables, 0 if there are none. It only reads.
 *
 * @throws SluiceError SLUICE_QUEUE_CORRUPT if a newer release has upgraded them
 */
export async function versionOf(
  db: Kysely<Tables>,
  { names, tableExistsQuery, place }: Migration,
): Promise<number> {
  const exists = await db.executeQuery(CompiledQuery.raw(tableExistsQuery, [names.schema]))
  if (exists.rows.length === 0) return 0
  const text = `select max(version) as version from ${names.schema}`
  const { rows } = await db.executeQuery<{ version: number | null }>(CompiledQuery.raw(text))
  const version = rows[0]?.version ?? 0
  if (version > SCHEMA_VERSION) throw newerTables(version, { names, place })
  return version
}

/**
 * SLUICE_QUEUE_CORRUPT for tables that a newer release has upgraded, at opening or at a lease [Q-VERSION-1].
 */
export function newerTables(
  version: number,
  { names, place }: Pick<Migration, 'names' | 'place'>,
): SluiceError {
  return new SluiceError(
    'SLUICE_QUEUE_CORRUPT',
    `The tables of ${place} (table ${names.schema}) are of version ${version}; this release of @sluice/queue-sql knows ` +
      `versions up to ${SCHEMA_VERSION}. Upgrade @sluice/queue-sql here too, or use another tablePrefix`,
  )
}

async function noteVersion(db: Kysely<Tables>, { names }: Migration, before: number): Promise<void> {
  if (before === SCHEMA_VERSION) return
  const create = `create table if not exists ${names.schema} (version integer primary key)`
  await db.executeQuery(CompiledQuery.raw(create))
  await db.executeQuery(CompiledQuery.raw(`insert into ${names.schema} (version) values (${SCHEMA_VERSION})`))
}

/**
 * Creates an index that is not part of the schema, in one transaction: safe to run in many processes at once,
 * and an interrupted one leaves nothing.
 */
export async function addIndex(
  db: Kysely<Tables>,
  { tableExistsQuery, lockStatement }: Pick<Migration, 'tableExistsQuery' | 'lockStatement'>,
  index: { readonly name: string; readonly on: string },
): Promise<void> {
  const exists = CompiledQuery.raw(tableExistsQuery, [index.name])
  if ((await db.executeQuery(exists)).rows.length > 0) return
  await db.transaction().execute(async (trx) => {
    if (lockStatement !== undefined) await trx.executeQuery(CompiledQuery.raw(lockStatement))
    await trx.executeQuery(CompiledQuery.raw(`create index if not exists ${index.name} on ${index.on}`))
  })
}
