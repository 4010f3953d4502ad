import { isSluiceError, type JsonValue } from '@sluice/core'
import { isSameJson } from '@sluice/core/backend'
import { bodyOf } from '../format/item-state.js'
import type { Layout } from '../format/layout.js'
import { parseEntry } from '../format/object-texts.js'
import { again, read, type Protocol } from '../store/storage-op.js'
import { readPlace } from './find-item.js'
import { putItem, type NewEntry, type PutResult } from './put-item.js'
import type { Place } from './trace.js'

/** The outcome of a put and, where the id exists, whether its item has the given body. */
export type ComparedPut =
  | Exclude<PutResult, { readonly added: false }>
  | (Exclude<PutResult, { readonly added: true }> & { readonly body: 'same' | 'changed' })

/**
 * Puts one item as {@link putItem} does, and compares the body of an existing one, in any stage [Q-PUT-4]:
 * one GET more, two for an item that was updated.
 */
export function* putCompared(
  layout: Layout,
  key: string,
  { entryOf, body }: { readonly entryOf: (generation: number) => NewEntry; readonly body: JsonValue },
): Protocol<ComparedPut> {
  for (;;) {
    const put = yield* putItem(layout, key, entryOf)
    if (put.added) return put
    const { place } = put
    const stored = place === undefined ? DAMAGED : yield* storedBody(layout, place)
    if (stored !== undefined) {
      const isSame = stored !== DAMAGED && isSameJson(stored.body, body)
      return { ...put, body: isSame ? 'same' : 'changed' }
    }
    // Removed, or moved on, since it was found.
    yield* again(layout.index(place?.attemptKey ?? { key, generation: 1 }))
  }
}

/** The stored item is unreadable, so it is not known to have the given body. */
const DAMAGED = 'damaged'

type StoredBody = { readonly body: JsonValue } | typeof DAMAGED | undefined

function* storedBody(layout: Layout, place: Place): Protocol<StoredBody> {
  if (place.attemptKey.updates > 0) return yield* updatedBody(layout, place)
  const index = yield* read(layout.index(place.attemptKey))
  if (index === undefined || index.sizeBytes === 0) return undefined
  return parseEntry(index.content) ?? DAMAGED
}

function* updatedBody(layout: Layout, place: Place): Protocol<StoredBody> {
  try {
    const found = yield* readPlace(layout, place.at, place)
    return found && { body: bodyOf(found.entry, found.state) }
  } catch (error) {
    if (isSluiceError(error, 'SLUICE_QUEUE_CORRUPT')) return DAMAGED
    throw error
  }
}
