import { claimedState, firstState, has, type IndexEntry } from '../format/item-state.js'
import type { Layout } from '../format/layout.js'
import { parseEntry, parseState, stateText } from '../format/object-texts.js'
import { isFirst, isInPlace, parseAttemptKey, type AttemptKey } from '../format/attempt-key.js'
import { tagOf, type Selection } from '../format/selection.js'
import { again, drop, head, read, type Protocol, type StoredObject } from '../store/storage-op.js'
import { createObject } from './create-object.js'
import type { RunningAttempt } from './end-attempt.js'
import { finishUpdate } from './updating/finish-update.js'
import { readSelection, type KnownSelections } from './updating/read-selection.js'
import { isUpdate } from './trace.js'

/** The outcome of a claim. */
export type ClaimResult =
  | {
      readonly is: 'claimed'
      readonly entry: IndexEntry
      readonly running: RunningAttempt
      readonly selection: Selection
    }
  /** Another process has it, or it is over or removed: the listing was old. */
  | {
      readonly is: 'lost'
      /** Its objects say so, permanently: the name is never of use again. */
      readonly isOver?: true
      /** When another process claimed or updated it, by the store's clock. */
      readonly rivalAt?: number
      /** An update has moved it to another place in the order. */
      readonly isMoved?: true
    }
  /** Its index object is missing or damaged. Nothing was changed. */
  | { readonly is: 'foreign'; readonly name: string; readonly why: string }

export interface ClaimWanted {
  readonly token: string
  readonly at: number
  readonly selections?: KnownSelections
  /** How many updates it has followed so far. */
  readonly followed?: number
}

/**
 * WAITING → PROCESSING. Creating the attempt object under PROCESSING is the claim; then no end object may
 * exist. Together the two are exclusive for ever, whatever the claimer had read before: an object under
 * PROCESSING is deleted only after the end object was created, so of all processes that ever create it only
 * the first can find no end [Q-GET-2].
 *
 * Crash points: before the claim, nothing happened. After it, the item is PROCESSING and was returned to no
 * caller; a listing shows it [Q-GET-4]. Between the claim and the HEAD of the end object, the claim may be
 * stale: the end exists, and the next process deletes the claim. After the HEAD, a leftover under WAITING,
 * which the next claimer deletes.
 *
 * WAITING is not read again after the claim: claimers that lose delete it, so its absence proves nothing.
 */
export function* claimAttempt(
  layout: Layout,
  { name, attemptKey }: { name: string; attemptKey: AttemptKey },
  wanted: ClaimWanted,
): Protocol<ClaimResult> {
  const found = yield* readItem(layout, { name, attemptKey }, wanted.selections)
  if (found.is !== 'found') return found
  const { entry, selection } = found
  const state = claimedState(found.state, attemptKey.attempt, wanted.at)
  const claim = layout.at('PROCESSING', name)
  const text = stateText(entry.id, attemptKey, state)
  const won = yield* createObject(layout, 'PROCESSING', { name, text, meta: { token: wanted.token } })
  if (won !== 'created') {
    if (won.other !== undefined && isUpdate(won.other)) {
      // An unfinished update is finished here: its process may be dead.
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
  return { is: 'claimed', entry, running: { name, attemptKey, id: entry.id, state }, selection }
}

/** How many consecutive updates a claim follows. */
const MAX_UPDATES = 4

/**
 * An update came first. An item that kept its place is claimed under its new name; one at another place may
 * not be next.
 *
 * @param update its decision, or the end object that it made
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
 * Checks again a claim that took very long because its process was suspended: the end object that it asked
 * for may have been a tombstone that was purged. Then the index object, read before that, is empty by now,
 * and the claim is void.
 */
export function* confirmClaim(layout: Layout, claim: ClaimResult): Protocol<ClaimResult> {
  if (claim.is !== 'claimed') return claim
  const { name, attemptKey } = claim.running
  const index = yield* head(layout.index(attemptKey))
  if (index !== undefined && index.sizeBytes > 0) return claim
  yield* drop(layout.at('PROCESSING', name))
  return { is: 'lost' }
}

/**
 * How often the index object of a listed name is read: it was created before that name, and is never deleted.
 */
const INDEX_READS = 3

function* readIndex(key: string): Protocol<StoredObject | undefined> {
  for (let reads = 1; ; reads++) {
    const index = yield* read(key)
    if (index !== undefined || reads === INDEX_READS) return index
    yield* again(key)
  }
}

type ReadItem =
  | {
      readonly is: 'found'
      readonly entry: IndexEntry
      readonly state: RunningAttempt['state']
      readonly selection: Selection
    }
  | Exclude<ClaimResult, { is: 'claimed' }>

/**
 * The content of the index object and, of a later attempt, the item's state so far, with the body of an
 * update.
 */
export function* readItem(
  layout: Layout,
  { name, attemptKey }: { readonly name: string; readonly attemptKey: AttemptKey },
  known?: KnownSelections,
): Protocol<ReadItem> {
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
  if (entry.uid !== attemptKey.uid) return { is: 'foreign', name, why: 'its index object has another uid' }
  const selection = yield* readSelection(layout, attemptKey, { entry, known })
  if (selection === undefined)
    return { is: 'foreign', name, why: `SELECTIONS/${tagOf(attemptKey) ?? ''} is missing or damaged` }
  if (isFirst(attemptKey)) {
    if (entry.first === name) return { is: 'found', entry, state: firstState(entry), selection }
    return { is: 'foreign', name, why: 'its index object names another first attempt' }
  }
  const waiting = yield* read(layout.at('WAITING', name))
  if (waiting === undefined) return { is: 'lost' }
  const state = parseState(waiting.content)?.state
  return state ? { is: 'found', entry, state, selection } : { is: 'foreign', name, why: 'it is damaged' }
}
