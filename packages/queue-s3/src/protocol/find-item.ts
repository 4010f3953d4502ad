import { SluiceError } from '@sluice/core'
import { firstState, type IndexEntry, type ItemState } from '../format/item-state.js'
import type { Layout } from '../format/layout.js'
import { parseEntry, parseState } from '../format/object-texts.js'
import { isFirst, parseAttemptKey } from '../format/attempt-key.js'
import { tagOf, type Selection } from '../format/selection.js'
import { again, head, read, type Protocol, type StoredObject } from '../store/storage-op.js'
import { finishEnd, type RunningAttempt } from './end-attempt.js'
import { lastIndex, type LastIndex } from './last-generation.js'
import { settledPlace } from './put-item.js'
import { readSelection } from './updating/read-selection.js'
import type { Place } from './trace.js'

/**
 * Where the item of an id is now; unfinished moves on the way are finished. `undefined` for an unknown id.
 */
export function* findPlace(layout: Layout, key: string): Protocol<Place | undefined> {
  for (let removed = 0; ;) {
    const newest = yield* newestIndex(layout, key, removed)
    if (newest === undefined) return undefined
    const { generation, object } = newest
    const index = layout.index({ key, generation })
    const first = object.meta['first'] ?? parsedEntry(yield* read(index), key).first
    if (parseAttemptKey(first) === undefined) throw damaged(index)
    const place = yield* settledPlace(layout, index, first)
    if (place !== undefined) return place
    // Its removal is finished now. The id may have been put again meanwhile.
    removed = generation
    yield* again(index)
  }
}

/**
 * The index object of the current item of an id. That there is none is confirmed by a second request of
 * another kind, since the caller reports it.
 */
function* newestIndex(layout: Layout, key: string, after: number): Protocol<LastIndex | undefined> {
  for (let removed = after; ;) {
    const last = yield* lastIndex(layout, key, removed)
    if (last !== undefined && last.object.sizeBytes > 0) return last
    const generation = (last?.generation ?? removed) + 1
    const object = yield* read(layout.index({ key, generation }))
    if (object === undefined) return undefined
    if (object.sizeBytes > 0) return { generation, object }
    removed = generation
  }
}

/** An item with all its data. */
export interface FoundItem {
  readonly place: Place
  readonly entry: IndexEntry
  readonly state: ItemState
  readonly selection: Selection
}

/** All data of the item of an id [Q-LOOK-2]. */
export function* findItem(layout: Layout, key: string): Protocol<FoundItem | undefined> {
  for (;;) {
    const place = yield* findPlace(layout, key)
    if (place === undefined) return undefined
    const found = yield* readPlace(layout, place.at, place)
    if (found !== undefined) return found
    // It moved on between the two requests, or the object was deleted.
    yield* again(layout.at(place.at === 'GONE' ? 'LEFT' : place.at, place.name))
  }
}

/** The item according to the objects of an attempt; `undefined` when it is no longer in that stage. */
export function* readPlace(
  layout: Layout,
  stage: Place['at'],
  place: Pick<Place, 'name' | 'attemptKey'>,
): Protocol<FoundItem | undefined> {
  const { name, attemptKey } = place
  const object = yield* read(layout.index(attemptKey))
  if (object === undefined || object.sizeBytes === 0 || stage === 'GONE') return undefined
  const entry = parsedEntry(object, attemptKey.key)
  const at = { ...place, at: stage }
  const selection = yield* readSelection(layout, attemptKey, { entry })
  if (selection === undefined) throw damaged(`SELECTIONS/${tagOf(attemptKey) ?? ''}`)
  if (stage === 'WAITING' && isFirst(attemptKey))
    return { place: at, entry, state: firstState(entry), selection }
  const text = (yield* read(layout.at(stage, name))) ?? (yield* lateFail(layout, stage, name))
  if (text === undefined || text.sizeBytes === 0) return undefined
  const parsed = parseState(text.content)
  if (parsed === undefined) throw damaged(layout.at(stage, name))
  return { place: at, entry, state: parsed.state, selection }
}

/** The object under FAIL, created here if the fail was cut off before it. */
function* lateFail(layout: Layout, stage: Place['at'], name: string): Protocol<StoredObject | undefined> {
  const end = stage === 'FAIL' ? yield* head(layout.at('SUCCESS', name)) : undefined
  if (end === undefined) return undefined
  yield* finishEnd(layout, name, end)
  return yield* read(layout.at('FAIL', name))
}

/** An attempt in PROCESSING with its state; `undefined` when it is no longer there. */
export function* readRunning(
  layout: Layout,
  { name, attemptKey }: Pick<Place, 'name' | 'attemptKey'>,
): Protocol<RunningAttempt | undefined> {
  const claim = yield* read(layout.at('PROCESSING', name))
  if (claim === undefined || claim.sizeBytes === 0) return undefined
  const parsed = parseState(claim.content)
  if (parsed === undefined) throw damaged(layout.at('PROCESSING', name))
  return { name, attemptKey, ...parsed }
}

function parsedEntry(object: StoredObject | undefined, key: string): IndexEntry {
  const entry = object && parseEntry(object.content)
  if (entry === undefined) throw damaged(`ITEMS/${key}`)
  return entry
}

/** SLUICE_QUEUE_CORRUPT for one object. */
function damaged(key: string): SluiceError {
  return new SluiceError(
    'SLUICE_QUEUE_CORRUPT',
    `Cannot read the object ${JSON.stringify(key)}: it is truncated, or does not belong to a queue. Inspect it with an S3 browser; ` +
      'the other items are not affected',
  )
}
