import type { SluiceError } from '@sluice/core'
import { putDoneState, firstState, type IndexEntry } from '../format/item-state.js'
import { keyTooLong } from '../format/key-limits.js'
import type { Layout } from '../format/layout.js'
import { parseEntry, stateText } from '../format/object-texts.js'
import { isPutDone, parseAttemptKey, type AttemptKey } from '../format/attempt-key.js'
import { again, head, read, tryCreate, type Protocol, type StoredObject } from '../store/storage-op.js'
import { tryCreateObject } from './create-object.js'
import { finishEnd } from './end-attempt.js'
import { finishRemoval, finishRequeue } from './finish-leave.js'
import { finishUpdate } from './updating/finish-update.js'
import { lastIndex } from './last-generation.js'
import { trace, type Place, isUpdate } from './trace.js'

/** An item as `put` stores it in the index object of one generation. */
export interface NewEntry extends FirstEntry {
  readonly first: string
  readonly text: string
}

/** What the object of an item's first attempt is made of. */
type FirstEntry = Pick<IndexEntry, 'id' | 'uid' | 'putAt' | 'notBeforeAt'>

export type PutResult =
  | { readonly added: true }
  | { readonly added: false; readonly place: Place | undefined }

/**
 * Puts one item. Creating the index object of the id decides it [Q-PUT-2]; then comes the object of the first
 * attempt, under WAITING or, as the form of its name says, under SUCCESS [Q-PUT-5]. Crash point: between the
 * two the item is put but can be neither claimed nor listed; the next lookup of the id, or `sweep`, finishes
 * it [Q-PUT-3]. Since `put` has not returned, it may count as not put until then.
 *
 * An empty index object is that of a removed item: the id's next generation has an index object of its own,
 * since no name is used twice. The index object of an item whose other keys the store refuses is emptied as
 * well, by the first process to notice.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID for an item whose keys the store refuses; nothing of it is stored
 * then
 */
export function* putItem(
  layout: Layout,
  key: string,
  entryOf: (generation: number) => NewEntry,
): Protocol<PutResult> {
  for (let [generation, tries] = [1, 1]; ; tries++) {
    const entry = entryOf(generation)
    const index = layout.index({ key, generation })
    layout.limits.assertFit(entry.id, layout.keysOf({ key, generation }, entry.first))
    const won = yield* tryCreate(index, entry.text, { token: entry.uid, first: entry.first })
    if (won === 'created') {
      yield* createFirst(layout, index, entry)
      return { added: true }
    }
    if (won.is === 'refused') throw refusedKey(layout, entry.id, { key: index, cause: won.cause })
    // An index object is never deleted: one that is reported to exist and not shown is read again.
    const other = won.other ?? (yield* read(index))
    const place = other && (yield* placeOf(layout, index, other))
    if (other !== undefined && place !== 'removed') return { added: false, place }
    if (other !== undefined) generation = yield* nextGeneration(layout, key, generation)
    if (other === undefined || tries > 1) yield* again(index)
  }
}

/** The generation to put an id as whose previous one was removed; an existing one if the id was put again. */
function* nextGeneration(layout: Layout, key: string, removed: number): Protocol<number> {
  const last = yield* lastIndex(layout, key, removed)
  if (last === undefined) return removed + 1
  return last.object.sizeBytes === 0 ? last.generation + 1 : last.generation
}

/** Creates the second object of a new item, or takes the first back. */
function* createFirst(layout: Layout, index: string, entry: NewEntry): Protocol<void> {
  const refusal = yield* createStage(layout, entry.first, entry)
  if (refusal === undefined) return
  yield* takeBack(index)
  throw refusedKey(layout, entry.id, refusal)
}

interface RefusedKey {
  readonly key: string
  readonly cause: Error
}

function refusedKey(layout: Layout, id: string, { key, cause }: RefusedKey): SluiceError {
  layout.limits.refused(key)
  return keyTooLong(id, key, { cause })
}

/** Where the item of an index object is, after finishing what was unfinished. */
function* placeOf(
  layout: Layout,
  index: string,
  object: StoredObject,
): Protocol<Place | undefined | 'removed'> {
  if (object.sizeBytes === 0) return 'removed'
  const first = object.meta['first'] ?? (yield* firstOf(index))
  // Damaged, or of another format: the id is taken all the same.
  if (first === undefined || parseAttemptKey(first) === undefined) return undefined
  return (yield* settledPlace(layout, index, first)) ?? 'removed'
}

/** An index object of another program may have no metadata. */
function* firstOf(index: string): Protocol<string | undefined> {
  const object = yield* read(index)
  return object && parseEntry(object.content)?.first
}

/**
 * Where an item is, after finishing an unfinished removal, move to WAITING, or put into SUCCESS.
 *
 * @returns `undefined` when it was removed
 */
