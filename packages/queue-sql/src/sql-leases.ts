import type { Lease, LeaseView, Runtime, SluiceError } from '@sluice/core'
import { createLease, type LeaseBackend } from '@sluice/core/backend'
import { sql, type RawBuilder } from 'kysely'
import type { CallGate } from './calls/call-gate.js'
import { newerTables } from './schema/migration.js'
import { exists, type StoredAs } from './queue-row.js'
import { SCHEMA_VERSION } from './schema/steps.js'
import { queueGone } from './sql-errors.js'
import type { SqlStore } from './sql-store.js'

type LeaseFacts = Pick<Lease, 'name' | 'holder' | 'fencingToken' | 'ttlMs'>

/** The holder's knowledge of its own row. */
interface Own {
  /** When the last successful taking or renewal was sent. */
  goodAtMonotonic: number
  /** The expiry that it wrote, by the storage's clock. */
  expiresAt: number
}

interface OwnRow {
  readonly fence: number
  readonly expires_at: number
}

/**
 * The leases of one queue: a row each, which expires by the storage's clock and stays, so that its fencing
 * token keeps growing.
 *
 * Each statement also checks the version of the tables: a process that continued after a newer release
 * upgraded them ends at its next lease [Q-VERSION-1].
 */
export class SqlLeases implements LeaseBackend {
  readonly #store: SqlStore
  readonly #gate: CallGate
  readonly #queueId: number
  readonly #as: StoredAs
  readonly #watch: LeaseWatch

  constructor(store: SqlStore, gate: CallGate, as: StoredAs) {
    this.#store = store
    this.#gate = gate
    this.#queueId = as.queueId
    this.#watch = new LeaseWatch(store.runtime)
    this.#as = as
  }

  /** One statement: of two concurrent holders the second sees the lease of the first. */
  async take(name: string, holder: string, ttlMs: number): Promise<Lease | undefined> {
    const { names, nowMs, durably } = this.#store
    const leases = sql.table(names.leases)
    const goodAtMonotonic = this.#store.runtime.monotonicMs()
    const row = await this.#rowOf(
      `take the lease ${JSON.stringify(name)}`,
      sql`insert into ${leases} (queue_id, name, holder, fence, expires_at, ttl_ms)
        select cast(${this.#queueId} as integer), cast(${name} as text), cast(${holder} as text), 1,
          ${endsAt(nowMs, ttlMs)}, cast(${ttlMs} as bigint)
        where ${this.#isKnown()} and ${exists(this.#store, this.#as)}
        on conflict (queue_id, name) do update set holder = excluded.holder, expires_at = excluded.expires_at,
          ttl_ms = excluded.ttl_ms, fence = ${leases}.fence + case when ${leases}.holder = excluded.holder then 0 else 1 end
        where ${leases}.holder = ${holder} or ${this.#watch.isFree(name, leases, nowMs)}
        returning fence, expires_at, ${durably} as durably`,
    )
    if (row === undefined) return this.#observe(name)
    this.#watch.drop(name)
    return this.#lease(
      { name, holder, fencingToken: row.fence, ttlMs },
      { goodAtMonotonic, expiresAt: row.expires_at },
    )
  }

  /** Another holder has the lease: this process observes it from now on. */
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

  /** The latest holder; none after a release, which sets the expiry to 0. */
  async read(name: string): Promise<LeaseView | undefined> {
    const { db, names, nowMs } = this.#store
    const row = await this.#gate.run(`read the lease ${JSON.stringify(name)}`, () =>
      db
        .selectFrom(names.leases)
        .select(['name', 'holder', 'fence', 'ttl_ms', sql<number>`expires_at - ${nowMs}`.as('left_ms')])
        .where('queue_id', '=', this.#queueId)
        .where('name', '=', name)
        .where('expires_at', '>', 0)
        .executeTakeFirst(),
    )
    return row && leaseView(row)
  }

  #lease(facts: LeaseFacts, own: Own): Lease {
    return createLease(facts, {
      renew: () => this.#extend(facts, own, endsAt(this.#store.nowMs, facts.ttlMs)),
      release: async () => {
        // Expired by any clock, also by one that is set back.
        await this.#extend(facts, own, sql.lit(0))
        own.goodAtMonotonic = Number.NEGATIVE_INFINITY
      },
    })
  }

  /**
   * A storage clock that is set forward does not end the lease of a holder that wrote the row last, and whose
   * ttl is not over by its monotonic clock.
   */
  async #extend(facts: LeaseFacts, own: Own, end: RawBuilder<number>): Promise<boolean> {
    const { name, holder, fencingToken, ttlMs } = facts
    const { names, nowMs, durably } = this.#store
    const goodAtMonotonic = this.#store.runtime.monotonicMs()
    const ownEnd = goodAtMonotonic - own.goodAtMonotonic < ttlMs ? own.expiresAt : -1
    const row = await this.#rowOf(
      `renew or release the lease ${JSON.stringify(name)}`,
      sql`update ${sql.table(names.leases)} set expires_at = ${end}, ttl_ms = cast(${ttlMs} as bigint)
        where queue_id = ${this.#queueId} and name = ${name} and holder = ${holder} and fence = ${fencingToken}
          and (expires_at > ${nowMs} or expires_at = ${ownEnd}) and ${this.#isKnown()} and ${exists(this.#store, this.#as)} and ${durably}
        returning fence, expires_at`,
    )
    if (row === undefined) return false
    own.goodAtMonotonic = goodAtMonotonic
    own.expiresAt = row.expires_at
    return true
  }

  /**
   * The row that a statement returns. If there is none, a second statement finds out why: another holder has
   * the lease, or the tables are too new.
   *
   * @throws SluiceError SLUICE_QUEUE_CORRUPT when a newer release has upgraded the tables, or the queue was
   * dropped; all later calls of the queue reject with it
   */
  async #rowOf(what: string, statement: RawBuilder<unknown>): Promise<OwnRow | undefined> {
    const { db, names } = this.#store
    return this.#gate.run(what, async () => {
      const { rows } = await sql<OwnRow>`${statement}`.execute(db)
      const [row] = rows
      if (row !== undefined) return row
      const found = await sql<{ version: number; there: number | boolean }>`select max(version) as version,
        ${exists(this.#store, this.#as, 'unlocked')} as there from ${sql.table(names.schema)}`.execute(db)
      const { version = 0, there = true } = found.rows[0] ?? {}
      if (version <= SCHEMA_VERSION && Boolean(there)) return undefined
      const error = version > SCHEMA_VERSION ? newerTables(version, this.#store) : this.#gone(what)
      this.#gate.refuse(error)
      throw error
    })
  }

  #gone(what: string): SluiceError {
    const { place } = this.#store
    return queueGone({ what: `${what} (queue ${JSON.stringify(this.#as.name)})`, place })
  }

  #isKnown(): RawBuilder<boolean> {
    const version = sql`(select max(version) from ${sql.table(this.#store.names.schema)})`
    return sql<boolean>`${version} <= ${sql.lit(SCHEMA_VERSION)}`
  }
}

