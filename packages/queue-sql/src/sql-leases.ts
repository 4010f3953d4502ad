import type { Lease } from '@sluice/core'
import { sql, type RawBuilder } from 'kysely'
import type { CallGate } from './call-gate.js'
import type { SqlStore } from './sql-store.js'

/** The leases of one queue: a row each, which expires by the storage's clock and stays, so that its fence goes on growing. */
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
    const { db, names, nowMs } = this.#store
    const held = sql.table(names.leases)
    const row = await this.#gate.run(`take the lease ${JSON.stringify(name)}`, () =>
      db
        .insertInto(names.leases)
        .values({ queue_id: this.#queueId, name, holder, fence: 1, expires_at: endsAt(nowMs, ttlMs) })
        .onConflict((taken) =>
          taken
            .columns(['queue_id', 'name'])
            .doUpdateSet({
              holder,
              fence: sql<number>`case when ${held}.holder = ${holder} then ${held}.fence else ${held}.fence + 1 end`,
              expires_at: endsAt(nowMs, ttlMs),
            })
            .where(sql<boolean>`${held}.holder = ${holder} or ${held}.expires_at <= ${nowMs}`),
        )
        .returning(['fence', this.#store.durably.as('durably')])
        .executeTakeFirst(),
    )
    return row === undefined ? undefined : this.#lease({ name, holder, fence: row.fence, ttlMs })
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
    const { db, names, nowMs } = this.#store
    const rows = await this.#gate.run(`renew or give back the lease ${JSON.stringify(name)}`, () =>
      db
        .updateTable(names.leases)
        .set({ expires_at: endsAt(nowMs, ttlMs) })
        .where('queue_id', '=', this.#queueId)
        .where('name', '=', name)
        .where('holder', '=', holder)
        .where('fence', '=', fence)
        .where('expires_at', '>', nowMs)
        .where(this.#store.durably)
        .returning('fence')
        .execute(),
    )
    return rows.length > 0
  }
}

function endsAt(nowMs: RawBuilder<number>, ttlMs: number): RawBuilder<number> {
  return sql<number>`${nowMs} + cast(${ttlMs} as bigint)`
}
