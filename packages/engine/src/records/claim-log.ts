import {
  isSluiceError,
  SluiceError,
  type JsonValue,
  type Logger,
  type Queue,
  type Runtime,
} from '@sluice/core'
import type { LeaseKeeper } from '../tick/lease-keeper.js'
import type { PolicyState, RecentClaims } from '../policies/dispatch-policy.js'
import { claimsToJson, parseClaims, type ClaimsAt } from './claim-document.js'
import { POLICY_DOCUMENT } from './document-names.js'

export interface ClaimLogOptions {
  readonly queue: Pick<Queue, 'document' | 'now'>
  readonly lease: Pick<LeaseKeeper, 'current'>
  readonly runtime: Pick<Runtime, 'monotonicMs'>
  readonly logger: Logger
  readonly state: PolicyState
}

/** Claims that were made at about the same time: the latest instant of any, by the monotonic clock. */
interface Claims {
  readonly atMonotonic: number
  readonly count: number
}

/** What the storage's clock is ahead of the monotonic one of this process: between the two. */
interface StorageClock {
  readonly leastAheadMs: number
  readonly mostAheadMs: number
  readonly readAtMonotonic: number
}

/** A storage's clock may have whole seconds: what another process has read may differ by as much. */
const OTHERS_CLOCK_MS = 1_000
/** After this time, the storage's clock is read again with the next write. */
const CLOCK_FRESH_MS = 60_000
/** Claims so close together are one entry: a hundredth of the memory. */
const GRAINS = 100
/** Another process writes the document only where the lease was lost. */
const MAX_WRITES = 4

/**
 * The recent claims of a queue, for a policy with a state. They are in one document of the queue, which is
 * written under the lease and before the claims that it allows: `reserved` is how many may have been made
 * since the others were recorded. The next dispatcher counts those as made at its takeover: the lease that
 * they were made under had ended by then [E-RATE-1].
 *
 * A claim counts until it is older than asked by the latest instant at which the storage can have made it,
 * which is the end of the call. Within one process that is measured by the monotonic clock; the document has
 * the storage's, which is read again now and then, since the two drift apart.
 */
export class ClaimLog implements RecentClaims {
  readonly #options: ClaimLogOptions
  #fencingToken: number | undefined
  #isKnown = false
  /** Permanently unreadable or unwritable, as without a permission: this engine counts for itself. */
  #isUnusable = false
  /** The version is another one, after a lost answer. */
  #isStale = false
  #version: number | undefined
  #clock: StorageClock = { leastAheadMs: 0, mostAheadMs: 0, readAtMonotonic: Number.NEGATIVE_INFINITY }
  /** In order. */
  #claims: Claims[] = []
  /** When the first claim of the latest entry was made. */
  #grainBeganAtMonotonic = Number.NEGATIVE_INFINITY
  #underWay = 0
  /** How many claims the document allows beyond those in it. */
  #reserved = 0
  /** How many of them were made, or are under way. */
  #spent = 0

  constructor(options: ClaimLogOptions) {
    this.#options = options
  }

  /**
   * Reads the document, once for each fencing token.
   *
   * @throws SluiceError an outage of the queue
   */
  async read(fencingToken: number | undefined): Promise<void> {
    if (fencingToken !== this.#fencingToken) this.#isKnown = this.#isUnusable = false
    this.#fencingToken = fencingToken
    if (this.#isKnown) return
    await this.#usable('read', async () => {
      const found = await this.#options.queue.document(POLICY_DOCUMENT).read()
      // Read after the lease was taken: no earlier dispatcher claims after this.
      await this.#readClock()
      this.#version = found?.version
      this.#takeOver(parseClaims(found?.value))
    })
    this.#isStale = false
    this.#isKnown = true
  }

