import type { DropOutcome, DropQueueUse } from '@sluice/core'
import { sql, type Transaction } from 'kysely'
import { CallGate } from '../calls/call-gate.js'
import { DROPPED, LATEST_DROP, droppedName, nameBeforeDrop } from '../queue-row.js'
import { heldLeases } from './list-queues.js'
import { isPlaceThere, openStore } from '../open-backend.js'
import type { SqlQueueSettings } from '../sql-options.js'
import type { OpenOptions, SqlStore } from '../sql-store.js'
import type { Tables } from '../schema/tables.js'

/**
 * Rows of one transaction: few enough that other processes do not wait long for the rows, or in SQLite for
 * the file.
 */
const ROWS = 1_000

interface Dropping {
  readonly store: SqlStore
  readonly gate: CallGate
  readonly name: string
  readonly use: DropQueueUse
}

/**
 * Drops a queue in two steps. The first is one transaction: the row gets a name that cannot be opened, and
 * counters, leases, documents and limits are deleted, without which no process that has the queue open can
 * change anything. The second deletes the items, a thousand in a transaction; a later call finds the row and
 * continues.
 */
export async function dropSqlQueue(
  settings: SqlQueueSettings,
  use: DropQueueUse,
  open: OpenOptions = {},
): Promise<DropOutcome> {
  if (!isPlaceThere(settings, open.warn)) return { is: 'absent' }
  const store = await openStore(settings, open)
  const gate = new CallGate(settings.name, store)
  try {
    const version = await gate.run('look up the queue', () => store.tablesVersion())
    if (version === 0) return { is: 'absent' }
    await gate.run('upgrade the tables', () => store.migrate())
    return await drop({ store, gate, name: settings.name, use })
  } finally {
    await gate.close()
  }
}

async function drop(dropping: Dropping): Promise<DropOutcome> {
  const { gate } = dropping
  const marked = await gate.run('drop the queue', () => mark(dropping))
  if (marked.is !== 'dropping' && marked.is !== 'absent') return marked
  const ids = await gate.run('read what is left of the queue', () => leftIds(dropping))
  if (ids.length === 0) return { is: 'absent' }
  const progress = { removed: 0, of: marked.is === 'dropping' ? marked.items : undefined }
  for (const id of ids) if (!(await purge(dropping, id, progress))) return stopped(progress.removed)
  return { is: 'dropped', removed: progress.removed, unit: 'items', notes: [] }
}

function stopped(removed: number): DropOutcome {
  return { is: 'stopped', removed, unit: 'items' }
}

type Marked =
  | Extract<DropOutcome, { is: 'absent' | 'held' | 'running' }>
  | { readonly is: 'dropping'; readonly items: number }

/** Rolls the transaction back; carries the reason. */
class Refusal extends Error {
  readonly outcome: Marked

  constructor(outcome: Marked) {
    super(outcome.is)
    this.outcome = outcome
  }
}

/** The atomic step. Rows are locked in the order of claims: the queue's own, leases, counters. */
async function mark(dropping: Dropping): Promise<Marked> {
  try {
    return await dropping.store.db.transaction().execute((trx) => markIn(trx, dropping))
  } catch (error) {
    if (error instanceof Refusal) return error.outcome
    throw error
  }
}

