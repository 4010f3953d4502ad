import type { ItemSummary, JobReport } from '@sluice/core'
import { backoffMs, type Random } from '../policies/backoff.js'
import { nextOverrides, overridesOf, type Escalation } from '../policies/escalation.js'
import { countedAttempts, retryOf, type RetryPolicy } from '../policies/retry.js'
import { retryStateOf } from '../settling/retry-state.js'
import {
  failed,
  lost,
  straggled,
  succeeded,
  type Attempt,
  type JobSettlement,
  type NextAttempt,
} from '../settling/settlement.js'
import { cancelledReport, type CancelCause, type JobCancel } from './job-cancel.js'

/** What happens to an item whose job has disappeared. */
export type LostPolicy = 'fail' | 'resend' | 'hold'

/** What this engine knows of the job of an item in PROCESSING, besides the worker's report. */
export interface JobFacts {
  /**
   * `sent`: the worker confirmed the send to this engine, or a report was seen · `unsent`: this engine failed
   * to send it, or claimed it and did not try · `unknown`: another process claimed it.
   */
  readonly sent: 'sent' | 'unsent' | 'unknown'
  /** How long this engine has found no report of it, by the monotonic clock. 0 the first time. */
  readonly absentMs: number
  /**
   * `due`: the job may be looked up · `later`: it was looked up recently · `no-such-job`: it was looked up
   * after the poll, and does not exist.
   */
  readonly asking: 'due' | 'later' | 'no-such-job' | 'not-supported'
  /**
   * The jobs of the item's earlier attempts. `ended`: none runs · `running`: a complete poll, begun after the
   * claim, has one · `unknown`: not checked since the claim. Absent: `ended`.
   */
  readonly earlier?: 'ended' | 'running' | 'unknown'
  /** Absence from an incomplete poll says nothing [W-POLL-2]. */
  readonly poll: 'complete' | 'incomplete'
  /**
   * How long this engine has known it to be pending, by the same clock; absent: it was never seen pending, or
   * has begun [W-PEND-1].
   */
  readonly pendingMs?: number
  /** How long it has run, as far as engines have seen it; where deadlines or stragglers are configured. */
  readonly runningMs?: number
  /** What is left of the item's deadline; 0 or less: it is over. Absent: there is none. */
  readonly itemLeftMs?: number
  /** When the first claim of the item was seen, by the storage's clock; where the item has a deadline. */
  readonly sinceAt?: number
  /** It has run for so long that it counts as a straggler. */
  readonly isStraggler?: boolean
  /** This engine, or one before it, has recorded that it is to be cancelled. */
  readonly cancelling?: CancelCause
  /** This engine cancelled it. */
  readonly cancelled?: JobCancel
}

export interface DecideRules {
  readonly retry: RetryPolicy
  readonly lost: { readonly policy: LostPolicy; readonly graceMs: number }
  /** A job that is pending for this long is cancelled. Absent: none is. */
  readonly pendingTimeoutMs?: number
  /** A job that runs for this long is cancelled. Absent: none is. */
  readonly attemptMs?: number
  readonly itemMs?: number
  /** Stragglers are cancelled, each item's first one. */
  readonly retriesStragglers?: boolean
  readonly random: Random
}

/** What to do about one item in PROCESSING. */
export type Action =
  | { readonly kind: 'wait' }
  | { readonly kind: 'settle'; readonly settlement: JobSettlement; readonly lost: boolean }
  /** Look the job up, then decide again. */
  | { readonly kind: 'ask' }
  /** Send the same attempt: the worker makes one job of it however often it is sent [W-SEND-1]. */
  | { readonly kind: 'resend' }
  /** Its job may start once those of its earlier attempts have ended; it keeps its claim until then. */
  | { readonly kind: 'await-earlier' }
  /** The same, and they may be looked up. */
  | { readonly kind: 'ask-earlier' }
  /** Cancel the job; the item keeps its place until the end is seen. */
  | { readonly kind: 'cancel'; readonly cause: CancelCause }
  /** The item's deadline is over, and it has no job: it fails. */
  | { readonly kind: 'overdue' }
  /** Its job is lost, and an operator is to decide. */
  | { readonly kind: 'hold' }

const WAIT: Action = { kind: 'wait' }

