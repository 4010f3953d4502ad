import { type Kysely, type Transaction, CompiledQuery } from 'kysely'
import { QueueGoneError } from '../sql-errors.js'
import type { RowRun } from './dialect.js'
import type { SqliteStatements } from './statements.js'
import { type Tables, NO_ATTEMPT, STAGE_NUMBERS } from '../schema/tables.js'
import { comparedReason, type ComparedBody } from '../items/item-rows.js'
import type { NewRow, NotAdded, PutMode, ChangeRow } from '../items/moves.js'

/** Runs a statement. */
export async function all<Row>(
  db: Kysely<Tables>,
  text: string,
  parameters: readonly unknown[],
): Promise<Row[]> {
  const { rows } = await db.executeQuery<Row>(CompiledQuery.raw(text, [...parameters]))
  return rows
}

/** The parameter of a statement for many items. */
export function seqList(rows: readonly { seq: number }[]): string {
  return JSON.stringify(rows.map(({ seq }) => seq))
}

export type Trx = Transaction<Tables>

/** The place of an item in the backlog. */
export interface WaitingPlace {
  readonly seq: number
  readonly priority: number
  readonly available_at: number
  readonly limit_key: string | null
}

/** The changes of the sizes of the stages. */
export interface Sizes {
  readonly waiting?: number
  readonly processing?: number
  readonly success?: number
  readonly fail?: number
}

/** Shared by the writes of one queue: transactions, the backlog, and the counters. */
export class SqliteWrites {
  readonly queueId: number
  readonly statements: SqliteStatements
  readonly #db: Kysely<Tables>

  constructor(db: Kysely<Tables>, statements: SqliteStatements, queueId: number) {
    this.#db = db
    this.statements = statements
    this.queueId = queueId
  }

  write<T>(run: (trx: Trx) => Promise<T>): Promise<T> {
    return this.#db.transaction().execute(run)
  }

  async now(trx: Trx): Promise<number> {
    const [row] = await all<{ now: number }>(trx, this.statements.now, [])
    if (row === undefined) throw new Error('a statement that always returns a row returned none')
    return row.now
  }

