import { dirname, resolve } from 'node:path'
import { systemRuntime } from '@sluice/core/backend'
import { sql } from 'kysely'
import { CallGate } from './calls/call-gate.js'
import { placeOf, type SqlQueueSettings } from './sql-options.js'
import { SqlBackend } from './sql-backend.js'
import type { OpenOptions, SqlStore } from './sql-store.js'
import { sqliteFileExists } from './sqlite/path.js'
import { assertOpenable, openSqlite } from './sqlite/store.js'
import { sqlError } from './sql-errors.js'

/** Opens a queue, and creates or upgrades its tables. */
export async function openSqlBackend(
  settings: SqlQueueSettings,
  open: OpenOptions = {},
): Promise<SqlBackend> {
  const backend = await openWhere(() => Promise.resolve(true), settings, open)
  if (backend === undefined) throw new Error('a queue that may be made was not opened')
  return backend
}

/** Opens a queue that exists, and upgrades its tables. Otherwise it only reads. */
export async function openExistingSqlBackend(
  settings: SqlQueueSettings,
  open: OpenOptions = {},
): Promise<SqlBackend | undefined> {
  // It warns when it is opened.
  if (!isPlaceThere(settings, undefined)) return undefined
  return openWhere((store) => isKnown(store, settings.name), settings, open)
}

/** @param isWanted asked unless the queue is found at once */
async function openWhere(
  isWanted: (store: SqlStore) => Promise<boolean>,
  settings: SqlQueueSettings,
  open: OpenOptions,
): Promise<SqlBackend | undefined> {
  const { name } = settings
  const store = await openStore(settings, open)
  const gate = new CallGate(name, store)
  try {
    let queueId = await gate.run('open the queue', async () => store.openKnown?.(name))
    if (queueId === undefined) {
      if (!(await gate.run('look up the queue', () => isWanted(store)))) return await closed(gate)
      await gate.run('create or upgrade the tables', () => store.migrate())
      queueId = await gate.run('open the queue', () => queueIdOf(store, name))
    }
    return new SqlBackend(store, gate, { queueId, name })
  } catch (error) {
    await gate.close().catch(() => {
      // The first error is the cause; an error of closing can only repeat it.
    })
    throw error
  }
}

async function closed(gate: CallGate): Promise<undefined> {
  await gate.close()
  return undefined
}

/** Whether the queue exists. It only reads. */
export async function sqlQueueExists(settings: SqlQueueSettings, open: OpenOptions = {}): Promise<boolean> {
  const { name } = settings
  if (!isPlaceThere(settings, open.warn)) return false
  const store = await openStore(settings, { ...open, warn: undefined })
  const gate = new CallGate(name, store)
  try {
    return await gate.run('look up the queue', () => isKnown(store, name))
  } finally {
    await gate.close()
  }
}

/**
 * Whether the place exists: SQLite would create the file by opening it, and a database in memory exists only
 * while it is open.
 */
export function isPlaceThere(settings: SqlQueueSettings, warn: OpenOptions['warn']): boolean {
  const place = placeOf(settings.url)
  if (place.kind === 'postgres') return true
  // Also without a file: the caller gets the error now that opening the queue would give.
  assertOpenable(place.path, settings, warn)
  return named(place.path, () => sqliteFileExists(place.path))
}

/** Loads what one kind of database needs. */
export async function openStore(settings: SqlQueueSettings, options: OpenOptions = {}): Promise<SqlStore> {
  const place = placeOf(settings.url)
  const { runtime = systemRuntime, ...rest } = options
  const open = { ...rest, runtime }
  if (place.kind === 'postgres') {
    const { openPostgres } = await import('./postgres/store.js')
    return openPostgres(place.url, settings, open)
  }
  return named(place.path, () => openSqlite(place.path, settings, open))
}

function named<T>(path: string, open: () => T): T {
  try {
    return open()
  } catch (error) {
    throw sqlError(error, {
      what: 'open or create the SQLite file',
      place: `its folder ${dirname(resolve(path))}`,
    })
  }
}

/** The id of a queue, assigned when it is first opened. Concurrent openings find one row. */
async function queueIdOf(store: SqlStore, name: string): Promise<number> {
  const { db, names, counterSlots } = store
  const known = await completeIdOf(store, name)
  if (known !== undefined) return known
  return db.transaction().execute(async (trx) => {
    await trx
      .insertInto(names.queues)
      .values({ name })
      .onConflict((taken) => taken.column('name').doNothing())
      .execute()
    const { id } = await trx
      .selectFrom(names.queues)
      .select('id')
      .where('name', '=', name)
      .executeTakeFirstOrThrow()
    const slots = Array.from({ length: counterSlots }, (_, slot) => slot)
    await trx
      .insertInto(names.counters)
      .values(slots.map((slot) => ({ queue_id: id, slot, waiting: 0, processing: 0, success: 0, fail: 0 })))
      .onConflict((taken) => taken.columns(['queue_id', 'slot']).doNothing())
      .execute()
    return id
  })
}

async function isKnown(store: SqlStore, name: string): Promise<boolean> {
  return (await store.tablesVersion()) > 0 && (await knownIdOf(store, name)) !== undefined
}

async function knownIdOf({ db, names }: SqlStore, name: string): Promise<number | undefined> {
  const known = await db.selectFrom(names.queues).select('id').where('name', '=', name).executeTakeFirst()
  return known?.id
}

/** Not that of a queue which an older release made during an upgrade, with fewer rows of counters. */
async function completeIdOf(
  { db, names, counterSlots }: SqlStore,
  name: string,
): Promise<number | undefined> {
  const { rows } = await sql<{ id: number }>`select id from ${sql.table(names.queues)} q where name = ${name}
    and (select count(*) from ${sql.table(names.counters)} where queue_id = q.id) = ${counterSlots}`.execute(
    db,
  )
  return rows[0]?.id
}
