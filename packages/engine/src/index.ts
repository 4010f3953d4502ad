/** The loop of Sluice: reconcile what runs, then dispatch what may start. */
export { WorkQueue } from './work-queue.js'
export type { StopOptions, TickOptions } from './running/tick-options.js'
export type {
  JobsOptions,
  LostOptions,
  SendsOptions,
  SweepingOptions,
  WorkQueueOptions,
} from './engine-options.js'
export { runLoop } from './run-loop.js'
export type { RunLoopOptions } from './run-loop.js'
export { HOLDUP_ADVICE, HOLDUP_CODES, holdupsInOrder } from './holdup.js'
export type { Holdup, HoldupCode } from './holdup.js'
export type { TickPoll, TickResult } from './tick-result.js'
export type { WorkEvent } from './work-event.js'
export { processingLimit, unlimited } from './dispatch-policy.js'
export type { DispatchPolicy, DispatchSnapshot } from './dispatch-policy.js'
export type { RetryOptions, RetryRule } from './retry.js'
export { retryFindings } from './retry-findings.js'
export type { RetryFinding } from './retry-findings.js'
export type { Backoff, Random } from './backoff.js'
export { decide } from './decide.js'
export type { Action, DecideRules, JobFacts, LostPolicy, PendingCancel } from './decide.js'
export type { CheckedRetryRule, RetryPolicy } from './retry.js'
export type { ExitCodeRange } from './exit-code-range.js'
export { leftOutOf } from './settlement.js'
export type { JobSettlement } from './settlement.js'
export { DISPATCHER_LEASE } from './lease-keeper.js'
export { CANCELLED_CLASS, CANCELLED_DETAILS, isCancelled } from './cancelled-job.js'
export { foldMessage } from './fold-message.js'
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
export { selfPauseHoldup } from './sending/holdups.js'
export type { SelfPause } from './guards/self-pause.js'
export { readDispatcher } from './records/dispatcher-json.js'
export type { DispatcherState } from './records/dispatcher-state.js'
