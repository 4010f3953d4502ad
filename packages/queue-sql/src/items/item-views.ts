import {
  MAX_HISTORY,
  type AttemptRecord,
  type ItemSummary,
  type ItemRecord,
  type JsonValue,
  type QueueItem,
} from '@sluice/core'
import type { AttemptFacts, SummaryFacts, ItemFacts } from './item-reads.js'
import type { AheadRow, ClaimedRow } from './moves.js'
import { NO_ATTEMPT, STAGE_NUMBERS, stageOf } from '../schema/tables.js'

/** The view of one item; none if it was removed since its row was read. */
export function withBody<T>(
  row: ItemFacts,
  bodies: ReadonlyMap<number, string>,
  view: (row: ItemFacts, body: string) => T,
): T[] {
  const body = bodies.get(row.seq)
  return body === undefined ? [] : [view(row, body)]
}

/** The view without body, result and history. */
export function summaryOf(row: SummaryFacts): ItemSummary {
  const { id, uid, attempt, refunds, priority } = row
  return withSeldom({ id, uid, stage: stageOf(row.stage), attempt, uncounted: refunds, priority }, row)
}

/** Adds what most items don't have [Q-MOVE-6, Q-PUT-6]. */
function withSeldom<T extends ItemSummary>(
  summary: T,
  { retry_state, resources, limit_key }: Pick<SummaryFacts, 'retry_state' | 'resources' | 'limit_key'>,
): T {
  if (retry_state === null && resources === null && limit_key === null) return summary
  return {
    ...summary,
    ...(retry_state !== null && { retryState: parsed(retry_state) }),
    ...(resources !== null && { resources: parsed(resources) }),
    ...(limit_key !== null && { limitKey: limit_key }),
  }
}

/** The view of `peekSummaries`. */
export function aheadSummary(row: AheadRow): ItemSummary {
  return summaryOf({ ...row, stage: STAGE_NUMBERS.WAITING })
}

/** The view of `get`. */
export function claimedItem(row: ClaimedRow): QueueItem {
  const { id, uid, attempt, refunds, priority } = row
  const item: QueueItem = {
    id,
    uid,
    stage: 'PROCESSING',
    attempt,
    uncounted: refunds ?? 0,
    priority: priority ?? 0,
    body: parsed(row.body),
    putAt: row.put_at,
    claimedAt: row.claimed_at,
  }
  return withSeldom(item, row)
}

/** The view of `peek`. */
export function peekedItem(row: ItemFacts, body: string): QueueItem {
  return { ...summaryOf(row), body: parsed(body), putAt: row.put_at }
}

/**
 * The whole view. The attempts were read after the row: those that the row does not know yet are left out, so
 * that the record is of one instant.
 */
export function recordOf(row: ItemFacts, body: string, attempts: readonly AttemptFacts[]): ItemRecord {
  const isRunning = row.stage === STAGE_NUMBERS.PROCESSING
  const ended = attempts.filter(
    ({ attempt }) => attempt < row.attempt || (attempt === row.attempt && !isRunning),
  )
  const history = ended.filter(({ attempt }) => attempt !== NO_ATTEMPT).map(attemptOf)
  const claimedAt = row.attempt === NO_ATTEMPT ? undefined : (row.claimed_at ?? undefined)
  if (isRunning) history.push({ attempt: row.attempt, claimedAt: row.claimed_at ?? row.put_at })
  return {
    ...summaryOf(row),
    body: parsed(body),
    putAt: row.put_at,
    ...present({ notBeforeAt: row.not_before_at ?? undefined, claimedAt }),
    ...outcomeOf(row, ended),
    history: history.slice(-MAX_HISTORY),
  }
}

function outcomeOf(row: ItemFacts, ended: readonly AttemptFacts[]) {
  const isFinished = row.stage === STAGE_NUMBERS.SUCCESS || row.stage === STAGE_NUMBERS.FAIL
  const setback = ended.findLast(({ outcome }) => outcome !== STAGE_NUMBERS.SUCCESS)
  const finish = ended.findLast(({ outcome }) => outcome !== STAGE_NUMBERS.WAITING)
  return present({
    finishedAt: isFinished ? ended.at(-1)?.ended_at : undefined,
    reason: setback === undefined ? undefined : reasonOf(setback),
    result: parsedOptional(finish?.result),
    details: parsedOptional(finish?.details),
    ...jobOutcomeOf(ended),
  })
}

/** The job's outcome in the latest move out of PROCESSING; a requeue removes it. */
function jobOutcomeOf(ended: readonly AttemptFacts[]) {
  const last = ended.at(-1)
  const isRequeued = last?.outcome === STAGE_NUMBERS.FAIL && !last.final
  return last === undefined || isRequeued ? {} : outcomeColumns(last)
}

function outcomeColumns({ failure_class, exit_code, job_uid }: AttemptFacts) {
  return {
    failureClass: failure_class ?? undefined,
    exitCode: exit_code ?? undefined,
    jobUid: job_uid ?? undefined,
  }
}

/** A failed attempt that is not final was requeued: the reason of the requeue is the later one. */
function reasonOf({ outcome, final, reason, requeue_reason }: AttemptFacts): string | undefined {
  return (outcome === STAGE_NUMBERS.FAIL && !final ? requeue_reason : reason) ?? undefined
}

function attemptOf(row: AttemptFacts): AttemptRecord {
  return {
    attempt: row.attempt,
    claimedAt: row.claimed_at,
    endedAt: row.ended_at,
    outcome: outcomeName(row.outcome),
    ...present({
      reason: row.reason ?? undefined,
      details: parsedOptional(row.details),
      ...outcomeColumns(row),
      unsent: row.unsent === 1 ? true : undefined,
    }),
  }
}

function outcomeName(stored: number): 'SUCCESS' | 'FAIL' | 'WAITING' {
  const stage = stageOf(stored)
  return stage === 'PROCESSING' ? 'WAITING' : stage
}

function parsed(text: string): JsonValue {
  const value: JsonValue = JSON.parse(text)
  return value
}

function parsedOptional(text: string | null | undefined): JsonValue | undefined {
  return text === null || text === undefined ? undefined : parsed(text)
}

type Present<T> = { [K in keyof T]?: Exclude<T[K], undefined> }

/** The fields that have a value: in a record a field is absent, never `undefined`. */
function present<T extends object>(fields: T): Present<T>
function present(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}
