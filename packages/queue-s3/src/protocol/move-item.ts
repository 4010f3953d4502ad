import type { AttemptRef } from '@sluice/core'
import { judgeMove } from '@sluice/core/backend'
import type { Layout } from '../format/layout.js'
import { attemptIn, has, type AttemptEnd } from '../format/item-state.js'
import type { AttemptKey } from '../format/attempt-key.js'
import type { NextAttempt } from '../format/attempt-naming.js'
import { again, head, type Protocol } from '../store/storage-op.js'
import { endAttempt, finishEnd, type RunningAttempt } from './end-attempt.js'
import { findPlace, readRunning } from './find-item.js'
import { removeAttempt, requeueAttempt, type RequeueWanted } from './leave-stage.js'
import type { Place } from './trace.js'

/** A `success`, `fail` or `release`, with all values that the protocol must not create itself. */
export interface SettleWanted extends AttemptRef {
  readonly end: Omit<AttemptEnd, 'notBeforeAt'>
  readonly token: string
  /** The next attempt; WAITING only. */
  readonly nextOf: (attemptKey: AttemptKey) => NextAttempt
}

export type SettleVerdict =
  | {
      readonly is: 'moved'
      /** The name of the attempt that it led to. */
      readonly next?: string
    }
  | { readonly is: 'repeat' }
  | { readonly is: 'refused'; readonly reason: 'wrong-stage' | 'not-current'; readonly place: Place }
  | { readonly is: 'not-found' }

/** Where an item was last seen in PROCESSING. */
export type Seen = Pick<RunningAttempt, 'name' | 'attemptKey'> & { readonly running?: RunningAttempt }

/**
 * Moves an item out of PROCESSING, if `judgeMove` permits it [Q-MOVE-1, Q-MOVE-2]. Where it was last seen is
 * tried first: if it has moved since, creating its end object fails, and a search follows.
 */
export function* settleItem(
  layout: Layout,
  key: string,
  wanted: SettleWanted,
  seen?: Seen,
): Protocol<SettleVerdict> {
  if (seen !== undefined && isMeant(seen.attemptKey, wanted)) {
    const running = seen.running ?? (yield* readRunning(layout, seen))
    const moved = running && (yield* end(layout, running, wanted))
    if (moved !== undefined) return moved
  }
  for (;;) {
    const place = yield* findPlace(layout, key)
    if (place === undefined) return { is: 'not-found' }
    const verdict = judgeMove(asMoved(place), { ...wanted, to: wanted.end.to })
    if (verdict === 'repeat') {
      yield* finishRepeated(layout, place)
      return { is: 'repeat' }
    }
    if (verdict !== 'move') return { is: 'refused', reason: verdict, place }
    const running = yield* readRunning(layout, place)
    const moved = running && (yield* end(layout, running, wanted))
    if (moved !== undefined) return moved
    yield* again(layout.at('PROCESSING', place.name))
  }
}

/** `undefined`: it has another end. */
function* end(
  layout: Layout,
  running: RunningAttempt,
  wanted: SettleWanted,
): Protocol<(SettleVerdict & { is: 'moved' }) | undefined> {
  const next = wanted.end.to === 'WAITING' ? wanted.nextOf(running.attemptKey) : undefined
  const ended = yield* endAttempt(layout, running, {
    end: { ...wanted.end, ...has({ notBeforeAt: next?.notBeforeAt }) },
    token: wanted.token,
    ...has({ next: next?.name }),
  })
  return ended === 'ended' ? { is: 'moved', ...has({ next: next?.name }) } : undefined
}

/** The first call may have been cut off after its decision. */
function* finishRepeated(layout: Layout, place: Place): Protocol<void> {
  const name = place.at === 'WAITING' ? place.previous : place.name
  const found = name === undefined ? undefined : yield* head(layout.at('SUCCESS', name))
  if (name !== undefined && found !== undefined) yield* finishEnd(layout, name, found)
}

/** The outcome of a requeue or a removal. */
export type LeaveVerdict = 'done' | 'not-found' | 'wrong-stage'

/** FAIL → WAITING. */
export function* requeueItem(
  layout: Layout,
  key: string,
  wantedOf: (attemptKey: AttemptKey) => RequeueWanted,
): Protocol<LeaveVerdict> {
  for (;;) {
    const place = yield* findPlace(layout, key)
    if (place === undefined) return 'not-found'
    if (place.at !== 'FAIL') return 'wrong-stage'
    if ((yield* requeueAttempt(layout, place.name, wantedOf(place.attemptKey))) === 'left') return 'done'
    yield* again(layout.at('FAIL', place.name))
  }
}

/** Out of the queue, from the given stages. */
export function* removeItem(
  layout: Layout,
  key: string,
  { stages, token }: { stages: readonly string[]; token: string },
): Protocol<LeaveVerdict> {
  for (;;) {
    const place = yield* findPlace(layout, key)
    if (place === undefined) return 'not-found'
    if (place.at === 'PROCESSING' || !stages.includes(place.at)) return 'wrong-stage'
    if ((yield* removeAttempt(layout, place, token)) === 'left') return 'done'
    yield* again(layout.at(place.at === 'GONE' ? 'LEFT' : place.at, place.name))
  }
}

function asMoved(place: Place): Parameters<typeof judgeMove>[0] {
  const stage = place.at === 'GONE' ? 'WAITING' : place.at
  const lastOutcome = stage === 'WAITING' ? place.after : stage
  return {
    stage,
    attempt: attemptIn(stage, place.attemptKey.attempt),
    uid: place.attemptKey.uid,
    ...(lastOutcome === undefined || lastOutcome === 'PROCESSING' ? {} : { lastOutcome }),
  }
}

function isMeant({ attempt, uid }: AttemptKey, wanted: AttemptRef): boolean {
  return (wanted.attempt ?? attempt) === attempt && (wanted.uid ?? uid) === uid
}
