import type { Lease, LeaseView, SluiceError, Runtime } from '@sluice/core'
import { sql, type RawBuilder } from 'kysely'
import type { CallGate } from './calls/call-gate.js'
import { newerTables } from './schema/migration.js'
import { isThere, type StoredAs } from './queue-row.js'
import { SCHEMA_VERSION } from './schema/steps.js'
import { queueGone } from './sql-errors.js'
import type { SqlStore } from './sql-store.js'

type LeaseFacts = Omit<Lease, 'renew' | 'release'>

/** What a holder knows of its own row. */
interface Own {
  /** When the last good taking or renewal was sent, by the clock of this process. */
  goodAtMonotonic: number
  /** The end that it wrote, by the storage's clock. */
  expiresAt: number
}

interface OwnRow {
  readonly fence: number
  readonly expires_at: number
}

/**
 * The leases of one queue: a row each, which expires by the storage's clock and stays, so that its fencing token goes on growing.
 *
 * Each statement takes hold only while the tables are of a version that this release knows, which it reads itself: a process that went on after a newer
 * release has upgraded them ends at its next lease [Q-VERSION-1].
 */
export class SqlLeases {
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

  /** One statement, so that of two who ask at once the second sees what the first has taken. */
  async take(name: string, holder: string, ttlMs: number): Promise<Lease | undefined> {
    const { names, nowMs, durably } = this.#store
    const leases = sql.table(names.leases)
    const goodAtMonotonic = this.#store.runtime.monotonicMs()
    const row = await this.#rowOf(
      `take the lease ${JSON.stringify(name)}`,
      sql`insert into ${leases} (queue_id, name, holder, fence, expires_at, ttl_ms)
        select cast(${this.#queueId} as integer), cast(${name} as text), cast(${holder} as text), 1,
          ${endsAt(nowMs, ttlMs)}, cast(${ttlMs} as bigint)
        where ${this.#isKnown()} and ${isThere(this.#store, this.#as)}
        on conflict (queue_id, name) do update set holder = excluded.holder, expires_at = excluded.expires_at,
          ttl_ms = excluded.ttl_ms, fence = ${leases}.fence + case when ${leases}.holder = excluded.holder then 0 else 1 end
        where ${leases}.holder = ${holder} or ${this.#watch.isFree(name, leases, nowMs)}
        returning fence, expires_at, ${durably} as durably`,
    )
    if (row === undefined) return this.#observe(name)
    this.#watch.forget(name)
    return this.#lease(
      { name, holder, fencingToken: row.fence, ttlMs },
      { goodAtMonotonic, expiresAt: row.expires_at },
    )
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

  /** Who holds it, or let it run out last. One that was given back has the end 0. */
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
    return {
      ...facts,
      renew: () => this.#extend(facts, own, endsAt(this.#store.nowMs, facts.ttlMs)),
      release: async () => {
        // Over by any clock, also by one that was set back.
        await this.#extend(facts, own, sql.lit(0))
        own.goodAtMonotonic = Number.NEGATIVE_INFINITY
      },
    }
  }

  /** A storage clock that was set forward takes no lease from a holder that wrote the row last, and whose time is not over by its own clock. */
  async #extend(facts: LeaseFacts, own: Own, end: RawBuilder<number>): Promise<boolean> {
    const { name, holder, fencingToken, ttlMs } = facts
    const { names, nowMs, durably } = this.#store
    const goodAtMonotonic = this.#store.runtime.monotonicMs()
    const ownEnd = goodAtMonotonic - own.goodAtMonotonic < ttlMs ? own.expiresAt : -1
    const row = await this.#rowOf(
      `renew or give back the lease ${JSON.stringify(name)}`,
      sql`update ${sql.table(names.leases)} set expires_at = ${end}, ttl_ms = cast(${ttlMs} as bigint)
        where queue_id = ${this.#queueId} and name = ${name} and holder = ${holder} and fence = ${fencingToken}
          and (expires_at > ${nowMs} or expires_at = ${ownEnd}) and ${this.#isKnown()} and ${isThere(this.#store, this.#as)} and ${durably}
        returning fence, expires_at`,
    )
    if (row === undefined) return false
    own.goodAtMonotonic = goodAtMonotonic
    own.expiresAt = row.expires_at
    return true
  }

  /**
   * The row that a statement gives back. One that gives none is asked why by a second: the lease may be another's, or the tables too new.
   *
   * @throws SluiceError SLUICE_QUEUE_CORRUPT when a newer release has upgraded the tables, or the queue was dropped; all later calls of the queue reject with it
   */
  async #rowOf(what: string, statement: RawBuilder<unknown>): Promise<OwnRow | undefined> {
    const { db, names } = this.#store
    return this.#gate.run(what, async () => {
      const { rows } = await sql<OwnRow>`${statement}`.execute(db)
      const [row] = rows
      if (row !== undefined) return row
      const found = await sql<{ version: number; there: number | boolean }>`select max(version) as version,
        ${isThere(this.#store, this.#as, 'as it is')} as there from ${sql.table(names.schema)}`.execute(db)
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

