import type { ItemSummary, JobReport, JobReports } from '@sluice/core'
import { askForEarlier } from '../lookups/earlier-attempt.js'
import type { Engine } from '../tick/tick.js'
import { callWorker } from '../engine-errors.js'
import type { Found } from './found.js'
import { listProcessing } from './list-processing.js'
import { reconcileOrphans } from './orphans.js'
import type { MissingJob } from '../records/missing-jobs.js'
import { forEachParallel } from '../parallel.js'
import { cancelPending, noteCancelFailed, warnOfPending } from './pending.js'
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
import { tellHoldups } from '../holdups/reconcile-holdups.js'
import { LookupTrials } from '../lookups/lookup-trials.js'
import { askForQuiet } from '../lookups/quiet-jobs.js'

/** What was read of queue and worker, and what was decided of all items in PROCESSING. */
export interface Findings {
  readonly found: Found
  readonly decisions: Decisions
}

/** Reads what is in PROCESSING and what the worker says of it, and decides what is to be done; nothing moves. */
export async function look(engine: Engine, tally: Tally): Promise<Findings> {
  await engine.seen.read(engine.lease.fencingToken)
  // The list is read before the poll: an item claimed and sent in between would be in the list, and look lost.
  const items = await listProcessing(engine.queue)
  tally.processing = items.size
  const awaited = [...items.values()].map(refOf)
  const reports = await callWorker('pollAllStatus', () => engine.worker.pollAllStatus(awaited))
  const found = { items, reports }
  await engine.known.confirm(engine, found)
  notePoll(engine, tally, found)
  const asking: Asking = { decisions: noDecisions(), poll: pollOf(engine, found) }
  for (const item of items.values())
    decideOne(engine, { item, report: reports.get(item.id), poll: asking.poll }, asking.decisions)
  tally.pending = asking.decisions.pending.length
  warnOfPending(engine, asking.decisions.pending)
  await askForMore(engine, tally, { asking, found })
  const isSent = (item: ItemSummary): boolean => engine.memory.isSent(item)
  // Before anything follows from what was seen. Under the lease: one that has lost it stops here.
  await engine.seen.write({ items: items.values(), isSent, lease: engine.lease.current })
  await cancelThosePending(engine, tally, asking)
  tally.orphans = engine.running.orphanPlaces(items, isSent)
  const missing = missingOf(engine, items.values())
  await engine.missing.note(missing, engine.lease.current)
  tellHoldups(engine, tally, { ...asking.decisions, missing })
  return { found, decisions: asking.decisions }
}

/** Jobs that had started, that the worker does not know any more, and of which the lost policy has not decided yet. */
function missingOf({ memory, rules }: Engine, items: Iterable<ItemSummary>): MissingJob[] {
  return [...items].flatMap((item) => {
    const absentMs = memory.missingMs(item)
    return absentMs === undefined || absentMs >= rules.lost.graceMs ? [] : [{ item, absentMs }]
  })
}

/** Asks by name for what the poll can't say, or says for too long. */
async function askForMore(
  engine: Engine,
  tally: Tally,
  { asking, found }: { asking: Asking; found: Found },
): Promise<void> {
  const reported = reportedOf(found)
  const trials = new LookupTrials(engine, tally, reported[0]?.item)
  const running = reported.filter(({ stage }) => stage === 'PROCESSING').map(({ item }) => item)
  try {
    await askForAbsent(engine, tally, { asking, trials })
    await askForEarlier(engine, tally, asking)
    const cancels = new Set(asking.decisions.cancels.map(({ item }) => item))
    await askForQuiet(engine, tally, { asking, trials, items: running.filter((item) => !cancels.has(item)) })
  } finally {
    trials.end()
    engine.open.dropAnswered()
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

function notePoll(engine: Engine, tally: Tally, found: Found): void {
  const { reports, items } = found
  engine.polls.note(reports)
  engine.running.notePoll(found)
  engine.memory.keepOnly(items.values())
  engine.quiet.keepOnly(items)
  engine.open.keepOnly(items.values())
  tally.poll = tickPollOf(reports, engine.polls.mayStart)
}

function pollOf({ worker, running }: Engine, { items, reports }: Found): Poll {
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

/** Brings the queue up to what the worker says: settles items whose jobs have ended, and deals with jobs that no item waits for. */
export async function reconcile(engine: Engine, tally: Tally, { found, decisions }: Findings): Promise<void> {
  const { settlements } = decisions
  await settleAll(
    engine,
    tally,
    settlements.filter(({ why }) => why === 'reported'),
  )
  const lost = settlements.filter(({ why }) => why !== 'reported')
  // A report is true whoever brings it. That a job is lost was judged by what was read before: another engine may have sent it again since.
  if (lost.length > 0 && (await engine.lease.keep())) await settleAll(engine, tally, lost)
  await reconcileOrphans(engine, tally, found)
}

/** Jobs that have been pending for too long are told to end, after all that must be asked for has been. */
async function cancelThosePending(engine: Engine, tally: Tally, { decisions, poll }: Asking): Promise<void> {
  const { runtime, memory, lookups } = engine
  const isFresh = !poll.canAsk
  // What a poll that isn't complete says may be of long ago, and here nobody can be asked.
  if (isFresh && poll.poll === 'incomplete') return
  const beganMs = runtime.monotonicMs()
  const due = decisions.cancels.toSorted((a, b) => b.pendingMs - a.pendingMs)
  await forEachParallel(due, engine.sendConcurrency, async ({ item, report }) => {
    const nowMs = runtime.monotonicMs()
    if (tally.unavailable !== undefined || isLate(engine, beganMs) || !memory.mayCancel(item, nowMs)) return
    if (!lookups.take(nowMs)) return
    try {
      const answer = await cancelPending(engine, tally, { item, report, isFresh })
      if (answer !== 'cancelled') noteAnswer(engine, { item, report: answer, poll }, decisions)
    } catch (error) {
      noteCancelFailed(engine, item, error)
    }
  })
}

/** It has ended meanwhile, or has begun: then it is no longer pending. */
function noteAnswer(engine: Engine, { item, report, poll }: Seen, decisions: Decisions): void {
  const nowMs = engine.runtime.monotonicMs()
  engine.memory.noteNotCancelled(item, nowMs)
  if (report !== undefined) engine.memory.noteReport(item, report, nowMs)
  if (report === undefined || report.stage === 'PROCESSING') return
  act(engine, { item, report, facts: factsOf(engine, item, poll) }, decisions)
}
