import type { AttemptRef, JsonValue } from '@sluice/core'
import { isSameJson } from '@sluice/core/backend'
import { has } from '../format/item-state.js'
import type { Layout } from '../format/layout.js'
import { MAX_META_BYTES, metaBytes, packText } from '../format/object-texts.js'
import { isInPlace, parseAttemptKey, type AttemptKey } from '../format/attempt-key.js'
import { again, createOnce, drop, head, type Protocol } from '../store/storage-op.js'
import { createObject } from './create-object.js'
import { findPlace } from './find-item.js'
import {
  carryOut,
  changeText,
  dropUpdated,
  readWaiting,
  type UpdateMeta,
  type WaitingItem,
} from './finish-update.js'
import { type Place, UPDATED } from './trace.js'

/** An `update` of one item, with all values that the protocol must not create itself. */
export interface UpdateWanted extends Pick<AttemptRef, 'uid'> {
  readonly bodyText?: string
  /** The attempt that it leads to, and a token unique to this try. */
  readonly nextOf: (attemptKey: AttemptKey) => { readonly name: string; readonly token: string }
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
 * - before the decision: nothing happened; `sweep` deletes the object of a long body;
 * - after it: the item waits under its new name, and any process creates its object there (`finishUpdate`):
 *   the next claim, lookup, listing or sweep.
 *
 * `moved`: it was claimed, removed or updated before.
 */
function* updateAttempt(layout: Layout, place: Place, wanted: UpdateWanted): Protocol<'updated' | 'moved'> {
  const { name, attemptKey } = place
  const item = yield* readWaiting(layout, name)
  if (item === undefined) return 'moved'
  const next = wanted.nextOf(attemptKey)
  if (isAlike(item, { attemptKey, next: next.name, bodyText: wanted.bodyText })) return 'updated'
  const meta = decisionMeta(place, next, wanted.bodyText)
  if (meta['change'] !== undefined)
    yield* storeLongBody(layout, place, { meta, bodyText: wanted.bodyText ?? '' })
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

interface Wanted {
  readonly attemptKey: AttemptKey
  readonly next: string
  readonly bodyText: string | undefined
}

/** Whether the item already has that place and body. So a retry after a lost answer writes nothing. */
function isAlike(item: WaitingItem, { attemptKey, next, bodyText }: Wanted): boolean {
  const nextKey = parseAttemptKey(next)
  if (nextKey === undefined || !isInPlace(attemptKey, nextKey)) return false
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
