import type { CallOptions, QueueItem } from '@sluice/core'
import { ByteBudget, LEFT_OUT } from './byte-budget.js'
import { failureIn, type ClaimBatches } from './claim-batches.js'
import { ClaimRounds, isContended } from './claim-rounds.js'
import { contextOf, type QueueContext } from '../queue-context.js'
import { summaryOf } from './item-summaries.js'
import { waitingItemOf } from '../format/item-state.js'
import { readItem, type ClaimResult } from '../protocol/claim-attempt.js'
import { finishUpdate } from '../protocol/updating/finish-update.js'
import { isUpdate } from '../protocol/trace.js'
import type { RunResult } from '../store/protocol-run.js'
import { head, type Protocol } from '../store/storage-op.js'
import { WaitingScan, type Candidate } from '../stages/waiting-scan.js'

/** Claims items in their order. */
export class ItemClaims {
  readonly #context: QueueContext
  readonly #batches: ClaimBatches

  constructor(context: QueueContext, batches: ClaimBatches) {
    this.#context = context
    this.#batches = batches
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
      const { results, candidates, leftOut: rest } = await this.#batches.claimListed(found, budget)
      leftOut = rest
      const given = results.flatMap((result, index) => this.#batches.given(result, candidates[index]))
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
        else if (result.value === 'over') this.#batches.noteOver(found[index])
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
        const free = found.filter(({ name }) => !this.#batches.isKnown(name))
        if (free.length > 0 || found.length === 0) return free
      }
    } catch (error) {
      if (already === 0) throw error
      this.#context.logger.warn({ err: error, given: already }, 'get was cut short by an error of the store')
      return []
    }
  }
}

function isMoved(result: RunResult<ClaimResult>): boolean {
  return 'value' in result && result.value.is === 'lost' && result.value.isMoved === true
}

/**
 * `over`: another process has claimed it. `updated`: an update was under way, and is finished; it waits under
 * another name.
 */
function* peekAttempt(
  { layout, foreignObjects, cache }: QueueContext,
  { name, attemptKey }: Candidate,
): Protocol<QueueItem | 'over' | 'updated' | undefined> {
  const found = yield* readItem(layout, { name, attemptKey }, cache.selections)
  if (found.is === 'foreign') foreignObjects.report(layout.at('WAITING', name), found.why)
  if (found.is !== 'found') return undefined
  const claim = yield* head(layout.at('PROCESSING', name))
  if (claim !== undefined && isUpdate(claim)) {
    yield* finishUpdate(layout, name, claim)
    return 'updated'
  }
  if (claim !== undefined) return 'over'
  if (yield* head(layout.at('SUCCESS', name))) return 'over'
  const { entry, state, selection } = found
  return waitingItemOf(
    summaryOf(entry.id, 'WAITING', { attemptKey, retryState: state.retryState, selection }),
    entry,
    state,
  )
}
