import { CompiledQuery, type Kysely } from 'kysely'
import { comparedReason } from '../items/item-rows.js'
import type { KnownReason, NewRow, NotAdded, PutMode } from '../items/moves.js'
import { isKnownId, PostgresBulkPuts, type BulkPutsParts } from './copy/bulk-puts.js'
import { jsonLines, optionalTextArray, plainArray, textArray } from './parameters.js'
import type { PostgresStatements } from './statements/statements.js'
import type { PutStatements } from './statements/puts.js'
import type { Tables } from '../schema/tables.js'

/** The outcome of a put: the ids that were added, or null if all were. */
interface PutOutcome {
  readonly ids: readonly string[] | null
}

/** Also the positions in the batch of the items that exist. */
interface CompareOutcome extends PutOutcome {
  readonly same: readonly number[] | null
  readonly changed: readonly number[] | null
  /** With the stored bodies. */
  readonly alike: readonly (readonly [turn: number, body: string])[] | null
}

const NONE: NotAdded = new Map()

export interface PostgresPutsParts extends Omit<BulkPutsParts, 'statements' | 'optimism'> {
  readonly statements: PostgresStatements['puts']
}

/** The puts of {@link PostgresMoves}. */
export class PostgresPuts {
  readonly bulk: PostgresBulkPuts
  readonly #db: Kysely<Tables>
  readonly #queueId: number
  readonly #statements: PostgresStatements['puts']
  readonly #puts = new OptimisticPuts()

  constructor(parts: PostgresPutsParts) {
    const { db, queueId, statements } = parts
    this.#db = db
    this.#queueId = queueId
    this.#statements = statements
    this.bulk = new PostgresBulkPuts({ ...parts, optimism: this.#puts })
  }

  put(rows: readonly NewRow[], { compare, stage }: PutMode): () => Promise<NotAdded> {
    const isPlain = rows.every(hasNoColumns)
    const statements = (isPlain ? this.#statements : this.#statements.chosen)[stage]
    const [only] = rows
    if (only !== undefined && rows.length === 1 && !compare)
      return () => this.#putOne(only, statements, isPlain)
    const batch = columnsOf(rows)
    const more = isPlain ? [] : chosenColumns(rows)
    return compare
      ? () => this.#putCompared(rows, { batch, more }, statements)
      : () => this.#putMany(rows, [...batch, ...more], statements)
  }

  async #putMany(
    rows: readonly NewRow[],
    batch: readonly unknown[],
    statements: PutStatements,
  ): Promise<NotAdded> {
    const outcome = await this.#puts.run(
      () => this.#one<PutOutcome>(statements.putNew, batch),
      () => this.#one<PutOutcome>(statements.put, batch),
      ({ ids }) => ids !== null,
    )
    return outcome.ids === null ? NONE : notAmong(outcome.ids, rows, () => 'exists')
  }

  async #putCompared(
    rows: readonly NewRow[],
    { batch, more }: { readonly batch: readonly unknown[]; readonly more: readonly unknown[] },
    statements: PutStatements,
  ): Promise<NotAdded> {
    const outcome = await this.#puts.run<PutOutcome | CompareOutcome>(
      () => this.#one<PutOutcome>(statements.putNew, [...batch, ...more]),
      () => this.#one<CompareOutcome>(statements.putCompared, [...batch, 1, ...more]),
      ({ ids }) => ids !== null,
    )
    if (outcome.ids === null) return NONE
    const reasons = 'same' in outcome ? reasonsOf(outcome, rows) : new Map<string, KnownReason>()
    return notAmong(outcome.ids, rows, (id) => reasons.get(id))
  }

  async #putOne(row: NewRow, statements: PutStatements, isPlain: boolean): Promise<NotAdded> {
    const { id, uid, priority, not_before_at, delay_ms, body, resources, limit_key } = row
    const chosen = isPlain ? [] : [resources, limit_key]
    const values = [id, uid, priority, not_before_at, delay_ms, body, ...chosen]
    const { n } = await this.#puts.run(
      () => this.#one<{ n: number }>(statements.putOneNew, values),
      () => this.#one<{ n: number }>(statements.putOne, values),
      (outcome) => outcome.n === 0,
    )
    return n === 0 ? new Map([[id, 'exists']]) : NONE
  }

  async #one<Row>(text: string, parameters: readonly unknown[]): Promise<Row> {
    const query = CompiledQuery.raw(text, [this.#queueId, ...parameters])
    const { rows } = await this.#db.executeQuery<Row>(query)
    const [row] = rows
    if (row === undefined) throw new Error('a statement that always returns a row returned none')
    return row
  }
}

