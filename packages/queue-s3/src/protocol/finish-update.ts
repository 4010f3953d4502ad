import type { JsonValue } from '@sluice/core'
import { changedState, firstState, has, type ItemState } from '../format/item-state.js'
import type { Layout } from '../format/layout.js'
import { parseEntry, parseObject, parseState, stateText, unpackText } from '../format/object-texts.js'
import { isAvailableAlike, isFirst, parseAttemptKey, type AttemptKey } from '../format/attempt-key.js'
import { drop, head, read, type Meta, type Protocol, type StoredObject } from '../store/storage-op.js'
import { createObject } from './create-object.js'
import { noteAttempt, UPDATED } from './trace.js'

/** An item in WAITING as the objects of its name have it. */
export interface WaitingItem {
  readonly id: string
  readonly state: ItemState
  /** Absent where it takes another request to know it. */
  readonly body?: JsonValue
}

/** What the decision of an update says, in the metadata of its object. */
export interface UpdateMeta extends Meta {
  readonly token: string
  readonly next: string
}

/**
 * Finishes an update that somebody decided and perhaps didn't live to finish. Everybody makes the same of it, and nothing is made of one that was
 * decided too late: then the attempt has an end that existed before.
 *
 * @param decision the object under PROCESSING; also another one there that is over, of a claim that came too late
 */
export function* finishUpdate(layout: Layout, name: string, decision: StoredObject): Protocol<void> {
  const { token = name, next = '' } = decision.meta
  const meta = { ...decision.meta, token, next }
  const end = yield* head(layout.at('SUCCESS', name))
  if (end !== undefined) {
    if (end.meta['to'] === UPDATED) yield* noteAttempt(layout, name)
    yield* dropUpdated(layout, name, meta)
    return
  }
  const item = yield* readWaiting(layout, name)
  const body = yield* readBody(layout, name, meta)
  // Both are deleted after all else is done.
  if (item === undefined || body === 'gone') return
  yield* carryOut(layout, { name, item, meta, ...body })
}

/** What an update does once it is decided: the object under its new name, then the end of the name before. */
export function* carryOut(
  layout: Layout,
  { name, item, meta, body }: { name: string; item: WaitingItem; meta: UpdateMeta; body?: JsonValue },
): Protocol<void> {
  const { token, next } = meta
  const [attemptKey, nextKey] = [parseAttemptKey(name), parseAttemptKey(next)]
  if (attemptKey === undefined || nextKey === undefined) return
  const notBeforeAt = isAvailableAlike(attemptKey, nextKey) ? undefined : nextKey.availableAt
  const state = changedState(item.state, { ...has({ body, notBeforeAt }) })
  const text = stateText(item.id, nextKey, state)
  yield* createObject(layout, 'WAITING', { name: next, text, meta: { token } })
  const end = { token, to: UPDATED, next, ...has({ after: meta['after'] }) }
  yield* createObject(layout, 'SUCCESS', { name, text: '', meta: end })
  yield* noteAttempt(layout, name)
  yield* dropUpdated(layout, name, meta)
}

/** The attempt's objects under WAITING and PROCESSING, and that of a long body. */
export function* dropUpdated(layout: Layout, name: string, meta: UpdateMeta): Protocol<void> {
  const long = longBodyKey(layout, name, meta)
  yield* drop(
    ...(long === undefined ? [] : [long]),
    layout.at('WAITING', name),
    layout.at('PROCESSING', name),
  )
}

/** `undefined`: it was removed, or has moved on and its object is gone. */
export function* readWaiting(layout: Layout, name: string): Protocol<WaitingItem | undefined> {
  const attemptKey = parseAttemptKey(name)
  if (attemptKey === undefined) return undefined
  if (isFirst(attemptKey)) return yield* readFirst(layout, attemptKey)
  const waiting = yield* read(layout.at('WAITING', name))
  const parsed = waiting && parseState(waiting.content)
  return parsed && { ...parsed, ...has({ body: parsed.state.body }) }
}

function* readFirst(layout: Layout, attemptKey: AttemptKey): Protocol<WaitingItem | undefined> {
  const index = yield* read(layout.index(attemptKey))
  const entry = index && parseEntry(index.content)
  return entry && { id: entry.id, state: firstState(entry), body: entry.body }
}

/** Where a body is that is too long for the decision; `undefined` for one that is in it, or none. */
function longBodyKey(layout: Layout, name: string, { token, change }: UpdateMeta): string | undefined {
  const attemptKey = parseAttemptKey(name)
  return change === undefined || attemptKey === undefined ? undefined : layout.change(attemptKey, token)
}

/** The text of the object of a long body. */
export function changeText(name: string, bodyText: string): string {
  return `{"sluice":1,"name":${JSON.stringify(name)},"body":${bodyText}}`
}

function* readBody(
  layout: Layout,
  name: string,
  meta: UpdateMeta,
): Protocol<{ readonly body?: JsonValue } | 'gone'> {
  const long = longBodyKey(layout, name, meta)
  if (long !== undefined) {
    const object = yield* read(long)
    const body = object && parseObject(object.content)?.['body']
    return body === undefined ? 'gone' : { body }
  }
  const text = unpackText(meta['body'])
  if (text === undefined) return {}
  const body: JsonValue = JSON.parse(text)
  return { body }
}
