import type { Lease, LeaseView } from '@sluice/core'
import { createLease, type LeaseBackend } from '@sluice/core/backend'
import type { FormatWatch } from '../format/format-watch.js'
import type { QueueContext } from '../queue-context.js'
import { encodeKey } from '../format/key-encoding.js'
import { parseObject } from '../format/object-texts.js'
import type { Patience } from '../store/sending/patience.js'
import { head } from '../store/storage-op.js'
import { VersionChain, type Version } from './version-chain.js'

export interface Holding {
  readonly holder: string
  readonly fencingToken: number
  readonly ttlMs: number
  readonly released: boolean
}

/** `Last-Modified` has whole seconds: an object may be this much younger than it says. */
export const SECOND_MS = 1_000

/** How many consecutive requests may hang before a lease under renewal is lost. */
const HANGS_A_TTL = 3
/** The minimum for a store that is merely busy. */
const MIN_WAIT_MS = 2_000

/** What the holder knows of its lease. */
interface Own {
  /** When the last successful renewal was sent, monotonic ms. */
  goodAtMonotonic: number
  /** The version that it created. */
  number: number
  lost: boolean
}

/**
 * The leases of one queue, each a chain of versions: taking and renewing creates the next. Clocks of two
 * machines are never compared. A holder uses its own monotonic clock, from the sending of its last successful
 * renewal. Others consider a lease expired when they have seen no new version for its ttl by their own
 * monotonic clock, or when the newest version is older by the store's clock: if that clock is sure, has not
 * jumped ahead since, and the difference exceeds that of its gateways.
 *
 * Taking and renewing read the queue's settings again [Q-VERSION-1]. Requests for a lease wait a third of its
 * ttl at most, or two seconds: one that hangs must not cost the lease.
 */
export class S3Leases implements LeaseBackend {
  readonly #context: QueueContext
  readonly #chains = new Map<string, VersionChain>()
  readonly #seen = new Map<string, { readonly number: number; readonly atMonotonic: number }>()
  readonly #own = new WeakMap<Lease, Own>()

  readonly #format: FormatWatch

  constructor(context: QueueContext, format: FormatWatch) {
    this.#context = context
    this.#format = format
  }

