import type { ItemSummary, JobReport, JobReports } from '@sluice/core'
import { askForEarlier } from '../lookups/earlier-attempt.js'
import type { Tick } from '../tick/tick.js'
import { callWorker } from '../engine-errors.js'
import type { Found } from './found.js'
import { listProcessing } from './found.js'
import { reconcileOrphans } from './orphans.js'
import type { MissingJob } from '../records/missing-jobs.js'
import { forEachParallel } from '../parallel.js'
import { cancelJob, noteCancelFailed, type DueCancel } from './cancel-job.js'
import type { RecordedCause } from '../clocks/job-clocks-format.js'
import { warnOfPending } from './pending.js'
import { isComplete } from './running-jobs.js'
import { refOf, settleAll } from '../settling/settle.js'
import type { Tally } from '../tick/tick-result.js'
import { askForAbsent, isLate } from '../lookups/ask-absent.js'
import {
  act,
  decideOne,
  factsOf,
  noDecisions,
  ownReport,
  type Asking,
  type Decisions,
  type Poll,
  type Seen,
} from './decisions.js'
import { noteReconcileHoldups } from '../holdups/reconcile-holdups.js'
import { LookupTrials } from '../lookups/lookup-trials.js'
import { askForQuiet } from '../lookups/quiet-jobs.js'

/** What was read of queue and worker, and the decisions about all items in PROCESSING. */
export interface Findings {
  readonly found: Found
  readonly decisions: Decisions
}

/** Reads what is in PROCESSING and what the worker reports, and decides what to do; nothing moves. */
export async function observe(tick: Tick): Promise<Findings> {
  await tick.seen.read(tick.lease.fencingToken)
  if (tick.clocks !== undefined) await tick.clocks.read(tick.lease.fencingToken)
  // The list is read before the poll: an item claimed and sent in between would be in the list, and look
  // lost.
  const items = await listProcessing(tick.queue)
  tick.tally.processing = items.size
  tick.selector?.noteProcessing(items.values())
  const awaited = [...items.values()].map(refOf)
  const reports = await callWorker('pollAllStatus', () => tick.worker.pollAllStatus(awaited))
  const found = { items, reports }
  await tick.known.confirm(tick, found)
  notePoll(tick, found)
  const asking: Asking = { decisions: noDecisions(), poll: pollOf(tick, found) }
  for (const item of items.values())
    decideOne(tick, { item, report: reports.get(item.id), poll: asking.poll }, asking.decisions)
  tick.tally.pending = asking.decisions.pending.length
  warnOfPending(tick, asking.decisions.pending)
  tick.backpressure.notePending(asking.decisions.pending)
  await lookUpMore(tick, { asking, found })
  const isSent = (item: ItemSummary): boolean => tick.memory.isSent(item)
  // Before anything follows from what was seen. Under the lease: one that has lost it stops here.
  await tick.seen.write({ items: items.values(), isSent, lease: tick.lease.current })
  if (tick.clocks !== undefined) await tick.clocks.write(tick.lease.current)
  await cancelDue(tick, asking)
  tick.tally.orphans = tick.running.orphanPlaces(items, isSent)
  const missing = missingOf(tick, items.values())
  await tick.missing.note(missing, tick.lease.current)
  noteReconcileHoldups(tick, { ...asking.decisions, missing })
  return { found, decisions: asking.decisions }
}

/** Jobs that had started and that the worker no longer knows, before the lost policy applies. */
function missingOf({ memory, rules }: Tick, items: Iterable<ItemSummary>): MissingJob[] {
  return [...items].flatMap((item) => {
    const absentMs = memory.missingMs(item)
    return absentMs === undefined || absentMs >= rules.lost.graceMs ? [] : [{ item, absentMs }]
  })
}

/** Looks up what the poll lacks, and what it has reported unchanged for too long. */
async function lookUpMore(tick: Tick, { asking, found }: { asking: Asking; found: Found }): Promise<void> {
  const reported = reportedOf(found)
  const trials = new LookupTrials(tick, reported[0]?.item)
  const running = reported.filter(({ stage }) => stage === 'PROCESSING').map(({ item }) => item)
  try {
    await askForAbsent(tick, { asking, trials })
    await askForEarlier(tick, asking)
    const cancels = new Set(asking.decisions.cancels.map(({ item }) => item))
    await askForQuiet(tick, { asking, trials, items: running.filter((item) => !cancels.has(item)) })
  } finally {
    trials.end()
    tick.open.dropAnswered()
  }
}