async function markIn(trx: Transaction<Tables>, { store, name, use }: Dropping): Promise<Marked> {
  const { names, nowMs, durably } = store
  const known = await trx.selectFrom(names.queues).select('id').where('name', '=', name).executeTakeFirst()
  if (known === undefined) return { is: 'absent' }
  const { id } = known
  // This waits for a lease that is being taken, and then sees it; a concurrent drop then finds no row.
  const renamed = await trx
    .updateTable(names.queues)
    .set({ name: droppedName(id, name) })
    .where('id', '=', id)
    .where('name', '=', name)
    .where(durably)
    .returning('id')
    .executeTakeFirst()
  if (renamed === undefined) return { is: 'absent' }
  const leases = (await heldLeases({ db: trx, names, nowMs }, id)).get(id) ?? []
  if (leases.length > 0) throw new Refusal({ is: 'held', leases })
  for (const table of [names.leases, names.documents, names.limits] as const)
    await trx.deleteFrom(table).where('queue_id', '=', id).execute()
  // Deleted before they are summed: this waits for moves under way, whose counts are then included.
  const counters = await trx.deleteFrom(names.counters).where('queue_id', '=', id).returningAll().execute()
  const sum = (of: (row: (typeof counters)[number]) => number) =>
    counters.reduce((all, row) => all + of(row), 0)
  const processing = sum((row) => row.processing)
  if (processing > 0 && use.withRunning !== true) throw new Refusal({ is: 'running', processing })
  return { is: 'dropping', items: sum((row) => row.waiting + row.processing + row.success + row.fail) }
}

/** The ids of this drop, and of earlier unfinished ones of this name. */
async function leftIds({ store, name }: Dropping): Promise<number[]> {
  const { db, names } = store
  const rows = await db
    .selectFrom(names.queues)
    .select(['id', 'name'])
    .where(sql<boolean>`substr(name, 1, ${sql.lit(DROPPED.length)}) = ${DROPPED.beginning}`)
    .execute()
  return rows.filter((row) => nameBeforeDrop(row.name) === name).map(({ id }) => id)
}

interface Progress {
  removed: number
  readonly of: number | undefined
}

/** A batch of deleted rows, and the key after which the next one begins; `undefined`: it was the last. */
interface Batch<Key> {
  readonly items: number
  readonly next: Key | undefined
}

/** @returns `false` if it was stopped */
async function purge(dropping: Dropping, id: number, progress: Progress): Promise<boolean> {
  const { store, gate } = dropping
  const ends =
    (await walk(dropping, progress, (after: WaitingKey | undefined) => deleteWaiting(store, id, after))) &&
    (await walk(dropping, progress, (after: string | undefined) => deleteProcessing(store, id, after))) &&
    (await walk(dropping, progress, (after: FinishedKey | undefined) => deleteFinished(store, id, after))) &&
    (await walk(dropping, progress, (after: string | undefined) => deleteItems(store, id, after)))
  if (!ends) return false
  await gate.run('drop the queue', () => store.db.transaction().execute((trx) => deleteRow(trx, store, id)))
  return true
}

/**
 * Each batch is the range of keys after the one before, so that dead index entries are not walked over again.
 * It pauses for as long as a batch took, because other processes need the disk, and in SQLite the file.
 */
async function walk<Key>(
  { gate, use, store: { runtime } }: Dropping,
  progress: Progress,
  deleteBatch: (after: Key | undefined) => Promise<Batch<Key>>,
): Promise<boolean> {
  let after: Key | undefined
  do {
    if (use.signal?.aborted === true) return false
    const from = after
    const beganAtMonotonic = runtime.monotonicMs()
    const batch = await gate.run('delete items of the dropped queue', () => deleteBatch(from))
    progress.removed += batch.items
    const { removed, of } = progress
    if (batch.items > 0) use.onProgress?.({ removed, unit: 'items', ...(of === undefined ? {} : { of }) })
    after = batch.next
    if (after !== undefined) await runtime.sleep(runtime.monotonicMs() - beganAtMonotonic)
  } while (after !== undefined)
  return true
}

interface WaitingKey {
  readonly rank: number
  readonly available_at: number
  readonly seq: number
}