interface LeaseRow {
  readonly name: string
  readonly holder: string
  readonly fence: number
  /** `null` in a row of an older release. */
  readonly ttl_ms: number | null
  readonly left_ms: number
}

/** The view of a row. */
export function leaseView({ name, holder, fence, ttl_ms: ttlMs, left_ms: leftMs }: LeaseRow): LeaseView {
  // Without a stored ttl, the rest of it is its lower bound.
  return { name, holder, fencingToken: fence, ttlMs: ttlMs ?? Math.max(0, leftMs), leftMs }
}

function endsAt(nowMs: RawBuilder<number>, ttlMs: number): RawBuilder<number> {
  return sql<number>`${nowMs} + cast(${ttlMs} as bigint)`
}

/** The row of a lease of another holder. */
export interface HeldRow {
  readonly fence: number
  readonly expires_at: number
  /** `null` in a row of an older release. */
  readonly ttl_ms: number | null
  /** The time until its expiry by the storage's clock. */
  readonly left_ms: number
}

interface Seen {
  readonly fence: number
  readonly expiresAt: number
  readonly overAtMonotonic: number
}

/**
 * When the leases of other holders end, by the monotonic clock of this process. A lease seen for the first
 * time ends by the storage's clock. A lease seen before, and neither renewed nor passed on since, ends once
 * the rest of its time, at most its ttl, has passed since then. So a storage clock that is set back extends
 * the lease of a dead holder by at most one ttl, and one that is set forward does not end the lease of a
 * holder whose renewals this process sees.
 *
 * Several observers may find the same end. Their statements compare the row with what they have seen, so that
 * one of them gets the lease.
 */
export class LeaseWatch {
  readonly #runtime: Pick<Runtime, 'monotonicMs'>
  readonly #seen = new Map<string, Seen>()

  constructor(runtime: Pick<Runtime, 'monotonicMs'>) {
    this.#runtime = runtime
  }

  /** The condition under which the row `leases` is free for other holders. */
  isFree(name: string, leases: RawBuilder<unknown>, nowMs: RawBuilder<number>): RawBuilder<boolean> {
    const isExpired = sql<boolean>`${leases}.expires_at <= ${nowMs}`
    const seen = this.#seen.get(name)
    if (seen === undefined) return isExpired
    const isSame = sql<boolean>`(${leases}.fence = ${seen.fence} and ${leases}.expires_at = ${seen.expiresAt})`
    if (this.#runtime.monotonicMs() >= seen.overAtMonotonic) return sql<boolean>`(${isSame} or ${isExpired})`
    return sql<boolean>`(not ${isSame} and ${isExpired})`
  }

  /** Notes the row of a lease that is not free. */
  note(name: string, { fence, expires_at: expiresAt, ttl_ms: ttlMs, left_ms: leftMs }: HeldRow): void {
    const known = this.#seen.get(name)
    if (known?.fence === fence && known.expiresAt === expiresAt) return
    const lifeMs = Math.max(0, Math.min(leftMs, ttlMs ?? leftMs))
    this.#seen.set(name, { fence, expiresAt, overAtMonotonic: this.#runtime.monotonicMs() + lifeMs })
  }

  /** This process has it now. */
  drop(name: string): void {
    this.#seen.delete(name)
  }
}
