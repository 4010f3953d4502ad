import { requeuedState } from '../item-state.js'
import type { Layout } from '../layout.js'
import { parseState, stateText, unpackText, packText } from '../object-texts.js'
import { parseStint, type Stint } from '../stint-name.js'
import { createOnce, drop, look, read, type Meta, type Protocol, type StoredObject } from '../storage-op.js'
import { finishEnd } from './end-stint.js'
import type { Place } from './trace.js'

/** `moved`: the item was no longer where it had been seen. */
export type LeaveResult = 'left' | 'moved'

export interface RequeueWanted {
  readonly token: string
  /** The name of the next stint. */
  readonly next: string
  readonly reason?: string
}

/**
 * FAIL → WAITING. Creating the stint's object under LEFT decides it, against other requeues and against `remove`; it names the next
 * stint, so that whoever finishes the move makes the same one. Crash points: after LEFT, the object under FAIL is still there, and is
 * the sign of a move half done (`finishRequeue`).
 */
export function* requeueStint(layout: Layout, name: string, wanted: RequeueWanted): Protocol<LeaveResult> {
  const failed = yield* readFailed(layout, name)
  if (failed === undefined) return 'moved'
  const { token, next } = wanted
  const reason = packText(wanted.reason)
  const meta = { token, next, to: 'WAITING', ...(reason === undefined ? {} : { reason }) }
  const left = layout.at('LEFT', name)
  if ((yield* createOnce(left, JSON.stringify({ sluice: 1, ...wanted }), meta)) !== 'created') return 'moved'
  if (!(yield* isIndexed(layout, name))) {
    yield* drop(left)
    return 'moved'
  }
  yield* moveBack(layout, { name, failed, meta, ...(wanted.reason === undefined ? {} : { reason: wanted.reason }) })
  return 'left'
}

/** Finishes a requeue that somebody else decided. `left` is the object under LEFT, by HEAD or GET. */
export function* finishRequeue(layout: Layout, name: string, left: StoredObject): Protocol<void> {
  const failed = yield* read(layout.at('FAIL', name))
  // It is deleted after all else is done.
  if (failed === undefined) return
  const reason = unpackText(left.meta['reason'])
  const meta = { ...left.meta, token: left.meta['token'] ?? name }
  yield* moveBack(layout, { name, failed, meta, ...(reason === undefined ? {} : { reason }) })
}

function* moveBack(
  layout: Layout,
  { name, failed, meta, reason }: {
    name: string
    failed: StoredObject
    meta: Meta & { token: string }
    reason?: string
  },
): Protocol<void> {
  const next = meta['next'] ?? ''
  const stint = parseStint(next)
  const parsed = parseState(failed.content)
  if (stint !== undefined) {
    const { id, state } = parsed ?? { id: '', state: { history: [] } }
    const text = stateText(id, stint, requeuedState(state, reason, stint.availableAt))
    yield* createOnce(layout.at('WAITING', next), text, { token: meta.token })
  }
  yield* drop(layout.at('FAIL', name))
}

/** The object under FAIL, made first if the fail was cut off before it. */
function* readFailed(layout: Layout, name: string): Protocol<StoredObject | undefined> {
  const failed = yield* read(layout.at('FAIL', name))
  if (failed !== undefined) return failed
  const end = yield* look(layout.at('SUCCESS', name))
  if (end?.meta['to'] !== 'FAIL') return undefined
  yield* finishEnd(layout, name, end)
  return yield* read(layout.at('FAIL', name))
}

/**
 * Takes an item out of WAITING, FAIL or SUCCESS for good. From WAITING an empty claim decides it, so that no `get` can have it; from the
 * other two an empty object under LEFT. The index object is emptied, never deleted: a late request could otherwise hit the one of an
 * item put again. The marks of its stints stay as fences against late requests, until `sweep` purges them. Crash points: after the
 * decision, whoever comes by finishes it.
 */
export function* removeStint(layout: Layout, place: Place, token: string): Protocol<LeaveResult> {
  const { name } = place
  if (place.at === 'WAITING') return yield* removeWaiting(layout, name, token)
  const left = layout.at('LEFT', name)
  if ((yield* createOnce(left, '', { token, to: 'REMOVED' })) !== 'created') return 'moved'
  // LEFT is deleted at the end of a removal: a late remover may have created it anew.
  if (!(yield* isIndexed(layout, name))) {
    yield* drop(left)
    return 'moved'
  }
  yield* finishRemoval(layout, place)
  return 'left'
}

function* removeWaiting(layout: Layout, name: string, token: string): Protocol<LeaveResult> {
  const claim = layout.at('PROCESSING', name)
  if ((yield* createOnce(claim, '', { token, to: 'REMOVED' })) !== 'created') return 'moved'
  // As after every claim: had it been claimed before, its end exists.
  if (yield* look(layout.at('SUCCESS', name))) {
    yield* drop(claim)
    return 'moved'
  }
  yield* finishWaitingRemoval(layout, name)
  return 'left'
}

/** Finishes a removal that was decided, by whomever. */
export function* finishRemoval(layout: Layout, place: Pick<Place, 'name'>): Protocol<void> {
  const { name } = place
  if (yield* look(layout.at('LEFT', name))) return yield* finishFinalRemoval(layout, name)
  yield* finishWaitingRemoval(layout, name)
}

/** From WAITING: its claim is empty. */
export function* finishWaitingRemoval(layout: Layout, name: string): Protocol<void> {
  yield* createOnce(layout.at('SUCCESS', name), '', { token: name.slice(-200), to: 'REMOVED' })
  yield* emptyIndex(layout, name)
  yield* drop(layout.at('WAITING', name), layout.at('PROCESSING', name))
}

/** From SUCCESS or FAIL: its object under LEFT is empty. */
export function* finishFinalRemoval(layout: Layout, name: string): Protocol<void> {
  yield { do: 'empty', key: layout.at('SUCCESS', name), meta: { to: 'REMOVED' } }
  yield* emptyIndex(layout, name)
  const stages = (['WAITING', 'PROCESSING', 'FAIL', 'LEFT'] as const).map((stage) => layout.at(stage, name))
  yield* drop(...stages)
}

function* emptyIndex(layout: Layout, name: string): Protocol<void> {
  const stint = parseStint(name)
  if (stint !== undefined) yield { do: 'empty', key: layout.index(stint), meta: { to: 'REMOVED' } }
}

function* isIndexed(layout: Layout, name: string): Protocol<boolean> {
  const stint: Stint | undefined = parseStint(name)
  const index = stint && (yield* look(layout.index(stint)))
  return index !== undefined && index.sizeBytes > 0
}
