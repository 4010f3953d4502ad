import type { Layout } from '../layout.js'
import type { Stint } from '../stint-name.js'
import { drop, look, type Protocol, type StoredObject } from '../storage-op.js'

/** A mark as a listing shows it. */
export interface ListedMark {
  readonly folder: 'SUCCESS' | 'FAIL' | 'LEFT'
  readonly name: string
  readonly stint: Stint
}

/** What a mark keeps from counting, should it be there. */
const FENCED = { SUCCESS: ['WAITING', 'PROCESSING'], FAIL: [], LEFT: ['FAIL'] } as const

/**
 * Deletes the mark of a stint whose item was removed long ago. A mark is a fence: a claimer that finds no end has the item. It may go once
 * every call has ended that could have read the index object before that was emptied, for who reads it later goes no further. So it is
 * the age of the emptied index object that counts: the mark itself may be years older than the removal. And as long as it stands before a
 * leftover, such as a claim that came late, it stays: `mend` and the next sweep delete that first.
 *
 * @param isOld whether an object was written longer ago than any call takes
 */
export function* purgeMark(
  layout: Layout,
  { folder, name, stint }: ListedMark,
  isOld: (index: StoredObject) => boolean,
): Protocol<boolean> {
  const index = yield* look(layout.index(stint))
  if (index === undefined || index.sizeBytes > 0 || !isOld(index)) return false
  for (const fenced of FENCED[folder]) {
    if (yield* look(layout.at(fenced, name))) return false
  }
  yield* drop(layout.at(folder, name))
  return true
}
