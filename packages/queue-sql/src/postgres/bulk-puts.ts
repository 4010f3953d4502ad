import type { Runtime } from '@sluice/core'
import type { CheckedItem } from '@sluice/core/backend'
import { CompiledQuery, type Kysely } from 'kysely'
import type { BulkPuts, PutMode } from '../items/moves.js'
import { NO_ATTEMPT, STAGE_NUMBERS, type Tables } from '../schema/tables.js'
import { COPY_IN } from './copy-in.js'
import type { OptimisticPuts } from './puts.js'
import type { PostgresStatements } from './statements/statements.js'

/** With fewer rows the round trips of a transaction cost more than COPY saves. */
const MIN_ROWS = 4_000
/** A transaction of some hundred milliseconds. */
const MAX_ROWS = 20_000
/** A value of the sequence numbers so many items. */
const ROWS_PER_TURN = 1_000
/** Texts of this length are sent at once: the server begins with the first while the next is made. */
const CHUNK_CHARS = 65_536

export interface BulkPutsParts {
  readonly db: Kysely<Tables>
  readonly queueId: number
  readonly statements: Pick<PostgresStatements['puts'], 'WAITING' | 'SUCCESS' | 'begin'>
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
    const texts = statements[stage]
    const begun = await first<Begun>(db, statements.begin, [Math.ceil(items.length / ROWS_PER_TURN)])
    const places = placesOf(items, begun)
    // By id, because two puts of the same ids then wait for each other in one order.
    const sorted = places.toSorted((a, b) => (a.item.id < b.item.id ? -1 : 1))
    await copy(
      db,
      texts.copyItems,
      chunks(sorted, (place) => itemLine(place, begun, runtime.newId(), queueId)),
    )
    const entryLine = stage === 'WAITING' ? waitingLine : finishedLine
    await copy(
      db,
      texts.copyEntries,
      chunks(places, (place) => entryLine(place, queueId)),
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

async function copy(db: Kysely<Tables>, text: string, rows: Iterable<string>): Promise<void> {
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

function* chunks(places: readonly Place[], line: (place: Place) => string): Generator<string> {
  let chunk = ''
  for (const place of places) {
    chunk += line(place)
    if (chunk.length < CHUNK_CHARS) continue
    yield chunk
    chunk = ''
  }
  if (chunk !== '') yield chunk
}

/** The columns of `copyItems`. */
function itemLine(place: Place, { now }: Begun, uid: string, queueId: number): string {
  const { item, seq, notBefore, availableAt } = place
  const { id, bodyText, priority } = item
  return `${seq}\t${availableAt}\t${now}\t${notBefore ?? NULL}\t${queueId}\t0\t0\t${priority}\t${uid}\t${copyText(id)}\t${copyJson(bodyText)}\n`
}

/** The columns of `copyEntries` of WAITING. */
function waitingLine({ item, seq, availableAt }: Place, queueId: number): string {
  return `${availableAt}\t${seq}\t${queueId}\t${-item.priority}\n`
}

/** The columns of `copyEntries` of SUCCESS. */
function finishedLine({ seq, availableAt }: Place, queueId: number): string {
  return `${seq}\t${availableAt}\t${availableAt}\t${queueId}\t${NO_ATTEMPT}\t${STAGE_NUMBERS.SUCCESS}\n`
}

const NULL = String.raw`\N`

/** @see https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.2 */
const ESCAPES: Readonly<Record<string, string>> = {
  '\\': String.raw`\\`,
  '\n': String.raw`\n`,
  '\r': String.raw`\r`,
  '\t': String.raw`\t`,
}

function copyText(text: string): string {
  return /[\\\n\r\t]/.test(text) ? text.replaceAll(/[\\\n\r\t]/g, (found) => ESCAPES[found] ?? found) : text
}

/** JSON text has no line break and no tab. */
function copyJson(text: string): string {
  return text.includes('\\') ? text.replaceAll('\\', String.raw`\\`) : text
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
