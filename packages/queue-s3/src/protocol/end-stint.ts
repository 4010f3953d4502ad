import { endedState, type AttemptEnd, type ItemState } from '../item-state.js'
import type { Layout } from '../layout.js'
import { packText, parseState, stateText, unpackText } from '../object-texts.js'
import { parseStint, type Stint } from '../stint-name.js'
import { createOnce, drop, look, read, type Meta, type Protocol, type StoredObject } from '../storage-op.js'
import { finishLeft } from './finish-leave.js'

/** A stint in PROCESSING, and what its object says. */
export interface RunningStint {
  readonly name: string
  readonly stint: Stint
  readonly id: string
  readonly state: ItemState
}

/** What is new about the end of an attempt. */
export interface EndWanted {
  readonly end: AttemptEnd
  /** Unique. */
  readonly token: string
  /** The name of the next stint; WAITING only. */
  readonly next?: string
}

/**
 * PROCESSING → SUCCESS, FAIL or WAITING. Creating the stint's object under SUCCESS decides it, whichever way it goes: with the item's
 * record for a success, else empty and with the target in its metadata. So of a success, a fail and a release of one attempt exactly
 * one can win. Crash points:
 *
 * - before that object: nothing happened;
 * - after it: the move is decided, and whoever comes by finishes it (`finishEnd`), up to deleting the object under PROCESSING, the last
 *   step, which is therefore the sign of a move half done.
 *
 * @returns `ended`, or the end that was there before
 */
export function* endStint(
  layout: Layout,
  running: RunningStint,
  wanted: EndWanted,
): Protocol<'ended' | { readonly other: StoredObject | undefined }> {
  const { name, stint, id, state } = running
  const ended = endedState(state, wanted.end)
  const text = stateText(id, stint, ended)
  const meta = endMeta(wanted)
  const won = yield* createOnce(layout.at('SUCCESS', name), wanted.end.to === 'SUCCESS' ? text : '', meta)
  if (won !== 'created') return won
  yield* retire(layout, { name, text, meta })
  return 'ended'
}

/**
 * Finishes the end of a stint that somebody else decided and perhaps didn't live to finish. What a helper can't know, the details of a
 * fail, is lost then: the caller was never told that it was done, and its retry finds the move made.
 */
export function* finishEnd(layout: Layout, name: string, end: StoredObject): Protocol<void> {
  if (end.sizeBytes > 0) {
    yield* drop(layout.at('WAITING', name), layout.at('PROCESSING', name))
    return
  }
  const claim = yield* read(layout.at('PROCESSING', name))
  const stint = parseStint(name)
  // It is deleted after all else is done.
  if (claim === undefined || stint === undefined) return
  const { id, state } = parseState(claim.content) ?? { id: '', state: { history: [] } }
  const text = stateText(id, stint, endedState(state, endOf(end.meta)))
  yield* retire(layout, { name, text, meta: { ...end.meta, token: end.meta['token'] ?? name } })
}

/** The object that the decision calls for, then the deletion of what the stint leaves behind. */
function* retire(
  layout: Layout,
  { name, text, meta }: { name: string; text: string; meta: Meta & { token: string } },
): Protocol<void> {
  const { token } = meta
  if (meta['to'] === 'FAIL') {
    yield* createOnce(layout.at('FAIL', name), text, { token })
    // A helper may have been faster, and the item requeued since: then this object is a ghost. Finishing that move again gets rid of it.
    // To delete it at once would lose the item, should the one who requeued it have died before he had used it.
    const left = yield* look(layout.at('LEFT', name))
    if (left !== undefined) yield* finishLeft(layout, name, left)
  }
  if (meta['to'] === 'WAITING' && meta['next'] !== undefined) {
    yield* createOnce(layout.at('WAITING', meta['next']), text, { token })
  }
  yield* drop(layout.at('WAITING', name), layout.at('PROCESSING', name))
}

function endMeta({ end, token, next }: EndWanted): Meta & { token: string } {
  const reason = end.to === 'SUCCESS' ? undefined : packText(end.reason)
  return {
    token,
    to: end.to,
    at: String(end.at),
    ...(next === undefined ? {} : { next }),
    ...(reason === undefined ? {} : { reason }),
  }
}

function endOf(meta: Meta): AttemptEnd {
  const { to, at, next, reason } = meta
  const notBeforeAt = next === undefined ? undefined : parseStint(next)?.availableAt
  const text = unpackText(reason)
  return {
    to: to === 'WAITING' ? 'WAITING' : 'FAIL',
    at: Number(at ?? 0),
    ...(text === undefined ? {} : { reason: text }),
    ...(notBeforeAt === undefined ? {} : { notBeforeAt }),
  }
}
