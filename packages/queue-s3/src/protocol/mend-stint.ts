import type { Layout } from '../layout.js'
import { parseStint } from '../stint-name.js'
import { drop, look, type Protocol } from '../storage-op.js'
import { finishEnd } from './end-stint.js'
import { finishLeft, finishWaitingRemoval } from './finish-leave.js'
import { finishUpdate } from './finish-update.js'
import { isUpdate } from './update-decision.js'

/** Finishes what is half done with a stint under PROCESSING: its end decided, its removal, or an update. `live`: nothing is. */
export function* mendClaim(layout: Layout, name: string): Protocol<'repaired' | 'live'> {
  const claim = yield* look(layout.at('PROCESSING', name))
  if (claim === undefined) return 'repaired'
  const end = yield* look(layout.at('SUCCESS', name))
  if (end === undefined && claim.sizeBytes > 0) return 'live'
  if (yield* isRemoved(layout, name)) yield* drop(layout.at('WAITING', name), layout.at('PROCESSING', name))
  else if (isUpdate(claim)) yield* finishUpdate(layout, name, claim)
  else if (end === undefined || end.meta['to'] === 'REMOVED') yield* finishWaitingRemoval(layout, name)
  else yield* finishEnd(layout, name, end)
  return 'repaired'
}

/** Finishes what is half done with a stint under LEFT: a removal, or a requeue whose object is under FAIL still. */
export function* mendLeft(layout: Layout, name: string): Protocol<void> {
  const left = yield* look(layout.at('LEFT', name))
  if (left === undefined) return
  if (left.sizeBytes > 0 && (yield* isRemoved(layout, name))) yield* drop(layout.at('FAIL', name))
  else yield* finishLeft(layout, name, left)
}

/**
 * What a late request has left of an item that was removed is deleted, and no move of it is carried out: the marks of the stint that the
 * move leads to may have been purged, and would not keep its objects from counting.
 */
function* isRemoved(layout: Layout, name: string): Protocol<boolean> {
  const stint = parseStint(name)
  return stint !== undefined && (yield* look(layout.index(stint)))?.sizeBytes === 0
}