function hasNoColumns({ resources, limit_key }: NewRow): boolean {
  return resources === null && limit_key === null
}

/** In the order of {@link columnsOf}. */
function chosenColumns(rows: readonly NewRow[]): readonly unknown[] {
  const sorted = rows.toSorted((a, b) => (a.id < b.id ? -1 : 1))
  return [
    jsonLines(sorted.map(({ resources }) => resources)),
    optionalTextArray(sorted.map(({ limit_key }) => limit_key)),
  ]
}

/** Sorted by id, because every statement locks in that order; `turn` keeps the order of the call. */
function columnsOf(rows: readonly NewRow[]): readonly unknown[] {
  const turns = rows.map((row, turn) => ({ row, turn }))
  turns.sort((a, b) => (a.row.id < b.row.id ? -1 : 1))
  const sorted = turns.map(({ row }) => row)
  return [
    textArray(sorted.map(({ id }) => id)),
    plainArray(sorted.map(({ uid }) => uid)),
    plainArray(turns.map(({ turn }) => turn)),
    jsonLines(sorted.map(({ body }) => body)),
    sorted.some(({ priority }) => priority !== 0) ? plainArray(sorted.map(({ priority }) => priority)) : null,
    plainArray(sorted.map(({ not_before_at }) => not_before_at)),
    plainArray(sorted.map(({ delay_ms }) => delay_ms)),
    rows.length,
  ]
}

function notAmong(
  added: readonly string[],
  rows: readonly NewRow[],
  reason: (id: string) => KnownReason | undefined,
): NotAdded {
  const isAdded = new Set(added)
  return new Map(rows.flatMap(({ id }) => (isAdded.has(id) ? [] : [[id, reason(id)]])))
}

function reasonsOf(
  { same, changed, alike }: CompareOutcome,
  rows: readonly NewRow[],
): Map<string, KnownReason> {
  const reasons = new Map<string, KnownReason>()
  const note = (turn: number, reasonOf: (row: NewRow) => KnownReason): void => {
    const row = rows[turn]
    if (row !== undefined) reasons.set(row.id, reasonOf(row))
  }
  for (const turn of same ?? []) note(turn, () => 'exists-same')
  for (const turn of changed ?? []) note(turn, () => 'exists-changed')
  for (const [turn, body] of alike ?? []) note(turn, (row) => comparedReason({ same: false, body }, row.body))
  return reasons
}

/** Consecutive puts without a known id before the next put is optimistic again. */
const CHECKED_PUTS = 64

/**
 * Optimistic insert: a put assumes that all ids are new, as most are, and PostgreSQL saves a fifth of the
 * statement, the lookup of each id. If an id is known, the statement fails whole, with a line in the server's
 * log, and is repeated as a checked put.
 */
export class OptimisticPuts {
  #checkedLeft = 0

  /** Whether all ids are assumed to be new. */
  get isOptimistic(): boolean {
    return this.#checkedLeft === 0
  }

  /** A put met a known id. */
  noteKnown(): void {
    this.#checkedLeft = CHECKED_PUTS
  }

  async run<Outcome>(
    optimistic: () => Promise<Outcome>,
    checked: () => Promise<Outcome>,
    hasKnown: (outcome: Outcome) => boolean,
  ): Promise<Outcome> {
    if (this.isOptimistic) {
      try {
        return await optimistic()
      } catch (error) {
        if (!isKnownId(error)) throw error
      }
      this.noteKnown()
    }
    const outcome = await checked()
    if (hasKnown(outcome)) this.noteKnown()
    else this.#checkedLeft -= 1
    return outcome
  }
}
