import { isSluiceError, type ItemRef, type QueueItem } from '@sluice/core'
import { parseAttemptKey } from '../format/attempt-key.js'
import { encodeKey } from '../format/key-encoding.js'
import { claimNamed, type NamedItem } from '../protocol/claim-named.js'
import type { ClaimResult } from '../protocol/claim-attempt.js'
import type { QueueContext } from '../queue-context.js'
import type { RunResult } from '../store/protocol-run.js'
import { ByteBudget } from './byte-budget.js'
import { failureIn, type ClaimBatches } from './claim-batches.js'

/**
 * Claims those of the items that can be given out now, wherever they stand. An item that `peekSummaries` has
 * shown to this process costs what it costs a `get`, without a LIST; any other a search too. Large bodies end
 * it early, and errors are treated as by `get`.
 */
export async function claimNamedItems(
  context: QueueContext,
  batches: ClaimBatches,
  refs: readonly ItemRef[],
): Promise<QueueItem[]> {
  let left = refs.map((ref) => namedItem(context, batches, ref))
  while (left.length > 0) {
    const claims = left.map((one) => claimNamed(context.layout, one, batches.wanted()))
    const ends = await batches.run(claims, new ByteBudget())
    const results = ends.filter((end) => end !== undefined)
    const items = results.flatMap((result, index) => given(context, batches, { result, one: left[index] }))
    const failure = failureIn(results)
    if (failure !== undefined && items.length === 0) throw failure.error
    if (failure !== undefined)
      context.logger.warn(
        { err: failure.error, given: items.length },
        'getItems was cut short by an error of the store',
      )
    // An empty result would say that none can be given out.
    if (items.length > 0) return items
    left = left.slice(results.length)
  }
  return []
}

function namedItem({ cache }: QueueContext, batches: ClaimBatches, { id, uid }: ItemRef): NamedItem {
  const named = { key: encodeKey(id), uid }
  const name = cache.waiting.get(uid)
  const attemptKey = name === undefined ? undefined : parseAttemptKey(name)
  if (name === undefined || attemptKey?.key !== named.key || batches.isKnown(name)) return named
  return { ...named, seen: { name, attemptKey } }
}

function given(
  { layout, foreignObjects }: QueueContext,
  batches: ClaimBatches,
  { result, one }: { readonly result: RunResult<ClaimResult>; readonly one: NamedItem | undefined },
): QueueItem[] {
  if (one !== undefined && 'error' in result && isSluiceError(result.error, 'SLUICE_QUEUE_CORRUPT'))
    foreignObjects.report(layout.index({ key: one.key, generation: 1 }), result.error.message)
  return batches.given(result)
}
