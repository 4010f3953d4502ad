import type { CheckedChange } from '../../checks/call-input.js'
import type { CheckedMove } from '../../checks/checked-move.js'
import type { CheckedItem } from '../../checks/input.js'
import { judgeMove } from '../../checks/judge-move.js'
import {
  MAX_HISTORY,
  type AttemptRecord,
  type ItemRecord,
  type ItemSummary,
  type QueueItem,
} from '../../items/item.js'
import { lastOutcome } from '../../items/queue.js'
import { isSameJson, type JsonValue } from '../../json/json.js'
import type { MoveRefusal, PutOrder, PutRefusal, RequeueOrder } from '../queue/queue-backend.js'

/**
 * Where an item stands after a change, among those of its stage and priority. `new`: behind all that stand
 * there, and not before its `notBeforeAt` · `same`: where it stood · `returned`: where it stood before its
 * claim.
 */
export type RecordPlace = 'new' | 'same' | 'returned'

/**
 * What a move makes of an item's record: another one, a refusal, or neither where the move was done before.
 */
export type RecordChange<Refusal> =
  | { readonly record: ItemRecord; readonly place: RecordPlace; readonly refusal?: undefined }
  | { readonly record?: undefined; readonly place?: undefined; readonly refusal: Refusal }
  | { readonly record?: undefined; readonly place?: undefined; readonly refusal?: undefined }

/** A `put` of an item, where `known` is the one of its id that is there. */
export function putRecord(
  known: ItemRecord | undefined,
  item: CheckedItem,
  { compare, stage, uid, now }: PutOrder & { readonly uid: string; readonly now: number },
): RecordChange<PutRefusal> {
  const { id, priority, bodyText, delayMs, resources, limitKey } = item
  const body: JsonValue = JSON.parse(bodyText)
  if (known !== undefined) {
    const compared = isSameJson(known.body, body) ? 'exists-same' : 'exists-changed'
    return { refusal: { reason: compare ? compared : 'exists', stage: known.stage } }
  }
  const notBeforeAt = delayMs === undefined ? item.notBeforeAt : now + delayMs
  const finishedAt = stage === 'SUCCESS' ? now : undefined
  const facts = { id, uid, stage, attempt: 0, uncounted: 0, priority, body, putAt: now, history: [] }
  return { record: { ...facts, ...present({ notBeforeAt, finishedAt, resources, limitKey }) }, place: 'new' }
}

/** One change of an `update`. */
export function updateRecord(
  record: ItemRecord | undefined,
  change: CheckedChange,
  now: number,
): RecordChange<'not-found' | 'wrong-stage' | 'not-current'> {
  if (record === undefined) return { refusal: 'not-found' }
  if (change.uid !== undefined && change.uid !== record.uid) return { refusal: 'not-current' }
  if (record.stage !== 'WAITING') return { refusal: 'wrong-stage' }
  const body = parsed(change.bodyText)
  const notBeforeAt = change.notBeforeAt === undefined ? undefined : Math.max(change.notBeforeAt, now)
  const { resources = record.resources, limitKey = record.limitKey, priority } = change
  const { resources: _, limitKey: _key, ...kept } = record
  const changes = present({
    body,
    priority,
    notBeforeAt,
    resources: resources ?? undefined,
    limitKey: limitKey ?? undefined,
  })
  return { record: { ...kept, ...changes }, place: notBeforeAt === undefined ? 'same' : 'new' }
}

/** WAITING → PROCESSING. */
export function claimRecord(record: ItemRecord, claimedAt: number): ItemRecord {
  const attempt = record.attempt + 1
  const history = [...record.history, { attempt, claimedAt }].slice(-MAX_HISTORY)
  return { ...record, stage: 'PROCESSING', attempt, claimedAt, history }
}

