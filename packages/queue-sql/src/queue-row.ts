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

/**
 * The row of a queue that is being dropped has a name that no queue can be opened by, since it is longer than the options allow: the queue's own name is free
 * at once, and the row says what is left to be deleted.
 */
const LONGEST_NAME = 255
const BEGINNING = 'being dropped: '.padEnd(LONGEST_NAME + 1, ' ')

/**
 * The row of the latest drop stays, with nothing but its number: SQLite would give the number of the last row to the next queue, and a process that has the
 * dropped one open would then write into that.
 */
export const LATEST_DROP = `${BEGINNING}/`

/** What the names of dropped queues begin with, and its length in characters. */
export const DROPPED = { beginning: BEGINNING, length: BEGINNING.length } as const

/** The name of the row while the queue is being dropped. The number tells it from another one of the same name that was dropped before. */
export function droppedName(id: number, name: string): string {
  return `${BEGINNING}${id}:${name}`
}

/** The name that a queue had before it was dropped; `undefined` for one that was not, and for the row of the latest drop. */
export function nameBeforeDrop(stored: string): string | undefined {
  if (!stored.startsWith(BEGINNING) || stored === LATEST_DROP) return undefined
  return stored.slice(stored.indexOf(':', BEGINNING.length) + 1)
}
