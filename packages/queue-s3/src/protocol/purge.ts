import type { Layout } from '../format/layout.js'
import { parseAttemptKey, type AttemptKey } from '../format/attempt-key.js'
import { drop, head, type Protocol, type StoredObject } from '../store/storage-op.js'

/** A tombstone as a listing shows it. */
export interface ListedTombstone {
  readonly folder: 'SUCCESS' | 'FAIL' | 'LEFT'
  readonly name: string
  readonly attemptKey: AttemptKey
}

/** The objects that a tombstone keeps from taking effect. */
const FENCED = { SUCCESS: ['WAITING', 'PROCESSING'], FAIL: [], LEFT: ['FAIL'] } as const

/**
 * Deletes a tombstone of an item that was removed long ago. A tombstone guards against late requests: a
 * claimer that finds no end has the item. It may go once every call has ended that could have read the index
 * object before it was emptied, since a later reader stops there. So the age of the emptied index object
 * counts: the tombstone may be years older than the removal. While it covers a leftover, such as a late
 * claim, it stays: `repair` and the next sweep delete that first.
 *
 * @param isOld whether an object was written longer ago than any call takes
 */
export function* purgeTombstone(
  layout: Layout,
  { folder, name, attemptKey }: ListedTombstone,
  isOld: (index: StoredObject) => boolean,
): Protocol<boolean> {
  const index = yield* head(layout.index(attemptKey))
  if (index === undefined || index.sizeBytes > 0 || !isOld(index)) return false
  for (const fenced of FENCED[folder]) {
    if (yield* head(layout.at(fenced, name))) return false
  }
  yield* drop(layout.at(folder, name))
  return true
}

/**
 * Deletes the object of a long body that no update needs: its process died before the decision, or a late
 * request created it again. It is needed until the attempt that the update was made for is over: as long as
 * nothing has claimed, removed or updated the item under that name its writer may be alive, and after the
 * writer's decision it is deleted once the end object exists.
 *
 * @param key of the object, under CHANGES
 * @returns whether it was deleted
 */
export function* purgeChange(layout: Layout, key: string): Protocol<boolean> {
  const change = yield* head(key)
  const { name = '', token } = change?.meta ?? {}
  const attemptKey = parseAttemptKey(name)
  if (attemptKey === undefined) return false
  const claim = yield* head(layout.at('PROCESSING', name))
  const isOver = claim !== undefined && claim.meta['token'] !== token
  const isUnneeded =
    isOver ||
    (yield* head(layout.at('SUCCESS', name))) !== undefined ||
    (yield* head(layout.index(attemptKey)))?.sizeBytes === 0
  if (isUnneeded) yield* drop(key)
  return isUnneeded
}
