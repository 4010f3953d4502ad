import type { ItemSummary, JobReport, JsonValue } from '@sluice/core'
import type { Tick } from '../tick/tick.js'
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
