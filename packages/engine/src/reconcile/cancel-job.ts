import type { ItemSummary, JobReport } from '@sluice/core'
import { callWorker, isOutage } from '../engine-errors.js'
import { refOf } from '../settling/settle.js'
import type { Tick } from '../tick/tick.js'
import { cancelText, type CancelCause } from './job-cancel.js'

/** A job that is to be cancelled. */
export interface DueCancel {
  readonly item: ItemSummary
  /** As the poll had it. */
  readonly report: JobReport
  readonly cause: CancelCause
  /** How long it has been the case: the longest goes first. */
  readonly forMs: number
}

/**
 * Cancels a job. It is looked up before that: it may have ended or begun since the poll, or an incomplete
 * poll may be outdated.
 *
 * @returns the worker's report of a job that has ended, or is no longer pending
 */
export async function cancelJob(
  tick: Tick,
  { item, report, cause, isFresh }: DueCancel & { readonly isFresh: boolean },
): Promise<JobReport | 'cancelled' | undefined> {
  const now = isFresh ? report : await lookedUp(tick, item)
  if (now?.stage !== 'PROCESSING' || (cause === 'pending' && now.pending !== true)) return now
  await cancel(tick, { item, cause, message: now.message })
  return 'cancelled'
}

async function lookedUp({ worker }: Tick, item: ItemSummary): Promise<JobReport | undefined> {
  const answer = await callWorker('lookupJob', async () => worker.lookupJob?.(refOf(item)))
  return answer?.uid === item.uid && answer.attempt === item.attempt ? answer : undefined
}

async function cancel(
  tick: Tick,
  { item, cause, message }: Pick<DueCancel, 'item' | 'cause'> & { readonly message: string | undefined },
): Promise<void> {
  const { worker, memory, emit, rules, reported } = tick
  // After a delay since the poll, another engine may have settled the item: the job's end is then not ours to
  // name.
  if (!(await tick.lease.keep())) return
  const cancelled = cause === 'pending' && message !== undefined ? { cause, message } : { cause }
  const reason = cancelText(cancelled, rules)
  await callWorker('cancelJob', async () => worker.cancelJob?.(refOf(item), reason))
  reported.cancelFailing = false
  memory.noteCancelled(item, cancelled)
  tick.tally.cancelled += 1
  emit({ kind: 'job-cancelled', job: refOf(item), reason })
}

/** A job that could not be cancelled runs on, and its item keeps its place: the others go on. */
export function noteCancelFailed(tick: Tick, { item, cause }: DueCancel, error: unknown): void {
  if (!isOutage(error)) throw error
  const { memory, runtime, logger, reported } = tick
  memory.noteNotCancelled(item, runtime.monotonicMs())
  const level = reported.cancelFailing ? 'debug' : 'warn'
  reported.cancelFailing = true
  const which = cause === 'pending' ? 'is pending for too long' : 'runs for too long'
  logger[level]({ err: error }, `a job that ${which} could not be cancelled; it is tried again`)
}