  async take(name: string, holder: string, ttlMs: number): Promise<Lease | undefined> {
    const chain = this.#chain(name)
    const patience = this.#patience(ttlMs)
    const [version] = await Promise.all([chain.latest(patience), this.#format.check(patience)])
    const last = version && holdingOf(version)
    const mine = last?.holder === holder
    if (version !== undefined && last !== undefined && !mine && !(await this.#mayTake(name, version, last)))
      return undefined
    const fencingToken = last === undefined ? 1 : last.fencingToken + (mine ? 0 : 1)
    const goodAtMonotonic = this.#context.store.clock.monotonicMs()
    const number = version?.number ?? 0
    if (!(await chain.append(number, textOf({ holder, fencingToken, ttlMs, released: false }), patience)))
      return undefined
    if (!mine) this.#context.watch.leaseTaken()
    return this.#lease(
      { name, holder, ttlMs, fencingToken },
      { goodAtMonotonic, number: number + 1, lost: false },
    )
  }

  /** The current or last holder, by the store's clock: this process has not watched it. */
  async read(name: string): Promise<LeaseView | undefined> {
    const { store } = this.#context
    const version = await this.#chain(name).latest(store.patience())
    const last = version && holdingOf(version)
    if (version === undefined || last === undefined || last.released) return undefined
    const { holder, fencingToken, ttlMs } = last
    return {
      name,
      holder,
      fencingToken,
      ttlMs,
      leftMs: version.modifiedAt + SECOND_MS + ttlMs - store.clock.now(),
    }
  }

  /**
   * Whether a lease is held, now or a moment ago. For an own lease that is a HEAD of the version after the
   * one made last: as long as its ttl has not passed by the clock of this process, other processes can't have
   * made many.
   */
  async isHeld(lease: Lease): Promise<boolean> {
    const { name, ttlMs } = lease
    const own = this.#own.get(lease)
    if (own?.lost === true) return false
    const { clock } = this.#context.store
    const isFresh = () => own !== undefined && clock.monotonicMs() - own.goodAtMonotonic < ttlMs
    const chain = this.#chain(name)
    const patience = this.#patience(ttlMs)
    if (own !== undefined && isFresh() && (await chain.isLast(own.number, patience))) return isFresh()
    const version = await chain.latest(patience)
    const last = version && holdingOf(version)
    if (version === undefined || last === undefined || !isOf(last, lease)) return false
    return isFresh() || !this.#isOver(name, version, last)
  }

  #lease(facts: Pick<Lease, 'name' | 'holder' | 'ttlMs' | 'fencingToken'>, own: Own): Lease {
    const { store } = this.#context
    const { name, holder, fencingToken, ttlMs } = facts
    const chain = this.#chain(name)
    const write = async (released: boolean): Promise<boolean> => {
      const patience = this.#patience(ttlMs)
      for (;;) {
        const sentAtMonotonic = store.clock.monotonicMs()
        if (own.lost || sentAtMonotonic - own.goodAtMonotonic >= ttlMs) return false
        const [version] = await Promise.all([chain.latest(patience), this.#format.check(patience)])
        const last = version && holdingOf(version)
        if (version === undefined || last === undefined || !isOf(last, facts)) return false
        if (await chain.append(version.number, textOf({ holder, fencingToken, ttlMs, released }), patience)) {
          own.goodAtMonotonic = sentAtMonotonic
          own.number = version.number + 1
          return true
        }
        await chain.waitTurn(patience)
      }
    }
    const renew = async () => {
      const kept = await write(false)
      own.lost ||= !kept
      return kept
    }
    const release = async () => {
      await write(true)
      own.lost = true
    }
    const lease = createLease(facts, { renew, release })
    this.#own.set(lease, own)
    return lease
  }

  /**
   * By the age of the newest version only if two answers confirm it: a lease taken over early has two
   * holders.
   */
  async #mayTake(name: string, version: Version, last: Holding): Promise<boolean> {
    if (this.#isSeenOver(name, version, last)) return true
    if (!this.#isOld(version, last)) return false
    const again = await this.#context.run(head(version.key), this.#patience(last.ttlMs))
    const modifiedAt = Math.max(version.modifiedAt, again?.modifiedAt ?? Number.POSITIVE_INFINITY)
    return this.#isOld({ ...version, modifiedAt }, last)
  }

  #isOver(name: string, version: Version, last: Holding): boolean {
    return this.#isSeenOver(name, version, last) || this.#isOld(version, last)
  }

  /** By this process's clock, since it first saw the version. */
  #isSeenOver(name: string, version: Version, last: Holding): boolean {
    if (last.released) return true
    const { clock } = this.#context.store
    const known = this.#seen.get(name)
    const seen =
      known?.number === version.number ? known : { number: version.number, atMonotonic: clock.monotonicMs() }
    this.#seen.set(name, seen)
    return clock.monotonicMs() - seen.atMonotonic >= last.ttlMs
  }

  /** By the store's clock, for a process that has not watched it that long. */
  #isOld({ modifiedAt }: Version, { ttlMs }: Holding): boolean {
    const { clock } = this.#context.store
    if (!clock.isSure || !clock.isSteadySince(modifiedAt)) return false
    return clock.now() - modifiedAt >= ttlMs + SECOND_MS + clock.spreadMs
  }

  #patience(ttlMs: number): Patience {
    return this.#context.store.patience(Math.max(MIN_WAIT_MS, Math.ceil(ttlMs / HANGS_A_TTL)))
  }

  #chain(name: string): VersionChain {
    const known = this.#chains.get(name)
    if (known !== undefined) return known
    const chain = new VersionChain(this.#context, `LEASES/${encodeKey(name)}/`)
    this.#chains.set(name, chain)
    return chain
  }
}

function isOf(
  { holder, fencingToken, released }: Holding,
  of: Pick<Lease, 'holder' | 'fencingToken'>,
): boolean {
  return holder === of.holder && fencingToken === of.fencingToken && !released
}

function textOf(holding: Holding): string {
  return JSON.stringify({ sluice: 1, ...holding })
}

/** The holder according to one version; `undefined` for foreign content. */
export function holdingOf(version: Pick<Version, 'content'>): Holding | undefined {
  const { holder, fencingToken, ttlMs, released } = parseObject(version.content) ?? {}
  if (typeof holder !== 'string' || typeof fencingToken !== 'number' || typeof ttlMs !== 'number')
    return undefined
  return { holder, fencingToken, ttlMs, released: released === true }
}
