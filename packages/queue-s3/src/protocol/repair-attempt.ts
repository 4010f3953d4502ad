import type { Layout } from '../format/layout.js'
import { parseAttemptKey } from '../format/attempt-key.js'
import { drop, head, type Protocol } from '../store/storage-op.js'
import { finishEnd } from './end-attempt.js'
import { finishLeft, finishWaitingRemoval } from './finish-leave.js'
import { finishUpdate } from './updating/finish-update.js'
import { isUpdate } from './trace.js'

/** Finishes an attempt under PROCESSING whose end, removal or update is decided. `live`: none is. */
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

/** Finishes an attempt under LEFT: a removal, or a requeue whose object is still under FAIL. */
export function* repairLeft(layout: Layout, name: string): Protocol<void> {
  const left = yield* head(layout.at('LEFT', name))
  if (left === undefined) return
  if (left.sizeBytes > 0 && (yield* isRemoved(layout, name))) yield* drop(layout.at('FAIL', name))
  else yield* finishLeft(layout, name, left)
}

/**
 * Leftovers of late requests for a removed item are deleted, and its moves are not carried out: the
 * tombstones of the attempt that a move leads to may have been purged, and would no longer cover its objects.
 */
function* isRemoved(layout: Layout, name: string): Protocol<boolean> {
  const attemptKey = parseAttemptKey(name)
  return attemptKey !== undefined && (yield* head(layout.index(attemptKey)))?.sizeBytes === 0
}
