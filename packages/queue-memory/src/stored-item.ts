import {
  MAX_HISTORY,
  type AttemptRecord,
  type CheckedItem,
  type ItemHead,
  type ItemRecord,
  type JsonValue,
  type QueueItem,
  type Stage,
} from '@sluice/core'

/**
 * One stay of an item in one stage. Each move makes a new one, so that every list and heap that still holds the old one can tell
 * by `isLive` that it is out of date, and nothing has to be searched for when an item leaves.
 */
export interface Place {
  readonly item: StoredItem
  /** Grows with every move of any item of the queue: the order of entering. */
  readonly seq: number
  /** Epoch ms from which a WAITING item may be given out. */
  readonly availableAt: number
}

/** An item as the store keeps it. What callers handed in is kept as JSON text, so that no object is shared with them. */
export interface StoredItem {
  readonly id: string
  readonly uid: string
  readonly bodyText: string
  readonly putAt: number
  place: Place | undefined
  stage: Stage
  attempt: number
  refunds: number
  priority: number
  notBeforeAt: number | undefined
  claimedAt: number | undefined
  finishedAt: number | undefined
  reason: string | undefined
  resultText: string | undefined
  detailsText: string | undefined
  readonly history: StoredAttempt[]
}

export interface StoredAttempt {
  readonly attempt: number
  readonly claimedAt: number
  endedAt: number | undefined
  outcome: AttemptRecord['outcome']
  reason: string | undefined
  detailsText: string | undefined
}

/** A new item, not yet in any place. */
export function storedItem(checked: CheckedItem, uid: string, putAt: number): StoredItem {
  return {
    id: checked.id,
    uid,
    bodyText: checked.bodyText,
    putAt,
    place: undefined,
    stage: 'WAITING',
    attempt: 0,
    refunds: 0,
    priority: checked.priority,
    notBeforeAt: checked.delayMs === undefined ? checked.notBeforeAt : putAt + checked.delayMs,
    claimedAt: undefined,
    finishedAt: undefined,
    reason: undefined,
    resultText: undefined,
    detailsText: undefined,
    history: [],
  }
}

/** Whether the item is still where this place says. */
export function isLive(place: Place): boolean {
  return place.item.place === place
}

/** Begins the next attempt; the history keeps the newest {@link MAX_HISTORY}. */
export function startAttempt(item: StoredItem, claimedAt: number): void {
  item.attempt += 1
  item.claimedAt = claimedAt
  item.history.push({
    attempt: item.attempt,
    claimedAt,
    endedAt: undefined,
    outcome: undefined,
    reason: undefined,
    detailsText: undefined,
  })
  if (item.history.length > MAX_HISTORY) item.history.shift()
}

/** The cheap view. */
export function headOf(item: StoredItem): ItemHead {
  const { id, uid, stage, attempt, refunds, priority } = item
  return { id, uid, stage, attempt, refunds, priority }
}

/** The view of `peek`, and with the instant of the claim that of `get`. */
export function queueItemOf(item: StoredItem, claimedAt?: number): QueueItem {
  return { ...headOf(item), body: parsed(item.bodyText), putAt: item.putAt, ...present({ claimedAt }) }
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
