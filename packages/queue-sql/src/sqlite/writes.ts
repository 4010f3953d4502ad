import type { Kysely, Transaction } from 'kysely'
import { QueueGoneError } from '../file-gone.js'
import type { RowRun } from './dialect.js'
import { all } from './run.js'
import type { SqliteTexts } from './statements.js'
import type { Tables } from '../schema/tables.js'

export type Trx = Transaction<Tables>

/** The place of an item in the backlog. */
export interface WaitingPlace {
  readonly seq: number
  readonly priority: number
  readonly available_at: number
}

/** By how much a move changes the sizes of the stages. */
export interface Sizes {
  readonly waiting?: number
  readonly processing?: number
  readonly success?: number
  readonly fail?: number
}

/** What the writes of one queue share: transactions, the backlog, and the counters. */
export class SqliteWrites {
  readonly queueId: number
  readonly texts: SqliteTexts
  readonly #db: Kysely<Tables>

  constructor(db: Kysely<Tables>, texts: SqliteTexts, queueId: number) {
    this.#db = db
    this.texts = texts
    this.queueId = queueId
  }

  write<T>(run: (trx: Trx) => Promise<T>): Promise<T> {
    return this.#db.transaction().execute(run)
  }

  async now(trx: Trx): Promise<number> {
    const [row] = await all<{ now: number }>(trx, this.texts.now, [])
    if (row === undefined) throw new Error('a statement that always gives a row gave none')
    return row.now
  }

  async enterWaiting(trx: Trx, places: readonly WaitingPlace[]): Promise<void> {
    await all(trx, this.texts.insertWaiting, this.#keys(places))
  }

  async leaveWaiting(trx: Trx, places: readonly WaitingPlace[]): Promise<void> {
    await all(trx, this.texts.deleteWaiting, this.#keys(places))
  }

  #keys(places: readonly WaitingPlace[]): number[][] {
    return places.map(({ seq, priority, available_at }) => [this.queueId, -priority, available_at, seq])
  }

  /** @throws QueueGoneError when the queue is no longer there */
  async count(trx: Trx, { waiting = 0, processing = 0, success = 0, fail = 0 }: Sizes): Promise<void> {
    const counts = [waiting, processing, success, fail, this.queueId]
    const [run] = await all<RowRun>(trx, this.texts.count, [counts])
    if (run?.changes !== 1) throw new QueueGoneError()
  }
}
