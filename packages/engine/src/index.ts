/** The loop of Sluice: reconcile what runs, then dispatch what may start. */
export { WorkQueue } from './tick/ticker.js'
export type { StopOptions, TickOptions } from './tick/tick-options.js'
export type {
  JobsOptions,
  LostOptions,
  SendsOptions,
  SweepingOptions,
  WorkQueueOptions,
} from './work-queue-options.js'
export { runLoop } from './run/run-loop.js'
export type { RunLoopOptions } from './run/run-loop.js'
export { HOLDUP_ADVICE, HOLDUP_CODES, holdupsInOrder } from './holdups/holdup.js'
export type { Holdup, HoldupCode } from './holdups/holdup.js'
export type { TickPoll, TickResult } from './tick/tick-result.js'
export type { WorkEvent } from './work-event.js'
export { processingLimit, unlimited } from './policies/dispatch-policy.js'
export type { DispatchPolicy, DispatchSnapshot } from './policies/dispatch-policy.js'
export type { RetryOptions, RetryRule } from './policies/retry.js'
export { retryFindings } from './policies/retry-findings.js'
export type { RetryFinding } from './policies/retry-findings.js'
export type { Backoff, Random } from './policies/backoff.js'
export { decide } from './reconcile/decide.js'
export type { Action, DecideRules, JobFacts, LostPolicy, PendingCancel } from './reconcile/decide.js'
export type { CheckedRetryRule, RetryPolicy } from './policies/retry.js'
export type { ExitCodeRange } from './policies/exit-code-range.js'
export { leftOutOf } from './settling/settlement.js'
export type { JobSettlement } from './settling/settlement.js'
export { DISPATCHER_LEASE } from './tick/lease-keeper.js'
export { CANCELLED_CLASS, CANCELLED_DETAILS, isCancelled } from './reconcile/cancelled-job.js'
export { foldMessage } from './reconcile/fold-message.js'
export {
  DISPATCHER_DOCUMENT,
  ENGINE_DOCUMENTS,
  GUARDS_DOCUMENT,
  MISSING_JOBS_DOCUMENT,
  SEEN_JOBS_DOCUMENT,
  WORKER_DOCUMENT,
} from './records/document-names.js'
export { readLeftOut } from './records/left-out.js'
export type { LeftOut } from './records/left-out.js'
export { readStartedJobs } from './records/started-jobs.js'
export type { MissingSince, StartedJobs } from './records/started-jobs.js'
export { clearSelfPause, readSelfPause } from './guards/self-pause.js'
export { selfPauseHoldup } from './holdups/dispatch-holdups.js'
export type { SelfPause } from './guards/self-pause.js'
export { readDispatcher } from './records/dispatcher-json.js'
export type { DispatcherState } from './records/dispatcher-state.js'
