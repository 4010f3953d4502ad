import { isSluiceError, type CallOptions, type QueueItem } from '@sluice/core'
import { ByteBudget, LEFT_OUT } from './byte-budget.js'
import { ClaimRounds, isContended } from './claim-rounds.js'
import { contextOf, type QueueContext } from '../queue-context.js'
import { summaryOf } from './item-reads.js'
import { claimedItemOf, waitingItemOf } from '../format/item-state.js'
import { claimAttempt, confirmClaim, readItem, type ClaimResult } from '../protocol/claim-attempt.js'
import { finishUpdate } from '../protocol/finish-update.js'
import { isUpdate } from '../protocol/trace.js'
import type { RunResult } from '../store/protocol-run.js'
import { recentMap } from '../recent-map.js'
import { head, type Protocol } from '../store/storage-op.js'
import { WaitingScan, type Candidate } from '../stages/waiting-scan.js'

/**
 * Claims that took longer, in ms, are checked again. Half of the age under which `sweep` purges no tombstone.
 */
const MAX_CLAIM_MS = 1_800_000

/** Names of attempts that are over and may still be listed. */
const MAX_OVER = 100_000

/** Claims items. */
export class ItemClaims {
  readonly #context: QueueContext
  /**
   * What another `get` of this process is claiming now: racing within one process would only cost requests.
   */
  readonly #underWay = new Set<string>()
  /** Found to be over. Names are never used again, so a late listing costs each of them once. */
  readonly #over = recentMap<number>(MAX_OVER)

  constructor(context: QueueContext) {
    this.#context = context
  }

  /**
   * Claims items in their order, until there are enough or no more. One page of names, and for each item a
   * GET, a PUT and a HEAD, whatever the length of the queue. Large bodies end it early. Claimed items are
   * returned even if the store fails afterwards; its error is thrown when there are none. An item whose
   * objects contradict each other is reported and left alone: it must not stop the others.
   *
   * @throws SluiceError SLUICE_QUEUE_UNAVAILABLE when no claim of a listed name succeeded for `timeoutMs`
   */
  async get(maxItems: number): Promise<QueueItem[]> {
    const scan = new WaitingScan(this.#context)
    const items: QueueItem[] = []
    let budget = new ByteBudget()
    let leftOut: readonly Candidate[] = []
    const rounds = new ClaimRounds(this.#context)
    while (items.length < maxItems) {
      const found =
        leftOut.length > 0 ? leftOut : await this.#next(scan, maxItems - items.length, items.length)
      if (found.length === 0 && items.length === 0 && scan.restart()) continue
      if (found.length === 0) break
      const { results, candidates, leftOut: rest } = await this.#claimAll(found, budget)
      leftOut = rest
      const given = results.flatMap((result, index) => this.#given(result, candidates[index]))
      items.push(...given)
      if (results.some(isMoved)) scan.noteMove()
      const contended = isContended(results, this.#context)
      const failure = failureIn(results) ?? (await rounds.after(given.length, contended))
      if (rounds.hasPaused) scan.refresh()
      if (failure === undefined && leftOut.length === 0) continue
      if (failure === undefined) {
        if (items.length > 0) break
        // Other processes claimed all that was read: an empty result would say that nothing waits.
        budget = new ByteBudget()
        continue
      }
      if (items.length === 0) throw failure.error
      this.#context.logger.warn(
        { err: failure.error, given: items.length },
        'get was cut short by an error of the store',
      )
      break
    }
    return items
  }

  /** What `get` would return now, though not all of it where bodies are large. */
  async peek(maxItems: number, options: CallOptions): Promise<QueueItem[]> {
    const context = contextOf(this.#context, options)
    const scan = new WaitingScan(context)
    for (;;) {
      const items = await this.#peekIn(context, scan, maxItems)
      if (!scan.restart()) return items
    }
  }

  async #peekIn(context: QueueContext, scan: WaitingScan, maxItems: number): Promise<QueueItem[]> {
    const budget = new ByteBudget()
    const items: QueueItem[] = []
    const rounds = new ClaimRounds(context)
    while (items.length < maxItems) {
      const found = await this.#next(scan, maxItems - items.length, items.length)
      if (found.length === 0) break
      const before = items.length
      const results = await context.runAll(found.map((one) => budget.within(peekAttempt(context, one))))
      for (const [index, result] of results.entries()) {
        if ('error' in result) throw result.error
        if (result.value === LEFT_OUT) return items
        if (result.value === 'updated') scan.noteMove()
        else if (result.value === 'over') this.#noteOver(found[index])
        else if (result.value !== undefined) items.push(result.value)
      }
      const failure = await rounds.after(items.length - before)
      if (failure !== undefined && items.length === 0) throw failure.error
      if (failure !== undefined) break
    }
    return items
  }

  /** An error must not lose the items that were claimed before it. */
  async #next(scan: WaitingScan, count: number, already: number): Promise<Candidate[]> {
    try {
      for (;;) {
        const found = await scan.take(Math.min(1_000, count))
        const free = found.filter(({ name }) => !this.#isKnown(name))
        if (free.length > 0 || found.length === 0) return free
      }
    } catch (error) {
      if (already === 0) throw error
      this.#context.logger.warn({ err: error, given: already }, 'get was cut short by an error of the store')
      return []
    }
  }

  async #claimAll(found: readonly Candidate[], budget: ByteBudget): Promise<ClaimedSome> {
    const begun = new Set<string>()
    try {
      const { layout, names, runtime } = this.#context
      const at = names.now()
      const claims = found.map((one) =>
        budget.within(
          this.#reserved(one.name, begun, claimAttempt(layout, one, { token: runtime.newId(), at })),
        ),
      )
      const ends = await this.#context.runAll(claims)
      const leftOut = found.filter((_, index) => isLeftOut(ends[index]))
      const candidates = found.filter((_, index) => !isLeftOut(ends[index]))
      const results = ends.filter((end): end is RunResult<ClaimResult> => !isLeftOut(end))
      // By the store's clock: the clock of a suspended process stops with it.
      const isConfirmed = names.now() - at <= MAX_CLAIM_MS
      return { leftOut, candidates, results: isConfirmed ? results : await this.#confirmAll(results) }
    } finally {
      for (const name of begun) this.#underWay.delete(name)
    }
  }

  /** Registered when it begins, so that what this `get` leaves out is free for another one. */
  *#reserved(name: string, begun: Set<string>, claim: Protocol<ClaimResult>): Protocol<ClaimResult> {
    if (this.#underWay.has(name)) return { is: 'lost' }
    this.#underWay.add(name)
    begun.add(name)
    return yield* claim
  }

  #confirmAll(results: readonly RunResult<ClaimResult>[]): Promise<RunResult<ClaimResult>[]> {
    return this.#context.runAll(results.map((result) => confirmed(this.#context, result)))
  }

  #given(result: RunResult<ClaimResult>, candidate?: Candidate): QueueItem[] {
    if ('error' in result) {
      const { error } = result
      if (candidate !== undefined && isSluiceError(error, 'SLUICE_QUEUE_CORRUPT'))
        this.#context.foreignObjects.report(this.#context.layout.at('WAITING', candidate.name), error.message)
      return []
    }
    const claim = result.value
    if (claim.is === 'lost' && claim.isOver === true) this.#noteOver(candidate)
    if (claim.is === 'foreign')
      this.#context.foreignObjects.report(this.#context.layout.at('WAITING', claim.name), claim.why)
    if (claim.is !== 'claimed') return []
    const { entry, running } = claim
    const { attemptKey, state } = running
    this.#context.cache.claimed(running)
    this.#context.cache.rememberId(running.attemptKey.key, entry.id)
    const summary = summaryOf(entry.id, 'PROCESSING', { attemptKey, retryState: state.retryState })
    return [claimedItemOf(summary, entry, state)]
  }

  #noteOver(candidate: Candidate | undefined): void {
    if (candidate !== undefined) this.#over.set(candidate.name, 1)
  }