async function deleteWaiting(
  { db, names }: SqlStore,
  id: number,
  after: WaitingKey | undefined,
): Promise<Batch<WaitingKey>> {
  const key = ({ rank, available_at, seq }: WaitingKey) =>
    sql`(cast(${rank} as integer), cast(${available_at} as bigint), cast(${seq} as bigint))`
  const behind =
    after === undefined ? sql<boolean>`1 = 1` : sql<boolean>`(rank, available_at, seq) > ${key(after)}`
  const last = await db
    .selectFrom(names.waiting)
    .select(['rank', 'available_at', 'seq'])
    .where('queue_id', '=', id)
    .where(behind)
    .orderBy('rank')
    .orderBy('available_at')
    .orderBy('seq')
    .limit(1)
    .offset(ROWS - 1)
    .executeTakeFirst()
  const upTo =
    last === undefined ? sql<boolean>`1 = 1` : sql<boolean>`(rank, available_at, seq) <= ${key(last)}`
  await db.deleteFrom(names.waiting).where('queue_id', '=', id).where(behind).where(upTo).execute()
  return { items: 0, next: last }
}

async function deleteProcessing(
  { db, names }: SqlStore,
  queueId: number,
  after = '',
): Promise<Batch<string>> {
  const of = db.selectFrom(names.processing).where('queue_id', '=', queueId).where('id', '>', after)
  const last = await of
    .select('id')
    .orderBy('id')
    .limit(1)
    .offset(ROWS - 1)
    .executeTakeFirst()
  let range = db.deleteFrom(names.processing).where('queue_id', '=', queueId).where('id', '>', after)
  if (last !== undefined) range = range.where('id', '<=', last.id)
  await range.execute()
  return { items: 0, next: last?.id }
}

interface FinishedKey {
  readonly stage: number
  readonly seq: number
}

async function deleteFinished(
  { db, names }: SqlStore,
  id: number,
  after: FinishedKey | undefined,
): Promise<Batch<FinishedKey>> {
  const key = ({ stage, seq }: FinishedKey) => sql`(cast(${stage} as smallint), cast(${seq} as bigint))`
  const behind = after === undefined ? sql<boolean>`1 = 1` : sql<boolean>`(stage, seq) > ${key(after)}`
  const last = await db
    .selectFrom(names.finished)
    .select(['stage', 'seq'])
    .where('queue_id', '=', id)
    .where(behind)
    .orderBy('stage')
    .orderBy('seq')
    .limit(1)
    .offset(ROWS - 1)
    .executeTakeFirst()
  const upTo = last === undefined ? sql<boolean>`1 = 1` : sql<boolean>`(stage, seq) <= ${key(last)}`
  await db.deleteFrom(names.finished).where('queue_id', '=', id).where(behind).where(upTo).execute()
  return { items: 0, next: last }
}

/** Items last, in one transaction with their attempts, which are found only through them. */
function deleteItems(store: SqlStore, queueId: number, after = ''): Promise<Batch<string>> {
  const { db, names } = store
  return db.transaction().execute(async (trx) => {
    const rows = await trx
      .selectFrom(names.items)
      .select(['id', 'seq'])
      .where('queue_id', '=', queueId)
      .where('id', '>', after)
      .orderBy('id')
      .limit(ROWS)
      .execute()
    const last = rows.at(-1)?.id
    if (last === undefined) return { items: 0, next: undefined }
    const attempts = store.among(
      'seq',
      rows.map(({ seq }) => seq),
    )
    await trx.deleteFrom(names.attempts).where(attempts).execute()
    await trx
      .deleteFrom(names.items)
      .where('queue_id', '=', queueId)
      .where('id', '>', after)
      .where('id', '<=', last)
      .execute()
    return { items: rows.length, next: rows.length < ROWS ? undefined : last }
  })
}

/** Deletes the row, or, if its id is the highest, makes it that of the latest drop. */
async function deleteRow(trx: Transaction<Tables>, { names, durably }: SqlStore, id: number): Promise<void> {
  await trx.deleteFrom(names.queues).where('name', '=', LATEST_DROP).where('id', '<', id).execute()
  const higher = await trx
    .selectFrom(names.queues)
    .select('id')
    .where('id', '>', id)
    .limit(1)
    .executeTakeFirst()
  if (higher === undefined)
    await trx
      .updateTable(names.queues)
      .set({ name: LATEST_DROP })
      .where('id', '=', id)
      .where(durably)
      .execute()
  else await trx.deleteFrom(names.queues).where('id', '=', id).where(durably).execute()
}
