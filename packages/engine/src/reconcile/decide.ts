import type { ItemSummary, JobReport } from '@sluice/core'
import { backoffMs, type Random } from '../policies/backoff.js'
import { failed, lost, succeeded, type JobSettlement } from '../settling/settlement.js'
import { countedAttempts, retryDelayMs, type RetryPolicy } from '../policies/retry.js'

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
  /** This engine cancelled it for being pending too long. */
  readonly cancelled?: PendingCancel
}

/** Why a pending job was cancelled. */
export interface PendingCancel {
  /** What the job was waiting for, in the worker's words. */
  readonly message?: string
}

export interface DecideRules {
  readonly retry: RetryPolicy
  readonly lost: { readonly policy: LostPolicy; readonly graceMs: number }
  /** A job that is pending for this long is cancelled. Absent: none is. */
  readonly pendingTimeoutMs?: number
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
  /** Cancel a job that does not begin; the item keeps its place until the end is seen. */
  | { readonly kind: 'cancel' }
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
 * | succeeded, cancelled or not | | | | | settle: SUCCESS |
 * | failed | | | | | settle: WAITING by the retry policy, else FAIL |
 * | failed, cancelled for the timeout | | | | | the same, of class `unschedulable` |
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

function decideReport(item: ItemSummary, { report, facts }: Reported, rules: DecideRules): Action {
  if (report.stage === 'SUCCESS') return { kind: 'settle', settlement: succeeded(item, report), lost: false }
  if (report.stage !== 'FAIL') return isPendingTooLong({ report, facts }, rules) ? { kind: 'cancel' } : WAIT
  const failure = facts.cancelled === undefined ? report : unschedulable(report, facts.cancelled, rules)
  const { failureClass = 'failed', exitCode } = failure
  const code = exitCode === undefined ? {} : { exitCode }
  const delayMs = retryDelayMs(rules.retry, { item, failureClass, ...code }, rules.random)
  return { kind: 'settle', settlement: failed(item, failure, delayMs), lost: false }
}

function isPendingTooLong({ report, facts }: Reported, { pendingTimeoutMs }: DecideRules): boolean {
  const { pendingMs = 0, cancelled } = facts
  if (report.pending !== true || pendingTimeoutMs === undefined) return false
  return pendingMs >= pendingTimeoutMs && cancelled === undefined
}

/**
 * The report of a job that this engine cancelled: the reason for that replaces what the worker calls the end.
 */
function unschedulable(report: JobReport, { message }: PendingCancel, rules: DecideRules): JobReport {
  const why = message ?? 'the worker did not say what it was waiting for'
  const span = `${rules.pendingTimeoutMs ?? 0} ms`
  return {
    ...report,
    failureClass: 'unschedulable',
    message: `unschedulable: nothing of the job began within ${span}, and it was cancelled: ${why}`,
  }
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
  return facts.sent === 'unknown' ? start(facts) : decideLost(item, rules)
}

/**
 * Two jobs of one item never run at once: where the attempt before did not end by a report, it is checked
 * first.
 */
function start({ earlier = 'ended', asking }: JobFacts): Action {
  if (earlier === 'ended') return { kind: 'resend' }
  return { kind: earlier === 'unknown' && asking !== 'not-supported' ? 'ask-earlier' : 'await-earlier' }
}

function decideLost(item: ItemSummary, { lost: { policy, graceMs }, retry, random }: DecideRules): Action {
  if (policy === 'hold') return { kind: 'hold' }
  const delayMs = policy === 'resend' ? backoffMs(retry.backoff, countedAttempts(item), random) : undefined
  return { kind: 'settle', settlement: lost(item, graceMs, delayMs), lost: true }
}
