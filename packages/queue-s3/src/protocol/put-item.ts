import { firstState } from '../item-state.js'
import type { Layout } from '../layout.js'
import { parseEntry, stateText } from '../object-texts.js'
import { parseStint } from '../stint-name.js'
import { createOnce, look, read, type Protocol, type StoredObject } from '../storage-op.js'
import { finishEnd } from './end-stint.js'
import { finishRemoval, finishRequeue } from './finish-leave.js'
import { trace, type Place } from './trace.js'

/** An item as `put` stores it in the index object of one generation. */
export interface NewEntry {
  readonly id: string
  readonly uid: string
  readonly first: string
  readonly notBeforeAt?: number
  readonly text: string
}

export type PutResult =
  | { readonly added: true }
  | { readonly added: false; readonly place: Place | undefined }

/**
 * Puts one item. Creating the index object of the id decides it [Q-PUT-2]; then comes the first stint's object under WAITING. Crash
 * point: between the two the item is put and can't be given out; whoever looks for the id finishes it [Q-PUT-3], and since `put` had
 * not returned, until then it may count as not put.
 *
 * An empty index object is that of an item removed: the id's next generation has a name of its own, since no name is used twice.
 */
export function* putItem(
  layout: Layout,
  key: string,
  entryOf: (generation: number) => NewEntry,
): Protocol<PutResult> {
  for (let generation = 1; ; generation++) {
    const entry = entryOf(generation)
    const index = layout.index({ key, generation })
    const meta = { token: entry.uid, first: entry.first }
    const won = yield* createOnce(index, entry.text, meta)
    if (won === 'created') {
      yield* createWaiting(layout, entry.first, entry)
      return { added: true }
    }
    const place = yield* placeOf(layout, index, won.other)
    if (place !== 'removed') return { added: false, place }
  }
}

/** Where the item of an index object is, whatever was half done with it being finished. */
function* placeOf(
  layout: Layout,
  index: string,
  object: StoredObject | undefined,
): Protocol<Place | undefined | 'removed'> {
  if (object?.sizeBytes === 0) return 'removed'
  const first = object?.meta['first'] ?? (yield* firstOf(index))
  if (first === undefined) return undefined
  return (yield* settledPlace(layout, index, first)) ?? 'removed'
}

/** An index object made by another program may have no metadata. */
function* firstOf(index: string): Protocol<string | undefined> {
  const object = yield* read(index)
  return object && parseEntry(object.content)?.first
}

/**
 * Where an item is, after finishing what was half done on the way there: a removal, or the coming to WAITING.
 *
 * @returns `undefined` when it was removed
 */
export function* settledPlace(layout: Layout, index: string, first: string): Protocol<Place | undefined> {
  const place = yield* trace(layout, first)
  if (place === undefined) return undefined
  if (place.at === 'GONE') {
    yield* finishRemoval(layout, place)
    return undefined
  }
  if (place.at === 'WAITING') yield* completeWaiting(layout, index, place)
  return place
}

/** Makes the object under WAITING if whoever had to died before. */
function* completeWaiting(layout: Layout, index: string, place: Place): Protocol<void> {
  const { name, previous } = place
  if (yield* look(layout.at('WAITING', name))) return
  // Claimed in the meantime, most likely: then there is nothing to be done.
  if (yield* look(layout.at('PROCESSING', name))) return
  if (previous === undefined) yield* completePut(layout, index, name)
  else yield* completeMove(layout, previous, place.after)
}

/** Makes the move that led to WAITING again: its decision names the stint. */
function* completeMove(layout: Layout, previous: string, after: Place['after']): Protocol<void> {
  const left = after === 'FAIL' ? yield* look(layout.at('LEFT', previous)) : undefined
  const end = left === undefined ? yield* look(layout.at('SUCCESS', previous)) : undefined
  if (left !== undefined) yield* finishRequeue(layout, previous, left)
  else if (end !== undefined) yield* finishEnd(layout, previous, end)
}

function* completePut(layout: Layout, index: string, name: string): Protocol<void> {
  const object = yield* read(index)
  const entry = object && parseEntry(object.content)
  if (entry !== undefined && entry.first === name) yield* createWaiting(layout, name, entry)
}

function* createWaiting(
  layout: Layout,
  name: string,
  entry: { readonly id: string; readonly uid: string; readonly notBeforeAt?: number },
): Protocol<void> {
  const stint = parseStint(name)
  if (stint === undefined) return
  yield* createOnce(layout.at('WAITING', name), stateText(entry.id, stint, firstState(entry)), {
    token: entry.uid,
  })
}
