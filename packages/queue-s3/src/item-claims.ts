import { randomUUID } from 'node:crypto'
import type { QueueItem } from '@sluice/core'
import { ByteBudget, LEFT_OUT } from './byte-budget.js'
import type { Ground } from './ground.js'
import { headOf } from './item-reads.js'
import { queueItemOf } from './item-state.js'
import { claimStint, confirmClaim, readItem, type ClaimResult } from './protocol/claim-stint.js'
import type { RunResult } from './protocol-run.js'
import { look, type Protocol } from './storage-op.js'
import { WaitingScan, type Candidate } from './waiting-scan.js'

/** Claims that took longer, in ms, are looked at again. Half of the age under which `sweep` purges no mark. */
const MAX_CLAIM_MS = 1_800_000

/** Gives items out. */
export class ItemClaims {
  readonly #ground: Ground
  /** What another `get` of this process is claiming now: racing with oneself would only cost requests. */
  readonly #underWay = new Set<string>()

  constructor(ground: Ground) {
    this.#ground = ground
  }

  /**
   * Claims items in their order, until there are enough or no more. One page of names, and for each item a GET, a PUT and a HEAD, whatever
   * the length of the queue. Large bodies end it early. What was claimed is returned even if the store fails on the way; its error is thrown when there
   * is nothing.
   */
  async get(maxItems: number): Promise<QueueItem[]> {
    const scan = new WaitingScan(this.#ground)
    const items: QueueItem[] = []
    let budget = new ByteBudget()
    let leftOut: readonly Candidate[] = []
    while (items.length < maxItems) {
      const found =
        leftOut.length > 0 ? leftOut : await this.#next(scan, maxItems - items.length, items.length)
      if (found.length === 0) break
      const claimed = await this.#claimAll(found, budget)
      const { results } = claimed
      leftOut = claimed.leftOut
      items.push(...results.flatMap((result) => this.#given(result)))
      const failed = results.find((result) => 'error' in result)
      if (failed === undefined && leftOut.length === 0) continue
      if (failed === undefined) {
        if (items.length > 0) break
        // All that was read went to others: an empty claim would say that there is none left.
        budget = new ByteBudget()
        continue
      }
      if (items.length === 0) throw failed.error
      this.#ground.logger.warn(
        { err: failed.error, given: items.length },
        'get was cut short by an error of the store',
      )
      break
    }
    return items
  }

  /** What `get` would give now, not all of what is large. */
  async peek(maxItems: number): Promise<QueueItem[]> {
    const scan = new WaitingScan(this.#ground)
    const budget = new ByteBudget()
    const items: QueueItem[] = []
    while (items.length < maxItems) {
      const found = await scan.take(Math.min(1_000, maxItems - items.length))
      if (found.length === 0) break
      const results = await this.#ground.runAll(
        found.map((one) => budget.within(peekStint(this.#ground, one))),
      )
      for (const result of results) {
        if ('error' in result) throw result.error
        if (result.value === LEFT_OUT) return items
        if (result.value !== undefined) items.push(result.value)
      }
    }
    return items
  }

  /** An error after some were claimed must not lose them. */
  async #next(scan: WaitingScan, count: number, already: number): Promise<Candidate[]> {
    try {
      for (;;) {
        const found = await scan.take(Math.min(1_000, count))
        const free = found.filter(({ name }) => !this.#underWay.has(name) && !this.#isStray(name))
        if (free.length > 0 || found.length === 0) return free
      }
    } catch (error) {
      if (already === 0) throw error
      this.#ground.logger.warn({ err: error, given: already }, 'get was cut short by an error of the store')
      return []
    }
  }

  async #claimAll(found: readonly Candidate[], budget: ByteBudget): Promise<ClaimedSome> {
    const begun = new Set<string>()
    try {
      const { layout, names } = this.#ground
      const at = names.now()
      const claims = found.map((one) =>
        budget.within(this.#ours(one.name, begun, claimStint(layout, one, { token: randomUUID(), at }))),
      )
      const ends = await this.#ground.runAll(claims)
      const leftOut = found.filter((_, index) => isLeftOut(ends[index]))
      const results = ends.filter((end): end is RunResult<ClaimResult> => !isLeftOut(end))
      // By the store's clock: that of a process stands still with it.
      const isConfirmed = names.now() - at <= MAX_CLAIM_MS
      return { leftOut, results: isConfirmed ? results : await this.#confirmAll(results) }
    } finally {
      for (const name of begun) this.#underWay.delete(name)
    }
  }

  /** Marked when it begins, so that what this `get` leaves out is free for another one. */
  *#ours(name: string, begun: Set<string>, claim: Protocol<ClaimResult>): Protocol<ClaimResult> {
    if (this.#underWay.has(name)) return { is: 'lost' }
    this.#underWay.add(name)
    begun.add(name)
    return yield* claim
  }

  #confirmAll(results: readonly RunResult<ClaimResult>[]): Promise<RunResult<ClaimResult>[]> {
    return this.#ground.runAll(results.map((result) => confirmed(this.#ground, result)))
  }

  #given(result: RunResult<ClaimResult>): QueueItem[] {
    if ('error' in result) return []
    const claim = result.value
    if (claim.is === 'stray')
      this.#ground.strays.report(this.#ground.layout.at('WAITING', claim.name), claim.why)
    if (claim.is !== 'claimed') return []
    const { entry, running } = claim
    const { stint, state } = running
    this.#ground.cache.claimed(running)
    this.#ground.cache.rememberId(running.stint.key, entry.id)
    const head = headOf(entry.id, 'PROCESSING', { stint, retryState: state.retryState })
    return [queueItemOf(head, entry, state.claimedAt)]
  }

  #isStray(name: string): boolean {
    return this.#ground.strays.wasSeen(this.#ground.layout.at('WAITING', name))
  }
}

interface ClaimedSome {
  readonly results: readonly RunResult<ClaimResult>[]
  /** The last ones, whose turn has not come for the size of those before. */
  readonly leftOut: readonly Candidate[]
}

function isLeftOut(end: RunResult<unknown> | undefined): boolean {
  return end !== undefined && 'value' in end && end.value === LEFT_OUT
}

function* confirmed({ layout }: Ground, result: RunResult<ClaimResult>): Protocol<ClaimResult> {
  if ('error' in result) throw result.error
  return yield* confirmClaim(layout, result.value)
}

function* peekStint({ layout, strays }: Ground, { name, stint }: Candidate): Protocol<QueueItem | undefined> {
  const found = yield* readItem(layout, name, stint)
  if (found.is === 'stray') strays.report(layout.at('WAITING', name), found.why)
  if (found.is !== 'found') return undefined
  if (yield* look(layout.at('PROCESSING', name))) return undefined
  if (yield* look(layout.at('SUCCESS', name))) return undefined
  const { entry, state } = found
  return queueItemOf(headOf(entry.id, 'WAITING', { stint, retryState: state.retryState }), entry)
}
