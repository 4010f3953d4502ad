import { isSluiceError, type QueueItem } from '@sluice/core'
import { LEFT_OUT, type ByteBudget } from './byte-budget.js'
import type { QueueContext } from '../queue-context.js'
import { summaryOf } from './item-summaries.js'
import { claimedItemOf } from '../format/item-state.js'
import { tagOf } from '../format/selection.js'
import { claimAttempt, confirmClaim, type ClaimResult, type ClaimWanted } from '../protocol/claim-attempt.js'
import type { RunResult } from '../store/protocol-run.js'
import { recentMap } from '../recent-map.js'
import type { Protocol } from '../store/storage-op.js'
import type { Candidate } from '../stages/waiting-scan.js'

/**
 * Claims that took longer, in ms, are checked again. Half of the age under which `sweep` purges no tombstone.
 */
const MAX_CLAIM_MS = 1_800_000

/** Names of attempts that are over and may still be listed. */
const MAX_OVER = 100_000

/** Claims several candidates at once, for all calls of this process. */
export class ClaimBatches {
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

  /** One `get`'s claims of listed names. */
  async claimListed(found: readonly Candidate[], budget: ByteBudget): Promise<ClaimedSome> {
    const begun = new Set<string>()
    try {
      const { layout } = this.#context
      const claims = found.map((one) =>
        this.#reserved(one.name, begun, claimAttempt(layout, one, this.wanted())),
      )
      const ends = await this.run(claims, budget)
      const leftOut = found.filter((_, index) => ends[index] === undefined)
      const candidates = found.filter((_, index) => ends[index] !== undefined)
      return { leftOut, candidates, results: ends.filter((end) => end !== undefined) }
    } finally {
      for (const name of begun) this.#underWay.delete(name)
    }
  }

  /** What a claim that begins now creates its object with. */
  wanted(): ClaimWanted {
    const { names, runtime, cache } = this.#context
    return { token: runtime.newId(), at: names.now(), selections: cache.selections }
  }

  /**
   * Any claims, as far as their reads have room in the budget.
   *
   * @returns in their order; `undefined` for each that was left out for the size of those before
   */
  async run(
    claims: readonly Protocol<ClaimResult>[],
    budget: ByteBudget,
  ): Promise<readonly (RunResult<ClaimResult> | undefined)[]> {
    const { names } = this.#context
    const at = names.now()
    const ends = await this.#context.runAll(claims.map((claim) => budget.within(claim)))
    // By the store's clock: the clock of a suspended process stops with it.
    const isConfirmed = names.now() - at <= MAX_CLAIM_MS
    const begun = ends.filter((end): end is RunResult<ClaimResult> => !isLeftOut(end))
    const results = isConfirmed ? begun : await this.#confirmAll(begun)
    // What is left out are the last ones.
    return ends.map((_, index) => results[index])
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

  /**
   * The item of a claim, which is noted; none of one that failed.
   *
   * @param candidate the listed name that it was of, if any
   */
  given(result: RunResult<ClaimResult>, candidate?: Pick<Candidate, 'name'>): QueueItem[] {
    if ('error' in result) {
      const { error } = result
      if (candidate !== undefined && isSluiceError(error, 'SLUICE_QUEUE_CORRUPT'))
        this.#context.foreignObjects.report(this.#context.layout.at('WAITING', candidate.name), error.message)
      return []
    }
    const claim = result.value
    if (claim.is === 'lost' && claim.isOver === true) this.noteOver(candidate)
    if (claim.is === 'foreign')
      this.#context.foreignObjects.report(this.#context.layout.at('WAITING', claim.name), claim.why)
    if (claim.is !== 'claimed') return []
    const { entry, running, selection } = claim
    const { attemptKey, state } = running
    this.#context.cache.claimed(running)
    this.#context.cache.rememberId(running.attemptKey.key, entry.id)
    const tag = tagOf(attemptKey)
    if (tag !== undefined) this.#context.cache.selections.set(tag, selection)
    const summary = summaryOf(entry.id, 'PROCESSING', { attemptKey, retryState: state.retryState, selection })
    return [claimedItemOf(summary, entry, state)]
  }

  /** It is claimed, or its attempt has ended. */
  noteOver(candidate: Pick<Candidate, 'name'> | undefined): void {
    if (candidate !== undefined) this.#over.set(candidate.name, 1)
  }

  /** Not to be claimed now. */
  isKnown(name: string): boolean {
    if (this.#underWay.has(name) || this.#over.has(name)) return true
    return this.#context.foreignObjects.isBlocked(this.#context.layout.at('WAITING', name))
  }
}

/** The outcome of one round of claims. */
export interface ClaimedSome {
  readonly results: readonly RunResult<ClaimResult>[]
  /** Of the results, in their order. */
  readonly candidates: readonly Candidate[]
  /** The last ones, left out for the size of those before. */
  readonly leftOut: readonly Candidate[]
}

function isLeftOut(end: RunResult<unknown>): boolean {
  return 'value' in end && end.value === LEFT_OUT
}

/** The first error that concerns the store rather than one item. */
export function failureIn(results: readonly RunResult<unknown>[]): { readonly error: unknown } | undefined {
  for (const result of results) {
    if ('error' in result && !isSluiceError(result.error, 'SLUICE_QUEUE_CORRUPT')) return result
  }
  return undefined
}

function* confirmed({ layout }: QueueContext, result: RunResult<ClaimResult>): Protocol<ClaimResult> {
  if ('error' in result) throw result.error
  return yield* confirmClaim(layout, result.value)
}
