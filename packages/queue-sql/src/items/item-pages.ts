import type { Page, Stage } from '@sluice/core'
import { sql, type Kysely } from 'kysely'
import { STAGE_NUMBERS, type Tables } from '../schema/tables.js'
import type { SqlStore } from '../sql-store.js'
import { fitting, type SummaryFacts, type ItemFacts, type ItemReads } from './item-reads.js'
import type { ProcessingRows } from './processing-rows.js'

/** The most items of a page, whatever its limit: a page is one answer in memory. */
export const MAX_SUMMARIES = 2_500
const MAX_RECORDS = 500

/** The pages of the stages of one queue. */
export class ItemPages {
  readonly #store: SqlStore
  readonly #db: Kysely<Tables>
  readonly #queueId: number
  readonly #reads: ItemReads
  readonly #processing: ProcessingRows

  constructor(store: SqlStore, queueId: number, reads: ItemReads) {
    this.#store = store
    this.#db = store.db
    this.#queueId = queueId
    this.#reads = reads
    this.#processing = store.processing(queueId)
  }

  summaryPage(stage: Stage, page: { limit: number; cursor?: string }): Promise<Page<SummaryFacts>> {
    const limit = Math.min(page.limit, MAX_SUMMARIES)
    return stage === 'PROCESSING'
      ? this.#processingPage(limit, page.cursor)
      : this.#page(stage, { limit, cursor: page.cursor }, async (keys) => ({
          shown: keys,
          found: await this.#reads.bySeq(keys.map(({ seq }) => seq)),
        }))
  }

  recordPage(stage: Stage, page: { limit: number; cursor?: string }): Promise<Page<ItemFacts>> {
    const limit = Math.min(page.limit, MAX_RECORDS)
    return this.#page(stage, { limit, cursor: page.cursor }, async (keys) => {
      const found = await this.#reads.sizedBySeq(keys.map(({ seq }) => seq))
      return { shown: fitting(keys, found), found }
    })
  }

  /**
   * Walks the key of the stage's own table. The key of an item does not change while it stays in the stage,
   * so no writer can move it to a page that was read already [Q-LIST-1].
   */
  async #page(
    stage: Stage,
    { limit, cursor }: { readonly limit: number; readonly cursor: string | undefined },
    read: (keys: readonly StageKey[]) => Promise<ReadKeys>,
  ): Promise<Page<ItemFacts>> {
    // One more than the limit, to know whether this is the last page.
    const keys = await this.#keys(stage, limit + 1, cursor)
    const { shown, found } = await read(keys.slice(0, limit))
    // Items that have left the stage since the keys were read are omitted.
    const items = shown
      .flatMap(({ seq }) => found.get(seq) ?? [])
      .filter((row) => row.stage === STAGE_NUMBERS[stage])
    const last = shown.at(-1)
    return keys.length > shown.length && last !== undefined ? { items, cursor: last.cursor } : { items }
  }

  /** A dispatcher reads this at every tick: one statement, without the other stages' tables. */
  async #processingPage(limit: number, cursor: string | undefined): Promise<Page<SummaryFacts>> {
    const after = cursor === undefined ? '' : parseTextCursor(cursor)
    const { rows, next } = await this.#processing.page(limit, after)
    const items = rows.map((row) => ({ ...row, stage: STAGE_NUMBERS.PROCESSING }))
    return next === undefined ? { items } : { items, cursor: writeTextCursor(next) }
  }

  #keys(stage: Stage, limit: number, cursor: string | undefined): Promise<StageKey[]> {
    if (stage === 'WAITING') return this.#waitingKeys(limit, cursor)
    if (stage === 'PROCESSING') return this.#processingKeys(limit, cursor)
    return this.#finishedKeys(stage, limit, cursor)
  }

  async #waitingKeys(limit: number, cursor: string | undefined): Promise<StageKey[]> {
    let query = this.#db
      .selectFrom(this.#store.names.waiting)
      .select(['rank', 'available_at', 'seq'])
      .where('queue_id', '=', this.#queueId)
    if (cursor !== undefined) {
      const [rank, availableAt, seq] = parseCursor(cursor, 3)
      query = query.where(sql<boolean>`(rank, available_at, seq) > (${rank}, ${availableAt}, ${seq})`)
    }
    const rows = await query.orderBy('rank').orderBy('available_at').orderBy('seq').limit(limit).execute()
    return rows.map(({ rank, available_at, seq }) => ({
      seq,
      cursor: writeCursor([rank, available_at, seq]),
    }))
  }

  async #processingKeys(limit: number, cursor: string | undefined): Promise<StageKey[]> {
    const after = cursor === undefined ? '' : parseTextCursor(cursor)
    const rows = await this.#db
      .selectFrom(this.#store.names.processing)
      .select(['id', 'seq'])
      .where('queue_id', '=', this.#queueId)
      .where('id', '>', after)
      .orderBy('id')
      .limit(limit)
      .execute()
    return rows.map(({ id, seq }) => ({ seq, cursor: writeTextCursor(id) }))
  }

  async #finishedKeys(
    stage: 'SUCCESS' | 'FAIL',
    limit: number,
    cursor: string | undefined,
  ): Promise<StageKey[]> {
    const [after = 0] = cursor === undefined ? [] : parseCursor(cursor, 1)
    const rows = await this.#db
      .selectFrom(this.#store.names.finished)
      .select('seq')
      .where('queue_id', '=', this.#queueId)
      .where('stage', '=', STAGE_NUMBERS[stage])
      .where('seq', '>', after)
      .orderBy('seq')
      .limit(limit)
      .execute()
    return rows.map(({ seq }) => ({ seq, cursor: writeCursor([seq]) }))
  }
}

/** The key of an item in its stage's own table. */
interface StageKey {
  readonly seq: number
  readonly cursor: string
}

/** The keys of a page that fit, and the items that were found. */
interface ReadKeys {
  readonly shown: readonly StageKey[]
  readonly found: ReadonlyMap<number, ItemFacts>
}

/** The cursor of a page: the key of its last row. */
export function writeCursor(key: readonly number[]): string {
  return key.join('.')
}

/**
 * @param length the number of columns of the key of this stage
 * @throws TypeError for a text that no page gave
 */
export function parseCursor(cursor: unknown, length: number): number[] {
  const parts = typeof cursor === 'string' ? cursor.split('.') : []
  const isKey = parts.length === length && parts.every((part) => /^-?\d{1,16}$/.test(part))
  if (!isKey) throw badCursor()
  return parts.map(Number)
}

/** The same if the key is an id. */
export function writeTextCursor(key: string): string {
  return Buffer.from(key).toString('base64url')
}

/** @throws TypeError for a text that no page gave */
export function parseTextCursor(cursor: unknown): string {
  const key = typeof cursor === 'string' ? Buffer.from(cursor, 'base64url').toString() : ''
  if (key === '' || writeTextCursor(key) !== cursor || key.includes('\0')) throw badCursor()
  return key
}

function badCursor(): TypeError {
  return new TypeError('cursor must be one that an earlier page of this stage and this queue gave')
}
