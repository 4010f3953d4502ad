import { MAX_PAGE_ITEMS, type ItemHead, type JobReport, type JobReports, type Queue } from '@sluice/core'
import { decide, type JobFacts } from './decide.js'
import type { Engine } from './engine.js'
import { callWorker, isOutage } from './engine-errors.js'
import { isReportOf, type Found } from './found.js'
import { reconcileOrphans } from './orphans.js'
import { forEachParallel } from './parallel.js'
import { cancelPending, noteCancelFailed, warnOfPending, type PendingJob } from './pending.js'
import { isComplete } from './running-jobs.js'
import { refOf, settleAll, type DecidedSettlement } from './settle.js'
import type { Tally } from './tick-result.js'

/** What was read of queue and worker, and what was decided of all items in PROCESSING. */
export interface Findings {
  readonly found: Found
  readonly decisions: Decisions
}

interface Decisions {
  readonly settlements: DecidedSettlement[]
  readonly resends: ItemHead[]
  readonly asks: ItemHead[]
  readonly pending: PendingJob[]
  readonly cancels: PendingJob[]
}

/** What one poll is good for. */
interface Poll {
  readonly poll: JobFacts['poll']
  readonly canAsk: boolean
}

/** Reads what is in PROCESSING and what the worker says of it, and decides what is to be done; nothing moves. */
export async function look(engine: Engine, tally: Tally): Promise<Findings> {
  // The list is read before the poll: an item claimed and sent in between would be in the list, and look lost.
  const items = await listProcessing(engine.queue)
  tally.processing = items.size
  const awaited = [...items.values()].map(refOf)
  const reports = await callWorker('pollAllStatus', () => engine.worker.pollAllStatus(awaited))
  const found = { items, reports }
  notePoll(engine, tally, found)
  const decisions: Decisions = { settlements: [], resends: [], asks: [], pending: [], cancels: [] }
  const poll: Poll = {
    poll: isComplete(reports) ? 'complete' : 'incomplete',
    canAsk: engine.worker.lookupJob !== undefined && engine.worker.supports.lookupJob,
  }
  for (const item of items.values())
    decideOne(engine, { item, report: reports.get(item.id), poll }, decisions)
  tally.pending = decisions.pending.length
  warnOfPending(engine, decisions.pending)
  await askForAbsent(engine, tally, { decisions, poll })
  await cancelThosePending(engine, tally, { decisions, poll })
  tally.orphans = engine.running.orphans(items).length
  return { found, decisions }
}

function notePoll(engine: Engine, tally: Tally, found: Found): void {
  const { reports } = found
  engine.polls.note(reports)
  engine.running.notePoll(found)
  engine.memory.keepOnly(found.items.values())
  tally.poll = pollOf(reports, engine.polls.mayStart)
}

function pollOf(reports: JobReports, mayStart: boolean): Tally['poll'] & object {
  const { incompleteReason: reason } = reports
  const complete = isComplete(reports)
  const why = complete || reason === undefined ? {} : { reason }
  return { complete, ...why, mayStart, asked: 0, unasked: 0 }
}

/** Brings the queue up to what the worker says: settles items whose jobs have ended, and tells of jobs that have no item. */
export async function reconcile(engine: Engine, tally: Tally, { found, decisions }: Findings): Promise<void> {
  await settleAll(engine, tally, decisions.settlements)
  await reconcileOrphans(engine, found)
}

async function listProcessing(queue: Queue): Promise<Map<string, ItemHead>> {
  const items = new Map<string, ItemHead>()
  let cursor: string | undefined
  do {
    const page = await queue.listHeads('PROCESSING', {
      limit: MAX_PAGE_ITEMS,
      ...(cursor === undefined ? {} : { cursor }),
    })
    for (const item of page.items) items.set(item.id, item)
    cursor = page.cursor
  } while (cursor !== undefined)
  return items
}

interface Seen {
  readonly item: ItemHead
  readonly report: JobReport | undefined
  readonly poll: Poll
}

function decideOne(engine: Engine, { item, report, poll }: Seen, decisions: Decisions): void {
  const { memory } = engine
  const own = ownReport(item, report)
  const nowMs = engine.clock.monotonicMs()
  if (own === undefined && poll.poll === 'incomplete') memory.noteUnseen(item, nowMs)
  else memory.noteReport(item, own, nowMs)
  const facts = memory.facts(item, nowMs, poll)
  if (own?.pending === true && own.stage === 'PROCESSING')
    decisions.pending.push({ item, report: own, pendingMs: facts.pendingMs ?? 0 })
  act(engine, { item, report: own, facts }, decisions)
}

/** A report of another uid or attempt is a stranger's: for this item there is none. */
function ownReport(item: ItemHead, report: JobReport | undefined): JobReport | undefined {
  return report !== undefined && isReportOf(item, report) ? report : undefined
}

