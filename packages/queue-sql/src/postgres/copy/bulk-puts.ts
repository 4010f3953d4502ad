import type { Runtime } from '@sluice/core'
import type { CheckedItem } from '@sluice/core/backend'
import { CompiledQuery, type Kysely } from 'kysely'
import type { BulkPuts, PutMode } from '../../items/moves.js'
import { NO_ATTEMPT, STAGE_NUMBERS, type Tables } from '../../schema/tables.js'
import { isChosen } from '../../items/item-rows.js'
import { COPY_IN } from './copy-in.js'
import { copyChunks, type CopyRows } from './copy-rows.js'
import type { OptimisticPuts } from '../puts.js'
import type { PostgresStatements } from '../statements/statements.js'

/** With fewer rows the round trips of a transaction cost more than COPY saves. */
const MIN_ROWS = 4_000
/** A transaction of some hundred milliseconds. */
const MAX_ROWS = 20_000
/** A value of the sequence numbers so many items. */
const ROWS_PER_TURN = 1_000
export interface BulkPutsParts {
  readonly db: Kysely<Tables>
  readonly queueId: number
  readonly statements: Pick<PostgresStatements['puts'], 'WAITING' | 'SUCCESS' | 'chosen' | 'begin'>
  /** Shared with the puts by statements: after a known id all are checked for a while. */
  readonly optimism: OptimisticPuts
  readonly runtime: Pick<Runtime, 'newId'>
  /** For tests. */
  readonly minRows?: number | undefined
}

/** What the server decides for a batch. */
interface Begun {
  readonly now: number
  /** One value of the sequence for each thousand rows, ascending. */
  readonly turns: readonly number[]
}

/** What the rows of a batch have in common. */
interface RowsOf {
  readonly now: number
  readonly queueId: number
  readonly newId: () => string
  /** None of them has resources or a limit key: there are no columns for these. */
  readonly isPlain: boolean
}

/** An item with its place in the order of `get`. */
interface Place {
  readonly item: CheckedItem
  readonly seq: number
  readonly notBefore: number | undefined
  readonly availableAt: number
}

/**
 * Puts of thousands of items: COPY straight into the tables, in one transaction, which needs no more
 * privileges than INSERT and no state of the session. COPY has no ON CONFLICT: a known id fails the
 * transaction, and its items are put by statements, which report each.
 *
 * A process that is killed before the COMMIT leaves nothing.
 */
export class PostgresBulkPuts implements BulkPuts {
  readonly minRows: number
  readonly maxRows = MAX_ROWS
  readonly #parts: BulkPutsParts
  /** The server refuses COPY, such as into a table with row-level security, or a pooler does not know it. */
  #isRefused = false

  constructor(parts: BulkPutsParts) {
    this.#parts = parts
    this.minRows = parts.minRows ?? MIN_ROWS
  }

  get isUsable(): boolean {
    return !this.#isRefused && this.#parts.optimism.isOptimistic
  }

  async put(items: readonly CheckedItem[], stage: PutMode['stage']): Promise<boolean> {
    try {
      await this.#parts.db.connection().execute((db) => transaction(db, () => this.#put(db, items, stage)))
      return true
    } catch (error) {
      if (isCopyRefused(error)) this.#isRefused = true
      else if (isKnownId(error)) this.#parts.optimism.noteKnown()
      else throw error
      return false
    }
  }

  async #put(db: Kysely<Tables>, items: readonly CheckedItem[], stage: PutMode['stage']): Promise<void> {
    const { queueId, statements, runtime } = this.#parts
    const isPlain = !items.some(isChosen)
    const texts = (isPlain ? statements : statements.chosen)[stage]
    if (stage === 'WAITING') await all(db, texts.lock)
    const begun = await first<Begun>(db, statements.begin, [Math.ceil(items.length / ROWS_PER_TURN)])
    const places = placesOf(items, begun)
    // By id, because two puts of the same ids then wait for each other in one order.
    const sorted = places.toSorted((a, b) => (a.item.id < b.item.id ? -1 : 1))
    const of = { now: begun.now, queueId, newId: () => runtime.newId(), isPlain }
    await copy(
      db,
      texts.copyItems,
      copyChunks(sorted, (place, to) => writeItem(place, of, to)),
    )
    const writeEntry = stage === 'WAITING' ? writeWaiting : writeFinished
    await copy(
      db,
      texts.copyEntries,
      copyChunks(places, (place, to) => writeEntry(place, of, to)),
    )
    // Last, since other moves wait for this row.
    await first(db, texts.count, [queueId, items.length])
  }
}