interface ReportedItem {
  readonly item: ItemSummary
  readonly stage: JobReport['stage']
}

/** Items whose own jobs the poll reports. */
function reportedOf({ items, reports }: Found): ReportedItem[] {
  return [...items.values()].flatMap((item) => {
    const own = ownReport(item, reports.get(item.id))
    return own === undefined ? [] : [{ item, stage: own.stage }]
  })
}

function notePoll(tick: Tick, found: Found): void {
  const { reports, items } = found
  tick.polls.note(reports)
  tick.running.notePoll(found)
  tick.memory.keepOnly(items.values())
  tick.clocks?.keepOnly(items.values())
  tick.quiet.keepOnly(items)
  tick.open.keepOnly(items.values())
  tick.tally.poll = tickPollOf(reports, tick.polls.mayStart)
}

function pollOf({ worker, running }: Tick, { items, reports }: Found): Poll {
  return {
    poll: isComplete(reports) ? 'complete' : 'incomplete',
    canAsk: worker.lookupJob !== undefined && worker.supports.lookupJob,
    earlier: running.earlier(items.values()),
  }
}

function tickPollOf(reports: JobReports, mayStart: boolean): Tally['poll'] & object {
  const { incompleteReason: reason } = reports
  const complete = isComplete(reports)
  const why = complete || reason === undefined ? {} : { reason }
  return { complete, ...why, mayStart, asked: 0, unasked: 0 }
}

/** Settles items whose jobs have ended, and handles jobs without an item. */
export async function reconcile(tick: Tick, { found, decisions }: Findings): Promise<void> {
  const { settlements } = decisions
  await settleAll(
    tick,
    settlements.filter(({ why }) => why === 'reported'),
  )
  const lost = settlements.filter(({ why }) => why !== 'reported')
  // A report holds under any lease. That a job is lost was judged by an earlier reading: another engine may
  // have sent it again since.
  if (lost.length > 0 && (await tick.lease.keep())) await settleAll(tick, lost)
  await reconcileOrphans(tick, found)
}

/** Cancels jobs that do not begin, or run for too long, after all other look-ups. */
async function cancelDue(tick: Tick, { decisions, poll }: Asking): Promise<void> {
  const { runtime, memory, lookups } = tick
  const isFresh = !poll.canAsk
  // An incomplete poll may be outdated, and this worker has no look-ups.
  if (isFresh && poll.poll === 'incomplete') return
  const beganAtMonotonic = runtime.monotonicMs()
  const recorded = await recordedCancels(tick, decisions.cancels)
  const due = recorded.toSorted((a, b) => b.forMs - a.forMs)
  await forEachParallel(due, tick.sendConcurrency, async (one) => {
    const { item } = one
    const nowMonotonic = runtime.monotonicMs()
    if (
      tick.tally.unavailable !== undefined ||
      isLate(tick, beganAtMonotonic) ||
      !memory.mayCancel(item, nowMonotonic)
    )
      return
    if (!lookups.take(nowMonotonic)) return
    try {
      const answer = await cancelJob(tick, { ...one, isFresh })
      if (answer !== 'cancelled') noteAnswer(tick, { item, report: answer, poll }, decisions)
    } catch (error) {
      noteCancelFailed(tick, one, error)
    }
  })
}

/** Those that may be cancelled now: a later engine must know the end of a job that this one has cancelled. */
async function recordedCancels(tick: Tick, cancels: readonly DueCancel[]): Promise<readonly DueCancel[]> {
  if (tick.clocks === undefined || cancels.length === 0) return cancels
  const isRecorded = await tick.clocks.recordCancels(cancels.flatMap(ofRunning), tick.lease.current)
  return isRecorded ? cancels : cancels.filter(({ cause }) => cause === 'pending')
}

function ofRunning({ item, cause }: DueCancel): { item: ItemSummary; cause: RecordedCause }[] {
  return cause === 'pending' ? [] : [{ item, cause }]
}

/** It has ended meanwhile, or has begun: it is no longer pending. */
function noteAnswer(tick: Tick, { item, report, poll }: Seen, decisions: Decisions): void {
  const nowMonotonic = tick.runtime.monotonicMs()
  tick.memory.noteNotCancelled(item, nowMonotonic)
  if (report !== undefined) tick.memory.noteReport(item, report, nowMonotonic)
  if (report === undefined || report.stage === 'PROCESSING') return
  act(tick, { item, report, facts: factsOf(tick, item, poll) }, decisions)
}
