import { sql, type Kysely, type RawBuilder } from 'kysely'
import type { Tables } from '../schema/tables.js'

/** An item in PROCESSING as its summary needs it. */
export interface ProcessingRow {
  readonly id: string
  readonly uid: string
  readonly attempt: number
  readonly refunds: number
  readonly priority: number
  /** JSON text. */
  readonly retry_state: string | null
  /** JSON text. */
  readonly resources: string | null
  readonly limit_key: string | null
}

export interface RowPage {
  /** In the order of ids. */
  readonly rows: readonly ProcessingRow[]
  /** The id after which the next page begins, if more items may follow. */
  readonly next?: string
}

/** Reads PROCESSING page by page. */
export interface ProcessingRows {
  /**
   * The first rows with a greater id, at most `limit`, and fewer if some have just left: those that are in
   * PROCESSING now. An item that is in it during all pages is in one of them [Q-LIST-1].
   */
  page(limit: number, after: string): Promise<RowPage>
}

/** Scans the table for each page. */
export function scannedRows(
  db: Kysely<Tables>,
  { queueId, claimed }: { readonly queueId: number; readonly claimed: RawBuilder<unknown> },
): ProcessingRows {
  return {
    page: async (limit, after) => {
      const query = sql<ProcessingRow>`select p.id, p.uid, p.attempt, i.refunds, i.priority, i.retry_state, i.resources, i.limit_key
        from ${claimed} where p.queue_id = ${queueId} and p.id > ${after} order by p.id limit ${limit + 1}`
      return pageOf((await query.execute(db)).rows, limit)
    },
  }
}

/** @param found the rows in order, at least one more than the limit if there are more */
export function pageOf(found: readonly ProcessingRow[], limit: number): RowPage {
  const rows = found.slice(0, limit)
  const last = rows.at(-1)
  return found.length > limit && last !== undefined ? { rows, next: last.id } : { rows }
}
