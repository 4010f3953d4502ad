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

/** A settlement that names its job whole: the uid isn't optional here. */
export type JobSettlement = Settlement & JobRef

type Details = Readonly<Record<string, JsonValue>>

/** The job ended well. */
export function succeeded(item: ItemSummary, report: JobReport): JobSettlement {
  return {
    ...fenceOf(item),
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
    ...fenceOf(item),
    reason,
    ...evidenceOf(report),
    failureClass: classOf(report),
    ...numbersOf(report),
    ...outOfProcessing(delayMs),
    // The job has ended, and it was started only when those before it had: the next attempt need not ask.
    ...(delayMs === undefined ? {} : withRetryState({ ended: true })),
  }
}

/** The job was there and is gone. */
export function lost(item: ItemSummary, graceMs: number, delayMs: number | undefined): JobSettlement {
  const reason =
    `lost: the job of attempt ${item.attempt} was started and the worker has not known it for ${graceMs} ms or longer; ` +
    'how it ended can no longer be told'
  return { ...fenceOf(item), reason, failureClass: 'lost', ...outOfProcessing(delayMs) }
}

/** The worker can never accept the item. */
export function rejected(item: ItemSummary, reason: string): JobSettlement {
  return { ...fenceOf(item), stage: 'FAIL', reason, failureClass: 'rejected' }
}

function fenceOf({ id, uid, attempt }: ItemSummary): JobRef {
  return { id, uid, attempt }
}

function outOfProcessing(delayMs: number | undefined): Pick<Settlement, 'stage' | 'delayMs'> {
  return delayMs === undefined ? { stage: 'FAIL' } : { stage: 'WAITING', delayMs }
}

/** What a person may want to see of a job when the worker has long forgotten it. */
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

/** The class of a failure, as a queue can keep it: a worker may use words of its own. */
function classOf({ failureClass }: JobReport): string {
  if (!isText(failureClass)) return 'failed'
  return failureClass.slice(0, MAX_FAILURE_CLASS_CHARS).toWellFormed()
}

/** What else a report says of the job. What no queue could keep is left out: it must not stop the settle that it is part of. */
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
 * The settlement as the queue can store it. A job that succeeded has succeeded, even if its result is not JSON or is too large to
 * keep: the result is left out, and the details say so. Else one such job would stop every settle it is part of, for ever.
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

/** Why something of the job's outcome is not stored with the item. */
export function leftOutOf({ details }: Pick<Settlement, 'details'>): readonly string[] {
  return details === undefined || !isRecord(details) ? [] : textsOf(details['leftOut'])
}

/** A worker may say anything. */
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
