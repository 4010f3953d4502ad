import type { ItemSummary, Page, PeekSummariesOptions } from '@sluice/core'
import { isInPlace, isPutDone, parseAttemptKey, type AttemptKey } from '../format/attempt-key.js'
import { isUpdate } from '../protocol/trace.js'
import { contextOf, valuesOf, type QueueContext } from '../queue-context.js'
import { presentIn } from '../stages/name-check.js'
import { updatedIn } from '../stages/stage-walk.js'
import { WaitingScan, type Candidate } from '../stages/waiting-scan.js'
import { head, type Protocol } from '../store/storage-op.js'
import type { ClaimBatches } from './claim-batches.js'
import { summariesOf } from './item-summaries.js'

/** How often one page is read again, should updates keep moving what it lists. */
const MAX_RESTARTS = 4

/**
 * The summaries of what `get` would give out, by names alone. For each shard and 1,000 names a LIST, and two
 * that check them against what was claimed and what has ended; and what `summariesOf` reads.
 */
export async function peekSummaries(
  queue: QueueContext,
  batches: ClaimBatches,
  { maxItems, ...options }: PeekSummariesOptions & { readonly maxItems: number },
): Promise<Page<ItemSummary>> {
  const after = cursorKey(options.after)
  const context = contextOf(queue, options)
  for (let restarts = 0; ; restarts++) {
    const scan = new WaitingScan(context, options.after)
    const found = await nextWaiting(context, batches, { scan, maxItems, after })
    if (found.isMoved && restarts < MAX_RESTARTS) continue
    const items = await summariesOf(context, 'WAITING', found.waiting)
    for (const { name, attemptKey } of found.waiting) context.cache.waiting.set(attemptKey.uid, name)
    return scan.isAtEnd || found.last === undefined ? { items } : { items, cursor: found.last }
  }
}

interface Waiting {
  readonly waiting: readonly Candidate[]
  /** The last name that was looked at. */
  readonly last: string | undefined
  /** An update has ended a listed name: the item may wait under one that was not listed. */
  readonly isMoved: boolean
}

interface PageWanted {
  readonly scan: WaitingScan
  readonly maxItems: number
  readonly after: AttemptKey | undefined
}

/**
 * Empty only at the end. The item of the cursor is passed over where it waits in its place again: its name
 * has a higher attempt, or was updated, and so lies ahead.
 */
async function nextWaiting(
  context: QueueContext,
  batches: ClaimBatches,
  { scan, maxItems, after }: PageWanted,
): Promise<Waiting> {
  let last: string | undefined
  for (;;) {
    const taken = await scan.take(maxItems)
    last = taken.at(-1)?.name ?? last
    const free = taken.filter(({ name, attemptKey }) => !batches.isKnown(name) && !isAgain(attemptKey, after))
    const { waiting, isMoved } = await stillWaiting(context, free)
    if (isMoved || waiting.length > 0 || taken.length === 0) return { waiting, last, isMoved }
  }
}

async function stillWaiting(
  context: QueueContext,
  listed: readonly Candidate[],
): Promise<Pick<Waiting, 'waiting' | 'isMoved'>> {
  if (listed.length === 0) return { waiting: [], isMoved: false }
  const names = listed.map(({ name }) => name).toSorted()
  // Empty objects are those of moves under way: until its end exists, an updated item waits under this name
  // or the new one.
  const claimed = await presentIn(context, 'PROCESSING', names, {
    isWanted: ({ sizeBytes }) => sizeBytes > 0,
  })
  const unclaimed = names.filter((name) => !claimed.has(name))
  const ended = await presentIn(context, 'SUCCESS', unclaimed)
  const updated = new Set(updatedIn(listed))
  const waiting = listed.filter(({ name }) => !claimed.has(name) && !ended.has(name) && !updated.has(name))
  const moves = await context.runAll([...ended].map((name) => isUpdated(context, name)))
  return { waiting, isMoved: valuesOf(moves).includes(true) }
}

function isAgain(attemptKey: AttemptKey, after: AttemptKey | undefined): boolean {
  return after !== undefined && attemptKey.uid === after.uid && isInPlace(attemptKey, after)
}

function* isUpdated({ layout }: QueueContext, name: string): Protocol<boolean> {
  const end = yield* head(layout.at('SUCCESS', name))
  return end !== undefined && isUpdate(end)
}

/** @throws TypeError for a text that no page returned */
function cursorKey(after: string | undefined): AttemptKey | undefined {
  if (after === undefined) return undefined
  const attemptKey = after.length <= 1_024 ? parseAttemptKey(after) : undefined
  if (attemptKey === undefined || isPutDone(attemptKey))
    throw new TypeError('after must be the cursor of an earlier page of this queue')
  return attemptKey
}
