import type { Lease } from '@sluice/core'
import { sql, type RawBuilder } from 'kysely'
import type { CallGate } from './call-gate.js'
import { newerTables } from './migration.js'
import { SCHEMA_VERSION } from './schema.js'
import type { SqlStore } from './sql-store.js'

/**
 * The leases of one queue: a row each, which expires by the storage's clock and stays, so that its fence goes on growing.
 *
 * Each statement takes hold only while the tables are of a version that this release knows, which it reads itself: a process that went on after a newer
 * release has upgraded them ends at its next lease [Q-VERSION-1].
 */
export class SqlLeases {
  readonly #store: SqlStore
  readonly #gate: CallGate
  readonly #queueId: number

  constructor(store: SqlStore, gate: CallGate, queueId: number) {
    this.#store = store
    this.#gate = gate
    this.#queueId = queueId
  }

  /** One statement, so that of two who ask at once the second sees what the first has taken. */
  async take(name: string, holder: string, ttlMs: number): Promise<Lease | undefined> {
    const { names, nowMs } = this.#store
    const leases = sql.table(names.leases)
    const isFree = sql`${leases}.holder = ${holder} or ${leases}.expires_at <= ${nowMs}`
    const fence = await this.#fenceOf(
      `take the lease ${JSON.stringify(name)}`,
      sql`insert into ${leases} (queue_id, name, holder, fence, expires_at)
        select cast(${this.#queueId} as integer), cast(${name} as text), cast(${holder} as text), 1, ${endsAt(nowMs, ttlMs)}
        where ${this.#isKnown()}
        on conflict (queue_id, name) do update set holder = excluded.holder, expires_at = excluded.expires_at,
          fence = ${leases}.fence + case when ${leases}.holder = excluded.holder then 0 else 1 end
        where ${isFree}
        returning fence`,
    )
    return fence === undefined ? undefined : this.#lease({ name, holder, fence, ttlMs })
  }

  #lease(facts: Omit<Lease, 'renew' | 'release'>): Lease {
    return {
      ...facts,
      renew: () => this.#extend(facts, facts.ttlMs),
      release: async () => {
        await this.#extend(facts, 0)
      },
    }
  }

  async #extend({ name, holder, fence }: Omit<Lease, 'renew' | 'release'>, ttlMs: number): Promise<boolean> {
    const { names, nowMs } = this.#store
    const found = await this.#fenceOf(
      `renew or give back the lease ${JSON.stringify(name)}`,
      sql`update ${sql.table(names.leases)} set expires_at = ${endsAt(nowMs, ttlMs)}
        where queue_id = ${this.#queueId} and name = ${name} and holder = ${holder} and fence = ${fence}
          and expires_at > ${nowMs} and ${this.#isKnown()}
        returning fence`,
    )
    return found !== undefined
  }

  /**
   * The fence that a statement gives back. One that gives none is asked why by a second: the lease may be another's, or the tables too new.
   *
   * @throws SluiceError SLUICE_QUEUE_CORRUPT when a newer release has upgraded the tables; all later calls of the queue reject with it
   */
  async #fenceOf(what: string, statement: RawBuilder<unknown>): Promise<number | undefined> {
    const { db, names } = this.#store
    return this.#gate.run(what, async () => {
      const { rows } = await sql<{ fence: number }>`${statement}`.execute(db)
      const [row] = rows
      if (row !== undefined) return row.fence
      const found = await sql<{
        version: number
      }>`select max(version) as version from ${sql.table(names.schema)}`.execute(db)
      const version = found.rows[0]?.version ?? 0
      if (version <= SCHEMA_VERSION) return undefined
      const error = newerTables(version, this.#store)
      this.#gate.refuse(error)
      throw error
    })
  }

  #isKnown(): RawBuilder<boolean> {
    const version = sql`(select max(version) from ${sql.table(this.#store.names.schema)})`
    return sql<boolean>`${version} <= ${sql.lit(SCHEMA_VERSION)}`
  }
}

function endsAt(nowMs: RawBuilder<number>, ttlMs: number): RawBuilder<number> {
  return sql<number>`${nowMs} + cast(${ttlMs} as bigint)`
}
