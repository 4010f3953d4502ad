import type { Lease } from '@sluice/core'
import { sql, type RawBuilder } from 'kysely'
import type { CallGate } from './call-gate.js'
import { LeaseWatch, type HeldRow } from './lease-watch.js'
import type { SqlStore } from './sql-store.js'

type LeaseFacts = Omit<Lease, 'renew' | 'release'>

/** What a holder knows of its own row. */
interface Own {
  /** When the last good taking or renewal was sent, by the clock of this process. */
  goodAt: number
  /** The end that it wrote, by the storage's clock. */
  expiresAt: number
}

/** The leases of one queue: a row each, which expires by the storage's clock and stays, so that its fence goes on growing. */
export class SqlLeases {
  readonly #store: SqlStore
  readonly #gate: CallGate
  readonly #queueId: number
  readonly #watch = new LeaseWatch()

  constructor(store: SqlStore, gate: CallGate, queueId: number) {
    this.#store = store
    this.#gate = gate
    this.#queueId = queueId
  }

  /** One statement, so that of two who ask at once the second sees what the first has taken. */
  async take(name: string, holder: string, ttlMs: number): Promise<Lease | undefined> {
    const { db, names, nowMs } = this.#store
    const held = sql.table(names.leases)
    const goodAt = performance.now()
    const row = await this.#gate.run(`take the lease ${JSON.stringify(name)}`, () =>
      db
        .insertInto(names.leases)
        .values({
          queue_id: this.#queueId,
          name,
          holder,
          fence: 1,
          expires_at: endsAt(nowMs, ttlMs),
          ttl_ms: ttlMs,
        })
        .onConflict((taken) =>
          taken
            .columns(['queue_id', 'name'])
            .doUpdateSet({
              holder,
              fence: sql<number>`case when ${held}.holder = ${holder} then ${held}.fence else ${held}.fence + 1 end`,
              expires_at: endsAt(nowMs, ttlMs),
              ttl_ms: ttlMs,
            })
            .where(sql<boolean>`${held}.holder = ${holder} or ${this.#watch.isFree(name, held, nowMs)}`),
        )
        .returning(['fence', 'expires_at'])
        .executeTakeFirst(),
    )
    if (row === undefined) return this.#observe(name)
    this.#watch.forget(name)
    return this.#lease({ name, holder, fence: row.fence, ttlMs }, { goodAt, expiresAt: row.expires_at })
  }

  /** Another has it: from now on this process knows how long that can be so. */
  async #observe(name: string): Promise<undefined> {
    const { db, names, nowMs } = this.#store
    const held: HeldRow | undefined = await this.#gate.run(`read the lease ${JSON.stringify(name)}`, () =>
      db
        .selectFrom(names.leases)
        .select(['fence', 'expires_at', 'ttl_ms', sql<number>`expires_at - ${nowMs}`.as('left_ms')])
        .where('queue_id', '=', this.#queueId)
        .where('name', '=', name)
        .executeTakeFirst(),
    )
    if (held !== undefined) this.#watch.note(name, held)
    return undefined
  }

  #lease(facts: LeaseFacts, own: Own): Lease {
    return {
      ...facts,
      renew: () => this.#extend(facts, own, endsAt(this.#store.nowMs, facts.ttlMs)),
      release: async () => {
        // Over by any clock, also by one that was set back.
        await this.#extend(facts, own, sql.lit(0))
        own.goodAt = Number.NEGATIVE_INFINITY
      },
    }
  }

  /** A storage clock that was set forward takes no lease from a holder that wrote the row last, and whose time is not over by its own clock. */
  async #extend(
    { name, holder, fence, ttlMs }: LeaseFacts,
    own: Own,
    end: RawBuilder<number>,
  ): Promise<boolean> {
    const { db, names, nowMs } = this.#store
    const goodAt = performance.now()
    const ownEnd = goodAt - own.goodAt < ttlMs ? own.expiresAt : -1
    const [row] = await this.#gate.run(`renew or give back the lease ${JSON.stringify(name)}`, () =>
      db
        .updateTable(names.leases)
        .set({ expires_at: end, ttl_ms: ttlMs })
        .where('queue_id', '=', this.#queueId)
        .where('name', '=', name)
        .where('holder', '=', holder)
        .where('fence', '=', fence)
        .where((row) => row.or([row('expires_at', '>', nowMs), row('expires_at', '=', ownEnd)]))
        .returning('expires_at')
        .execute(),
    )
    if (row === undefined) return false
    own.goodAt = goodAt
    own.expiresAt = row.expires_at
    return true
  }
}

function endsAt(nowMs: RawBuilder<number>, ttlMs: number): RawBuilder<number> {
  return sql<number>`${nowMs} + cast(${ttlMs} as bigint)`
}
