import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import {
  CompiledQuery,
  SqliteDialect,
  SqliteDriver,
  type DatabaseConnection,
  type Driver,
  type SqliteDatabase,
  type SqliteStatement,
} from 'kysely'
import { isSqliteBusy } from '../sql-errors.js'

/**
 * Starts a statement whose parameters are rows: it runs once per row and returns a {@link RowRun} for each.
 * Inserting a batch this way takes half the time of one JSON parameter, which SQLite parses again for every
 * column.
 */
export const FOR_EACH_ROW = '/* for each row */ '

/**
 * Starts a query whose parameters are rows: it runs once per row and returns the found rows in order, at most
 * one per run.
 */
export const READ_EACH_ROW = '/* read each row */ '

/** The outcome of a statement for one row. */
export interface RowRun {
  readonly changes: number
  /** The rowid of the inserted row, if any. */
  readonly seq: number
}

/** Kysely's SQLite dialect over `node:sqlite`. */
export class NodeSqliteDialect extends SqliteDialect {
  readonly #database: SqliteDatabase

  constructor(database: DatabaseSync) {
    const adapted = adaptDatabase(database)
    super({ database: adapted })
    this.#database = adapted
  }

  override createDriver(): Driver {
    return new ImmediateDriver({ database: this.#database })
  }
}

/**
 * Takes the write lock at the start of a transaction. With a plain BEGIN two transactions that have both read
 * would wait for each other at their first write, and SQLite would fail one of them.
 */
class ImmediateDriver extends SqliteDriver {
  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    try {
      await connection.executeQuery(CompiledQuery.raw('begin immediate'))
    } catch (error) {
      // A transaction that began despite the error would block every other.
      if (!isSqliteBusy(error)) await this.rollbackTransaction(connection)
      throw error
    }
  }

  /**
   * Never rejects: kysely would throw that error instead of the one that caused the rollback. After a disk
   * error SQLite has often rolled back by itself, and reports that there is no transaction.
   */
  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    // The error that caused the rollback is the one reported.
    await connection.executeQuery(CompiledQuery.raw('rollback')).catch(() => undefined)
  }
}

/**
 * The part of better-sqlite3's interface that kysely calls. Prepared statements are kept: this package has
 * few.
 */
function adaptDatabase(database: DatabaseSync): SqliteDatabase {
  const kept = new Map<string, SqliteStatement>()
  return {
    close: () => database.close(),
    prepare: (text) => {
      const known = kept.get(text)
      if (known !== undefined) return known
      const prepared = database.prepare(text)
      const statement = adapted(text, prepared)
      kept.set(text, statement)
      return statement
    },
  }
}

function adapted(text: string, prepared: StatementSync): SqliteStatement {
  if (text.startsWith(FOR_EACH_ROW)) return forEachRow(prepared)
  return text.startsWith(READ_EACH_ROW) ? readEachRow(prepared) : adaptStatement(prepared)
}

function adaptStatement(statement: StatementSync): SqliteStatement {
  return {
    // `all` returns an empty list for a statement without rows, so the kind of a statement does not matter.
    reader: true,
    all: (parameters) => statement.all(...parameters.map(sqlValue)),
    run: (parameters) => statement.run(...parameters.map(sqlValue)),
    iterate: (parameters) => statement.iterate(...parameters.map(sqlValue)),
  }
}

function forEachRow(statement: StatementSync): SqliteStatement {
  const all = (rows: readonly unknown[]): RowRun[] =>
    rows.map((row) => {
      if (!Array.isArray(row)) throw new TypeError('a statement that runs once per row needs rows')
      const { changes, lastInsertRowid } = statement.run(...row.map(sqlValue))
      return { changes: Number(changes), seq: Number(lastInsertRowid) }
    })
  return { reader: true, all, run: refuseToIterate, iterate: refuseToIterate }
}

function readEachRow(statement: StatementSync): SqliteStatement {
  const all = (rows: readonly unknown[]): unknown[] =>
    rows.flatMap((row) => {
      if (!Array.isArray(row)) throw new TypeError('a statement that runs once per row needs rows')
      const found: unknown = statement.get(...row.map(sqlValue))
      return found === undefined ? [] : [found]
    })
  return { reader: true, all, run: refuseToIterate, iterate: refuseToIterate }
}

function refuseToIterate(): never {
  throw new TypeError('a statement that runs once per row cannot be iterated over')
}

function sqlValue(value: unknown): SQLInputValue {
  if (value === null || typeof value === 'string' || typeof value === 'bigint') return value
  if (typeof value === 'number') return value
  throw new TypeError(`a parameter of an SQL statement must be text or a number, not ${typeof value}`)
}
