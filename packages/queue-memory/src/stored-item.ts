import {
  MAX_HISTORY,
  type AttemptRecord,
  type ItemRecord,
  type ItemSummary,
  type JsonValue,
  type QueueItem,
  type Resources,
  type Stage,
} from '@sluice/core'
import { cloneJson, type CheckedMove, type CopiedItem } from '@sluice/core/backend'

/** The stay of an item that isn't in any stage. */
export const NOWHERE = 0

/**
 * An item as the store keeps it. No object is shared with callers: bodies are copied on their way in and out,
 * and what seldom comes along is kept as JSON text.
 */
export interface StoredItem {
  readonly id: string
  readonly uid: string
  body: JsonValue
  readonly putAt: number
  stage: Stage
  /**
   * The number of its stay in this stage: it grows with every move of any item of the queue, which is the
   * order of entering. A list that still holds the item under an older number can tell by it, and nothing has
   * to be searched for when an item leaves.
   */
  stay: number
  attempt: number
  uncounted: number
  priority: number
  /** Where it stands, or stood last, among the WAITING items of its priority that may be given out. */
  place: number
  /** It is WAITING at the place that it had before its claim. */
  isReturned: boolean
  retryStateText: string | undefined
  /** Frozen: shared with callers. */
  resources: Resources | undefined
  limitKey: string | undefined
  notBeforeAt: number | undefined
  claimedAt: number | undefined
  finishedAt: number | undefined
  reason: string | undefined
  resultText: string | undefined
  detailsText: string | undefined
  /**
   * How the latest attempt ended, which began at `claimedAt`. It is not an object of its own until the next
   * one begins: most items have one attempt, and what a claim would allocate for it is half of what a claim
   * costs.
   */
  endedAt: number | undefined
  outcome: AttemptRecord['outcome']
  attemptReason: string | undefined
  attemptDetailsText: string | undefined
  /** What else is known of how it ended; most ends have none of it. */
  ending: AttemptEnding | undefined
  /** Whether the item's record says how its latest attempt that is over ended: not after a `requeue`. */
  hasEnding: boolean
  /** The attempts before it. */
  earlier: readonly StoredAttempt[]
}

export type AttemptEnding = Pick<AttemptRecord, 'failureClass' | 'exitCode' | 'jobUid' | 'unsent'>

export interface StoredAttempt {
  readonly attempt: number
  readonly claimedAt: number
  readonly endedAt: number | undefined
  readonly outcome: AttemptRecord['outcome']
  readonly reason: string | undefined
  readonly detailsText: string | undefined
  readonly ending: AttemptEnding | undefined
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
    uncounted: 0,
    priority: copied.priority,
    place: 0,
    isReturned: false,
    retryStateText: undefined,
    resources: copied.resources,
    limitKey: copied.limitKey,
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
    ending: undefined,
    hasEnding: false,
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
  item.ending = undefined
}

/** Ends the running attempt as the move says. */
export function endAttempt(item: StoredItem, move: CheckedMove, endedAt: number): void {
  item.endedAt = endedAt
  item.outcome = move.to
  item.attemptReason = move.reason
  item.attemptDetailsText = move.detailsText
  item.ending = endingOf(move)
  item.hasEnding = item.ending !== undefined
}

/** What a move says of the job that an item has no field of its own for; mostly nothing. */
function endingOf({ to, failureClass, exitCode, jobUid, unsent }: CheckedMove): AttemptEnding | undefined {
  const isUnsent = to === 'WAITING' && unsent
  if (failureClass === undefined && exitCode === undefined && jobUid === undefined && !isUnsent)
    return undefined
  return present({
    failureClass: to === 'SUCCESS' ? undefined : failureClass,
    exitCode,
    jobUid,
    unsent: isUnsent ? true : undefined,
  })
}

/** The latest attempt of an item that was claimed at least once. */
function latestOf(item: StoredItem): StoredAttempt {
  const { attempt, claimedAt = 0, endedAt, outcome } = item
  const { attemptReason: reason, attemptDetailsText: detailsText } = item
  return { attempt, claimedAt, endedAt, outcome, reason, detailsText, ending: item.ending }
}

/** The cheap view. */
export function summaryOf(item: StoredItem): ItemSummary {
  const { id, uid, stage, attempt, uncounted, priority } = item
  const head = { id, uid, stage, attempt, uncounted, priority }
  const seldom = seldomOf(item)
  return seldom === NOTHING ? head : { ...head, ...seldom }
}

const NOTHING = {}

/** What most items don't have. */
function seldomOf({
  retryStateText,
  resources,
  limitKey,
}: StoredItem): Pick<ItemSummary, 'retryState' | 'resources' | 'limitKey'> {
  if (retryStateText === undefined && resources === undefined && limitKey === undefined) return NOTHING
  return present({ retryState: parsedOptional(retryStateText), resources, limitKey })
}

/** The view of `peek`. */
export function peekedItemOf(item: StoredItem): QueueItem {
  return { ...summaryOf(item), body: cloneJson(item.body), putAt: item.putAt }
}

/** The view of `get`. */
export function claimedItemOf(item: StoredItem, claimedAt: number): QueueItem {
  const { id, uid, stage, attempt, uncounted, priority, putAt } = item
  const body = cloneJson(item.body)
  const seldom = seldomOf(item)
  const claimed = { id, uid, stage, attempt, uncounted, priority, body, putAt, claimedAt }
  return seldom === NOTHING ? claimed : { ...claimed, ...seldom }
}

/** The whole view; every value in it is the caller's own. */
export function recordOf(item: StoredItem): ItemRecord {
  const { notBeforeAt, claimedAt, finishedAt, reason, resultText, detailsText } = item
  return {
    ...summaryOf(item),
    body: cloneJson(item.body),
    putAt: item.putAt,
    ...present({ notBeforeAt, claimedAt, finishedAt, reason }),
    ...present({ result: parsedOptional(resultText), details: parsedOptional(detailsText) }),
    ...endingOfItem(item),
    history: historyOf(item).map(attemptOf),
  }
}

/** How the latest attempt that is over ended: while one runs, that is the one before it. */
function endingOfItem({ hasEnding, outcome, ending, earlier }: StoredItem): Omit<AttemptEnding, 'unsent'> {
  if (!hasEnding) return {}
  const { unsent: _, ...rest } = (outcome === undefined ? earlier.at(-1)?.ending : ending) ?? {}
  return rest
}

function historyOf(item: StoredItem): readonly StoredAttempt[] {
  return item.attempt === 0 ? NO_ATTEMPTS : [...item.earlier, latestOf(item)]
}

function attemptOf(stored: StoredAttempt): AttemptRecord {
  const { attempt, claimedAt, endedAt, outcome, reason, detailsText, ending } = stored
  return {
    attempt,
    claimedAt,
    ...present({ endedAt, outcome, reason, details: parsedOptional(detailsText) }),
    ...ending,
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