/** A row as whoever looks at it sees it. */
export function leaseView({ name, holder, fence, ttl_ms: ttlMs, left_ms: leftMs }: LeaseRow): LeaseView {
  // Without its ttl, what is left of it is the least that it can be.
  return { name, holder, fencingToken: fence, ttlMs: ttlMs ?? Math.max(0, leftMs), leftMs }
}

function endsAt(nowMs: RawBuilder<number>, ttlMs: number): RawBuilder<number> {
  return sql<number>`${nowMs} + cast(${ttlMs} as bigint)`
}

/** The row of a lease that another holder has, as it was read. */
export interface HeldRow {
  readonly fence: number
  readonly expires_at: number
  /** How long it lives when nobody renews it; `null` in a row of an older release. */
  readonly ttl_ms: number | null
  /** How long it lives on by the storage's clock. */
  readonly left_ms: number
}

interface Seen {
  readonly fence: number
  readonly expiresAt: number
  readonly overAtMonotonic: number
}

/**
 * When the leases of others are over, by the clock of this process that is never set. A lease ends by the storage's clock for whoever sees it for the first
 * time. For an observer that has seen it before, and finds it neither renewed nor passed on, it ends once it has had its time since then: as much as
 * was left of it, its ttl at most. So a storage clock that is set back holds the lease of a dead holder for one ttl at most, and one that is set
 * forward takes no lease from a holder whose renewals this process sees.
 *
 * Several observers may find the same end. What they do then compares the row with what they have seen, so that one of them gets the lease.
 */
export class LeaseWatch {
  readonly #runtime: Pick<Runtime, 'monotonicMs'>
  readonly #seen = new Map<string, Seen>()

  constructor(runtime: Pick<Runtime, 'monotonicMs'>) {
    this.#runtime = runtime
  }

  /** The condition under which the row `leases` is free for others. */
  isFree(name: string, leases: RawBuilder<unknown>, nowMs: RawBuilder<number>): RawBuilder<boolean> {
    const isExpired = sql<boolean>`${leases}.expires_at <= ${nowMs}`
    const seen = this.#seen.get(name)
    if (seen === undefined) return isExpired
    const isSame = sql<boolean>`(${leases}.fence = ${seen.fence} and ${leases}.expires_at = ${seen.expiresAt})`
    if (this.#runtime.monotonicMs() >= seen.overAtMonotonic) return sql<boolean>`(${isSame} or ${isExpired})`
    return sql<boolean>`(not ${isSame} and ${isExpired})`
  }

  /** Notes what was read of a lease that is not free. */
  note(name: string, { fence, expires_at: expiresAt, ttl_ms: ttlMs, left_ms: leftMs }: HeldRow): void {
    const known = this.#seen.get(name)
    if (known?.fence === fence && known.expiresAt === expiresAt) return
    const lifeMs = Math.max(0, Math.min(leftMs, ttlMs ?? leftMs))
    this.#seen.set(name, { fence, expiresAt, overAtMonotonic: this.#runtime.monotonicMs() + lifeMs })
  }

  /** It is one's own now, or free. */
  forget(name: string): void {
    this.#seen.delete(name)
  }
}