/**
 * What to do about an item in PROCESSING: a table without I/O, clock or state. The report must be of the
 * item's own uid and attempt; a report of another job counts as none.
 *
 * | report | sent | asking | poll | absent for | action |
 * |---|---|---|---|---|---|
 * | running | | | | | wait |
 * | pending for less than the timeout, or cancelled for it | | | | | wait |
 * | pending for the timeout | | | | | cancel |
 * | running for the attempt's deadline, past the item's, or the item's first straggler | | | | | cancel |
 * | recorded as to be cancelled, and not cancelled by this engine | | | | | cancel |
 * | succeeded, cancelled or not | | | | | settle: SUCCESS |
 * | failed | | | | | settle: WAITING by the retry policy, else FAIL |
 * | failed, cancelled for the timeout | | | | | the same, of class `unschedulable` |
 * | failed, cancelled for the attempt's deadline | | | | | the same, of class `timeout` |
 * | failed, cancelled for the item's deadline | | | | | settle: FAIL, of class `timeout` |
 * | failed, cancelled as a straggler | | | | | settle: WAITING, uncounted |
 * | none | unsent | | | | resend |
 * | none | unknown, sent | due | | | ask |
 * | none | unknown, sent | later | | | wait |
 * | none | unknown | no such job | | | resend |
 * | none | unknown | not supported | incomplete | | wait |
 * | none | unknown | not supported | complete | under the grace | wait |
 * | none | unknown | not supported | complete | longer | resend |
 * | none | sent | no such job, not supported | incomplete | | wait |
 * | none | sent | no such job, not supported | complete | under the grace | wait |
 * | none | sent | no such job, not supported | complete | longer | lost policy: FAIL, WAITING or hold |
 *
 * Where it says `resend`, the jobs of the item's earlier attempts come first, so that no two jobs of one item
 * run at once:
 *
 * | earlier attempts | asking | action |
 * |---|---|---|
 * | ended | | resend |
 * | running | | await-earlier |
 * | unknown | due, later, no such job | ask-earlier |
 * | unknown | not supported | await-earlier |
 *
 * Where the item's deadline is over, `overdue` takes the place of `resend`. A retry that would start after it
 * is none.
 */
export function decide(
  item: ItemSummary,
  job: { readonly report: JobReport | undefined; readonly facts: JobFacts },
  rules: DecideRules,
): Action {
  return job.report === undefined
    ? decideAbsent(item, job.facts, rules)
    : decideReport(item, { report: job.report, facts: job.facts }, rules)
}

interface Reported {
  readonly report: JobReport
  readonly facts: JobFacts
}

function decideReport(item: ItemSummary, job: Reported, rules: DecideRules): Action {
  const { report, facts } = job
  const attempt = attemptOf(item, rules, report)
  if (report.stage === 'SUCCESS') return settle(succeeded(attempt, report))
  if (report.stage !== 'FAIL') {
    const cause = causeToCancel(item, job, rules)
    return cause === undefined ? WAIT : { kind: 'cancel', cause }
  }
  const cancelled = facts.cancelled ?? (facts.cancelling && { cause: facts.cancelling })
  const failure = cancelled === undefined ? report : cancelledReport(report, cancelled, rules)
  if (cancelled?.cause === 'item-deadline') return settle(failed(attempt, failure, undefined))
  if (cancelled?.cause === 'straggler')
    return settle(straggled(attempt, failure, stateOf(attempt, { facts, rules })))
  const { failureClass = 'failed', exitCode } = failure
  const code = exitCode === undefined ? {} : { exitCode }
  const retry = retryOf(rules.retry, { item, failureClass, ...code }, rules.random)
  const next = retry && { delayMs: retry.delayMs, state: stateOf(attempt, { facts, rules, ...retry }) }
  return settle(failed(attempt, ...withinDeadline({ report: failure, next }, facts, rules)))
}

function settle(settlement: JobSettlement, isLost = false): Action {
  return { kind: 'settle', settlement, lost: isLost }
}

/** Why a job that has not ended is to be cancelled; `undefined`: it is not, or was. */
function causeToCancel(item: ItemSummary, job: Reported, rules: DecideRules): CancelCause | undefined {
  const { cancelled, cancelling, itemLeftMs, runningMs, isStraggler } = job.facts
  if (cancelled !== undefined) return undefined
  if (cancelling !== undefined) return cancelling
  if (isPendingTooLong(job, rules)) return 'pending'
  if (itemLeftMs !== undefined && itemLeftMs <= 0) return 'item-deadline'
  if (rules.attemptMs !== undefined && (runningMs ?? 0) >= rules.attemptMs) return 'attempt-deadline'
  const mayStraggle = rules.retriesStragglers === true && retryStateOf(item).straggled !== true
  return isStraggler === true && mayStraggle ? 'straggler' : undefined
}

