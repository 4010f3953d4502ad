import type { ItemSummary, JobReport, JsonValue } from '@sluice/core'
import type { Tick } from '../tick/tick.js'
import { callWorker, isOutage } from '../engine-errors.js'
import { foldMessage } from './fold-message.js'
import { refOf } from '../settling/settle.js'

/** A pending job of a poll. */
export interface PendingJob {
  readonly item: ItemSummary
  readonly report: JobReport
  /** How long this engine has known it to be pending. */
  readonly pendingMs: number
}

interface Group {
  readonly members: PendingJob[]
  /** Pending for too long, and not reported yet. */
  readonly fresh: PendingJob[]
}

/**
 * Warns of jobs that are pending for too long, those with the same message together. A warning is for the
 * whole group, so that a cause that affects thousands is one line, and at most one in each `pendingWarnMs`
 * while others join them.
 */
export function warnOfPending(tick: Tick, pending: readonly PendingJob[]): void {
  const { memory, jobs } = tick
  const isLate = ({ pendingMs }: PendingJob): boolean => pendingMs >= jobs.pendingWarnMs
  if (jobs.pendingWarnMs === 0) return
  if (!pending.some((job) => isLate(job) && !memory.isWarnedOf(job.item))) return
  for (const [name, { members, fresh }] of groupsOf(tick, pending, isLate)) {
    if (fresh.length > 0) warn(tick, members.filter(isLate), members.length)
    for (const job of members) {
      if (fresh.length > 0 || memory.reportedWith(job.item) === name)
        memory.noteReported(job.item, name, isLate(job))
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
    const isReported = memory.isWarnedOf(job.item) || memory.reportedWith(job.item) === name
    if (isLate(job) && !isReported) group.fresh.push(job)
  }
  return groups
}

/** What is unique to a job in its message: the item, and the worker's names for the job. */
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
  const message = longest.report.message ?? 'the worker does not say what they wait for'
  const group = { message, jobs: late.length, alike, longestMs: Math.round(longest.pendingMs) }
  // `example`, not `id`: the line is about all of them, and must not be folded with those of single items.
  logger.warn({ ...group, example: job.id }, 'jobs were accepted and are pending; they keep their places')
  emit({ kind: 'jobs-pending', ...group, example: job })
}

/**
 * Cancels a job that has been pending for too long. It is looked up before that: it may have begun since the
 * poll, or an incomplete poll may be outdated.
 *
 * @returns the worker's report of a job that is no longer pending
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
  // After a delay since the poll, another engine may have settled the item: the job's end is then not ours to
  // name.
  if (!(await tick.lease.keep())) return
  const reason = `pending for longer than ${jobs.pendingTimeoutMs ?? 0} ms${message === undefined ? '' : `: ${message}`}`
  await callWorker('cancelJob', async () => worker.cancelJob?.(refOf(item), reason))
  reported.cancelFailing = false
  memory.noteCancelled(item, message === undefined ? {} : { message })
  tick.tally.cancelled += 1
  emit({ kind: 'job-cancelled', job: refOf(item), reason })
}

/** A job that could not be cancelled stays pending, and its item keeps its place: the others go on. */
export function noteCancelFailed(tick: Tick, item: ItemSummary, error: unknown): void {
  if (!isOutage(error)) throw error
  const { memory, runtime, logger, reported } = tick
  memory.noteNotCancelled(item, runtime.monotonicMs())
  const level = reported.cancelFailing ? 'debug' : 'warn'
  reported.cancelFailing = true
  logger[level](
    { err: error },
    'a job that is pending for too long could not be cancelled; it is tried again',
  )
}
