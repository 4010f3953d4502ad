import {
  MAX_FAILURE_CLASS_CHARS,
  MAX_JOB_UID_CHARS,
  type ItemSummary,
  type JobOutcome,
  type JobRef,
  type JobReport,
  type JsonValue,
  type Settlement,
} from '@sluice/core'
import { encodeOptional } from '@sluice/core/backend'
import { withRetryState } from './retry-state.js'

/** A settlement with the whole job reference: the uid is required. */
export type JobSettlement = Settlement & JobRef

type Details = Readonly<Record<string, JsonValue>>

/** The job ended well. */
export function succeeded(item: ItemSummary, report: JobReport): JobSettlement {
  return {
    ...refOf(item),
    stage: 'SUCCESS',
    ...(report.result === undefined ? {} : { result: report.result }),
    ...evidenceOf(report),
    ...numbersOf(report),
  }
}

/**
 * The job failed.
 *
 * @param delayMs before the next attempt; `undefined`: there is none, the item fails
 */
export function failed(item: ItemSummary, report: JobReport, delayMs: number | undefined): JobSettlement {
  const reason = report.message ?? 'the job failed; the worker did not say why'
  return {
    ...refOf(item),
    reason,
    ...evidenceOf(report),
    failureClass: classOf(report),
    ...numbersOf(report),
    ...outOfProcessing(delayMs),
    // The job has ended, and those before it had ended when it started: the next attempt needs no look-up.
    ...(delayMs === undefined ? {} : withRetryState({ ended: true })),
  }
}

/** The job has disappeared. */
export function lost(item: ItemSummary, graceMs: number, delayMs: number | undefined): JobSettlement {
  const reason =
    `lost: the job of attempt ${item.attempt} was started and the worker has not known it for ${graceMs} ms or longer; ` +
    'how it ended is not known'
  return { ...refOf(item), reason, failureClass: 'lost', ...outOfProcessing(delayMs) }
}

/** The worker can never accept the item. */
export function rejected(item: ItemSummary, reason: string): JobSettlement {
  return { ...refOf(item), stage: 'FAIL', reason, failureClass: 'rejected' }
}

function refOf({ id, uid, attempt }: ItemSummary): JobRef {
  return { id, uid, attempt }
}

function outOfProcessing(delayMs: number | undefined): Pick<Settlement, 'stage' | 'delayMs'> {
  return delayMs === undefined ? { stage: 'FAIL' } : { stage: 'WAITING', delayMs }
}

/** What is kept of a job after the worker has dropped it. */
function evidenceOf(report: JobReport): { details?: JsonValue } {
  const { url, startedAt, finishedAt } = report
  const leftOut = textsOf(report.leftOut)
  const details: Details = {
    ...asDetails(report.details),
    ...(url === undefined ? {} : { url }),
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(finishedAt === undefined ? {} : { finishedAt }),
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

function asDetails(details: JsonValue | undefined): Details {
  if (details === undefined) return {}
  if (isRecord(details)) return details
  return { details }
}

function isRecord(value: JsonValue): value is Details {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