export function* settledPlace(layout: Layout, index: string, first: string): Protocol<Place | undefined> {
  for (;;) {
    const place = yield* trace(layout, first)
    if (place === undefined) return undefined
    if (place.at === 'GONE') {
      yield* finishRemoval(layout, place)
      return undefined
    }
    if (place.at !== 'WAITING' && place.unfinished !== true) return place
    const completion = yield* complete(layout, index, place)
    if (completion === 'taken back') return undefined
    if (completion !== 'moved on') return place
    yield* again(layout.at('WAITING', place.name))
  }
}

function* complete(layout: Layout, index: string, place: Place): Protocol<Completion> {
  if (place.unfinished === true) return yield* completePut(layout, index, place.name)
  return yield* completeWaiting(layout, index, place)
}

/** What was done about an item that is in WAITING, or was put into SUCCESS, and may have no object there. */
type Completion = 'finished' | 'taken back' | 'was there' | 'moved on'

/** Creates the object under WAITING if the process that had to died before. */
function* completeWaiting(layout: Layout, index: string, place: Place): Protocol<Completion> {
  const { name, previous } = place
  if (yield* head(layout.at('WAITING', name))) return 'was there'
  // Claimed in the meantime, or ended: nothing is left to do. An object created now would belong to an
  // attempt that is over.
  if (yield* head(layout.at('PROCESSING', name))) return 'moved on'
  if (yield* head(layout.at('SUCCESS', name))) return 'moved on'
  if (previous === undefined) return yield* completePut(layout, index, name)
  yield* completeMove(layout, previous, place)
  return 'finished'
}

/**
 * Finishes the put of an index object if it was cut off, or takes it back. For index objects found by a
 * listing; damaged ones are left alone.
 */
export function* finishPut(layout: Layout, index: string): Protocol<Completion | 'damaged'> {
  const object = yield* read(index)
  if (object === undefined || object.sizeBytes === 0) return 'was there'
  const first = parseEntry(object.content)?.first ?? ''
  const attemptKey = parseAttemptKey(first)
  if (attemptKey === undefined || layout.index(attemptKey) !== index) return 'damaged'
  const place = yield* trace(layout, first)
  // A later attempt follows from a decision, which `repair` finds.
  if (place === undefined || place.previous !== undefined) return 'was there'
  if (place.at !== 'WAITING' && place.unfinished !== true) return 'was there'
  return yield* complete(layout, index, place)
}

/** Makes again the move or update that led to this name, from its decision. */
function* completeMove(layout: Layout, previous: string, { after, updated }: Place): Protocol<void> {
  if (updated === true) {
    const decision = yield* head(layout.at('PROCESSING', previous))
    if (decision !== undefined && isUpdate(decision)) yield* finishUpdate(layout, previous, decision)
    return
  }
  const left = after === 'FAIL' ? yield* head(layout.at('LEFT', previous)) : undefined
  const end = left === undefined ? yield* head(layout.at('SUCCESS', previous)) : undefined
  if (left !== undefined) yield* finishRequeue(layout, previous, left)
  else if (end !== undefined) yield* finishEnd(layout, previous, end)
}

function* completePut(layout: Layout, index: string, name: string): Protocol<Completion> {
  const object = yield* read(index)
  const entry = object && parseEntry(object.content)
  if (entry === undefined || entry.first !== name) return 'was there'
  if ((yield* createStage(layout, name, entry)) === undefined) return 'finished'
  yield* takeBack(index)
  return 'taken back'
}

/**
 * Undoes the first half of a put whose second half the store refuses permanently. No process has ever seen
 * the item in a stage, and none ever will: all its names are as long as the refused one. It is emptied, as by
 * a removal, and not deleted: the id may have been put again by then.
 */
function* takeBack(index: string): Protocol<void> {
  yield { do: 'empty', key: index, meta: { to: 'REMOVED' } }
}

/**
 * Creates the first object of an item in the stage that it was put into. Every process makes the same one.
 *
 * @returns the key and the error of a store that refuses the key
 */
function* createStage(layout: Layout, name: string, entry: FirstEntry): Protocol<RefusedKey | undefined> {
  const attemptKey = parseAttemptKey(name)
  if (attemptKey === undefined) return undefined
  const { stage, state } = firstPlace(attemptKey, entry)
  const text = stateText(entry.id, attemptKey, state)
  const end = yield* tryCreateObject(layout, stage, { name, text, meta: { token: entry.uid } })
  if (end === 'created' || end.is !== 'refused') return undefined
  return { key: layout.at(stage, name), cause: end.cause }
}

function firstPlace(attemptKey: AttemptKey, entry: FirstEntry) {
  return isPutDone(attemptKey)
    ? ({ stage: 'SUCCESS', state: putDoneState(entry) } as const)
    : ({ stage: 'WAITING', state: firstState(entry) } as const)
}
