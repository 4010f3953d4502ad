import {
  MAX_HISTORY,
  cloneJson,
  type AttemptRecord,
  type CopiedItem,
  type CheckedMove,
  type ItemHead,
  type ItemRecord,
  type JsonValue,
  type QueueItem,
  type Stage,
} from '@sluice/core'

/** The stay of an item that isn't in any stage. */
export const NOWHERE = 0

/**
 * An item as the store keeps it. No object is shared with callers: bodies are copied on their way in and out, and what seldom comes along
 * is kept as JSON text.
 */
export interface StoredItem {
  readonly id: string
  readonly uid: string
  readonly body: JsonValue
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
  /**
   * How the latest attempt ended, which began at `claimedAt`. It is not an object of its own until the next one begins: most items have
   * one attempt, and what a claim would allocate for it is half of what a claim costs.
   */
  endedAt: number | undefined
  outcome: AttemptRecord['outcome']
  attemptReason: string | undefined
  attemptDetailsText: string | undefined
  /** The attempts before it. */
  earlier: readonly StoredAttempt[]
}

export interface StoredAttempt {
  readonly attempt: number
  readonly claimedAt: number
  readonly endedAt: number | undefined
  readonly outcome: AttemptRecord['outcome']
  readonly reason: string | undefined
  readonly detailsText: string | undefined
}

const NO_ATTEMPTS: readonly StoredAttempt[] = []

/** A new item, not yet in any stage. */
export function storedItem(copied: CopiedItem, uid: string, putAt: number): StoredItem {
  return {
    id: copied.id,
    uid,
    body: copied.body,
    putAt,
    stage: 'WAITING',
    stay: NOWHERE,
    attempt: 0,
    refunds: 0,
    priority: copied.priority,
    notBeforeAt: copied.delayMs === undefined ? copied.notBeforeAt : putAt + copied.delayMs,
    claimedAt: undefined,
    finishedAt: undefined,
    reason: undefined,
    resultText: undefined,
    detailsText: undefined,
    endedAt: undefined,
    outcome: undefined,
    attemptReason: undefined,
    attemptDetailsText: undefined,
    earlier: NO_ATTEMPTS,
  }
}

/** Begins the next attempt; the history keeps the newest {@link MAX_HISTORY}, this one among them. */
export function startAttempt(item: StoredItem, claimedAt: number): void {
  // A new array, of just what there is: one that is pushed to keeps room for sixteen more.
  if (item.attempt > 0) item.earlier = [...item.earlier.slice(2 - MAX_HISTORY), latestOf(item)]
  item.attempt += 1
  item.claimedAt = claimedAt
  item.endedAt = undefined
  item.outcome = undefined
  item.attemptReason = undefined
  item.attemptDetailsText = undefined
}

/** Ends the running attempt as the move says. */
export function endAttempt(
  item: StoredItem,
  { to, reason, detailsText }: CheckedMove,
  endedAt: number,
): void {
  item.endedAt = endedAt
  item.outcome = to
  item.attemptReason = reason
  item.attemptDetailsText = detailsText
}

/** The latest attempt of an item that was claimed at least once. */
function latestOf(item: StoredItem): StoredAttempt {
  const { attempt, claimedAt = 0, endedAt, outcome } = item
  const { attemptReason: reason, attemptDetailsText: detailsText } = item
  return { attempt, claimedAt, endedAt, outcome, reason, detailsText }
}

/** The cheap view. */
export function headOf(item: StoredItem): ItemHead {
  const { id, uid, stage, attempt, refunds, priority } = item
  return { id, uid, stage, attempt, refunds, priority }
}

/** The view of `peek`. */
export function peekedItemOf(item: StoredItem): QueueItem {
  return { ...headOf(item), body: cloneJson(item.body), putAt: item.putAt }
}

/** The view of `get`. */
export function claimedItemOf(item: StoredItem, claimedAt: number): QueueItem {
  const { id, uid, stage, attempt, refunds, priority, putAt } = item
  return { id, uid, stage, attempt, refunds, priority, body: cloneJson(item.body), putAt, claimedAt }
}

/** The whole view; every value in it is the caller's own. */
export function recordOf(item: StoredItem): ItemRecord {
  const { notBeforeAt, claimedAt, finishedAt, reason, resultText, detailsText } = item
  return {
    ...headOf(item),
    body: cloneJson(item.body),
    putAt: item.putAt,
    ...present({ notBeforeAt, claimedAt, finishedAt, reason }),
    ...present({ result: parsedOptional(resultText), details: parsedOptional(detailsText) }),
    history: historyOf(item).map(attemptOf),
  }
}

function historyOf(item: StoredItem): readonly StoredAttempt[] {
  return item.attempt === 0 ? NO_ATTEMPTS : [...item.earlier, latestOf(item)]
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
