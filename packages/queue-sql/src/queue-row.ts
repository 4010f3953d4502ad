import { sql, type RawBuilder } from 'kysely'
import type { SqlStore } from './sql-store.js'

/** The row of a queue in the table of queues. */
export interface StoredAs {
  readonly queueId: number
  readonly name: string
}

/**
 * Whether the queue still exists: a drop renames the row first. The row is locked against a drop until the
 * statement commits, unless `unlocked`.
 */
export function exists(
  { names, kept }: Pick<SqlStore, 'names' | 'kept'>,
  { queueId, name }: StoredAs,
  read: 'locked' | 'unlocked' = 'locked',
): RawBuilder<boolean> {
  const locking = read === 'locked' ? kept : sql.raw('')
  return sql<boolean>`exists (select 1 from ${sql.table(names.queues)} where id = ${queueId} and name = ${name} ${locking})`
}

/**
 * The row of a queue that is being dropped has a name that is longer than the options allow, so no queue can
 * be opened by it: the queue's own name is free at once, and the row records what is left to be deleted.
 */
const LONGEST_NAME = 255
const BEGINNING = 'being dropped: '.padEnd(LONGEST_NAME + 1, ' ')

/**
 * The row of the latest drop stays to keep its id: SQLite would give the id of the last row to the next
 * queue, and a process that still has the dropped queue open would write into that.
 */
export const LATEST_DROP = `${BEGINNING}/`

/** How the names of dropped queues begin, and the length of that in characters. */
export const DROPPED = { beginning: BEGINNING, length: BEGINNING.length } as const

/**
 * The name of the row while the queue is being dropped. The id distinguishes it from an earlier drop of the
 * same name.
 */
export function droppedName(id: number, name: string): string {
  return `${BEGINNING}${id}:${name}`
}

/**
 * The name that a queue had before its drop; `undefined` for other queues, and for the row of the latest
 * drop.
 */
export function nameBeforeDrop(stored: string): string | undefined {
  if (!stored.startsWith(BEGINNING) || stored === LATEST_DROP) return undefined
  return stored.slice(stored.indexOf(':', BEGINNING.length) + 1)
}
