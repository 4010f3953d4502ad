import type { JobRef } from '@sluice/core'
import type { Tick } from '../tick/tick.js'
import { callWorker, isOutage } from '../engine-errors.js'
import { isReportOf, reportedJobs, type Found, type ReportedJob } from './found.js'
import { forEachParallel } from '../parallel.js'
import { nameOf } from './running-jobs.js'
import { MAX_ITEM_LOOKUPS, acknowledgeJobs, movedOn } from '../settling/settle.js'
import { isMadeAgain, orphanVerdict } from './orphan-verdict.js'
import type { JudgedOrphan } from './orphan-verdict.js'

/** From one cancel of a job to the next: it may take a while to end. */
const END_AGAIN_MS = 5_000
const MAX_END_AGAIN_MS = 60_000

const WHY = {
  cancelled: 'its item was cancelled',
  unsent: 'created too late: its attempt had been given back as unsent',
  'made-again': 'created again after the job of this name had ended and was settled',
} as const satisfies Record<NonNullable<JudgedOrphan['endFor']>, string>

/**
 * Handles jobs without an item in PROCESSING. One that has ended is acknowledged, if its item has moved on: a
 * crash came between the settle and the acknowledgement. One that runs takes a place. It is cancelled where
 * its item was, or where it was created too late; any other is left alone and logged once: no work is ended
 * silently. A tick looks up at most {@link MAX_ITEM_LOOKUPS} items for jobs that run, and as many for jobs
 * that have ended; the rest follows in later ticks.
 */
export async function reconcileOrphans(tick: Tick, found: Found): Promise<void> {
  const orphans = orphansOf(found)
  const running = orphans.filter(({ report }) => report.stage === 'PROCESSING')
  await judgeNew(tick, running, found)
  await endThose(tick, running)
  await acknowledgeEnded(tick, orphans.filter(({ report }) => report.stage !== 'PROCESSING').map(jobOf))
}

function orphansOf({ items, reports }: Found): ReportedJob[] {
  return [...reportedJobs(reports)].filter(({ id, report }) => {
    const item = items.get(id)
    return item === undefined || !isReportOf(item, report)
  })
}

function jobOf({ id, report: { uid, attempt } }: ReportedJob): JobRef {
  return { id, uid, attempt }
}

/** A job that was created again under the name of a judged one is another job. */
function keyOf(job: ReportedJob): string {
  return JSON.stringify([nameOf(jobOf(job)), job.report.jobUid])
}

/**
 * Judges those that a poll reports for the first time. A verdict stands while the job counts as running, even
 * if a poll lacks it.
 */
async function judgeNew(tick: Tick, running: readonly ReportedJob[], { items }: Found): Promise<void> {
  const { reported, queue, sendConcurrency } = tick
  const names = new Set(tick.running.orphans(items).map(nameOf))
  for (const [key, { name }] of reported.orphans) if (!names.has(name)) reported.orphans.delete(key)
  const fresh = running.filter((job) => !reported.orphans.has(keyOf(job))).slice(0, MAX_ITEM_LOOKUPS)
  await forEachParallel(fresh, sendConcurrency, async (job) => {
    // Looked up again: the item may have been claimed after the list was read, by an engine whose lease has
    // run out since.
    const verdict = orphanVerdict(await queue.lookup(job.id), job)
    if (verdict !== 'awaited') noteVerdict(tick, job, verdict)
  })
}

function noteVerdict(tick: Tick, job: ReportedJob, verdict: 'left' | keyof typeof WHY): void {
  const { reported, logger, emit } = tick
  const note = { name: nameOf(jobOf(job)), tries: 0, dueAtMonotonic: Number.NEGATIVE_INFINITY }
  if (verdict !== 'left' && canEnd(tick)) {
    reported.orphans.set(keyOf(job), { ...note, endFor: verdict })
    return
  }
  reported.orphans.set(keyOf(job), note)
  if (verdict === 'cancelled') {
    logger.debug(jobOf(job), 'the job of a cancelled item has not ended yet; it takes a place until then')
    return
  }
  logger.warn(jobOf(job), 'a job runs without an item in PROCESSING; it is left alone and takes a place')
  emit({ kind: 'orphan', job: jobOf(job) })
}

function canEnd({ worker }: Tick): boolean {
  return worker.supports.cancelJob && worker.cancelJob !== undefined
}

/** No lease is needed: a verdict is based on the record of an attempt that is over, which does not change. */
async function endThose(tick: Tick, running: readonly ReportedJob[]): Promise<void> {
  const { reported, runtime, lookups, sendConcurrency } = tick
  await forEachParallel(running, sendConcurrency, async (job) => {
    const note = reported.orphans.get(keyOf(job))
    const nowMonotonic = runtime.monotonicMs()
    if (note?.endFor === undefined || note.dueAtMonotonic > nowMonotonic || !lookups.take(nowMonotonic))
      return
    note.dueAtMonotonic = nowMonotonic + Math.min(END_AGAIN_MS * 2 ** note.tries, MAX_END_AGAIN_MS)
    note.tries += 1
    try {
      await end(tick, { job, note })
      reported.cancelFailing = false
    } catch (error) {
      noteEndFailed(tick, error)
    }
  })
}

async function end(
  tick: Tick,
  { job, note: { endFor, tries } }: { job: ReportedJob; note: JudgedOrphan },
): Promise<void> {
  const { worker, logger, emit } = tick
  const ref = jobOf(job)
  if (endFor === undefined || (endFor === 'made-again' && !(await isStillThere(tick, job)))) return
  const reason = WHY[endFor]
  await callWorker('cancelJob', async () => worker.cancelJob?.(ref, reason))
  if (tries > 1) return
  tick.tally.cancelled += 1
  logger.info({ ...ref, reason }, 'a job without an item was cancelled; it takes a place until it has ended')
  emit({ kind: 'job-cancelled', job: ref, reason })
}

/** Two jobs can have one name, and the poll may be outdated. */
async function isStillThere({ worker }: Tick, job: ReportedJob): Promise<boolean> {
  if (worker.lookupJob === undefined || !worker.supports.lookupJob) return true
  const now = await callWorker('lookupJob', async () => worker.lookupJob?.(jobOf(job)))
  return now?.stage === 'PROCESSING' && !isMadeAgain(job.report.jobUid, now.jobUid)
}

function noteEndFailed({ logger, reported }: Tick, error: unknown): void {
  if (!isOutage(error)) throw error
  const level = reported.cancelFailing ? 'debug' : 'warn'
  reported.cancelFailing = true
  logger[level]({ err: error }, 'a job without an item could not be cancelled; it is tried again')
}

/** Items that have moved on are not looked up again: an attempt that is over never returns. */
async function acknowledgeEnded(tick: Tick, ended: readonly JobRef[]): Promise<void> {
  const { reported, worker, runtime } = tick
  if (worker.acknowledgeJobs === undefined) return
  const names = new Set(ended.map(nameOf))
  for (const name of reported.movedOn) if (!names.has(name)) reported.movedOn.delete(name)
  const fresh = ended.filter((job) => !reported.movedOn.has(nameOf(job)))
  for (const job of await movedOn(tick, fresh)) reported.movedOn.add(nameOf(job))
  if (reported.acknowledgeAtMonotonic > runtime.monotonicMs()) return
  await acknowledgeJobs(
    tick,
    ended.filter((job) => reported.movedOn.has(nameOf(job))),
  )
}
