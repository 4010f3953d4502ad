import type { ItemSummary, JobReport, Settlement } from '@sluice/core'
import { decide, type Action, type JobFacts } from './decide.js'
import type { Tick } from '../tick/tick.js'
import { isReportOf } from './found.js'
import type { DueCancel } from './cancel-job.js'
import type { PendingJob } from './pending.js'
import { refOf, type DecidedSettlement } from '../settling/settle.js'
import { overdue } from '../settling/settlement.js'
import type { CancelCause } from './job-cancel.js'
import { retryStateOf } from '../settling/retry-state.js'

/**
 * A cluster refuses a pod within a second; instants of a job may be whole seconds, and a busy controller
 * takes a few.
 */
const START_MS = 5_000

/** What was decided of all items in PROCESSING. */
export interface Decisions {
  readonly settlements: DecidedSettlement[]
  readonly resends: ItemSummary[]
  /** Their jobs are to be looked up. */
  readonly asks: ItemSummary[]
  readonly pending: PendingJob[]
  readonly cancels: DueCancel[]
  /** They wait for jobs of earlier attempts, which are to be looked up. */
  readonly earlierAsks: ItemSummary[]
  /** They wait for jobs of earlier attempts, and nothing more can be done. */
  readonly earlierWaits: ItemSummary[]
  /** Their jobs are lost, and an operator is to decide. */
  readonly held: ItemSummary[]
}

/** What can be concluded from one poll. */
export interface Poll {
  readonly poll: JobFacts['poll']
  readonly canAsk: boolean
  /** Of items in PROCESSING, by uid: those that have running jobs of earlier attempts. */
  readonly earlier: ReadonlyMap<string, unknown>
}

/** The decisions of a tick, and the poll that they are based on. */
export interface Asking {
  readonly decisions: Decisions
  readonly poll: Poll
}

export interface Seen {
  readonly item: ItemSummary
  readonly report: JobReport | undefined
  readonly poll: Poll
}

export function noDecisions(): Decisions {
  return {
    settlements: [],
    resends: [],
    asks: [],
    pending: [],
    cancels: [],
    earlierAsks: [],
    earlierWaits: [],
    held: [],
  }
}

/** Decides about an item by the poll. */
export function decideOne(tick: Tick, { item, report, poll }: Seen, decisions: Decisions): void {
  const { memory, seen } = tick
  const own = ownReport(item, report)
  const nowMonotonic = tick.runtime.monotonicMs()
  if (memory.isUnknown(item) && seen.has(item)) memory.noteSeenBefore(item)
  if (own === undefined && poll.poll === 'incomplete') memory.noteUnseen(item, nowMonotonic)
  else memory.noteReport(item, own, nowMonotonic)
  if (own !== undefined) tick.quiet.noteReport(item, own, nowMonotonic)
  tick.clocks?.note(item, own)
  const facts = factsOf(tick, item, poll)
  if (facts.isStraggler === true) reportStraggler(tick, item)
  if (own?.pending === true && own.stage === 'PROCESSING')
    decisions.pending.push({ item, report: own, pendingMs: facts.pendingMs ?? 0 })
  act(tick, { item, report: own, facts }, decisions)
}

/** A report of another uid or attempt counts as none. */
export function ownReport(item: ItemSummary, report: JobReport | undefined): JobReport | undefined {
  return report !== undefined && isReportOf(item, report) ? report : undefined
}

export function factsOf(tick: Tick, item: ItemSummary, poll: Poll): JobFacts {
  const facts = tick.memory.facts(item, tick.runtime.monotonicMs(), poll)
  // Before the record is read, an item that is not known to have been sent may have a job that was seen: it
  // is neither looked up nor sent.
  const isOpen = facts.sent === 'unknown' && !tick.seen.isKnown
  return {
    ...facts,
    ...tick.clocks?.facts(item),
    ...(isOpen ? { asking: 'later' } : {}),
    earlier: earlierOf(tick, item, poll),
  }
}

/**
 * The list of items was read before the poll began: every poll begins after the claims that it is compared
 * with.
 */