interface Judged {
  readonly item: ItemHead
  readonly report: JobReport | undefined
  readonly facts: JobFacts
}

function act(engine: Engine, { item, report, facts }: Judged, decisions: Decisions): void {
  const action = decide(item, { report, facts }, engine.rules)
  switch (action.kind) {
    case 'wait':
      return
    case 'ask':
      decisions.asks.push(item)
      return
    case 'resend':
      engine.memory.noteUnsent(item)
      decisions.resends.push(item)
      return
    case 'cancel':
      if (report !== undefined) decisions.cancels.push({ item, report, pendingMs: facts.pendingMs ?? 0 })
      return
    case 'hold':
      if (engine.memory.firstHeld(item)) tellHeld(engine, item)
      return
    case 'settle':
      decisions.settlements.push({ settlement: action.settlement, why: action.lost ? 'lost' : 'reported' })
  }
}

function tellHeld(engine: Engine, item: ItemHead): void {
  engine.logger.error(
    refOf(item),
    'a job is lost; its item stays in PROCESSING until a person releases or settles it',
  )
  engine.emit({ kind: 'item-lost', job: refOf(item), policy: 'hold' })
}

interface Asking {
  readonly decisions: Decisions
  readonly poll: Poll
}

/** Look-ups within one tick begin for a third of the lease's life at most, and none in a stop: what the poll said is to be settled meanwhile. */
function isLate({ clock, leaseTtlMs, stop }: Engine, beganMs: number): boolean {
  return stop.requested || clock.monotonicMs() - beganMs >= leaseTtlMs / 3
}

/**
 * Absence from a poll is never a failure [W-POLL-2]: the worker is asked for each missing job before anything follows from it. Within
 * the budget, first for the one whose answer has been wanted for longest; the others stay as they were.
 */
async function askForAbsent(engine: Engine, tally: Tally, { decisions, poll }: Asking): Promise<void> {
  const { memory, clock, lookups } = engine
  const beganMs = clock.monotonicMs()
  await forEachParallel(memory.longestWanted(decisions.asks), engine.sendConcurrency, async (item) => {
    // One that couldn't be asked will do: the others wait for the next tick, as this one does.
    const mayAsk = tally.unavailable === undefined && !isLate(engine, beganMs)
    if (!mayAsk || !lookups.take(clock.monotonicMs())) {
      count(tally, 'unasked')
      return
    }
    count(tally, 'asked')
    try {
      await ask(engine, item, { decisions, poll })
    } catch (error) {
      if (!isOutage(error)) throw error
      memory.noteAskFailed(item, clock.monotonicMs())
      tally.unavailable ??= error
    }
  })
}

function count(tally: Tally, what: 'asked' | 'unasked'): void {
  if (tally.poll !== undefined) tally.poll = { ...tally.poll, [what]: tally.poll[what] + 1 }
}

async function ask(engine: Engine, item: ItemHead, { decisions, poll }: Asking): Promise<void> {
  const { worker, memory, clock, running } = engine
  const answer = await callWorker('lookupJob', async () => worker.lookupJob?.(refOf(item)))
  const report = ownReport(item, answer)
  const nowMs = clock.monotonicMs()
  if (report?.stage === 'PROCESSING') running.noteSending(refOf(item))
  else running.noteEnded(refOf(item))
  // Sure as the answer is, only a complete poll beside it lets a grace pass.
  if (report === undefined && poll.poll === 'incomplete') memory.noteUnseen(item, nowMs)
  else memory.noteReport(item, report, nowMs)
  if (report === undefined) memory.noteNone(item)
  const facts = { ...memory.facts(item, nowMs, poll), asking: 'no-such-job' } as const
  memory.noteAsked(item, nowMs)
  act(engine, { item, report, facts }, decisions)
}

/** Jobs that have been pending for too long are told to end, after all that must be asked for has been. */
async function cancelThosePending(engine: Engine, tally: Tally, { decisions, poll }: Asking): Promise<void> {
  const { clock, memory, lookups } = engine
  const isFresh = !poll.canAsk
  // What a poll that isn't complete says may be of long ago, and here nobody can be asked.
  if (isFresh && poll.poll === 'incomplete') return
  const beganMs = clock.monotonicMs()
  const due = decisions.cancels.toSorted((a, b) => b.pendingMs - a.pendingMs)
  await forEachParallel(due, engine.sendConcurrency, async ({ item, report }) => {
    const nowMs = clock.monotonicMs()
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
  const nowMs = engine.clock.monotonicMs()
  engine.memory.noteNotCancelled(item, nowMs)
  if (report !== undefined) engine.memory.noteReport(item, report, nowMs)
  if (report === undefined || report.stage === 'PROCESSING') return
  act(engine, { item, report, facts: engine.memory.facts(item, nowMs, poll) }, decisions)
}
