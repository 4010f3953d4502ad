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
import { finishUpdate } from './updating/finish-update.js'

/** An attempt in PROCESSING, and the content of its object. */
export interface RunningAttempt {
  readonly name: string
  readonly attemptKey: AttemptKey
  readonly id: string
  readonly state: ItemState
}

/** What ends an attempt, and how. */
export interface EndWanted {
  readonly end: AttemptEnd
  /** Unique. */
  readonly token: string
  /** The name of the next attempt; WAITING only. */
  readonly next?: string
}

/**
 * PROCESSING → SUCCESS, FAIL or WAITING. Creating the end object, under SUCCESS, decides the move whatever
 * its target: with the item's state for a success, else empty with the target in its metadata. So exactly one
 * of a success, a fail and a release of one attempt wins. Crash points:
 *
 * - before that object: nothing happened;
 * - after it: the move is decided, and any process finishes it (`finishEnd`). Deleting the object under
 *   PROCESSING is the last step, so that object marks an unfinished move.
 *
 * @returns `ended`, or the end object that was there before
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
 * Finishes an end that another process decided and may not have survived. What the decision's metadata have
 * no room for, and the details of a fail, are lost then: the caller got no acknowledgement, and its retry
 * finds the move made.
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
  // It is deleted last.
  if (claim === undefined || attemptKey === undefined) return
  const { id, state } = parseState(claim.content) ?? { id: '', state: { history: [] } }
  const text = stateText(id, attemptKey, endedState(state, endOf(end.meta, attemptKey)))
  yield* retire(layout, { name, text, meta: { ...end.meta, token: end.meta['token'] ?? name } })
}

/** Creates the object that the decision calls for, then deletes the attempt's other objects. */
function* retire(
  layout: Layout,
  { name, text, meta }: { name: string; text: string; meta: Meta & { token: string } },
): Protocol<void> {
  const { token } = meta
  if (meta['to'] === 'FAIL') {
    yield* createObject(layout, 'FAIL', { name, text, meta: { token } })
    // Another process may have finished this move, and the item may have been requeued since: then this
    // object is obsolete, and finishing the requeue again deletes it. Deleting it here would lose the item if
    // the requeue has not read it yet.
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
 * What another process needs to finish the move, by importance: fields without room are left out, the reason
 * is cut. A `retryState` of the maximum size fits beside the longest name.
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
  // One character is up to three bytes of UTF-8, which are four in base64url.
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