  within(ms: number): number {
    const since = this.#since(ms)
    return this.#claims.reduce(
      (sum, { atMonotonic, count }) => (atMonotonic >= since ? sum + count : sum),
      this.#underWay,
    )
  }

  fewerIn(ms: number, count: number): number | undefined {
    let left = this.#claims.reduce((sum, claims) => sum + claims.count, this.#underWay)
    for (const claims of this.#claims) {
      left -= claims.count
      if (left < count) return Math.max(1, Math.ceil(claims.atMonotonic - this.#since(ms)) + 1)
    }
    return undefined
  }

  /**
   * Makes sure that so many claims may be made: without a call where the document allows them.
   *
   * @throws SluiceError of the queue: then nothing may be claimed; SLUICE_LEASE_LOST when another engine
   * dispatches
   */
  async reserve(count: number): Promise<void> {
    if (this.#isUnusable || this.#spent + count <= this.#reserved) return
    const ahead = Math.max(count, this.#options.state.claimsAhead)
    await this.#usable('written', () => this.#store(this.#underWay + ahead))
  }

  /** Counts claims from before the call that makes them until it has ended, and then as many as it made. */
  async counted<T>(wanted: number, call: () => Promise<readonly T[]>): Promise<readonly T[]> {
    this.#underWay += wanted
    this.#spent += wanted
    // Without an answer all of them may have been made.
    let made = wanted
    try {
      const items = await call()
      made = items.length
      return items
    } finally {
      this.#underWay -= wanted
      this.#spent -= wanted - made
      if (made > 0) this.#note(made)
    }
  }

  /**
   * Records that no more claims are made, so that the next dispatcher need not count any that were not.
   *
   * @throws SluiceError of the queue: that dispatcher then counts more
   */
  async close(): Promise<void> {
    if (this.#isKnown && !this.#isUnusable && this.#reserved > 0) await this.#store(this.#underWay)
  }

  #takeOver({ claims, reserved }: { claims: readonly ClaimsAt[]; reserved: number }): void {
    const nowMonotonic = this.#options.runtime.monotonicMs()
    const { leastAheadMs } = this.#clock
    this.#claims = claims.map(({ at, count }) => ({
      atMonotonic: Math.min(at + OTHERS_CLOCK_MS - leastAheadMs, nowMonotonic),
      count,
    }))
    if (reserved > 0) this.#claims.push({ atMonotonic: nowMonotonic, count: reserved })
    this.#grainBeganAtMonotonic = Number.NEGATIVE_INFINITY
    this.#underWay = this.#reserved = this.#spent = 0
  }

  #note(count: number): void {
    const { runtime, state } = this.#options
    const atMonotonic = runtime.monotonicMs()
    const last = this.#claims.at(-1)
    if (last !== undefined && atMonotonic - this.#grainBeganAtMonotonic < state.claimsForMs / GRAINS) {
      this.#claims.splice(-1, 1, { atMonotonic, count: last.count + count })
      return
    }
    this.#forgetOld()
    this.#grainBeganAtMonotonic = atMonotonic
    this.#claims.push({ atMonotonic, count })
  }

  #forgetOld(): void {
    const since = this.#since(this.#options.state.claimsForMs)
    this.#claims = this.#claims.filter(({ atMonotonic }) => atMonotonic >= since)
  }

  async #store(reserved: number): Promise<void> {
    const { runtime } = this.#options
    if (runtime.monotonicMs() - this.#clock.readAtMonotonic > CLOCK_FRESH_MS) await this.#readClock()
    this.#forgetOld()
    const value = claimsToJson({ claims: this.#claims.map((claims) => this.#dated(claims)), reserved })
    for (let writes = 0; writes < MAX_WRITES; writes++) {
      if (this.#isStale) await this.#readVersion()
      if (!(await this.#write(value))) continue
      this.#reserved = reserved
      this.#spent = this.#underWay
      return
    }
    throw new SluiceError(
      'SLUICE_QUEUE_UNAVAILABLE',
      `Cannot write the document ${POLICY_DOCUMENT}: another process keeps writing it; it is tried again`,
    )
  }

  async #write(value: JsonValue): Promise<boolean> {
    const { queue, lease } = this.#options
    const { current } = lease
    if (current === undefined)
      throw new SluiceError(
        'SLUICE_LEASE_LOST',
        'Cannot record claims: the lease is no longer held; the engine that dispatches now goes on',
      )
    // Until the answer says otherwise: the write may be done although its answer is lost.
    this.#isStale = true
    const document = queue.document(POLICY_DOCUMENT)
    if (!(await document.write(value, { ifVersion: this.#version, lease: current }))) return false
    // The versions of a document that was removed go on [Q-DOC-2].
    if (this.#version === undefined) await this.#readVersion()
    else this.#version += 1
    this.#isStale = false
    return true
  }

  async #readVersion(): Promise<void> {
    this.#version = (await this.#options.queue.document(POLICY_DOCUMENT).read())?.version
    this.#isStale = false
  }

  async #readClock(): Promise<void> {
    const { queue, runtime } = this.#options
    const before = runtime.monotonicMs()
    const now = await queue.now()
    const readAtMonotonic = runtime.monotonicMs()
    this.#clock = { leastAheadMs: now - readAtMonotonic, mostAheadMs: now - before, readAtMonotonic }
  }

  /** Claims from then on count. A clock of whole ms shows up to one ms less between two instants. */
  #since(ms: number): number {
    return this.#options.runtime.monotonicMs() - ms - 1
  }

  #dated({ atMonotonic, count }: Claims): ClaimsAt {
    return { at: Math.ceil(atMonotonic + this.#clock.mostAheadMs), count }
  }

  async #usable(what: 'read' | 'written', work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (!isSluiceError(error, 'SLUICE_QUEUE_DENIED') && !isSluiceError(error, 'SLUICE_QUEUE_CORRUPT'))
        throw error
      this.#isUnusable = true
      this.#options.logger.warn(
        { err: error, document: POLICY_DOCUMENT },
        `the record of claims can’t be ${what}: the rate holds within this service only, and not across restarts`,
      )
    }
  }
}