/** PROCESSING → SUCCESS, FAIL or WAITING, as {@link judgeMove} says. */
export function settleRecord(
  record: ItemRecord | undefined,
  move: CheckedMove,
  now: number,
): RecordChange<MoveRefusal> {
  if (record === undefined) return { refusal: { reason: 'not-found' } }
  const { stage, attempt, uid, history } = record
  const verdict = judgeMove({ stage, attempt, uid, lastOutcome: lastOutcome(history) }, move)
  if (verdict === 'repeat') return {}
  if (verdict !== 'move') return { refusal: { reason: verdict, item: { stage, attempt, uid } } }
  const { failureClass: _, exitCode: _exit, jobUid: _job, ...kept } = record
  const moved = {
    ...kept,
    ...endOf(move),
    stage: move.to,
    history: [...history.slice(0, -1), ended(record, move, now)],
  }
  return move.to === 'WAITING' ? released(moved, move, now) : finished(moved, move, now)
}

function released(record: ItemRecord, move: CheckedMove, now: number): RecordChange<never> {
  const { reason: _, retryState: _state, ...kept } = record
  const back = present({ reason: move.reason, retryState: parsed(move.retryStateText) })
  const waiting = { ...kept, ...back, uncounted: record.uncounted + (move.uncounted ? 1 : 0) }
  if (move.keepPlace) return { record: waiting, place: 'returned' }
  return { record: { ...waiting, notBeforeAt: now + move.delayMs }, place: 'new' }
}

/** In SUCCESS the reason stays: it is that of an earlier attempt. */
function finished(record: ItemRecord, move: CheckedMove, now: number): RecordChange<never> {
  const { details: _, reason, ...kept } = record
  const result = parsed(move.resultText)
  const end = move.to === 'SUCCESS' ? { reason, result } : { reason: move.reason }
  const details = parsed(move.detailsText)
  return { record: { ...kept, finishedAt: now, ...present({ details, ...end }) }, place: 'new' }
}

function ended(record: ItemRecord, move: CheckedMove, endedAt: number): AttemptRecord {
  const { attempt, claimedAt = endedAt } = record.history.at(-1) ?? record
  const { to, reason } = move
  const details = parsed(move.detailsText)
  const unsent = to === 'WAITING' && move.unsent ? true : undefined
  return { attempt, claimedAt, endedAt, outcome: to, ...present({ reason, details, unsent }), ...endOf(move) }
}

/** How the job ended, of an item and of its attempt. */
function endOf({ to, failureClass, exitCode, jobUid }: CheckedMove) {
  return present({ failureClass: to === 'SUCCESS' ? undefined : failureClass, exitCode, jobUid })
}

/** FAIL → WAITING. */
export function requeueRecord(
  record: ItemRecord | undefined,
  { delayMs, priority, reason }: RequeueOrder,
  now: number,
): RecordChange<'not-found' | 'wrong-stage'> {
  if (record?.stage !== 'FAIL') return { refusal: record === undefined ? 'not-found' : 'wrong-stage' }
  const { finishedAt: _, reason: _reason, retryState: _state, ...kept } = record
  const { failureClass: _class, exitCode: _exit, jobUid: _job, ...rest } = kept
  const waiting = { stage: 'WAITING', uncounted: record.attempt, notBeforeAt: now + delayMs } as const
  return { record: { ...rest, ...waiting, ...present({ priority, reason }) }, place: 'new' }
}

/** The view of `listSummaries`. */
export function summaryOf(record: ItemRecord): ItemSummary {
  const { id, uid, stage, attempt, uncounted, priority, retryState, resources, limitKey } = record
  const seldom = present({ retryState, resources, limitKey })
  return { id, uid, stage, attempt, uncounted, priority, ...seldom }
}

/** The view of `peek`, and of `get` for a record that was just claimed. */
export function queueItemOf(record: ItemRecord): QueueItem {
  const { body, putAt, claimedAt, stage } = record
  return {
    ...summaryOf(record),
    body,
    putAt,
    ...present({ claimedAt: stage === 'PROCESSING' ? claimedAt : undefined }),
  }
}

function parsed(text: string | undefined): JsonValue | undefined {
  return text === undefined ? undefined : JSON.parse(text)
}

type Present<T> = { [K in keyof T]?: Exclude<T[K], undefined> }

/** The fields that have a value: in a record a field is absent, never `undefined`. */
function present<T extends object>(fields: T): Present<T>
function present(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}
