import type { Layout } from '../format/layout.js'
import { parseAttemptKey } from '../format/attempt-key.js'
import { drop, head, type Protocol } from '../store/storage-op.js'
import { finishEnd } from './end-attempt.js'
import { finishLeft, finishWaitingRemoval } from './finish-leave.js'
import { finishUpdate } from './finish-update.js'
import { isUpdate } from './trace.js'

/** Finishes what is half done with a attempt under PROCESSING: its end decided, its removal, or an update. `live`: nothing is. */
export function* repairClaim(layout: Layout, name: string): Protocol<'repaired' | 'live'> {
  const claim = yield* head(layout.at('PROCESSING', name))
  if (claim === undefined) return 'repaired'
  const end = yield* head(layout.at('SUCCESS', name))
  if (end === undefined && claim.sizeBytes > 0) return 'live'
  if (yield* isRemoved(layout, name)) yield* drop(layout.at('WAITING', name), layout.at('PROCESSING', name))
  else if (isUpdate(claim)) yield* finishUpdate(layout, name, claim)
  else if (end === undefined || end.meta['to'] === 'REMOVED') yield* finishWaitingRemoval(layout, name)
  else yield* finishEnd(layout, name, end)
  return 'repaired'
}

/** Finishes what is half done with a attempt under LEFT: a removal, or a requeue whose object is under FAIL still. */
export function* repairLeft(layout: Layout, name: string): Protocol<void> {
  const left = yield* head(layout.at('LEFT', name))
  if (left === undefined) return
  if (left.sizeBytes > 0 && (yield* isRemoved(layout, name))) yield* drop(layout.at('FAIL', name))
  else yield* finishLeft(layout, name, left)
}

/**
 * What a late request has left of an item that was removed is deleted, and no move of it is carried out: the marks of the attempt that the
 * move leads to may have been purged, and would not keep its objects from counting.
 */
function* isRemoved(layout: Layout, name: string): Protocol<boolean> {
  const attemptKey = parseAttemptKey(name)
  return attemptKey !== undefined && (yield* head(layout.index(attemptKey)))?.sizeBytes === 0
}
