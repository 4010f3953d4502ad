import { claimedState, firstState, has, type IndexEntry } from '../format/item-state.js'
import type { Layout } from '../format/layout.js'
import { parseEntry, parseState, stateText } from '../format/object-texts.js'
import { isFirst, isInPlace, parseAttemptKey, type AttemptKey } from '../format/attempt-key.js'
import { again, drop, head, read, type Protocol, type StoredObject } from '../store/storage-op.js'
import { createObject } from './create-object.js'
import type { RunningAttempt } from './end-attempt.js'
import { finishUpdate } from './finish-update.js'
import { isUpdate } from './trace.js'

/** What a claim came to. */
export type ClaimResult =
  | { readonly is: 'claimed'; readonly entry: IndexEntry; readonly running: RunningAttempt }
  /** Somebody else has it, or it is over or removed: the name was a leftover, or the listing old. */
  | {
      readonly is: 'lost'
      /** Its objects say so, and will for ever: the name is of no use any more. */
      readonly isOver?: true
      /** Another process has claimed or updated it: when, by the store's clock. */
      readonly rivalAt?: number
      /** It waits at another place: an update has moved it. */
      readonly isMoved?: true
    }
  /** The name has no sound index object. Nothing was touched. */
  | { readonly is: 'foreign'; readonly name: string; readonly why: string }

export interface ClaimWanted {
  readonly token: string
  readonly at: number
  /** How many updates it has followed so far. */
  readonly followed?: number
}

/**
 * WAITING → PROCESSING. Creating the attempt's object under PROCESSING is the claim; then its end must not exist. The two together are
 * exclusive for ever, whatever the claimer had read before: an object under PROCESSING is deleted only once the end exists, so of all
 * that ever create it, the first alone can find no end [Q-GET-2].
 *
 * Crash points: before the claim, nothing happened. After it, the item is PROCESSING and nobody has been given it; listing shows it
 * [Q-GET-4]. Between the claim and the look at its end, it may be a stale one: the end is there, and whoever comes by deletes the
 * claim. After the look, a leftover under WAITING, which the next claimer deletes.
 *
 * WAITING is not looked at again after the claim: others that lose delete it, and its absence says nothing.
 */
export function* claimAttempt(
  layout: Layout,
  { name, attemptKey }: { name: string; attemptKey: AttemptKey },
  wanted: ClaimWanted,
): Protocol<ClaimResult> {
  const found = yield* readItem(layout, name, attemptKey)
  if (found.is !== 'found') return found
  const { entry } = found
  const state = claimedState(found.state, attemptKey.attempt, wanted.at)
  const claim = layout.at('PROCESSING', name)
  const text = stateText(entry.id, attemptKey, state)
  const won = yield* createObject(layout, 'PROCESSING', { name, text, meta: { token: wanted.token } })
  if (won !== 'created') {
    if (won.other !== undefined && isUpdate(won.other)) {
      // What it has not finished is finished here: its process may be dead.
      yield* finishUpdate(layout, name, won.other)
      return yield* claimNext(layout, { attemptKey, update: won.other }, wanted)
    }
    yield* drop(layout.at('WAITING', name))
    return { is: 'lost', isOver: true, ...has({ rivalAt: won.other?.modifiedAt }) }
  }
  const end = yield* head(layout.at('SUCCESS', name))
  if (end !== undefined) {
    yield* drop(layout.at('WAITING', name), claim)
    if (isUpdate(end)) return yield* claimNext(layout, { attemptKey, update: end }, wanted)
    return { is: 'lost', isOver: true }
  }
  yield* drop(layout.at('WAITING', name))
  return { is: 'claimed', entry, running: { name, attemptKey, id: entry.id, state } }
}

/** How many updates a claim follows that come one after the other. */
const MAX_UPDATES = 4

/**
 * An update was first. An item that has kept its place is claimed under its new name; of one at another place it may not be the turn.
 *
 * @param update its decision, or the end that it has made
 */
function* claimNext(
  layout: Layout,
  { attemptKey, update }: { readonly attemptKey: AttemptKey; readonly update: StoredObject },
  wanted: ClaimWanted,
): Protocol<ClaimResult> {
  const { next = '' } = update.meta
  const nextKey = parseAttemptKey(next)
  const { followed = 0 } = wanted
  if (nextKey === undefined || !isInPlace(attemptKey, nextKey) || followed >= MAX_UPDATES)
    return { is: 'lost', isOver: true, isMoved: true, ...has({ rivalAt: update.modifiedAt }) }
  return yield* claimAttempt(
    layout,
    { name: next, attemptKey: nextKey },
    { ...wanted, followed: followed + 1 },
  )
}

/**
 * Looks again at a claim that took very long, its process having been suspended: the end that it looked for may have been a mark, and
 * purged. Then the index object, which it had read before that, is empty by now, and the claim is nobody's.
 */
export function* confirmClaim(layout: Layout, claim: ClaimResult): Protocol<ClaimResult> {
  if (claim.is !== 'claimed') return claim
  const { name, attemptKey } = claim.running
  const index = yield* head(layout.index(attemptKey))
  if (index !== undefined && index.sizeBytes > 0) return claim
  yield* drop(layout.at('PROCESSING', name))
  return { is: 'lost' }
}

/** How often the index object of a name that is listed is looked for: it was made before that name, and is never deleted. */
const INDEX_READS = 3

function* readIndex(key: string): Protocol<StoredObject | undefined> {
  for (let looks = 1; ; looks++) {
    const index = yield* read(key)
    if (index !== undefined || looks === INDEX_READS) return index
    yield* again(key)
  }
}

type ReadItem =
  | { readonly is: 'found'; readonly entry: IndexEntry; readonly state: RunningAttempt['state'] }
  | Exclude<ClaimResult, { is: 'claimed' }>

/** What the index object holds; of a later attempt also what has become of the item so far, the body of an update among it. */
export function* readItem(layout: Layout, name: string, attemptKey: AttemptKey): Protocol<ReadItem> {
  const index = yield* readIndex(layout.index(attemptKey))
  if (index?.sizeBytes === 0) {
    yield* drop(layout.at('WAITING', name))
    return { is: 'lost' }
  }
  const entry = index && parseEntry(index.content)
  if (entry === undefined)
    return {
      is: 'foreign',
      name,
      why: `its index object ITEMS/${attemptKey.key} ${index ? 'is damaged' : 'is missing'}`,
    }
  if (entry.uid !== attemptKey.uid)
    return { is: 'foreign', name, why: 'its index object is that of another uid' }
  if (isFirst(attemptKey)) {
    if (entry.first === name) return { is: 'found', entry, state: firstState(entry) }
    return { is: 'foreign', name, why: 'its index object names another first attemptKey' }
  }
  const waiting = yield* read(layout.at('WAITING', name))
  if (waiting === undefined) return { is: 'lost' }
  const state = parseState(waiting.content)?.state
  return state ? { is: 'found', entry, state } : { is: 'foreign', name, why: 'it is damaged' }
}
