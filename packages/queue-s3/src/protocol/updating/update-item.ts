import { SluiceError, type AttemptRef, type JsonValue } from '@sluice/core'
import { isSameJson, type CheckedChange } from '@sluice/core/backend'
import { has } from '../../format/item-state.js'
import type { Layout } from '../../format/layout.js'
import { MAX_META_BYTES, metaBytes, packText, parseEntry } from '../../format/object-texts.js'
import { tagOf, type Selection } from '../../format/selection.js'
import { isInPlace, parseAttemptKey, type AttemptKey } from '../../format/attempt-key.js'
import { again, createOnce, drop, head, read, type Protocol } from '../../store/storage-op.js'
import { createObject } from '../create-object.js'
import { findPlace } from '../find-item.js'
import {
  carryOut,
  changeText,
  dropUpdated,
  readWaiting,
  type UpdateMeta,
  type WaitingItem,
} from './finish-update.js'
import { assertNameFits } from './fit-name.js'
import { readSelection, storeSelection } from './read-selection.js'
import { type Place, UPDATED } from '../trace.js'

/** An `update` of one item, with all values that the protocol must not create itself. */
export interface UpdateWanted extends Pick<AttemptRef, 'uid'> {
  readonly bodyText?: string
  /** Absent: it keeps both. */
  readonly selection?: SelectionChange
  /**
   * The attempt that it leads to, and a token unique to this try; no name where it has no room for the
   * selection.
   */
  readonly nextOf: (attemptKey: AttemptKey, selection?: Selection) => NextWanted
}

/** What is absent stays, `null` takes it away. */
export type SelectionChange = Partial<Pick<CheckedChange, 'resources' | 'limitKey'>>

interface NextWanted {
  readonly name: string | undefined
  readonly token: string
}

export type UpdateVerdict = 'done' | 'not-found' | 'wrong-stage' | 'not-current'

/** Changes an item in WAITING [Q-UPDATE-1, Q-UPDATE-2]. */
export function* updateItem(layout: Layout, key: string, wanted: UpdateWanted): Protocol<UpdateVerdict> {
  for (;;) {
    const place = yield* findPlace(layout, key)
    if (place === undefined) return 'not-found'
    if ((wanted.uid ?? place.attemptKey.uid) !== place.attemptKey.uid) return 'not-current'
    if (place.at !== 'WAITING') return 'wrong-stage'
    if ((yield* updateAttempt(layout, place, wanted)) === 'updated') return 'done'
    yield* again(layout.at('WAITING', place.name))
  }
}

/**
 * WAITING → WAITING, under another name. Creating the attempt object under PROCESSING decides it, as that of
 * a claim or of a removal would: the first of them counts, so a claim gets either what there was before the
 * update, or what it made. The object is empty, since a listing would take it for a claim; what is needed to
 * finish the update is in its metadata, except for a body that has no room there, which is stored in an
 * object of its own before. Crash points:
 *
 * - before the decision: nothing happened; `sweep` deletes the object of a long body, and that of a
 *   selection may be of use to others;
 * - after it: the item waits under its new name, and any process creates its object there (`finishUpdate`):
 *   the next claim, lookup, listing or sweep.
 *
 * `moved`: it was claimed, removed or updated before.
 */
