import type { Layout } from '../format/layout.js'
import { packText } from '../format/object-texts.js'
import { parseAttemptKey } from '../format/attempt-key.js'
import { drop, head, read, type Protocol, type StoredObject } from '../store/storage-op.js'
import { createObject } from './create-object.js'
import { finishEnd } from './end-attempt.js'
import { finishRemoval, finishWaitingRemoval, moveBack } from './finish-leave.js'
import type { Place } from './trace.js'

/** `moved`: the item was no longer where it had been found. */
export type LeaveResult = 'left' | 'moved'

export interface RequeueWanted {
  readonly token: string
  /** The name of the next attempt. */
  readonly next: string
  readonly reason?: string
}

/**
 * FAIL → WAITING. Creating the attempt object under LEFT decides it, against other requeues and against
 * `remove`; it names the next attempt, so that every process that finishes the move makes the same one. Crash
 * points: after LEFT, the object under FAIL still exists and marks an unfinished move (`finishRequeue`).
 */
export function* requeueAttempt(layout: Layout, name: string, wanted: RequeueWanted): Protocol<LeaveResult> {
  const failed = yield* readFailed(layout, name)
  if (failed === undefined || failed.sizeBytes === 0) return 'moved'
  const { token, next } = wanted
  const reason = packText(wanted.reason)
  const meta = { token, next, to: 'WAITING', ...(reason === undefined ? {} : { reason }) }
  const text = JSON.stringify({ sluice: 1, ...wanted })
  if ((yield* createObject(layout, 'LEFT', { name, text, meta })) !== 'created') return 'moved'
  // Removed before: then LEFT has no effect, and stays as a tombstone.
  if ((yield* headIndex(layout, name))?.sizeBytes === 0) return 'moved'
  yield* moveBack(layout, {
    name,
    failed,
    meta,
    ...(wanted.reason === undefined ? {} : { reason: wanted.reason }),
  })
  return 'left'
}

/** The object under FAIL, created first if the fail was cut off before it. */
function* readFailed(layout: Layout, name: string): Protocol<StoredObject | undefined> {
  const failed = yield* read(layout.at('FAIL', name))
  if (failed !== undefined) return failed
  const end = yield* head(layout.at('SUCCESS', name))
  if (end?.meta['to'] !== 'FAIL') return undefined
  yield* finishEnd(layout, name, end)
  return yield* read(layout.at('FAIL', name))
}

/**
 * Removes an item from WAITING, FAIL or SUCCESS. From WAITING an empty claim decides it, so that no `get` can
 * return it; from the other two an empty object under LEFT. The index object is emptied, never deleted: a
 * late request could otherwise affect an item put again under the id. The tombstones of its attempts guard
 * against late requests until `sweep` purges them. Crash points: after the decision, any process finishes it.
 */
export function* removeAttempt(layout: Layout, place: Place, token: string): Protocol<LeaveResult> {
  const { name } = place
  if (place.at === 'WAITING') return yield* removeWaiting(layout, name, token)
  const meta = { token, to: 'REMOVED' }
  if ((yield* createObject(layout, 'LEFT', { name, text: '', meta })) !== 'created') return 'moved'
  // LEFT is deleted at the end of a removal, so this may be the second. Or it is the first, and another
  // process finished it, with our token. Either way the removal may be unfinished.
  const index = yield* headIndex(layout, name)
  yield* finishRemoval(layout, place)
  return index?.sizeBytes === 0 && index.meta['by'] !== token ? 'moved' : 'left'
}

function* removeWaiting(layout: Layout, name: string, token: string): Protocol<LeaveResult> {
  const claim = layout.at('PROCESSING', name)
  const meta = { token, to: 'REMOVED' }
  if ((yield* createObject(layout, 'PROCESSING', { name, text: '', meta })) !== 'created') return 'moved'
  // As after every claim: had the name been claimed before, its end object exists.
  if (yield* head(layout.at('SUCCESS', name))) {
    yield* drop(claim)
    return 'moved'
  }
  yield* finishWaitingRemoval(layout, name)
  return 'left'
}

function* headIndex(layout: Layout, name: string): Protocol<StoredObject | undefined> {
  const attemptKey = parseAttemptKey(name)
  return attemptKey && (yield* head(layout.index(attemptKey)))
}
