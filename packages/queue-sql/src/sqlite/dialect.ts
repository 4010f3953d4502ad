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
 * Starts a statement whose parameters are rows: it is run for each of them, and gives a {@link RowRun} for each. To insert a batch so takes
 * half of what it takes as one JSON parameter, which SQLite takes apart anew for every column.
 */
export const FOR_EACH_ROW = '/* for each row */ '

/** Starts a query whose parameters are rows: it is run for each of them, and gives the one row that it has for it, in their order. */
export const READ_EACH_ROW = '/* read each row */ '

/** What a statement did for one row. */
export interface RowRun {
  readonly changes: number
  /** The number of the row that was inserted, if one was. */
  readonly seq: number
}

/** Kysely's SQLite dialect over Node's own `node:sqlite`. */
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
 * Takes the write lock at the start of a transaction. With a plain BEGIN two writers that had both read would each wait for the
 * other at their first write, and SQLite would have to refuse one of them in the middle.
 */
class ImmediateDriver extends SqliteDriver {
  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    try {
      await connection.executeQuery(CompiledQuery.raw('begin immediate'))
    } catch (error) {
      // A transaction that began in spite of the error would be in the way of every other.
      if (!isSqliteBusy(error)) await this.rollbackTransaction(connection)
      throw error
    }
  }

  /**
   * Never rejects: kysely would throw that error in place of the one for which it rolls back. After a full disk or a failing one SQLite
   * has often rolled back by itself, and then says that there is nothing to roll back.
   */
  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    // The error that led here is the one that is told.
    await connection.executeQuery(CompiledQuery.raw('rollback')).catch(() => undefined)
  }
}

/** The part of better-sqlite3 that kysely calls. Statements are kept: the texts of this package are few. */
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
    // Of a statement without rows `all` gives an empty list, so that nobody need know which it is.
    reader: true,
    all: (parameters) => statement.all(...parameters.map(sqlValue)),
    run: (parameters) => statement.run(...parameters.map(sqlValue)),
    iterate: (parameters) => statement.iterate(...parameters.map(sqlValue)),
  }
}

function forEachRow(statement: StatementSync): SqliteStatement {
  const all = (rows: readonly unknown[]): RowRun[] =>
    rows.map((row) => {
      if (!Array.isArray(row)) throw new TypeError('a statement for each row needs rows')
      const { changes, lastInsertRowid } = statement.run(...row.map(sqlValue))
      return { changes: Number(changes), seq: Number(lastInsertRowid) }
    })
  return { reader: true, all, run: refuseToIterate, iterate: refuseToIterate }
}

function readEachRow(statement: StatementSync): SqliteStatement {
  const all = (rows: readonly unknown[]): unknown[] =>
    rows.flatMap((row) => {
      if (!Array.isArray(row)) throw new TypeError('a statement for each row needs rows')
      const found: unknown = statement.get(...row.map(sqlValue))
      return found === undefined ? [] : [found]
    })
  return { reader: true, all, run: refuseToIterate, iterate: refuseToIterate }
}

function refuseToIterate(): never {
  throw new TypeError('a statement for each row has nothing to iterate over')
}

function sqlValue(value: unknown): SQLInputValue {
  if (value === null || typeof value === 'string' || typeof value === 'bigint') return value
  if (typeof value === 'number') return value
  throw new TypeError(`a parameter of an SQL statement must be text or a number, not ${typeof value}`)
}
