import type { Page, Stage } from '@sluice/core'
import { sql, type Kysely, type RawBuilder } from 'kysely'
import { parseCursor, writeCursor } from './cursor.js'
import type { SqlStore } from './sql-store.js'
import { STAGE_NUMBERS, type Tables } from './tables.js'

/** Pages of heads and of whole items are cut to this, whatever was asked: one page is one answer in memory. */
const MAX_HEADS = 2_500
const MAX_RECORDS = 500

export interface ItemFacts {
  readonly seq: number
  readonly id: string
  readonly uid: string
  readonly stage: number
  readonly attempt: number
  readonly refunds: number
  readonly priority: number
  readonly available_at: number
  readonly put_at: number
  readonly not_before_at: number | null
  readonly claimed_at: number | null
}

export interface AttemptFacts {
  readonly seq: number
  readonly attempt: number
  readonly outcome: number
  readonly final: number | null
  readonly claimed_at: number
  readonly ended_at: number
  readonly reason: string | null
  readonly details: string | null
  readonly result: string | null
  readonly requeue_reason: string | null
}

const FACTS = [
  'seq',
  'id',
  'uid',
  'stage',
  'attempt',
  'refunds',
  'priority',
  'available_at',
  'put_at',
  'not_before_at',
  'claimed_at',
] as const

/** Everything that is read of the items of one queue and moves nothing. */
export class ItemReads {
  readonly #store: SqlStore
  readonly #db: Kysely<Tables>
  readonly #queueId: number

  constructor(store: SqlStore, queueId: number) {
    this.#store = store
    this.#db = store.db
    this.#queueId = queueId
  }

