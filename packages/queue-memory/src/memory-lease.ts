import type { Lease, LeaseView } from '@sluice/core'
import { createLease, type LeaseBackend } from '@sluice/core/backend'

interface Holding {
  readonly holder: string
  readonly fencingToken: number
  readonly ttlMs: number
  readonly endsAt: number
}

/** The leases of one queue: who holds which, until when. */
export class LeaseTable {
  readonly #holdings = new Map<string, Holding>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  /** @param assertKept throws once the queue was dropped */
  backend(assertKept: () => void): LeaseBackend {
    return {
      read: (name) => this.read(name),
      take: (name, holder, ttlMs) => {
        const fencingToken = this.take(name, holder, ttlMs)
        if (fencingToken === undefined) return undefined
        const lease: Lease = createLease(
          { name, holder, fencingToken, ttlMs },
          {
            renew: async () => {
              assertKept()
              return this.renew(lease)
            },
            release: async () => this.release(lease),
          },
        )
        return lease
      },
    }
  }

  /** The fencing token of the lease, or `undefined` while another holder has it. */
  take(name: string, holder: string, ttlMs: number): number | undefined {
    const now = this.#now()
    const last = this.#holdings.get(name)
    if (last !== undefined && last.holder !== holder && last.endsAt > now) return undefined
    const fencingToken = last?.holder === holder ? last.fencingToken : (last?.fencingToken ?? 0) + 1
    this.#holdings.set(name, { holder, fencingToken, ttlMs, endsAt: now + ttlMs })
    return fencingToken
  }

  /** Who holds it, or let it run out last; `undefined` where it was given back or never taken. */
  read(name: string): LeaseView | undefined {
    const held = this.#holdings.get(name)
    if (held === undefined || held.endsAt === -Infinity) return undefined
    const { holder, fencingToken, ttlMs, endsAt } = held
    return { name, holder, fencingToken, ttlMs, leftMs: endsAt - this.#now() }
  }

  /** Whether it is held at this instant, not lost to another holder or to time. */
  isHeld({ name, holder, fencingToken }: Pick<Lease, 'name' | 'holder' | 'fencingToken'>): boolean {
    const held = this.#holdings.get(name)
    return held?.holder === holder && held.fencingToken === fencingToken && held.endsAt > this.#now()
  }

  /** Those that are held at this instant. */
  held(): LeaseView[] {
    return [...this.#holdings.keys()].flatMap((name) => {
      const lease = this.read(name)
      return lease !== undefined && lease.leftMs > 0 ? [lease] : []
    })
  }

  /** `false` when it is lost. */
  renew(lease: Lease): boolean {
    if (!this.isHeld(lease)) return false
    const { name, holder, fencingToken, ttlMs } = lease
    this.#holdings.set(name, { holder, fencingToken, ttlMs, endsAt: this.#now() + ttlMs })
    return true
  }

  /** The holding stays, run out: the fencing token must go on from it. */
  release({ name, holder, fencingToken }: Lease): void {
    const held = this.#holdings.get(name)
    if (held?.holder !== holder || held.fencingToken !== fencingToken) return
    this.#holdings.set(name, { ...held, endsAt: -Infinity })
  }
}
