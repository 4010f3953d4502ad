import type { Runtime } from '@sluice/core'
import type { CheckedItem } from '@sluice/core/backend'
import { batches } from '../calls/batch.js'
import type { BulkPuts, PutMode } from '../items/moves.js'
import { isChosen } from '../items/item-rows.js'
import { isSqliteKnown } from '../sql-errors.js'
import type { RowRun } from './dialect.js'
import { ROWS_PER_INSERT } from './statements.js'
import { all, type SqliteWrites, type Trx } from './writes.js'

/** With fewer rows a commit is what a put costs. */
const MIN_ROWS = 4_000
/** A transaction of some hundred milliseconds, in which this process does nothing else. */
const MAX_ROWS = 20_000

export interface SqliteBulkPutsOptions {
  readonly runtime: Pick<Runtime, 'newId'>
  /** For tests. */
  readonly minRows?: number | undefined
}

/**
 * Puts of thousands of items, twenty by one statement. A known id fails the transaction, and its items are
 * put one by one, which reports each.
 */
export class SqliteBulkPuts implements BulkPuts {
  readonly minRows: number
  readonly maxRows = MAX_ROWS
  /** A known id is usually met early. */
  readonly isUsable = true
  readonly #writes: SqliteWrites
  readonly #runtime: SqliteBulkPutsOptions['runtime']

  constructor(writes: SqliteWrites, { runtime, minRows = MIN_ROWS }: SqliteBulkPutsOptions) {
    this.#writes = writes
    this.#runtime = runtime
    this.minRows = minRows
  }

  async put(items: readonly CheckedItem[], stage: PutMode['stage']): Promise<boolean> {
    try {
      await this.#writes.write((trx) => this.#put(trx, items, stage))
      return true
    } catch (error) {
      if (isSqliteKnown(error)) return false
      throw error
    }
  }

  async #put(trx: Trx, items: readonly CheckedItem[], stage: PutMode['stage']): Promise<void> {
    const writes = this.#writes
    const { bulk, enqueueRange, finishRange } = writes.statements
    const isPlain = !items.some(isChosen)
    const { many, one } = isPlain ? bulk.plain : bulk.chosen
    const now = await writes.now(trx)
    let last = 0
    for (const batch of batches(items, ({ bodyText }) => bodyText.length, ROWS_PER_INSERT)) {
      // Fewer are the last, or large: they go one by one.
      const isWhole = batch.length === ROWS_PER_INSERT
      const runs = (isWhole ? [batch] : batch.map((item) => [item])).map((rows) =>
        this.#values(rows, now, isPlain),
      )
      last = (await all<RowRun>(trx, isWhole ? many : one, runs)).at(-1)?.seq ?? last
    }
    await all(trx, stage === 'WAITING' ? enqueueRange : finishRange, [last - items.length + 1, last])
    await writes.count(trx, stage === 'WAITING' ? { waiting: items.length } : { success: items.length })
  }

  #values(items: readonly CheckedItem[], now: number, isPlain: boolean): (string | number | null)[] {
    const values: (string | number | null)[] = []
    for (const { id, bodyText, priority, notBeforeAt, delayMs, resources, limitKey } of items) {
      const notBefore = notBeforeAt ?? (delayMs === undefined ? null : now + delayMs)
      const availableAt = Math.max(now, notBefore ?? now)
      values.push(
        this.#writes.queueId,
        id,
        this.#runtime.newId(),
        priority,
        now,
        notBefore,
        availableAt,
        bodyText,
      )
      if (!isPlain) values.push(resources === undefined ? null : JSON.stringify(resources), limitKey ?? null)
    }
    return values
  }
}
