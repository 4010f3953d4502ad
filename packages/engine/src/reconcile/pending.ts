import type { ItemSummary, JobReport, JsonValue } from '@sluice/core'
import type { Tick } from '../tick/tick.js'
import { callWorker, isOutage } from '../engine-errors.js'
import { foldMessage } from './fold-message.js'
import { refOf } from '../settling/settle.js'

/** A job of which nothing runs yet, as the poll has it. */
export interface PendingJob {
  readonly item: ItemSummary
  readonly report: JobReport
  /** How long this engine has known it so. */
  readonly pendingMs: number
}

interface Group {
  readonly members: PendingJob[]
  /** Pending for too long, and not told of yet. */
  readonly fresh: PendingJob[]
}

/**
 * Warns of jobs that are pending for too long, those held up by the same together. A warning counts for all of its group, so that a cause
 * that stands in the way of thousands is one line, and no more than one in each `pendingWarnMs` while others join them.
 */
export function warnOfPending(tick: Tick, pending: readonly PendingJob[]): void {
  const { memory, jobs } = tick
  const isLate = ({ pendingMs }: PendingJob): boolean => pendingMs >= jobs.pendingWarnMs
  if (jobs.pendingWarnMs === 0) return
  if (!pending.some((job) => isLate(job) && !memory.isWarnedOf(job.item))) return
  for (const [name, { members, fresh }] of groupsOf(tick, pending, isLate)) {
    if (fresh.length > 0) warn(tick, members.filter(isLate), members.length)
    for (const job of members) {
      if (fresh.length > 0 || memory.toldWith(job.item) === name) memory.noteTold(job.item, name, isLate(job))
    }
  }
}

function groupsOf(
  { memory }: Tick,
  pending: readonly PendingJob[],
  isLate: (job: PendingJob) => boolean,
): Map<string, Group> {
  const groups = new Map<string, Group>()
  for (const job of pending) {
    const name = foldMessage(job.report.message ?? '', namesOf(job))
    const group = groups.get(name) ?? { members: [], fresh: [] }
    groups.set(name, group)
    group.members.push(job)
    const isTold = memory.isWarnedOf(job.item) || memory.toldWith(job.item) === name
    if (isLate(job) && !isTold) group.fresh.push(job)
  }
  return groups
}

/** What a message may hold that no other job's has: the item, and whatever the worker calls the job. */
function namesOf({ item, report }: PendingJob): string[] {
  return [item.id, item.uid, ...stringsOf(report.details)]
}

function stringsOf(details: JsonValue | undefined): string[] {
  if (typeof details !== 'object' || details === null) return []
  return Object.values(details).filter((value) => typeof value === 'string')
}

function warn({ logger, emit }: Tick, late: readonly PendingJob[], alike: number): void {
  const longest = late.reduce((one, other) => (other.pendingMs > one.pendingMs ? other : one))
  const job = refOf(longest.item)
  const message = longest.report.message ?? 'the worker does not say what holds them up'
  const told = { message, jobs: late.length, alike, longestMs: Math.round(longest.pendingMs) }
  // `example`, not `id`: the line is about all of them, and must not be folded away with those of single items.
  logger.warn({ ...told, example: job.id }, 'jobs were accepted and do not begin; they keep their places')
  emit({ kind: 'jobs-pending', ...told, example: job })
}

/**
 * Tells the worker to end jobs that have been pending for too long. Each is asked for afresh before that: it may have begun since the
 * poll, or a poll that isn't complete may speak of long ago.
 *
 * @returns what the worker said of one that isn't pending any more
 */
export async function cancelPending(
  tick: Tick,
  { item, report, isFresh }: { item: ItemSummary; report: JobReport; isFresh: boolean },
): Promise<JobReport | 'cancelled' | undefined> {
  const now = isFresh ? report : await lookedUp(tick, item)
  if (now?.stage !== 'PROCESSING' || now.pending !== true) return now
  await cancel(tick, { item, report: now })
  return 'cancelled'
}

async function lookedUp({ worker }: Tick, item: ItemSummary): Promise<JobReport | undefined> {
  const answer = await callWorker('lookupJob', async () => worker.lookupJob?.(refOf(item)))
  return answer?.uid === item.uid && answer.attempt === item.attempt ? answer : undefined
}

async function cancel(
  tick: Tick,
  { item, report: { message } }: { item: ItemSummary; report: JobReport },
): Promise<void> {
  const { worker, memory, emit, jobs, reported } = tick
  // Held up since the poll, another engine may have settled the item: its job's end is then not ours to name.
  if (!(await tick.lease.keep())) return
  const reason = `pending for longer than ${jobs.pendingTimeoutMs ?? 0} ms${message === undefined ? '' : `: ${message}`}`
  await callWorker('cancelJob', async () => worker.cancelJob?.(refOf(item), reason))
  reported.cancelFailing = false
  memory.noteCancelled(item, message === undefined ? {} : { message })
  tick.tally.cancelled += 1
  emit({ kind: 'job-cancelled', job: refOf(item), reason })
}

/** A job that could not be cancelled goes on being pending, and its item keeps its place: no reason to hold up the others. */
export function noteCancelFailed(tick: Tick, item: ItemSummary, error: unknown): void {
  if (!isOutage(error)) throw error
  const { memory, runtime, logger, reported } = tick
  memory.noteNotCancelled(item, runtime.monotonicMs())
  const level = reported.cancelFailing ? 'debug' : 'warn'
  reported.cancelFailing = true
  logger[level]({ err: error }, 'a job that is pending for too long could not be cancelled; tried again')
}
