import { existsSync } from 'node:fs'
import { open, unlink } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { SluiceError, type Runtime, type StorageFinding } from '@sluice/core'
import { systemRuntime } from '@sluice/core/backend'
import { CallGate } from '../calls/call-gate.js'
import { rolledBack } from '../schema/migration.js'
import { isPlaceThere, openStore } from '../open-backend.js'
import { SCHEMA_VERSION } from '../schema/steps.js'
import { codeOf, sqlError } from '../sql-errors.js'
import { placeOf, type SqlQueueSettings } from '../sql-options.js'
import type { OpenOptions, SqlStore } from '../sql-store.js'
import { cannotCreate } from '../sqlite/path.js'
import { isInMemory } from '../sqlite/store.js'
import { CompiledQuery, type Kysely } from 'kysely'
import type { TableNames, Tables } from '../schema/tables.js'

/** The size of the trial file: more than SQLite's log grows by in a few calls. */
const TRIED_BYTES = 65_536

/**
 * Tries what a service does with a database in a transaction that is rolled back: it creates the tables, or
 * writes, changes and deletes a row in each of them. On PostgreSQL it checks all privileges first, so that it
 * names every missing one. For a SQLite file it also tries the folder and the disk.
 *
 * @throws SluiceError as `openQueue`
 */
export async function checkSqlStorage(
  settings: SqlQueueSettings,
  open: OpenOptions,
): Promise<StorageFinding> {
  const place = placeOf(settings.url)
  if (place.kind === 'sqlite') {
    if (isInMemory(place.path)) return {}
    const exists = isPlaceThere(settings, open.warn)
    await assertWritable(resolve(place.path), open.runtime ?? systemRuntime)
    if (!exists) return {}
  }
  const store = await openStore(settings, { ...open, warn: undefined })
  const gate = new CallGate(settings.name, store)
  try {
    return await gate.run('try what a service does', () => tryStore(store))
  } finally {
    await gate.close()
  }
}

async function tryStore(store: SqlStore): Promise<StorageFinding> {
  const version = await store.tablesVersion()
  if (version === 0) {
    await store.tryMigration()
    return {}
  }
  // Trying the upgrade would copy and lock tables that other processes use.
  if (version < SCHEMA_VERSION) return { upgrade: upgradeText(version) }
  const lacking = await store.lackingPrivileges?.()
  if (lacking !== undefined)
    throw new SluiceError('SLUICE_QUEUE_DENIED', `Cannot use the tables of ${store.place}: ${lacking}`)
  await rolledBack(store.db, (trx) => tryRows(trx, store))
  return {}
}

function upgradeText(version: number): string {
  return (
    `its tables are of version ${version}: opening the queue upgrades them to ${SCHEMA_VERSION}, and older releases cannot use them afterwards; ` +
    'stop their processes first'
  )
}

/** Writes a file that is already unlinked, so that nothing is left in any case. */
async function assertWritable(path: string, runtime: Pick<Runtime, 'newId'>): Promise<void> {
  const folder = existingFolder(dirname(path))
  try {
    const trial = join(folder, `.sluice-check-${runtime.newId()}`)
    const file = await open(trial, 'wx', 0o600)
    try {
      await unlink(trial)
      await file.writeFile(new Uint8Array(TRIED_BYTES))
      await file.sync()
    } finally {
      await file.close()
    }
  } catch (error) {
    const code = codeOf(error)
    if (code === 'ENOENT' && existsSync(folder)) throw cannotCreate(folder, 'open')
    throw sqlError(error, {
      what: 'write a file',
      place: `the folder ${folder} of the SQLite file ${path}`,
      advice:
        code === 'ENOSPC' || code === 'EDQUOT'
          ? undefined
          : 'SQLite keeps files beside it: let this user write into the folder, or use another path in the url',
      hidesFile: true,
    })
  }
}

/** The nearest ancestor that exists. */
function existingFolder(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : existingFolder(dirname(path))
}

/** A row that the check writes into one table, as SQL literals by column, and the statements that follow. */
interface ProbeRow {
  readonly table: string
  readonly values: Readonly<Record<string, string | number>>
  /** The column by which the row is found. */
  readonly key: string
  readonly verbs: readonly ('update' | 'delete')[]
}

const UID = "'00000000-0000-4000-8000-000000000000'"

/** The writes of a queue to its tables. */
function probeRows(t: TableNames, number: number): readonly ProbeRow[] {
  const queue = { queue_id: number }
  const claim = { seq: number, claimed_at: 0 }
  const named = { ...queue, name: "'check'" }
  const counts = { waiting: 0, processing: 0, success: 0, fail: 0 }
  const item = { seq: number, available_at: 0, put_at: 0, ...queue, attempt: 0, refunds: 0, priority: 0 }
  const row = (
    table: string,
    values: ProbeRow['values'],
    ...verbs: readonly ('update' | 'delete')[]
  ): ProbeRow => ({ table, values, key: Object.keys(values)[0] ?? '', verbs })
  return [
    row(t.queues, { id: number, name: `'check ${number}'` }, 'update'),
    row(t.limits, { ...named, value: 0 }, 'update', 'delete'),
    row(t.leases, { ...named, holder: "'check'", fence: 0, expires_at: 0, ttl_ms: 0 }, 'update'),
    row(t.documents, { ...named, version: 0, value: "'{}'" }, 'update'),
    row(t.counters, { ...queue, slot: 0, ...counts }, 'update'),
    row(t.items, { ...item, uid: UID, id: "'check'", body: "'{}'" }, 'update', 'delete'),
    row(t.waiting, { ...queue, rank: 0, available_at: 0, seq: number }, 'update', 'delete'),
    row(t.processing, { ...queue, ...claim, attempt: 1, uid: UID, id: "'check'" }, 'delete'),
    row(t.finished, { ...queue, ...claim, ended_at: 0, attempt: 1, stage: 2 }, 'update', 'delete'),
    row(t.attempts, { ...claim, ended_at: 0, attempt: 1, outcome: 0 }, 'delete'),
  ]
}

/**
 * Writes, changes and deletes a row in each table, as far as a queue does so, in a transaction that the
 * caller rolls back: no other transaction sees the rows. No sequence advances.
 */
export async function tryRows(
  trx: Kysely<Tables>,
  { names, overriding, runtime }: Pick<SqlStore, 'names' | 'overriding' | 'runtime'>,
): Promise<void> {
  // Ids of queues and items are never negative, and a concurrent check has another number.
  const number = -1 - Math.floor(runtime.random() * 2_000_000_000)
  const run = (text: string) => trx.executeQuery(CompiledQuery.raw(text))
  for (const { table, values, key, verbs } of probeRows(names, number)) {
    const columns = Object.keys(values).join(', ')
    const last = Object.keys(values).at(-1)
    const own = table === names.queues ? overriding : ''
    await run(`insert into ${table} (${columns}) ${own} values (${Object.values(values).join(', ')})`)
    const where = `where ${key} = ${number}`
    if (verbs.includes('update')) await run(`update ${table} set ${last} = ${last} ${where}`)
    if (verbs.includes('delete')) await run(`delete from ${table} ${where}`)
  }
}
