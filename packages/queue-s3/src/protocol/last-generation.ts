import { SluiceError } from '@sluice/core'
import type { Layout } from '../format/layout.js'
import { head, type Protocol, type StoredObject } from '../store/storage-op.js'

/**
 * Far more often than any id is put: a store that shows more index objects shows objects that do not exist.
 */
const MAX_GENERATION = 2 ** 24

/** The newest index object of an id. */
export interface LastIndex {
  readonly generation: number
  /** Empty: the item was removed. */
  readonly object: StoredObject
}

/**
 * Finds the newest index object of an id in steps that double, then halve: generations are created in
 * sequence and never deleted, and all but the newest are empty. After 1,000 removals that takes 20 HEADs.
 *
 * @param after a generation known to be of a removed item
 * @returns `undefined` without any after that one
 * @throws SluiceError SLUICE_QUEUE_CORRUPT when there is no end to them
 */
export function* lastIndex(layout: Layout, key: string, after = 0): Protocol<LastIndex | undefined> {
  let last: LastIndex | undefined
  let missing = Number.POSITIVE_INFINITY
  for (let known = after; missing - known > 1;) {
    const ahead = known + Math.max(1, known - after)
    const generation = Math.min(ahead, Math.floor((known + missing) / 2))
    const index = layout.index({ key, generation })
    if (generation > MAX_GENERATION) throw endless(index)
    const object = yield* head(index)
    if (object === undefined) missing = generation
    else {
      last = { generation, object }
      if (object.sizeBytes > 0) return last
      known = generation
    }
  }
  return last
}

function endless(index: string): SluiceError {
  return new SluiceError(
    'SLUICE_QUEUE_CORRUPT',
    `Cannot find the newest index object of an id: the store answers that ${JSON.stringify(index)} and all before it exist and are empty. ` +
      'Does the store answer HEAD for keys that do not exist?',
  )
}
