import type { Layout } from '../layout.js'
import { parseStint } from '../stint-name.js'
import { drop, look, type Protocol } from '../storage-op.js'

/**
 * Deletes the object of a long body that no update needs: its process died before it had decided, or a late request has made it anew. It is needed until
 * the name that it is to follow is over: as long as nobody has claimed, removed or updated the item under that name its maker may be alive, and once its maker has
 * decided it is deleted after that name's end was created.
 *
 * @param key of the object, under CHANGES
 * @returns whether it was deleted
 */
export function* purgeChange(layout: Layout, key: string): Protocol<boolean> {
  const change = yield* look(key)
  const { name = '', token } = change?.meta ?? {}
  const stint = parseStint(name)
  if (stint === undefined) return false
  const claim = yield* look(layout.at('PROCESSING', name))
  const isOver = claim !== undefined && claim.meta['token'] !== token
  const isUnneeded =
    isOver ||
    (yield* look(layout.at('SUCCESS', name))) !== undefined ||
    (yield* look(layout.index(stint)))?.sizeBytes === 0
  if (isUnneeded) yield* drop(key)
  return isUnneeded
}
