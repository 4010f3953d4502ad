import type { Layout } from '../format/layout.js'
import { parseAttemptKey, type AttemptKey } from '../format/attempt-key.js'
import { drop, head, type Protocol, type StoredObject } from '../store/storage-op.js'

/** A mark as a listing shows it. */
export interface ListedTombstone {
  readonly folder: 'SUCCESS' | 'FAIL' | 'LEFT'
  readonly name: string
  readonly attemptKey: AttemptKey
}

/** What a mark keeps from counting, should it be there. */
const FENCED = { SUCCESS: ['WAITING', 'PROCESSING'], FAIL: [], LEFT: ['FAIL'] } as const

/**
 * Deletes the mark of a attempt whose item was removed long ago. A mark is a fence: a claimer that finds no end has the item. It may go once
 * every call has ended that could have read the index object before that was emptied, for who reads it later goes no further. So it is
 * the age of the emptied index object that counts: the mark itself may be years older than the removal. And as long as it stands before a
 * leftover, such as a claim that came late, it stays: `repair` and the next sweep delete that first.
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
 * Deletes the object of a long body that no update needs: its process died before it had decided, or a late request has made it anew. It is needed until
 * the name that it is to follow is over: as long as nobody has claimed, removed or updated the item under that name its maker may be alive, and once its maker has
 * decided it is deleted after that name's end was created.
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
