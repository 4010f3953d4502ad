import {
  MAX_HISTORY,
  type ItemHead,
  type ItemRecord,
  type JsonValue,
  type QueueItem,
  type Stage,
} from '@sluice/core'

/** What an index object holds: the part of an item that never changes. */
export interface IndexEntry {
  readonly id: string
  readonly uid: string
  /** The name of the first stint. */
  readonly first: string
  readonly priority: number
  readonly putAt: number
  readonly notBeforeAt?: number
  readonly body: JsonValue
}

/** What the object of a stint holds: the part that changes. Whatever can be read from its name isn't here. */
export type ItemState = Pick<
  ItemRecord,
  'notBeforeAt' | 'claimedAt' | 'finishedAt' | 'reason' | 'result' | 'details' | 'history'
>

/** How an attempt ended. */
export interface AttemptEnd {
  readonly to: 'SUCCESS' | 'FAIL' | 'WAITING'
  readonly at: number
  readonly reason?: string
  readonly result?: JsonValue
  readonly details?: JsonValue
  /** WAITING only. */
  readonly notBeforeAt?: number
}

export function firstState({ notBeforeAt }: Pick<IndexEntry, 'notBeforeAt'>): ItemState {
  return { ...(notBeforeAt === undefined ? {} : { notBeforeAt }), history: [] }
}

/** Begins an attempt; the history keeps the newest {@link MAX_HISTORY}. */
export function claimedState(state: ItemState, attempt: number, at: number): ItemState {
  const claimedAt = Math.max(at, state.history.at(-1)?.endedAt ?? 0)
  const history = [...state.history, { attempt, claimedAt }].slice(-MAX_HISTORY)
  return { ...state, claimedAt, history }
}

/** Ends the running attempt. */
export function endedState(state: ItemState, end: AttemptEnd): ItemState {
  const { to, result, details, reason } = end
  const at = Math.max(end.at, state.claimedAt ?? 0)
  const last = state.history.at(-1)
  const history = last
    ? [...state.history.slice(0, -1), { ...last, endedAt: at, outcome: to, ...has({ reason, details }) }]
    : []
  if (to === 'SUCCESS') {
    const { details: _, ...kept } = state
    return { ...kept, finishedAt: at, ...has({ result, details }), history }
  }
  const { reason: _, ...kept } = state
  if (to === 'WAITING') return { ...kept, ...has({ reason, notBeforeAt: end.notBeforeAt }), history }
  const { details: __, ...rest } = kept
  return { ...rest, finishedAt: at, ...has({ reason, details }), history }
}

/** From FAIL back to WAITING, by hand. */
export function requeuedState(state: ItemState, reason: string | undefined, notBeforeAt: number): ItemState {
  const { finishedAt: _, reason: __, ...kept } = state
  return { ...kept, ...has({ reason }), notBeforeAt }
}

/** The whole view. */
export function recordOf(head: ItemHead, entry: IndexEntry, state: ItemState): ItemRecord {
  return { ...head, body: entry.body, putAt: entry.putAt, ...state }
}

/** The view of `peek`, and with the instant of the claim that of `get`. */
export function queueItemOf(head: ItemHead, entry: IndexEntry, claimedAt?: number): QueueItem {
  return { ...head, body: entry.body, putAt: entry.putAt, ...has({ claimedAt }) }
}

/** The attempt as it is counted in a stage: a WAITING item's next one has not begun. */
export function attemptIn(stage: Stage, attempt: number): number {
  return stage === 'WAITING' ? attempt - 1 : attempt
}

type Has<T> = { [K in keyof T]?: Exclude<T[K], undefined> }

/** The fields that have a value. */
export function has<T extends object>(fields: T): Has<T>
export function has(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}
