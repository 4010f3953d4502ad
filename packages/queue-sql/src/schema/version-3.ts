import type { TableNames } from './tables.js'

/** The types in which the columns of version 3 differ between the two databases. */
interface ColumnTypes {
  readonly integer: string
  readonly flag: string
  /** A text that is compared and ordered by its bytes. */
  readonly name: string
}

/**
 * Version 3: documents, how a job ended, the state of retries, and the count of syncs. It adds columns and one table, and rewrites nothing, however large
 * the tables are.
 */
function addDocumentsAndOutcomes(t: TableNames, types: ColumnTypes): string[] {
  const { integer, flag, name } = types
  const outcome = ['failure_class text', `exit_code ${integer}`, 'job_uid text']
  return [
    `create table ${t.documents} (version ${integer} not null, queue_id integer not null, name ${name} not null,
      value text, primary key (queue_id, name))`,
    ...added(t.queues, [`syncs ${integer} not null default 0`]),
    ...added(t.items, ['retry_state text']),
    ...added(t.finished, outcome),
    ...added(t.attempts, [...outcome, `unsent ${flag}`]),
  ]
}

/** SQLite adds one column in a statement. */
function added(table: string, columns: readonly string[]): string[] {
  return columns.map((column) => `alter table ${table} add column ${column}`)
}

export function postgresDocumentsAndOutcomes(t: TableNames): string[] {
  return addDocumentsAndOutcomes(t, { integer: 'bigint', flag: 'smallint', name: 'text collate "C"' })
}

export function sqliteDocumentsAndOutcomes(t: TableNames): string[] {
  return addDocumentsAndOutcomes(t, { integer: 'integer', flag: 'integer', name: 'text' })
}
