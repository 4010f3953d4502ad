import type { JsonValue } from '@sluice/core'
import { changedState, firstState, has, type ItemState } from '../../format/item-state.js'
import type { Layout } from '../../format/layout.js'
import { parseEntry, parseObject, parseState, stateText, unpackText } from '../../format/object-texts.js'
import { isAvailableAlike, isFirst, parseAttemptKey, type AttemptKey } from '../../format/attempt-key.js'
import { drop, head, read, type Meta, type Protocol, type StoredObject } from '../../store/storage-op.js'
import { createObject } from '../create-object.js'
import { noteAttempt, UPDATED } from '../trace.js'

/** An item in WAITING, according to the objects of its attempt. */
export interface WaitingItem {
  readonly id: string
  readonly state: ItemState
  /** Absent where it takes another request to read it. */
  readonly body?: JsonValue
}

/** The metadata of an update's decision. */
export interface UpdateMeta extends Meta {
  readonly token: string
  readonly next: string
}

/**
 * Finishes an update that another process decided and may not have survived. Every process makes the same of
 * it. An update that was decided too late, for an attempt whose end existed before, is dropped.
 *
 * @param decision the object under PROCESSING; also an obsolete one, of a claim that came too late
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
  // Both are deleted last.
  if (item === undefined || body === 'gone') return
  yield* carryOut(layout, { name, item, meta, ...body })
}

/**
 * Carries out an update that is decided: the object under its new name, then the end object of the previous
 * name.
 */
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

/** Where a body is that the decision has no room for; `undefined` for a short one, or none. */
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
