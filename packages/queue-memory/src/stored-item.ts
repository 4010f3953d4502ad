import {
  MAX_HISTORY,
  type AttemptRecord,
  type CheckedItem,
  type CheckedMove,
  type ItemHead,
  type ItemRecord,
  type JsonValue,
  type QueueItem,
  type Stage,
} from '@sluice/core'

/** The stay of an item that isn't in any stage. */
export const NOWHERE = 0

/** An item as the store keeps it. What callers handed in is kept as JSON text, so that no object is shared with them. */
export interface StoredItem {
  readonly id: string
  readonly uid: string
  readonly bodyText: string
  readonly putAt: number
  stage: Stage
  /**
   * The number of its stay in this stage: it grows with every move of any item of the queue, which is the order of entering. A list
   * that still holds the item under an older number can tell by it, and nothing has to be searched for when an item leaves.
   */
  stay: number
  attempt: number
  refunds: number
  priority: number
  notBeforeAt: number | undefined
  claimedAt: number | undefined
  finishedAt: number | undefined
  reason: string | undefined
  resultText: string | undefined
  detailsText: string | undefined
  history: readonly StoredAttempt[]
}

export interface StoredAttempt {
  readonly attempt: number
  readonly claimedAt: number
  endedAt: number | undefined
  outcome: AttemptRecord['outcome']
  reason: string | undefined
  detailsText: string | undefined
}

const NO_ATTEMPTS: readonly StoredAttempt[] = []

/** A new item, not yet in any stage. */
export function storedItem(checked: CheckedItem, uid: string, putAt: number): StoredItem {
  return {
    id: checked.id,
    uid,
    bodyText: checked.bodyText,
    putAt,
    stage: 'WAITING',
    stay: NOWHERE,
    attempt: 0,
    refunds: 0,
    priority: checked.priority,
    notBeforeAt: checked.delayMs === undefined ? checked.notBeforeAt : putAt + checked.delayMs,
    claimedAt: undefined,
    finishedAt: undefined,
    reason: undefined,
    resultText: undefined,
    detailsText: undefined,
    history: NO_ATTEMPTS,
  }
}

/** Begins the next attempt; the history keeps the newest {@link MAX_HISTORY}. */
export function startAttempt(item: StoredItem, claimedAt: number): void {
  item.attempt += 1
  item.claimedAt = claimedAt
  const begun: StoredAttempt = {
    attempt: item.attempt,
    claimedAt,
    endedAt: undefined,
    outcome: undefined,
    reason: undefined,
    detailsText: undefined,
  }
  // An array of just what there is: one that is pushed to keeps room for sixteen more, in every item of the queue.
  item.history = item.history.length === 0 ? [begun] : [...item.history.slice(1 - MAX_HISTORY), begun]
}

/** Ends the running attempt as the move says. */
export function endAttempt(
  item: StoredItem,
  { to, reason, detailsText }: CheckedMove,
  endedAt: number,
): void {
  const running = item.history.at(-1)
  if (running === undefined) return
  running.endedAt = endedAt
  running.outcome = to
  running.reason = reason
  running.detailsText = detailsText
}

/** How the latest attempt ended; `undefined` while it runs. */
export function lastOutcomeOf(item: StoredItem): AttemptRecord['outcome'] {
  return item.history.at(-1)?.outcome
}

/** The cheap view. */
export function headOf(item: StoredItem): ItemHead {
  const { id, uid, stage, attempt, refunds, priority } = item
  return { id, uid, stage, attempt, refunds, priority }
}

/** The view of `peek`. */
export function peekedItemOf(item: StoredItem): QueueItem {
  return { ...headOf(item), body: parsed(item.bodyText), putAt: item.putAt }
}

/** The view of `get`. */
export function claimedItemOf(item: StoredItem, claimedAt: number): QueueItem {
  const { id, uid, stage, attempt, refunds, priority, putAt } = item
  return { id, uid, stage, attempt, refunds, priority, body: parsed(item.bodyText), putAt, claimedAt }
}

/** The whole view; every value in it is the caller's own. */
export function recordOf(item: StoredItem): ItemRecord {
  const { notBeforeAt, claimedAt, finishedAt, reason, resultText, detailsText } = item
  return {
    ...headOf(item),
    body: parsed(item.bodyText),
    putAt: item.putAt,
    ...present({ notBeforeAt, claimedAt, finishedAt, reason }),
    ...present({ result: parsedOptional(resultText), details: parsedOptional(detailsText) }),
    history: item.history.map(attemptOf),
  }
}

function attemptOf(stored: StoredAttempt): AttemptRecord {
  const { attempt, claimedAt, endedAt, outcome, reason, detailsText } = stored
  return {
    attempt,
    claimedAt,
    ...present({ endedAt, outcome, reason, details: parsedOptional(detailsText) }),
  }
}

function parsed(text: string): JsonValue {
  const value: JsonValue = JSON.parse(text)
  return value
}

function parsedOptional(text: string | undefined): JsonValue | undefined {
  return text === undefined ? undefined : parsed(text)
}

type Present<T> = { [K in keyof T]?: Exclude<T[K], undefined> }

/** The fields that have a value: in a record a field is absent, never `undefined`. */
function present<T extends object>(fields: T): Present<T>
function present(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}
