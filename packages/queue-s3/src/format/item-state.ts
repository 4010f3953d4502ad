import {
  MAX_HISTORY,
  type AttemptRecord,
  type ItemSummary,
  type ItemRecord,
  type JsonValue,
  type QueueItem,
  type Resources,
  type Stage,
} from '@sluice/core'

/**
 * The content of an index object: the part of an item that never changes, except for the body: see {@link
 * ItemState}.
 */
export interface IndexEntry {
  readonly id: string
  readonly uid: string
  /** The name of the first attempt. */
  readonly first: string
  readonly priority: number
  readonly putAt: number
  readonly notBeforeAt?: number
  /** As `put` gave them; see `readSelection` for those that count. */
  readonly resources?: Resources
  readonly limitKey?: string
  readonly body: JsonValue
}

/**
 * The content of an attempt object: the part of an item that changes, without what its name says. A body set
 * by an update replaces that of the index object.
 */
export type ItemState = Partial<Pick<ItemRecord, 'body'>> &
  Pick<
    ItemRecord,
    | 'retryState'
    | 'notBeforeAt'
    | 'claimedAt'
    | 'finishedAt'
    | 'reason'
    | 'result'
    | 'details'
    | 'failureClass'
    | 'exitCode'
    | 'jobUid'
    | 'history'
  >

/** How an attempt ended. */
export interface AttemptEnd extends Pick<AttemptRecord, 'failureClass' | 'exitCode' | 'jobUid' | 'unsent'> {
  readonly to: 'SUCCESS' | 'FAIL' | 'WAITING'
  readonly at: number
  readonly reason?: string
  readonly result?: JsonValue
  readonly details?: JsonValue
  /** WAITING only. Absent: it keeps its place. */
  readonly notBeforeAt?: number
  /** WAITING only. Absent: the previous one is removed. */
  readonly retryState?: JsonValue
}

export function firstState({ notBeforeAt }: Pick<IndexEntry, 'notBeforeAt'>): ItemState {
  return { ...(notBeforeAt === undefined ? {} : { notBeforeAt }), history: [] }
}

/** Of an item put into SUCCESS: finished when it was put, in no attempt [Q-PUT-5]. */
export function putDoneState({ putAt }: Pick<IndexEntry, 'putAt'>): ItemState {
  return { finishedAt: putAt, history: [] }
}

/** Begins an attempt; the history keeps the newest {@link MAX_HISTORY}. */
export function claimedState(state: ItemState, attempt: number, at: number): ItemState {
  const claimedAt = Math.max(at, state.history.at(-1)?.endedAt ?? 0)
  const history = [...withoutOldDetails(state.history), { attempt, claimedAt }].slice(-MAX_HISTORY)
  return { ...state, claimedAt, history }
}

/**
 * The maximum size of the details of all attempts but the latest, in characters of JSON: every move writes
 * the history again. What exceeds it is left out, the oldest first.
 */
export const MAX_OLD_DETAILS_CHARS = 65_536

function withoutOldDetails(history: readonly AttemptRecord[]): AttemptRecord[] {
  let chars = 0
  return history
    .toReversed()
    .map((entry, age) => {
      const { details, ...rest } = entry
      if (age === 0 || details === undefined) return entry
      chars += JSON.stringify(details).length
      return chars <= MAX_OLD_DETAILS_CHARS ? entry : rest
    })
    .toReversed()
}

/** Ends the running attempt. */
export function endedState(state: ItemState, end: AttemptEnd): ItemState {
  const { to, result, details, reason } = end
  const { failureClass, exitCode, jobUid, unsent } = end
  const at = Math.max(end.at, state.claimedAt ?? 0)
  const last = state.history.at(-1)
  const outcome = has({ failureClass, exitCode, jobUid })
  const ended = { endedAt: at, outcome: to, ...has({ reason, details }), ...outcome, ...has({ unsent }) }
  const history = withoutOldDetails(last ? [...state.history.slice(0, -1), { ...last, ...ended }] : [])
  const before = withoutOutcome(state)
  if (to === 'SUCCESS') {
    const { details: _, ...kept } = before
    return { ...kept, finishedAt: at, ...has({ result, details }), ...outcome, history }
  }
  const { reason: _, ...kept } = before
  if (to === 'WAITING') {
    const { retryState: __, ...rest } = kept
    const { notBeforeAt, retryState } = end
    return { ...rest, ...has({ reason, notBeforeAt, retryState }), ...outcome, history }
  }
  const { details: __, ...rest } = kept
  return { ...rest, finishedAt: at, ...has({ reason, details }), ...outcome, history }
}

/**
 * Drops what was reported of the job of the latest ended attempt: it is obsolete once another attempt ends,
 * or the item is requeued.
 */
function withoutOutcome(state: ItemState): ItemState {
  const { failureClass: _, exitCode: __, jobUid: ___, ...kept } = state
  return kept
}

/** From FAIL back to WAITING, by an operator. */
export function requeuedState(state: ItemState, reason: string | undefined, notBeforeAt: number): ItemState {
  const { finishedAt: _, reason: __, retryState: ___, ...kept } = withoutOutcome(state)
  return { ...kept, ...has({ reason }), notBeforeAt }
}

/** After an `update`: with its body, and the instant that it has moved the item to. */
export function changedState(
  state: ItemState,
  { body, notBeforeAt }: Partial<Pick<ItemRecord, 'body' | 'notBeforeAt'>>,
): ItemState {
  return { ...state, ...has({ body, notBeforeAt }) }
}

/** The current body. */
export function bodyOf(entry: Pick<IndexEntry, 'body'>, { body = entry.body }: ItemState): JsonValue {
  return body
}

/** The whole record. */
export function recordOf(summary: ItemSummary, entry: IndexEntry, state: ItemState): ItemRecord {
  return { ...summary, body: entry.body, putAt: entry.putAt, ...state }
}

/** As `peek` returns it. */
export function waitingItemOf(summary: ItemSummary, entry: IndexEntry, state: ItemState): QueueItem {
  return { ...summary, body: bodyOf(entry, state), putAt: entry.putAt }
}

/** As `get` returns it. */
export function claimedItemOf(summary: ItemSummary, entry: IndexEntry, state: ItemState): QueueItem {
  return { ...waitingItemOf(summary, entry, state), ...has({ claimedAt: state.claimedAt }) }
}

/** The attempt as a stage counts it: the next one of a WAITING item has not begun. */
export function attemptIn(stage: Stage, attempt: number): number {
  return stage === 'WAITING' ? attempt - 1 : attempt
}

type Has<T> = { [K in keyof T]?: Exclude<T[K], undefined> }

/** The fields that have a value. */
export function has<T extends object>(fields: T): Has<T>
export function has(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}