function* updateAttempt(layout: Layout, place: Place, wanted: UpdateWanted): Protocol<'updated' | 'moved'> {
  const { name, attemptKey } = place
  const item = yield* readWaiting(layout, name)
  if (item === undefined) return 'moved'
  const selection = yield* changedSelection(layout, attemptKey, wanted.selection)
  if (selection === 'gone') return 'moved'
  const { name: nextName, token } = wanted.nextOf(attemptKey, selection)
  if (nextName === undefined) throw noRoom(item.id)
  const next = { name: nextName, token }
  if (isAlike(item, { attemptKey, next: next.name, bodyText: wanted.bodyText })) return 'updated'
  const meta = decisionMeta(place, next, wanted.bodyText)
  if (meta['change'] !== undefined)
    yield* storeLongBody(layout, place, { meta, bodyText: wanted.bodyText ?? '' })
  if (selection !== undefined) yield* storeSelection(layout, selection)
  if (next.name.length > name.length) yield* assertNameFits(layout, { id: item.id, name }, next)
  const won = yield* createObject(layout, 'PROCESSING', { name, text: '', meta })
  const end = yield* head(layout.at('SUCCESS', name))
  // Another process has finished this update: its end object has the same token.
  if (end?.meta['token'] === meta.token) {
    yield* dropUpdated(layout, name, meta)
    return 'updated'
  }
  if (won !== 'created' || end !== undefined) {
    // As after every claim: had the name been claimed before, its end object exists.
    if (won === 'created') yield* dropUpdated(layout, name, meta)
    else if (meta['change'] !== undefined) yield* drop(layout.change(attemptKey, meta.token))
    return 'moved'
  }
  yield* carryOut(layout, { name, item, meta, ...has({ body: parsed(wanted.bodyText) }) })
  return 'updated'
}

/** The whole selection that the item has then; `undefined`: the same as before. */
function* changedSelection(
  layout: Layout,
  attemptKey: AttemptKey,
  change: SelectionChange | undefined,
): Protocol<Selection | undefined | 'gone'> {
  if (change === undefined) return undefined
  const { resources, limitKey } = change
  const isWhole = resources !== undefined && limitKey !== undefined
  const before = isWhole ? {} : yield* currentSelection(layout, attemptKey)
  if (before === 'gone') return before
  return has({
    resources: resources === undefined ? before.resources : (resources ?? undefined),
    limitKey: limitKey === undefined ? before.limitKey : (limitKey ?? undefined),
  })
}

function* currentSelection(layout: Layout, attemptKey: AttemptKey): Protocol<Selection | 'gone'> {
  if (tagOf(attemptKey) === undefined) return {}
  const index = yield* read(layout.index(attemptKey))
  const entry = index && parseEntry(index.content)
  return (entry && (yield* readSelection(layout, attemptKey, { entry }))) ?? 'gone'
}

function noRoom(id: string): SluiceError {
  return new SluiceError(
    'SLUICE_CONFIG_INVALID',
    `Cannot update item ${JSON.stringify(id)}: its name has additions of another version, which leave no room for resources or a ` +
      'limit key. It is unchanged. Update it with that version, or remove it and put it again',
    { itemId: id },
  )
}

interface Wanted {
  readonly attemptKey: AttemptKey
  readonly next: string
  readonly bodyText: string | undefined
}

/**
 * Whether the item already has that place, selection and body. So a retry after a lost answer writes nothing.
 */
function isAlike(item: WaitingItem, { attemptKey, next, bodyText }: Wanted): boolean {
  const nextKey = parseAttemptKey(next)
  if (nextKey === undefined || !isInPlace(attemptKey, nextKey)) return false
  if (tagOf(attemptKey) !== tagOf(nextKey)) return false
  if (bodyText === undefined) return true
  const body = parsed(bodyText)
  return item.body !== undefined && body !== undefined && isSameJson(item.body, body)
}

function decisionMeta(
  { after }: Place,
  { name, token }: { readonly name: string; readonly token: string },
  bodyText: string | undefined,
): UpdateMeta {
  const meta = { token, to: UPDATED, next: name, ...has({ after }) }
  if (bodyText === undefined) return meta
  const body = packText(bodyText, Number.POSITIVE_INFINITY) ?? ''
  return metaBytes({ ...meta, body }) <= MAX_META_BYTES ? { ...meta, body } : { ...meta, change: '1' }
}

function* storeLongBody(
  layout: Layout,
  { name, attemptKey }: Place,
  { meta, bodyText }: { readonly meta: UpdateMeta; readonly bodyText: string },
): Protocol<void> {
  const { token } = meta
  yield* createOnce(layout.change(attemptKey, token), changeText(name, bodyText), { token, name })
}

function parsed(text: string | undefined): JsonValue | undefined {
  if (text === undefined) return undefined
  const value: JsonValue = JSON.parse(text)
  return value
}
