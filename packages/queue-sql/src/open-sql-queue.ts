import { randomUUID } from 'node:crypto'
import type { Dialect } from 'kysely'
import { CallGate } from './call-gate.js'
import { placeOf, type SqlQueueSettings } from './sql-options.js'
import { sqlQueueOf, type SqlQueue } from './sql-queue.js'
import { openPostgres } from './postgres-store.js'
import type { SqlStore } from './sql-store.js'
import { openSqlite } from './sqlite-store.js'
import { sqlError } from './sql-errors.js'

/** @param wrap lets tests put a driver that dies between kysely and the database */
export async function openSqlQueue(
  settings: SqlQueueSettings,
  wrap?: (dialect: Dialect) => Dialect,
): Promise<SqlQueue> {
  const { name } = settings
  const store = openStore(settings, wrap)
  const gate = new CallGate(name, store)
  try {
    await gate.run('create or upgrade the tables', () => store.migrate())
    const queueId = await gate.run('open the queue', () => queueIdOf(store, name))
    return sqlQueueOf({ name, queueId, store, gate, newUid: randomUUID })
  } catch (error) {
    await gate.close().catch(() => {
      // The first error says what is wrong; closing what never opened can only repeat it.
    })
    throw error
  }
}

function openStore(settings: SqlQueueSettings, wrap?: (dialect: Dialect) => Dialect): SqlStore {
  const place = placeOf(settings.url)
  if (place.kind === 'postgres') return openPostgres(place.url, settings, wrap)
  try {
    return openSqlite(place.path, settings, wrap)
  } catch (error) {
    throw sqlError(error, { what: 'open the file', place: `the SQLite file ${place.path}` })
  }
}

/** The number of a queue, given to its name when it is first opened. Of many who open it at once all find the one row. */
async function queueIdOf(store: SqlStore, name: string): Promise<number> {
  const { db, names, counterSlots } = store
  const find = () => db.selectFrom(names.queues).select('id').where('name', '=', name).executeTakeFirst()
  const known = await find()
  if (known !== undefined) return known.id
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