  async enterWaiting(trx: Trx, places: readonly WaitingPlace[]): Promise<void> {
    if (places.every(({ limit_key }) => limit_key === null)) {
      await all(trx, this.statements.insertWaiting, this.#keys(places))
      return
    }
    const rows = this.#keys(places).map((key, index) => [...key, places[index]?.limit_key ?? null])
    await all(trx, this.statements.insertWaitingOfKey, rows)
  }

  async leaveWaiting(trx: Trx, places: readonly WaitingPlace[]): Promise<void> {
    await all(trx, this.statements.deleteWaiting, this.#keys(places))
  }

  #keys(places: readonly WaitingPlace[]): number[][] {
    return places.map(({ seq, priority, available_at }) => [this.queueId, -priority, available_at, seq])
  }

  /** @throws QueueGoneError if the queue does not exist any more */
  async count(trx: Trx, { waiting = 0, processing = 0, success = 0, fail = 0 }: Sizes): Promise<void> {
    const counts = [waiting, processing, success, fail, this.queueId]
    const [run] = await all<RowRun>(trx, this.statements.count, [counts])
    if (run?.changes !== 1) throw new QueueGoneError()
  }
}

/**
 * The put of {@link SqliteMoves}. With `compare` the bodies of known items are compared in the same
 * transaction [Q-PUT-4].
 */
export async function putInSqlite(
  writes: SqliteWrites,
  rows: readonly NewRow[],
  { compare, stage }: PutMode,
): Promise<NotAdded> {
  return writes.write(async (trx) => {
    const now = await writes.now(trx)
    const timed = rows.map((row) => {
      const notBefore = row.not_before_at ?? (row.delay_ms === null ? null : now + row.delay_ms)
      return { ...row, not_before_at: notBefore, available_at: Math.max(now, notBefore ?? now) }
    })
    const isPlain = rows.every(({ resources, limit_key }) => resources === null && limit_key === null)
    const { insertItem, insertChosenItem } = writes.statements
    const values = timed.map(({ id, uid, priority, not_before_at, available_at, body, ...row }) => [
      writes.queueId,
      id,
      uid,
      priority,
      now,
      not_before_at,
      available_at,
      body,
      ...(isPlain ? [] : [row.resources, row.limit_key]),
    ])
    const runs = await all<RowRun>(trx, isPlain ? insertItem : insertChosenItem, values)
    const added = timed.flatMap((row, index) => {
      const run = runs[index]
      return run?.changes === 1 ? [{ ...row, seq: run.seq }] : []
    })
    if (added.length > 0 && stage === 'WAITING') {
      await writes.enterWaiting(trx, added)
      await writes.count(trx, { waiting: added.length })
    } else if (added.length > 0) {
      await enterDone(writes, trx, { added, now })
      await writes.count(trx, { success: added.length })
    }
    const known = rows.filter((_, index) => runs[index]?.changes !== 1)
    return compare ? compared(writes, trx, known) : new Map(known.map(({ id }) => [id, 'exists']))
  })
}

/** Without a row in the backlog no claim can find the items [Q-PUT-5]. */
async function enterDone(
  { statements, queueId }: SqliteWrites,
  trx: Trx,
  { added, now }: { readonly added: readonly { readonly seq: number }[]; readonly now: number },
): Promise<void> {
  const values = added.map(({ seq }) => [
    queueId,
    STAGE_NUMBERS.SUCCESS,
    seq,
    NO_ATTEMPT,
    now,
    now,
    null,
    null,
    null,
  ])
  await all(trx, statements.insertFinished, values)
}

async function compared(
  { statements, queueId }: SqliteWrites,
  trx: Trx,
  known: readonly NewRow[],
): Promise<NotAdded> {
  const values = known.map(({ id, body }) => [body, queueId, id])
  const stored = await all<ComparedBody & { id: string }>(trx, statements.compareBody, values)
  const given = new Map(known.map(({ id, body }) => [id, body]))
  return new Map(stored.map((row) => [row.id, comparedReason(row, given.get(row.id) ?? '')]))
}

interface Place extends WaitingPlace {
  readonly not_before_at: number | null
  readonly resources: string | null
}

/** A waiting item, and the position of its change in the batch. */
interface ChangeableRow extends Place {
  readonly turn: number
}

/**
 * The update of {@link SqliteMoves}: no claim runs during its transaction, and later claims read what is
 * stored [Q-UPDATE-1].
 *
 * @returns the ids that were changed
 */
export async function updateInSqlite(writes: SqliteWrites, rows: readonly ChangeRow[]): Promise<string[]> {
  const { statements, queueId } = writes
  const asked = JSON.stringify(rows.map(({ id, uid }) => [id, uid]))
  return writes.write(async (trx) => {
    const found = await all<ChangeableRow>(trx, statements.changeable, [asked, queueId])
    if (found.length === 0) return []
    const now = await writes.now(trx)
    const changes = found.flatMap(({ turn, ...from }) => {
      const wanted = rows[turn]
      return wanted === undefined ? [] : [{ from, wanted, to: placeOf(from, wanted, now) }]
    })
    const values = changes.map(({ wanted, to }) => [
      wanted.body,
      to.priority,
      to.not_before_at,
      to.available_at,
      to.resources,
      to.limit_key,
      to.seq,
    ])
    await all(trx, statements.changeItem, values)
    const moved = changes.filter(({ from, to }) => !isSame(from, to))
    await writes.leaveWaiting(
      trx,
      moved.map(({ from }) => from),
    )
    await writes.enterWaiting(
      trx,
      moved.map(({ to }) => to),
    )
    // It changes no size, but checks that the queue still exists.
    await writes.count(trx, {})
    return changes.map(({ wanted }) => wanted.id)
  })
}

/**
 * With only a priority an item keeps its `available_at`; with an instant it is placed as an item that is put
 * then [Q-UPDATE-3].
 */
function placeOf(from: Place, change: ChangeRow, now: number): Place {
  const { priority, not_before_at, resources, limit_key } = change
  const placed = {
    ...from,
    priority: priority ?? from.priority,
    resources: replaced(resources, from.resources),
    limit_key: replaced(limit_key, from.limit_key),
  }
  if (not_before_at === null) return placed
  const isLater = not_before_at > now
  return {
    ...placed,
    available_at: isLater ? not_before_at : now,
    not_before_at: isLater ? not_before_at : null,
  }
}

/** The empty text takes the value away, null leaves it. */
function replaced(given: string | null, stored: string | null): string | null {
  return given === null ? stored : given === '' ? null : given
}

function isSame(one: WaitingPlace, other: WaitingPlace): boolean {
  return (
    one.priority === other.priority &&
    one.available_at === other.available_at &&
    one.limit_key === other.limit_key
  )
}