  async find(ids: readonly string[]): Promise<ItemFacts[]> {
    return this.#db
      .selectFrom(this.#store.names.items)
      .select(FACTS)
      .where('queue_id', '=', this.#queueId)
      .where(this.#store.among('id', ids))
      .execute()
  }

  async stage(id: string): Promise<number | undefined> {
    const { names } = this.#store
    const row = await this.#db
      .selectFrom(names.items)
      .select('stage')
      .where('queue_id', '=', this.#queueId)
      .where('id', '=', id)
      .executeTakeFirst()
    return row?.stage
  }

  async bodies(seqs: readonly number[]): Promise<Map<number, string>> {
    const rows = await this.#db
      .selectFrom(this.#store.names.bodies)
      .select(['seq', 'body'])
      .where(this.#store.among('seq', seqs))
      .execute()
    return new Map(rows.map(({ seq, body }) => [seq, body]))
  }

  /** Ended attempts by item, oldest first. */
  async attempts(seqs: readonly number[]): Promise<Map<number, AttemptFacts[]>> {
    const rows = await this.#db
      .selectFrom(this.#store.names.attempts)
      .selectAll()
      .where(this.#store.among('seq', seqs))
      .orderBy('seq')
      .orderBy('attempt')
      .execute()
    return Map.groupBy(rows, ({ seq }) => seq)
  }

  /** What a claim would take now, in its order. */
  async due(max: number): Promise<ItemFacts[]> {
    const { names, nowMs } = this.#store
    const rows = await this.#db
      .selectFrom(names.waiting)
      .select('seq')
      .where('queue_id', '=', this.#queueId)
      .where('available_at', '<=', nowMs)
      .orderBy('rank')
      .orderBy('available_at')
      .orderBy('seq')
      .limit(max)
      .execute()
    const found = await this.#bySeq(rows.map(({ seq }) => seq))
    return rows.flatMap(({ seq }) => found.get(seq) ?? [])
  }

  async sizes(): Promise<Record<Stage, number>> {
    const row = await this.#db
      .selectFrom(this.#store.names.counters)
      .select([
        total('waiting').as('WAITING'),
        total('processing').as('PROCESSING'),
        total('success').as('SUCCESS'),
        total('fail').as('FAIL'),
      ])
      .where('queue_id', '=', this.#queueId)
      .executeTakeFirstOrThrow()
    return { ...row }
  }

  headPage(stage: Stage, page: { limit: number; cursor?: string }): Promise<Page<ItemFacts>> {
    return this.#page(stage, Math.min(page.limit, MAX_HEADS), page.cursor)
  }

  recordPage(stage: Stage, page: { limit: number; cursor?: string }): Promise<Page<ItemFacts>> {
    return this.#page(stage, Math.min(page.limit, MAX_RECORDS), page.cursor)
  }

  /**
   * Walks the key of the stage's own table, which has nothing of the other stages in it. The key of an item doesn't change while it stays,
   * so that no writer can push it to a page that was read already [Q-LIST-1].
   */
  async #page(stage: Stage, limit: number, cursor: string | undefined): Promise<Page<ItemFacts>> {
    // One more than asked for, to know whether this is the last page.
    const walked =
      stage === 'WAITING' ? this.#waitingKeys(limit + 1, cursor) : this.#keys(stage, limit + 1, cursor)
    const keys = await walked
    const shown = keys.slice(0, limit)
    const found = await this.#bySeq(shown.map(({ seq }) => seq))
    // Read a moment later: what has left the stage since is not shown in it.
    const items = shown
      .flatMap(({ seq }) => found.get(seq) ?? [])
      .filter((row) => row.stage === STAGE_NUMBERS[stage])
    const last = shown.at(-1)
    return keys.length > limit && last !== undefined ? { items, cursor: writeCursor(last.key) } : { items }
  }

  async #waitingKeys(limit: number, cursor: string | undefined): Promise<{ seq: number; key: number[] }[]> {
    let query = this.#db
      .selectFrom(this.#store.names.waiting)
      .select(['rank', 'available_at', 'seq'])
      .where('queue_id', '=', this.#queueId)
    if (cursor !== undefined) {
      const [rank, availableAt, seq] = parseCursor(cursor, 3)
      query = query.where(sql<boolean>`(rank, available_at, seq) > (${rank}, ${availableAt}, ${seq})`)
    }
    const rows = await query.orderBy('rank').orderBy('available_at').orderBy('seq').limit(limit).execute()
    return rows.map(({ rank, available_at, seq }) => ({ seq, key: [rank, available_at, seq] }))
  }

  async #keys(
    stage: Stage,
    limit: number,
    cursor: string | undefined,
  ): Promise<{ seq: number; key: number[] }[]> {
    const [after = 0] = cursor === undefined ? [] : parseCursor(cursor, 1)
    const { names } = this.#store
    const rows =
      stage === 'PROCESSING'
        ? await this.#db
            .selectFrom(names.processing)
            .select('seq')
            .where('queue_id', '=', this.#queueId)
            .where('seq', '>', after)
            .orderBy('seq')
            .limit(limit)
            .execute()
        : await this.#db
            .selectFrom(names.attempts)
            .select('seq')
            .where(isFinal(stage))
            .where('queue_id', '=', this.#queueId)
            .where('seq', '>', after)
            .orderBy('seq')
            .limit(limit)
            .execute()
    return rows.map(({ seq }) => ({ seq, key: [seq] }))
  }

  /**
   * The items of these keys, which were read from this queue's own tables. The queue is not asked for again: given the choice, SQLite would look the
   * rows up by the queue's number, and so walk over all of its items.
   */
  async #bySeq(seqs: readonly number[]): Promise<Map<number, ItemFacts>> {
    if (seqs.length === 0) return new Map()
    const rows = await this.#db
      .selectFrom(this.#store.names.items)
      .select(FACTS)
      .where(this.#store.among('seq', seqs))
      .execute()
    return new Map(rows.map((row) => [row.seq, row]))
  }
}

/** A literal, not a parameter: with a parameter a cached plan could not use the partial index. */
function isFinal(stage: Stage): RawBuilder<boolean> {
  return sql<boolean>`final = ${sql.lit(STAGE_NUMBERS[stage])}`
}

function total(column: 'waiting' | 'processing' | 'success' | 'fail'): RawBuilder<number> {
  return sql<number>`cast(coalesce(sum(${sql.ref(column)}), 0) as bigint)`
}
