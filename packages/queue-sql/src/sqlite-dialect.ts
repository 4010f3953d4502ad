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
    await connection.executeQuery(CompiledQuery.raw('begin immediate'))
  }

  /**
   * Never rejects: kysely would throw that error in place of the one for which it rolls back. After a full disk or a failing one SQLite
   * has often rolled back by itself, and then says that there is nothing to roll back.
   */
  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
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
      const statement = adaptStatement(database.prepare(text))
      kept.set(text, statement)
      return statement
    },
  }
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

function sqlValue(value: unknown): SQLInputValue {
  if (value === null || typeof value === 'string' || typeof value === 'bigint') return value
  if (typeof value === 'number') return value
  throw new TypeError(`a parameter of an SQL statement must be text or a number, not ${typeof value}`)
}
