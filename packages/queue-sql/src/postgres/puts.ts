import { CompiledQuery, type Kysely } from 'kysely'
import { comparedReason } from '../items/item-rows.js'
import type { KnownReason, NewRow, NotAdded, PutOrder } from '../items/moves.js'
import { lines, plain, texts } from './parameters.js'
import type { PostgresTexts } from './statements/statements.js'
import type { PutTexts } from './statements/puts.js'
import type { Tables } from '../schema/tables.js'

/** What a put says of its rows: the ids of those that were added, unless all were. */
interface Told {
  readonly ids: readonly string[] | null
}

/** Beside them the places in the batch of the items that were there. */
interface Compared extends Told {
  readonly same: readonly number[] | null
  readonly changed: readonly number[] | null
  /** With the bodies that are stored. */
  readonly alike: readonly (readonly [turn: number, body: string])[] | null
}

const NONE: NotAdded = new Map()

/** The puts of {@link PostgresMoves}. */
export class PostgresPuts {
  readonly #db: Kysely<Tables>
  readonly #queueId: number
  readonly #texts: PostgresTexts['puts']
  readonly #puts = new HopefulPuts()

  constructor(db: Kysely<Tables>, texts: PostgresTexts['puts'], queueId: number) {
    this.#db = db
    this.#queueId = queueId
    this.#texts = texts
  }

  put(rows: readonly NewRow[], { compare, stage }: PutOrder): () => Promise<NotAdded> {
    const texts = this.#texts[stage]
    const [only] = rows
    if (only !== undefined && rows.length === 1 && !compare) return () => this.#putOne(only, texts)
    const batch = columnsOf(rows)
    return compare ? () => this.#putCompared(rows, batch, texts) : () => this.#putMany(rows, batch, texts)
  }

  async #putMany(rows: readonly NewRow[], batch: readonly unknown[], texts: PutTexts): Promise<NotAdded> {
    const told = await this.#puts.run(
      () => this.#one<Told>(texts.putNew, batch),
      () => this.#one<Told>(texts.put, batch),
      ({ ids }) => ids !== null,
    )
    return told.ids === null ? NONE : notAmong(told.ids, rows, () => 'exists')
  }

  async #putCompared(rows: readonly NewRow[], batch: readonly unknown[], texts: PutTexts): Promise<NotAdded> {
    const told = await this.#puts.run<Told | Compared>(
      () => this.#one<Told>(texts.putNew, batch),
      () => this.#one<Compared>(texts.putCompared, [...batch, 1]),
      ({ ids }) => ids !== null,
    )
    if (told.ids === null) return NONE
    const reasons = 'same' in told ? reasonsOf(told, rows) : new Map<string, KnownReason>()
    return notAmong(told.ids, rows, (id) => reasons.get(id))
  }

  async #putOne(row: NewRow, texts: PutTexts): Promise<NotAdded> {
    const { id, uid, priority, not_before_at, delay_ms, body } = row
    const values = [id, uid, priority, not_before_at, delay_ms, body]
    const { n } = await this.#puts.run(
      () => this.#one<{ n: number }>(texts.putOneNew, values),
      () => this.#one<{ n: number }>(texts.putOne, values),
      (told) => told.n === 0,
    )
    return n === 0 ? new Map([[id, 'exists']]) : NONE
  }

  async #one<Row>(text: string, parameters: readonly unknown[]): Promise<Row> {
    const query = CompiledQuery.raw(text, [this.#queueId, ...parameters])
    const { rows } = await this.#db.executeQuery<Row>(query)
    const [row] = rows
    if (row === undefined) throw new Error('a statement that always gives a row gave none')
    return row
  }
}

/** By id, as every statement locks; `turn` keeps the order in which they were given. */
function columnsOf(rows: readonly NewRow[]): readonly unknown[] {
  const turns = rows.map((row, turn) => ({ row, turn }))
  turns.sort((a, b) => (a.row.id < b.row.id ? -1 : 1))
  const sorted = turns.map(({ row }) => row)
  return [
    texts(sorted.map(({ id }) => id)),
    plain(sorted.map(({ uid }) => uid)),
    plain(turns.map(({ turn }) => turn)),
    lines(sorted.map(({ body }) => body)),
    sorted.some(({ priority }) => priority !== 0) ? plain(sorted.map(({ priority }) => priority)) : null,
    plain(sorted.map(({ not_before_at }) => not_before_at)),
    plain(sorted.map(({ delay_ms }) => delay_ms)),
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

function reasonsOf({ same, changed, alike }: Compared, rows: readonly NewRow[]): Map<string, KnownReason> {
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

/** So many puts in a row must have met no known id before the next one relies on it again. */
const CAUTIOUS_PUTS = 64

/**
 * Whether a put may rely on all its ids being new, which most are. PostgreSQL then spares a fifth of the statement, in which it looks each id
 * up before it inserts it; if one is known after all the statement fails whole, with a line in the server's log, and is done again cautiously.
 */
export class HopefulPuts {
  #cautious = 0

  async run<Told>(
    hopeful: () => Promise<Told>,
    cautious: () => Promise<Told>,
    metKnown: (told: Told) => boolean,
  ): Promise<Told> {
    if (this.#cautious === 0) {
      try {
        return await hopeful()
      } catch (error) {
        if (!isKnownId(error)) throw error
      }
      this.#cautious = CAUTIOUS_PUTS
    }
    const told = await cautious()
    if (metKnown(told)) this.#cautious = CAUTIOUS_PUTS
    else this.#cautious -= 1
    return told
  }
}

/** SQLSTATE unique_violation. @see https://www.postgresql.org/docs/current/errcodes-appendix.html */
function isKnownId(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '23505'
}