function isPendingTooLong({ report, facts }: Reported, { pendingTimeoutMs }: DecideRules): boolean {
  if (report.pending !== true || pendingTimeoutMs === undefined) return false
  return (facts.pendingMs ?? 0) >= pendingTimeoutMs
}

function attemptOf(item: ItemSummary, { retry }: DecideRules, report?: JobReport): Attempt {
  return { item, overrides: overridesOf(retry.escalations, { item, report }) }
}

interface Retrying {
  readonly facts: JobFacts
  readonly rules: DecideRules
  /** Of the rule by which it is retried. */
  readonly escalate?: Escalation | undefined
}

/** What the next attempt is told. */
function stateOf(
  { item, overrides: current }: Attempt,
  { facts, rules, escalate }: Retrying,
): NextAttempt['state'] {
  const { since: known, straggled: hasStraggled } = retryStateOf(item)
  const since = facts.sinceAt ?? known
  const overrides = nextOverrides(rules.retry.escalations, { current, escalate })
  return {
    ...(overrides === undefined ? {} : { overrides }),
    ...(since === undefined ? {} : { since }),
    ...(hasStraggled === true ? { straggled: true } : {}),
  }
}

interface Failed {
  readonly report: JobReport
  readonly next: NextAttempt | undefined
}

/** No attempt starts after the item's deadline: one that would is not waited for. */
function withinDeadline(
  { report, next }: Failed,
  { itemLeftMs }: JobFacts,
  { itemMs = 0 }: DecideRules,
): [JobReport, NextAttempt | undefined] {
  if (next === undefined || itemLeftMs === undefined || next.delayMs < itemLeftMs) return [report, next]
  const { message = 'the job failed; the worker did not say why' } = report
  const why = `not retried: the next attempt would start after the item's deadline of ${itemMs} ms (deadlines.itemMs)`
  return [{ ...report, message: `${message}; ${why}` }, undefined]
}

function decideAbsent(item: ItemSummary, facts: JobFacts, rules: DecideRules): Action {
  if (facts.sent === 'unsent') return start(facts)
  if (facts.asking === 'due') return { kind: 'ask' }
  if (facts.asking === 'later') return WAIT
  // A definite "no such job" for a job that is not known to have been sent needs no grace: a restart goes on
  // at once. If the previous process is still sending it, the worker makes one job of the two calls
  // [W-SEND-1].
  if (facts.sent === 'unknown' && facts.asking === 'no-such-job') return start(facts)
  // No grace passes without a complete poll that lacks the job too.
  if (facts.poll === 'incomplete') return WAIT
  if (facts.absentMs < rules.lost.graceMs) return WAIT
  return facts.sent === 'unknown' ? start(facts) : decideLost(item, facts, rules)
}

/**
 * Two jobs of one item never run at once: where the attempt before did not end by a report, it is checked
 * first.
 */
function start({ earlier = 'ended', asking, itemLeftMs }: JobFacts): Action {
  if (earlier === 'ended') return { kind: itemLeftMs !== undefined && itemLeftMs <= 0 ? 'overdue' : 'resend' }
  return { kind: earlier === 'unknown' && asking !== 'not-supported' ? 'ask-earlier' : 'await-earlier' }
}

function decideLost(item: ItemSummary, facts: JobFacts, rules: DecideRules): Action {
  const { policy, graceMs } = rules.lost
  if (policy === 'hold') return { kind: 'hold' }
  const attempt = attemptOf(item, rules)
  if (policy === 'fail') return settle(lost(attempt, graceMs, undefined), true)
  const delayMs = backoffMs(rules.retry.backoff, countedAttempts(item), rules.random)
  const isTooLate = facts.itemLeftMs !== undefined && delayMs >= facts.itemLeftMs
  const next = isTooLate ? undefined : { delayMs, state: stateOf(attempt, { facts, rules }) }
  return settle(lost(attempt, graceMs, next), true)
}
