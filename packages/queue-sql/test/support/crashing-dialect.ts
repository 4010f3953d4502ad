import type { TroubleOptions } from '@sluice/testkit'
import { CompiledQuery, type DatabaseConnection, type Dialect, type Driver, type QueryResult } from 'kysely'

/**
 * Lets a database client die at a point of its life, and counts its statements, BEGIN and COMMIT among them.
 */
export class Crash {
  /**
   * Two points for each statement: just before it reaches the database, and just after the database has done
   * it.
   */
  readonly #point: number
  readonly #severText: string | undefined
  #statements = 0
  #armed = false
  #dead = false

  /**
   * @param severText what makes the server drop this very connection; without it the driver is closed, which
   * rolls back too
   */
  constructor(point: number, severText?: string) {
    this.#point = point
    this.#severText = severText
  }

  get crashed(): boolean {
    return this.#dead
  }

  /** Opening the queue isn't counted: call it afterwards. */
  arm(): void {
    this.#armed = true
  }

  readonly wrap = (dialect: Dialect): Dialect => ({
    createAdapter: () => dialect.createAdapter(),
    createIntrospector: (db) => dialect.createIntrospector(db),
    createQueryCompiler: () => dialect.createQueryCompiler(),
    createDriver: () => this.#wrapDriver(dialect.createDriver()),
  })

  #wrapDriver(driver: Driver): Driver {
    const acquire = driver.acquireConnection.bind(driver)
    const patched = new WeakSet<DatabaseConnection>()
    driver.acquireConnection = async (options) => {
      const connection = await acquire(options)
      if (!patched.has(connection)) this.#patch(connection, driver)
      patched.add(connection)
      return connection
    }
    return driver
  }

  #patch(connection: DatabaseConnection, driver: Driver): void {
    const execute = connection.executeQuery.bind(connection)
    const die = async (): Promise<never> => {
      this.#dead = true
      if (this.#severText === undefined) await driver.destroy()
      else await execute(CompiledQuery.raw(this.#severText)).catch(() => undefined)
      throw new Error('the process has died')
    }
    connection.executeQuery = async (query, options) => {
      if (this.#dead) throw new Error('the process has died')
      if (!this.#armed) return execute<never>(query, options)
      const number = this.#statements++ * 2
      if (number === this.#point) return die()
      const result = await execute<never>(query, options)
      return number + 1 === this.#point ? die() : result
    }
  }
}

/** Makes every statement fail as it does when the database is gone, once `down` is set. */
export class Outage {
  down = false
  readonly #error: () => Error

  constructor(error: () => Error) {
    this.#error = error
  }

  readonly wrap = (dialect: Dialect): Dialect =>
    wrapStatements(dialect, (query, execute) => {
      if (this.down) throw this.#error()
      return execute(query)
    })
}

/** A SQLite whose disk fails one statement, counted from 0. */
export class FailingDisk {
  failed = false
  readonly #options: { readonly point: number; readonly errcode: number; readonly rollsBack: boolean }
  #statements = 0
  #armed = false

  /** @param options `rollsBack`: as SQLite often does by itself when the disk fails it */
  constructor(options: { point: number; errcode: number; rollsBack: boolean }) {
    this.#options = options
  }

  /** Opening the queue isn't counted: call it afterwards. */
  arm(): void {
    this.#armed = true
  }

  readonly wrap = (dialect: Dialect): Dialect =>
    wrapStatements(dialect, async (query, execute) => {
      const { point, errcode, rollsBack } = this.#options
      if (!this.#armed || this.#statements++ !== point) return execute(query)
      this.failed = true
      // Before BEGIN, and where there is no transaction at all, there is nothing to roll back.
      if (rollsBack) await execute(CompiledQuery.raw('rollback')).catch(() => undefined)
      throw Object.assign(new Error('the disk failed'), { code: 'ERR_SQLITE_ERROR', errcode })
    })
}

/**
 * One statement of a SQLite that goes wrong, or all from one on. It runs in this process, so that no answer
 * can keep it waiting: what hangs is the lock that another process has, and what is lost is the word that all
 * went well.
 */
export class Trouble {
  reached = false
  readonly #options: TroubleOptions
  #statements = 0
  #armed = false

  constructor(options: TroubleOptions) {
    this.#options = options
  }

  /** Opening the queue isn't counted: call it afterwards. */
  arm(): void {
    this.#armed = true
  }

  readonly wrap = (dialect: Dialect): Dialect =>
    wrapStatements(dialect, async (query, execute) => {
      const { trouble, point, lasting } = this.#options
      // What undoes a transaction that failed is no operation of its own: SQLite does it by itself when it is
      // next opened.
      if (!this.#armed || query.sql === 'rollback') return execute(query)
      const number = this.#statements++
      if (lasting ? number < point : number !== point) return execute(query)
      this.reached = true
      if (trouble === 'hangs') throw sqliteError('database is locked', 5)
      if (trouble === 'answer-lost') await execute(query)
      throw sqliteError('disk I/O error', 10)
    })
}

function sqliteError(message: string, errcode: number): Error {
  return Object.assign(new Error(message), { code: 'ERR_SQLITE_ERROR', errcode })
}

export type Execute = (query: CompiledQuery) => Promise<QueryResult<never>>

/** Puts `run` between kysely and the database, for each statement. */
export function wrapStatements(
  dialect: Dialect,
  run: (query: CompiledQuery, execute: Execute) => Promise<QueryResult<never>>,
): Dialect {
  const wrapped = new WeakSet<DatabaseConnection>()
  const wrapDriver = (driver: Driver): Driver => {
    const acquire = driver.acquireConnection.bind(driver)
    driver.acquireConnection = async (options) => {
      const connection = await acquire(options)
      if (wrapped.has(connection)) return connection
      wrapped.add(connection)
      const execute = connection.executeQuery.bind(connection)
      connection.executeQuery = async (query, more) => run(query, (asked) => execute<never>(asked, more))
      return connection
    }
    return driver
  }
  return {
    createAdapter: () => dialect.createAdapter(),
    createIntrospector: (db) => dialect.createIntrospector(db),
    createQueryCompiler: () => dialect.createQueryCompiler(),
    createDriver: () => wrapDriver(dialect.createDriver()),
  }
}