  /** Not to be claimed now. */
  #isKnown(name: string): boolean {
    if (this.#underWay.has(name) || this.#over.has(name)) return true
    return this.#context.foreignObjects.isBlocked(this.#context.layout.at('WAITING', name))
  }
}

interface ClaimedSome {
  readonly results: readonly RunResult<ClaimResult>[]
  /** Of the results, in their order. */
  readonly candidates: readonly Candidate[]
  /** The last ones, left out for the size of those before. */
  readonly leftOut: readonly Candidate[]
}

function isMoved(result: RunResult<ClaimResult>): boolean {
  return 'value' in result && result.value.is === 'lost' && result.value.isMoved === true
}

function isLeftOut(end: RunResult<unknown> | undefined): boolean {
  return end !== undefined && 'value' in end && end.value === LEFT_OUT
}

/** The first error that concerns the store rather than one item. */
function failureIn(results: readonly RunResult<unknown>[]): { readonly error: unknown } | undefined {
  for (const result of results) {
    if ('error' in result && !isSluiceError(result.error, 'SLUICE_QUEUE_CORRUPT')) return result
  }
  return undefined
}

function* confirmed({ layout }: QueueContext, result: RunResult<ClaimResult>): Protocol<ClaimResult> {
  if ('error' in result) throw result.error
  return yield* confirmClaim(layout, result.value)
}

/**
 * `over`: another process has claimed it. `updated`: an update was under way, and is finished; it waits under
 * another name.
 */
function* peekAttempt(
  { layout, foreignObjects }: QueueContext,
  { name, attemptKey }: Candidate,
): Protocol<QueueItem | 'over' | 'updated' | undefined> {
  const found = yield* readItem(layout, name, attemptKey)
  if (found.is === 'foreign') foreignObjects.report(layout.at('WAITING', name), found.why)
  if (found.is !== 'found') return undefined
  const claim = yield* head(layout.at('PROCESSING', name))
  if (claim !== undefined && isUpdate(claim)) {
    yield* finishUpdate(layout, name, claim)
    return 'updated'
  }
  if (claim !== undefined) return 'over'
  if (yield* head(layout.at('SUCCESS', name))) return 'over'
  const { entry, state } = found
  return waitingItemOf(
    summaryOf(entry.id, 'WAITING', { attemptKey, retryState: state.retryState }),
    entry,
    state,
  )
}
