import { requeuedState } from '../format/item-state.js'
import type { Layout } from '../format/layout.js'
import { parseState, stateText, unpackText } from '../format/object-texts.js'
import { parseAttemptKey, stepOf } from '../format/attempt-key.js'
import { drop, head, read, type Meta, type Protocol, type StoredObject } from '../store/storage-op.js'
import { createObject } from './create-object.js'
import { noteAttempt } from './trace.js'

/** Finishes the decision of an object under LEFT, as HEAD or GET returned it. */
export function* finishLeft(layout: Layout, name: string, left: StoredObject): Protocol<void> {
  if (left.sizeBytes === 0) yield* finishFinalRemoval(layout, name, left.meta['token'])
  else yield* finishRequeue(layout, name, left)
}

/** Finishes a requeue that another process decided. `left` is the object under LEFT, by HEAD or GET. */
export function* finishRequeue(layout: Layout, name: string, left: StoredObject): Protocol<void> {
  const failed = yield* read(layout.at('FAIL', name))
  // It is deleted last.
  if (failed === undefined || failed.sizeBytes === 0) return
  const reason = unpackText(left.meta['reason'])
  const meta = { ...left.meta, token: left.meta['token'] ?? name }
  yield* moveBack(layout, { name, failed, meta, ...(reason === undefined ? {} : { reason }) })
}

/** Carries out a requeue that is decided. */
export function* moveBack(
  layout: Layout,
  {
    name,
    failed,
    meta,
    reason,
  }: {
    name: string
    failed: StoredObject
    meta: Meta & { token: string }
    reason?: string
  },
): Protocol<void> {
  const next = meta['next'] ?? ''
  const attemptKey = parseAttemptKey(next)
  const parsed = parseState(failed.content)
  if (attemptKey !== undefined) {
    const { id, state } = parsed ?? { id: '', state: { history: [] } }
    const text = stateText(id, attemptKey, requeuedState(state, reason, attemptKey.availableAt))
    yield* createObject(layout, 'WAITING', { name: next, text, meta: { token: meta.token } })
    yield* noteAttempt(layout, name)
  }
  yield* drop(layout.at('FAIL', name))
}

/** Finishes a removal that is decided, by any process. */
export function* finishRemoval(layout: Layout, place: { readonly name: string }): Protocol<void> {
  const { name } = place
  const left = yield* head(layout.at('LEFT', name))
  if (left === undefined) yield* finishWaitingRemoval(layout, name)
  else yield* finishFinalRemoval(layout, name, left.meta['token'])
}

/** From WAITING: the object under PROCESSING is empty. */
export function* finishWaitingRemoval(layout: Layout, name: string): Protocol<void> {
  const meta = { token: name.slice(-200), to: 'REMOVED' }
  yield* createObject(layout, 'SUCCESS', { name, text: '', meta })
  yield* emptyIndex(layout, name)
  yield* drop(...notesOf(layout, name), layout.at('WAITING', name), layout.at('PROCESSING', name))
}

/**
 * From SUCCESS or FAIL: the object under LEFT is empty. The object under FAIL is emptied rather than deleted:
 * a slow `fail` that another process finished could otherwise create it again. LEFT goes last: it marks an
 * unfinished removal.
 *
 * @param by the token of LEFT, kept in the index object so that its creator knows whose removal it was
 */
export function* finishFinalRemoval(layout: Layout, name: string, by = ''): Protocol<void> {
  const end = yield* head(layout.at('SUCCESS', name))
  const from = end === undefined || end.sizeBytes > 0 ? 'SUCCESS' : (end.meta['from'] ?? 'FAIL')
  yield { do: 'empty', key: layout.at('SUCCESS', name), meta: { to: 'REMOVED', from } }
  yield* emptyIndex(layout, name, by)
  if (from === 'FAIL') yield { do: 'empty', key: layout.at('FAIL', name), meta: { to: 'REMOVED' } }
  const folders = ['WAITING', 'PROCESSING', 'LEFT'] as const
  yield* drop(...notesOf(layout, name), ...folders.map((folder) => layout.at(folder, name)))
}

/** The note of an item's latest attempt, where there may be one. */
function notesOf(layout: Layout, name: string): readonly string[] {
  const attemptKey = parseAttemptKey(name)
  return attemptKey !== undefined && stepOf(attemptKey) > layout.attemptStep
    ? [layout.latest(attemptKey)]
    : []
}

/** Once: a later process must not write another token. */
function* emptyIndex(layout: Layout, name: string, by = ''): Protocol<void> {
  const attemptKey = parseAttemptKey(name)
  if (attemptKey === undefined) return
  const key = layout.index(attemptKey)
  const index = yield* head(key)
  if (index !== undefined && index.sizeBytes > 0) yield { do: 'empty', key, meta: { to: 'REMOVED', by } }
}