function earlierOf(
  { memory }: Tick,
  item: ItemSummary,
  { poll, earlier }: Poll,
): 'ended' | 'running' | 'unknown' {
  if (earlier.has(item.uid)) return poll === 'complete' ? 'running' : 'unknown'
  if (poll === 'complete') memory.noteEarlierEnded(item)
  return isFirst(item) || memory.isEarlierEnded(item) ? 'ended' : 'unknown'
}

/** Whether no job of an earlier attempt can run, by the item's own record. */
export function isFirst(item: ItemSummary): boolean {
  return item.attempt <= 1 || retryStateOf(item).ended === true
}

export interface Judged {
  readonly item: ItemSummary
  readonly report: JobReport | undefined
  readonly facts: JobFacts
}

/** Decides, and collects the action. */
export function act(tick: Tick, { item, report, facts }: Judged, decisions: Decisions): void {
  const action = decide(item, { report, facts }, tick.rules)
  switch (action.kind) {
    case 'wait':
      return
    case 'ask':
      decisions.asks.push(item)
      return
    case 'resend':
      noteResend(tick, item, decisions)
      return
    case 'await-earlier':
    case 'ask-earlier':
      tick.memory.noteUnsent(item)
      if (action.kind === 'ask-earlier') decisions.earlierAsks.push(item)
      else decisions.earlierWaits.push(item)
      return
    case 'cancel':
      if (report !== undefined) decisions.cancels.push(dueCancel({ item, report, facts }, action.cause))
      return
    case 'overdue':
      decisions.settlements.push({ settlement: overdue(item, tick.rules.itemMs ?? 0), why: 'overdue' })
      return
    case 'hold':
      decisions.held.push(item)
      if (tick.memory.firstHeld(item)) reportHeld(tick, item)
      return
    case 'settle':
      decisions.settlements.push(decidedOf(action, report))
  }
}

function dueCancel(
  { item, report, facts }: { item: ItemSummary; report: JobReport; facts: JobFacts },
  cause: CancelCause,
): DueCancel {
  const forMs = (cause === 'pending' ? facts.pendingMs : facts.runningMs) ?? 0
  return { item, report, cause, forMs }
}

/** Once for each job. */
function reportStraggler(tick: Tick, item: ItemSummary): void {
  const straggler = tick.clocks?.straggler(item)
  if (straggler === undefined || tick.clocks?.firstMark(item) !== true) return
  const measured = { runningMs: Math.round(straggler.runningMs), p95Ms: Math.round(straggler.p95Ms) }
  tick.logger.warn({ ...refOf(item), ...measured }, 'a job runs far longer than others of the queue')
  tick.emit({ kind: 'straggler', job: refOf(item), ...measured })
}

function decidedOf(
  { settlement, lost }: Extract<Action, { kind: 'settle' }>,
  report: JobReport | undefined,
): DecidedSettlement {
  if (lost || report === undefined) return { settlement, why: 'lost' }
  const { finishedAt: endedAt } = report
  const decided = { settlement, why: 'reported', isRefusedStart: isRefusedStart(report, settlement) } as const
  return endedAt === undefined ? decided : { ...decided, endedAt }
}

/**
 * Whether the job was refused at its start: it failed with class `error` within {@link START_MS} of its
 * start. A report with neither instant does not say; one with an end alone was never started.
 */
function isRefusedStart(
  { stage, startedAt, finishedAt }: JobReport,
  { failureClass }: Pick<Settlement, 'failureClass'>,
): boolean {
  if (stage !== 'FAIL' || failureClass !== 'error' || finishedAt === undefined) return false
  return startedAt === undefined || finishedAt - startedAt <= START_MS
}

/** Its job may be sent, in this tick if there is room. */
export function noteResend(tick: Tick, item: ItemSummary, decisions: Decisions): void {
  tick.memory.noteUnsent(item)
  decisions.resends.push(item)
}

function reportHeld(tick: Tick, item: ItemSummary): void {
  tick.logger.error(
    refOf(item),
    'a job is lost; its item stays in PROCESSING until an operator releases or settles it',
  )
  tick.emit({ kind: 'item-lost', job: refOf(item), policy: 'hold' })
}
