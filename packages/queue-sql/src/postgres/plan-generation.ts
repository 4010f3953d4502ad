import type pg from 'pg'

/**
 * Which of the statements that were prepared may still be used. PostgreSQL refuses to run a prepared statement once a table that it reads was changed so
 * that its answer would have other types; it does so before it does anything. All connections may have such statements, a pooler's too, which
 * knows them by their text: so from then on connections are new and texts are others.
 */
export class PlanGeneration {
  #number = 0
  readonly #clients = new WeakMap<pg.PoolClient, number>()

  /** To be called for each connection before it is used: whether it was made since statements were last found to be stale. */
  isCurrent(client: pg.PoolClient): boolean {
    const number = this.#clients.get(client) ?? this.#number
    this.#clients.set(client, number)
    return number === this.#number
  }

  /** Two connections that find it out at once are two generations, which costs no more than a connection each. */
  end(): void {
    this.#number += 1
  }

  textOf(text: string): string {
    return this.#number === 0 ? text : `/* plan ${this.#number} */ ${text}`
  }
}

/**
 * SQLSTATE feature_not_supported: the message, "cached plan must not change result type", may be in another language. Nothing else that is sent here can
 * meet with it.
 *
 * @see https://www.postgresql.org/docs/current/sql-prepare.html
 */
export function isStalePlan(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '0A000'
}
