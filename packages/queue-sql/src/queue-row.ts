import { sql, type RawBuilder } from 'kysely'
import type { SqlStore } from './sql-store.js'

/** Which row of the table of queues a queue object stands on. */
export interface StoredAs {
  readonly queueId: number
  readonly name: string
}

/**
 * Whether the queue is there and was not dropped: a drop renames the row first. Kept so until the statement is committed, unless it is only read as it is.
 */
export function isThere(
  { names, kept }: Pick<SqlStore, 'names' | 'kept'>,
  { queueId, name }: StoredAs,
  read: 'kept' | 'as it is' = 'kept',
): RawBuilder<boolean> {
  const locking = read === 'kept' ? kept : sql.raw('')
  return sql<boolean>`exists (select 1 from ${sql.table(names.queues)} where id = ${queueId} and name = ${name} ${locking})`
}
