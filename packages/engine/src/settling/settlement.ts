import {
  MAX_FAILURE_CLASS_CHARS,
  MAX_JOB_UID_CHARS,
  type ItemSummary,
  type JobOverrides,
  type JobOutcome,
  type JobRef,
  type JobReport,
  type JsonValue,
  type Settlement,
} from '@sluice/core'
import { encodeOptional } from '@sluice/core/backend'
import { withRetryState, type EngineRetryState } from './retry-state.js'

/** A settlement with the whole job reference: the uid is required. */
export type JobSettlement = Settlement & JobRef

type Details = Readonly<Record<string, JsonValue>>

/** The attempt that is settled. */
export interface Attempt {
  readonly item: ItemSummary
  /** What its job was sent with; the details keep it. */
  readonly overrides?: JobOverrides | undefined
}

/** The next attempt of an item. */
export interface NextAttempt {
  readonly delayMs: number
  /** What it is told. */
  readonly state: EngineRetryState
}

/** The job ended well. */
export function succeeded({ item, overrides }: Attempt, report: JobReport): JobSettlement {
  return {
    ...refOf(item),
    stage: 'SUCCESS',
    ...(report.result === undefined ? {} : { result: report.result }),
    ...evidenceOf({ overrides, ...report }),
    ...numbersOf(report),
  }
}

/**
 * The job failed.
 *
 * @param next `undefined`: there is none, the item fails
 */
export function failed(
  { item, overrides }: Attempt,
  report: JobReport,
  next: NextAttempt | undefined,
): JobSettlement {
  const reason = report.message ?? 'the job failed; the worker did not say why'
  return {
    ...refOf(item),
    reason,
    ...evidenceOf({ overrides, ...report }),
    failureClass: classOf(report),
    ...numbersOf(report),
    // The job has ended, and those before it had ended when it started: the next attempt needs no look-up.
    ...outOfProcessing(next && { ...next, state: { ...next.state, ended: true } }),
  }
}

/** The job was cancelled for running far longer than others: the attempt does not count. */
export function straggled(
  { item, overrides }: Attempt,
  report: JobReport,
  state: EngineRetryState,
): JobSettlement {
  const { delayMs: _, ...settlement } = failed({ item, overrides }, report, {
    delayMs: 0,
    state: { ...state, straggled: true },
  })
  return { ...settlement, countAttempt: false, keepPlace: true }
}

/** It has no job, and its deadline is over. */
export function overdue(item: ItemSummary, itemMs: number): JobSettlement {
  const reason = `timeout: no attempt starts later than ${itemMs} ms after the item's first claim (deadlines.itemMs)`
  return { ...refOf(item), stage: 'FAIL', reason, failureClass: 'timeout' }
}

/** The job has disappeared. */
export function lost(
  { item, overrides }: Attempt,
  graceMs: number,
  next: NextAttempt | undefined,
): JobSettlement {
  const reason =
    `lost: the job of attempt ${item.attempt} was started and the worker has not known it for ${graceMs} ms or longer; ` +
    'how it ended is not known'
  const evidence = overrides === undefined ? {} : { details: { overrides } }
  return { ...refOf(item), reason, failureClass: 'lost', ...evidence, ...outOfProcessing(next) }
}

/** The worker can never accept the item. */
export function rejected(item: ItemSummary, reason: string): JobSettlement {
  return { ...refOf(item), stage: 'FAIL', reason, failureClass: 'rejected' }
}

function refOf({ id, uid, attempt }: ItemSummary): JobRef {
  return { id, uid, attempt }
}

function outOfProcessing(
  next: NextAttempt | undefined,
): Pick<Settlement, 'stage' | 'delayMs' | 'retryState'> {
  if (next === undefined) return { stage: 'FAIL' }
  return { stage: 'WAITING', delayMs: next.delayMs, ...withRetryState(next.state) }
}

type Evidence = Omit<JobReport, 'overrides'> & Pick<Attempt, 'overrides'>

/** What is kept of a job after the worker has dropped it. */
function evidenceOf(report: Evidence): { details?: JsonValue } {
  const { url, startedAt, finishedAt, overrides } = report
  const leftOut = textsOf(report.leftOut)
  const details: Details = {
    ...asDetails(report.details),
    ...(url === undefined ? {} : { url }),
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(finishedAt === undefined ? {} : { finishedAt }),
    ...(overrides === undefined ? {} : { overrides }),
    ...(leftOut.length === 0 ? {} : { leftOut }),
  }
  return Object.keys(details).length === 0 ? {} : { details }
}

/** The class of a failure, as a queue can store it: a worker may have classes of its own. */
function classOf({ failureClass }: JobReport): string {
  if (!isText(failureClass)) return 'failed'
  return failureClass.slice(0, MAX_FAILURE_CLASS_CHARS).toWellFormed()
}

/**
 * Other fields of a report. What no queue could store is left out: it must not stop the settle that it is
 * part of.
 */
function numbersOf({ exitCode, jobUid }: JobReport): Pick<JobOutcome, 'exitCode' | 'jobUid'> {
  return {
    ...(Number.isSafeInteger(exitCode) && exitCode !== undefined ? { exitCode } : {}),
    ...(isText(jobUid) && jobUid.length <= MAX_JOB_UID_CHARS ? { jobUid } : {}),
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.isWellFormed() && !value.includes('\0')
}

/**
 * The settlement as the queue can store it. A job that succeeded has succeeded, even if its result is not
 * JSON or is too large: the result is left out, and the details say so. Else one such job would stop every
 * settle that it is part of.
 *
 * @param maxBytes the queue's `supports.maxBodyBytes`
 */
export function storable(settlement: JobSettlement, maxBytes: number): JobSettlement {
  const { result, details, ...rest } = settlement
  const keptResult = kept(result, maxBytes, 'result')
  const keptDetails = kept(details, maxBytes, 'details')
  const leftOut = [...keptResult.leftOut, ...keptDetails.leftOut]
  if (leftOut.length === 0) return settlement
  const noted = { ...asDetails(keptDetails.value), leftOut: [...leftOutOf(settlement), ...leftOut] }
  const fits = kept(noted, maxBytes, 'details').leftOut.length === 0
  return {
    ...rest,
    ...(keptResult.value === undefined ? {} : { result: keptResult.value }),
    details: fits ? noted : { leftOut },
  }
}

/** Why a part of the job's outcome is not stored with the item. */
export function leftOutOf({ details }: Pick<Settlement, 'details'>): readonly string[] {
  return details === undefined || !isRecord(details) ? [] : textsOf(details['leftOut'])
}

/** A worker may report anything. */
function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter(isText) : []
}

function kept(
  value: JsonValue | undefined,
  maxBytes: number,
  what: string,
): { value: JsonValue | undefined; leftOut: string[] } {
  try {
    encodeOptional(value, maxBytes, what)
    return { value, leftOut: [] }
  } catch (error) {
    return { value: undefined, leftOut: [error instanceof Error ? error.message : what] }
  }
}

/** Details as an object; others are its `details`. */
export function asDetails(details: JsonValue | undefined): Details {
  if (details === undefined) return {}
  if (isRecord(details)) return details
  return { details }
}

function isRecord(value: JsonValue): value is Details {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
