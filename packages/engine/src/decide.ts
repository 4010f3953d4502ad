import type { ItemHead, JobReport } from '@sluice/core'
import { backoffMs, type Random } from './backoff.js'
import { failed, lost, succeeded, type JobSettlement } from './settlement.js'
import { countedAttempts, retryDelayMs, type RetryPolicy } from './retry.js'

/** What becomes of an item whose job was there and is gone. */
export type LostPolicy = 'fail' | 'resend' | 'hold'

/** What this engine knows of the job of an item in PROCESSING, beside the worker's report. */
export interface JobFacts {
  /**
   * `sent`: the worker confirmed it to this engine, or a report of it was seen · `unsent`: this engine tried and failed, or claimed it
   * and didn't come to try · `unknown`: another process claimed it.
   */
  readonly sent: 'sent' | 'unsent' | 'unknown'
  /** How long this engine has found no report of it, by its own clock that never goes back. 0 the first time. */
  readonly absentMs: number
  /** `due`: the worker may be asked for this one job · `later`: it was asked a short while ago · `no-such-job`: it was asked after the poll, and has none. */
  readonly asking: 'due' | 'later' | 'no-such-job' | 'not-supported'
}

export interface DecideRules {
  readonly retry: RetryPolicy
  readonly lost: { readonly policy: LostPolicy; readonly graceMs: number }
  readonly random: Random
}

/** What to do about one item in PROCESSING. */
export type Action =
  | { readonly kind: 'wait' }
  | { readonly kind: 'settle'; readonly settlement: JobSettlement; readonly lost: boolean }
  /** Ask the worker for this one job, then decide again. */
  | { readonly kind: 'ask' }
  /** Send the same attempt: the worker makes one job of it however often it is sent [W-SEND-1]. */
  | { readonly kind: 'resend' }
  /** Its job is lost, and a person is to say what becomes of it. */
  | { readonly kind: 'hold' }

const WAIT: Action = { kind: 'wait' }

/**
 * What to do about an item in PROCESSING: a table without I/O, clock or state. The report must be of the item's own uid and
 * attempt; any other is a stranger's, and for this item there is none.
 *
 * | report | sent | asking | absent for | action |
 * |---|---|---|---|---|
 * | running | | | | wait |
 * | succeeded | | | | settle: SUCCESS |
 * | failed | | | | settle: WAITING by the retry policy, else FAIL |
 * | none | unsent | | | resend |
 * | none | unknown, sent | due | | ask |
 * | none | unknown, sent | later | | wait |
 * | none | unknown | no such job | | resend |
 * | none | unknown | not supported | under the grace | wait |
 * | none | unknown | not supported | longer | resend |
 * | none | sent | no such job, not supported | under the grace | wait |
 * | none | sent | no such job, not supported | longer | by the lost policy: settle FAIL, settle WAITING, or hold |
 */
export function decide(
  item: ItemHead,
  job: { readonly report: JobReport | undefined; readonly facts: JobFacts },
  rules: DecideRules,
): Action {
  return job.report === undefined
    ? decideAbsent(item, job.facts, rules)
    : decideReport(item, job.report, rules)
}

function decideReport(item: ItemHead, report: JobReport, rules: DecideRules): Action {
  if (report.stage === 'SUCCESS') return { kind: 'settle', settlement: succeeded(item, report), lost: false }
  if (report.stage !== 'FAIL') return WAIT
  const failure = { item, failureClass: report.failureClass ?? 'failed' }
  const delayMs = retryDelayMs(rules.retry, failure, rules.random)
  return { kind: 'settle', settlement: failed(item, report, delayMs), lost: false }
}

function decideAbsent(item: ItemHead, facts: JobFacts, rules: DecideRules): Action {
  if (facts.sent === 'unsent') return { kind: 'resend' }
  if (facts.asking === 'due') return { kind: 'ask' }
  if (facts.asking === 'later') return WAIT
  // A sure "no such job" of a job that nobody is known to have sent needs no grace: it is how a restart goes on at once. If the
  // process before is still sending it, the worker makes one job of the two calls [W-SEND-1].
  if (facts.sent === 'unknown' && facts.asking === 'no-such-job') return { kind: 'resend' }
  if (facts.absentMs < rules.lost.graceMs) return WAIT
  return facts.sent === 'unknown' ? { kind: 'resend' } : decideLost(item, rules)
}

function decideLost(item: ItemHead, { lost: { policy, graceMs }, retry, random }: DecideRules): Action {
  if (policy === 'hold') return { kind: 'hold' }
  const delayMs = policy === 'resend' ? backoffMs(retry.backoff, countedAttempts(item), random) : undefined
  return { kind: 'settle', settlement: lost(item, graceMs, delayMs), lost: true }
}
