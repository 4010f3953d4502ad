import type { Layout } from '../layout.js'
import { look, type Protocol } from '../storage-op.js'
import { finishEnd } from './end-stint.js'
import { finishLeft, finishWaitingRemoval } from './finish-leave.js'

/** Finishes what is half done with a stint under PROCESSING: its end decided, or its removal. `live`: nothing is. */
export function* mendClaim(layout: Layout, name: string): Protocol<'mended' | 'live'> {
  const claim = yield* look(layout.at('PROCESSING', name))
  if (claim === undefined) return 'mended'
  const end = yield* look(layout.at('SUCCESS', name))
  if (end === undefined) {
    if (claim.sizeBytes > 0) return 'live'
    yield* finishWaitingRemoval(layout, name)
    return 'mended'
  }
  if (end.meta['to'] === 'REMOVED') yield* finishWaitingRemoval(layout, name)
  else yield* finishEnd(layout, name, end)
  return 'mended'
}

/** Finishes what is half done with a stint under LEFT: a removal, or a requeue whose object is under FAIL still. */
export function* mendLeft(layout: Layout, name: string): Protocol<void> {
  const left = yield* look(layout.at('LEFT', name))
  if (left !== undefined) yield* finishLeft(layout, name, left)
}
