import { sql, type RawBuilder } from 'kysely'

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
  readonly #monotonicMs: () => number
  readonly #seen = new Map<string, Seen>()

  constructor(monotonicMs: () => number = () => performance.now()) {
    this.#monotonicMs = monotonicMs
  }

  /** The condition under which the row `leases` is free for others. */
  isFree(name: string, leases: RawBuilder<unknown>, nowMs: RawBuilder<number>): RawBuilder<boolean> {
    const isExpired = sql<boolean>`${leases}.expires_at <= ${nowMs}`
    const seen = this.#seen.get(name)
    if (seen === undefined) return isExpired
    const isSame = sql<boolean>`(${leases}.fence = ${seen.fence} and ${leases}.expires_at = ${seen.expiresAt})`
    if (this.#monotonicMs() >= seen.overAtMonotonic) return sql<boolean>`(${isSame} or ${isExpired})`
    return sql<boolean>`(not ${isSame} and ${isExpired})`
  }

  /** Notes what was read of a lease that is not free. */
  note(name: string, { fence, expires_at: expiresAt, ttl_ms: ttlMs, left_ms: leftMs }: HeldRow): void {
    const known = this.#seen.get(name)
    if (known?.fence === fence && known.expiresAt === expiresAt) return
    const lifeMs = Math.max(0, Math.min(leftMs, ttlMs ?? leftMs))
    this.#seen.set(name, { fence, expiresAt, overAtMonotonic: this.#monotonicMs() + lifeMs })
  }

  /** It is one's own now, or free. */
  forget(name: string): void {
    this.#seen.delete(name)
  }
}