async function transaction(db: Kysely<Tables>, run: () => Promise<void>): Promise<void> {
  await all(db, 'begin')
  try {
    await run()
  } catch (error) {
    // It fails only where the connection is lost, which rolls back as well; the first error is the cause.
    await all(db, 'rollback').catch(() => undefined)
    throw error
  }
  await all(db, 'commit')
}

async function all<Row>(
  db: Kysely<Tables>,
  text: string,
  parameters: readonly unknown[] = [],
): Promise<Row[]> {
  const { rows } = await db.executeQuery<Row>(CompiledQuery.raw(text, [...parameters]))
  return rows
}

async function first<Row>(db: Kysely<Tables>, text: string, parameters: readonly unknown[]): Promise<Row> {
  const [row] = await all<Row>(db, text, parameters)
  if (row === undefined) throw new Error('a statement that always returns a row returned none')
  return row
}

async function copy(db: Kysely<Tables>, text: string, rows: Iterable<Buffer>): Promise<void> {
  await all(db, COPY_IN + text, [rows])
}

function placesOf(items: readonly CheckedItem[], { now, turns }: Begun): Place[] {
  return items.map((item, index) => {
    const { notBeforeAt, delayMs } = item
    const turn = turns[Math.floor(index / ROWS_PER_TURN)] ?? 0
    const notBefore = notBeforeAt ?? (delayMs === undefined ? undefined : now + delayMs)
    return {
      item,
      seq: turn * ROWS_PER_TURN + (index % ROWS_PER_TURN),
      notBefore,
      availableAt: Math.max(now, notBefore ?? now),
    }
  })
}

/** The columns of `copyItems`. */
function writeItem({ item, seq, notBefore, availableAt }: Place, of: RowsOf, to: CopyRows): void {
  const { id, bodyText, priority, resources, limitKey } = item
  const amounts = resources && JSON.stringify(resources)
  const chars = id.length + bodyText.length + (amounts?.length ?? 0) + (limitKey?.length ?? 0)
  to.row(of.isPlain ? 11 : 13, chars)
  to.bigint(seq)
  to.bigint(availableAt)
  to.bigint(of.now)
  if (notBefore === undefined) to.null()
  else to.bigint(notBefore)
  to.integer(of.queueId)
  to.integer(0)
  to.integer(0)
  to.integer(priority)
  to.uuid(of.newId())
  to.text(id)
  to.text(bodyText)
  if (of.isPlain) return
  optional(amounts, to)
  optional(limitKey, to)
}

function optional(text: string | undefined, to: CopyRows): void {
  if (text === undefined) to.null()
  else to.text(text)
}

/** The columns of `copyEntries` of WAITING. */
function writeWaiting({ item, seq, availableAt }: Place, { queueId, isPlain }: RowsOf, to: CopyRows): void {
  to.row(isPlain ? 4 : 5, item.limitKey?.length ?? 0)
  to.bigint(availableAt)
  to.bigint(seq)
  to.integer(queueId)
  to.integer(-item.priority)
  if (!isPlain) optional(item.limitKey, to)
}

/** The columns of `copyEntries` of SUCCESS. */
function writeFinished({ seq, availableAt }: Place, { queueId }: RowsOf, to: CopyRows): void {
  to.row(6, 0)
  to.bigint(seq)
  to.bigint(availableAt)
  to.bigint(availableAt)
  to.integer(queueId)
  to.integer(NO_ATTEMPT)
  to.smallint(STAGE_NUMBERS.SUCCESS)
}

/** SQLSTATE unique_violation. @see https://www.postgresql.org/docs/current/errcodes-appendix.html */
export function isKnownId(error: unknown): boolean {
  return codeOf(error) === '23505'
}

/**
 * SQLSTATE feature_not_supported, wrong_object_type and syntax_error: COPY does not work here where INSERT
 * may.
 */
function isCopyRefused(error: unknown): boolean {
  const code = codeOf(error)
  return code === '0A000' || code === '42809' || code === '42601'
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
