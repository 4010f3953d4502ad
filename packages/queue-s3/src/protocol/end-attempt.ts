import type { JsonValue } from '@sluice/core'
import { endedState, has, type AttemptEnd, type ItemState } from '../format/item-state.js'
import type { Layout } from '../format/layout.js'
import {
  MAX_META_BYTES,
  metaBytes,
  packText,
  parseState,
  stateText,
  unpackText,
} from '../format/object-texts.js'
import { parseAttemptKey, type AttemptKey } from '../format/attempt-key.js'
import { drop, head, read, type Meta, type Protocol, type StoredObject } from '../store/storage-op.js'
import { createObject } from './create-object.js'
import { finishLeft } from './finish-leave.js'
import { noteAttempt, isUpdate } from './trace.js'
import { finishUpdate } from './finish-update.js'

/** A attempt in PROCESSING, and what its object says. */
export interface RunningAttempt {
  readonly name: string
  readonly attemptKey: AttemptKey
  readonly id: string
  readonly state: ItemState
}

/** What is new about the end of an attempt. */
export interface EndWanted {
  readonly end: AttemptEnd
  /** Unique. */
  readonly token: string
  /** The name of the next attempt; WAITING only. */
  readonly next?: string
}

/**
 * PROCESSING → SUCCESS, FAIL or WAITING. Creating the attempt's object under SUCCESS decides it, whichever way it goes: with the item's
 * record for a success, else empty and with the target in its metadata. So of a success, a fail and a release of one attempt exactly
 * one can win. Crash points:
 *
 * - before that object: nothing happened;
 * - after it: the move is decided, and whoever comes by finishes it (`finishEnd`), up to deleting the object under PROCESSING, the last
 *   step, which is therefore the sign of a move half done.
 *
 * @returns `ended`, or the end that was there before
 */
export function* endAttempt(
  layout: Layout,
  running: RunningAttempt,
  wanted: EndWanted,
): Protocol<'ended' | { readonly other: StoredObject | undefined }> {
  const { name, attemptKey, id, state } = running
  const ended = endedState(state, wanted.end)
  const text = stateText(id, attemptKey, ended)
  const meta = endMeta(wanted)
  const decision = wanted.end.to === 'SUCCESS' ? text : ''
  const won = yield* createObject(layout, 'SUCCESS', { name, text: decision, meta })
  if (won !== 'created') return won
  yield* retire(layout, { name, text, meta })
  return 'ended'
}

/**
 * Finishes the end of a attempt that somebody else decided and perhaps didn't live to finish. What a helper can't know, the details of a
 * fail and what found no room in the decision's metadata, is lost then: the caller was never told that it was done, and its retry finds the move
 * made.
 */
export function* finishEnd(layout: Layout, name: string, end: StoredObject): Protocol<void> {
  if (end.sizeBytes > 0) {
    yield* drop(layout.at('WAITING', name), layout.at('PROCESSING', name))
    return
  }
  const claim = yield* read(layout.at('PROCESSING', name))
  const attemptKey = parseAttemptKey(name)
  if (isUpdate(end)) {
    if (claim !== undefined) yield* finishUpdate(layout, name, claim)
    return
  }
  // It is deleted after all else is done.
  if (claim === undefined || attemptKey === undefined) return
  const { id, state } = parseState(claim.content) ?? { id: '', state: { history: [] } }
  const text = stateText(id, attemptKey, endedState(state, endOf(end.meta, attemptKey)))
  yield* retire(layout, { name, text, meta: { ...end.meta, token: end.meta['token'] ?? name } })
}

/** The object that the decision calls for, then the deletion of what the attempt leaves behind. */
function* retire(
  layout: Layout,
  { name, text, meta }: { name: string; text: string; meta: Meta & { token: string } },
): Protocol<void> {
  const { token } = meta
  if (meta['to'] === 'FAIL') {
    yield* createObject(layout, 'FAIL', { name, text, meta: { token } })
    // A helper may have been faster, and the item requeued since: then this object is a ghost. Finishing that move again gets rid of it.
    // To delete it at once would lose the item, should the one who requeued it have died before he had used it.
    const left = yield* head(layout.at('LEFT', name))
    if (left !== undefined) yield* finishLeft(layout, name, left)
  }
  if (meta['to'] === 'WAITING' && meta['next'] !== undefined) {
    yield* createObject(layout, 'WAITING', { name: meta['next'], text, meta: { token } })
    yield* noteAttempt(layout, name)
  }
  yield* drop(layout.at('WAITING', name), layout.at('PROCESSING', name))
}

/**
 * What a helper needs to finish the move, the weightiest first: what has no room is left out, the reason is cut. A `retryState` of the greatest size
 * has room beside the longest name.
 */
function endMeta({ end, token, next }: EndWanted): Meta & { token: string } {
  const { retryState, unsent, exitCode, failureClass, jobUid, reason } = end
  const isBack = end.to === 'WAITING'
  const meta: Record<string, string> & { token: string } = {
    token,
    to: end.to,
    at: String(end.at),
    ...has({ next }),
  }
  const optional = {
    retry: isBack && retryState !== undefined ? packText(JSON.stringify(retryState), Infinity) : undefined,
    unsent: unsent === true ? '1' : undefined,
    exit: exitCode?.toString(),
    class: packText(failureClass),
    job: packText(jobUid, Infinity),
  }
  if (end.to === 'SUCCESS') return meta
  for (const [name, value] of Object.entries(optional)) {
    if (value !== undefined && metaBytes(meta) + name.length + value.length <= MAX_META_BYTES)
      meta[name] = value
  }
  // Four bytes in the metadata for each that a character may be three of.
  const roomChars = Math.floor((MAX_META_BYTES - metaBytes(meta) - 'reason'.length) / 4)
  const cut = packText(reason, Math.min(200, Math.max(0, roomChars)))
  return { ...meta, ...has({ reason: cut }) }
}

function endOf(meta: Meta, attemptKey: AttemptKey): AttemptEnd {
  const { to, at, next, unsent, exit } = meta
  const nextKey = next === undefined ? undefined : parseAttemptKey(next)
  const keepsPlace = nextKey?.availableAt === attemptKey.availableAt && nextKey.turn === attemptKey.turn
  return {
    to: to === 'WAITING' ? 'WAITING' : 'FAIL',
    at: Number(at ?? 0),
    ...has({
      reason: unpackText(meta['reason']),
      failureClass: unpackText(meta['class']),
      jobUid: unpackText(meta['job']),
      exitCode: exit === undefined ? undefined : Number(exit),
      unsent: unsent === '1' ? true : undefined,
      notBeforeAt: keepsPlace ? undefined : nextKey?.availableAt,
      retryState: parsed(unpackText(meta['retry'])),
    }),
  }
}

function parsed(text: string | undefined): JsonValue | undefined {
  if (text === undefined) return undefined
  const value: JsonValue = JSON.parse(text)
  return value
}
