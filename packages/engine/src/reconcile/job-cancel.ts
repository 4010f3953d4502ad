import type { JobReport } from '@sluice/core'

/**
 * Why an engine cancels a job of an item in PROCESSING: it does not begin, it runs for longer than an attempt
 * or the item may, or far longer than others.
 */
export type CancelCause = 'pending' | 'attempt-deadline' | 'item-deadline' | 'straggler'

/** A cancel by this engine. */
export interface JobCancel {
  readonly cause: CancelCause
  /** What a pending job was waiting for, in the worker's words. */
  readonly message?: string
}

/** The configured spans. */
export interface CancelSpans {
  readonly pendingTimeoutMs?: number | undefined
  readonly attemptMs?: number | undefined
  readonly itemMs?: number | undefined
}

/**
 * The report of a job that this engine cancelled: the reason for that replaces what the worker calls the end.
 */
export function cancelledReport(report: JobReport, cancel: JobCancel, spans: CancelSpans): JobReport {
  const failureClass = cancel.cause === 'pending' ? 'unschedulable' : 'timeout'
  return { ...report, failureClass, message: reasonOf(cancel, spans) }
}

/** Why a job ended, for its item. */
function reasonOf({ cause, message }: JobCancel, { pendingTimeoutMs = 0, ...spans }: CancelSpans): string {
  const waited = message ?? 'the worker did not say what it was waiting for'
  const reasons: Readonly<Record<CancelCause, string>> = {
    pending: `unschedulable: nothing of the job began within ${pendingTimeoutMs} ms, and it was cancelled: ${waited}`,
    'attempt-deadline': `timeout: the job ran for longer than ${spans.attemptMs ?? 0} ms (deadlines.attemptMs), and was cancelled`,
    'item-deadline': `timeout: the item was not done within ${spans.itemMs ?? 0} ms of its first claim (deadlines.itemMs), and its job was cancelled`,
    straggler:
      'straggler: the job ran far longer than others of the queue, and was cancelled to be started once more',
  }
  return reasons[cause]
}

/** Why a job is cancelled, for the worker and the log. */
export function cancelText({ cause, message }: JobCancel, spans: CancelSpans): string {
  const waited = message === undefined ? '' : `: ${message}`
  const texts: Readonly<Record<CancelCause, string>> = {
    pending: `pending for longer than ${spans.pendingTimeoutMs ?? 0} ms${waited}`,
    'attempt-deadline': `running for longer than ${spans.attemptMs ?? 0} ms, the deadline of an attempt`,
    'item-deadline': `the item was not done within ${spans.itemMs ?? 0} ms, its deadline`,
    straggler: 'running far longer than others of the queue',
  }
  return texts[cause]
}
