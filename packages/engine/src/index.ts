/** The loop of Sluice: reconcile what runs, then dispatch what may start. */
export { WorkQueue } from './work-queue.js'
export type { CloseOptions } from './work-queue.js'
export type { RunOptions } from './run/run-options.js'
export type { TickOptions } from './tick/ticker.js'
export type {
  DeadlinesOptions,
  JobsOptions,
  LostOptions,
  SendsOptions,
  StragglersOptions,
  SweepingOptions,
  WorkQueueOptions,
  WorkerOfAnyJson,
} from './work-queue-options.js'
export type { BackpressureOptions } from './backpressure/backpressure-options.js'
export type { LoweredLimit } from './backpressure/effective-limit.js'
export type { BreakerOptions, FailureThreshold, GuardOptions } from './guards/breaker-options.js'
export { isThreshold } from './guards/breaker-options.js'
export type { TickPoll, TickResult } from './tick/tick-result.js'
export type { WorkEvent } from './work-event.js'
export { all } from './policies/all.js'
export { limitPer, resourceLimit } from './policies/item-limits.js'
export type { LimitPerOptions, ResourceLimitOptions } from './policies/item-limits.js'
export { machineLimit } from './policies/machine-limit.js'
export type { MachineLimitOptions } from './policies/machine-limit.js'
export type { MachineReadings } from './policies/machine/readings.js'
export { processingLimit, unlimited } from './policies/processing-limit.js'
export { rateLimit } from './policies/rate-limit.js'
export type { RateLimitOptions } from './policies/rate-limit.js'
export { timeWindow } from './policies/time-window.js'
export { windowProblem } from './policies/windows/week-window.js'
export { settingsOf } from './policies/dispatch-policy.js'
export type {
  ItemSelection,
  SelectionHoldup,
  SelectionPass,
  SelectionSnapshot,
  Verdict,
} from './selection/item-selection.js'
export { KEY_LIMIT } from './selection/key-limit.js'
export { RESOURCE_LIMIT_PREFIX } from './selection/resource-limit.js'
export type {
  DispatchPolicy,
  DispatchRoom,
  DispatchSnapshot,
  PolicyHoldup,
  PolicyState,
  RecentClaims,
} from './policies/dispatch-policy.js'
export type { Backoff } from './policies/backoff.js'
export type { RetryOptions, RetryRule } from './policies/retry.js'
export type { Escalation } from './policies/escalation.js'
export { retryFindings } from './policies/retry-findings.js'
export type { RetryFinding } from './policies/retry-findings.js'
export type { LostPolicy } from './reconcile/decide.js'
export { HOLDUP_ADVICE, HOLDUP_CODES, holdupsInOrder } from './holdups/holdup.js'
export type { Holdup, HoldupCode } from './holdups/holdup.js'
export { DISPATCHER_LEASE } from './tick/lease-keeper.js'
export { readDispatcher } from './records/dispatcher-document.js'
export type { DispatcherState } from './records/dispatcher-document.js'
export { resetBreaker, readOpenBreaker } from './guards/open-breaker.js'
export type { OpenBreaker } from './guards/open-breaker.js'
export { openBreakerHoldup } from './holdups/dispatch-holdups.js'
export { readStartedJobs } from './records/started-jobs.js'
export type { MissingSince, StartedJobs } from './records/started-jobs.js'
export { readStragglers } from './clocks/stragglers.js'
export type { Stragglers } from './clocks/stragglers.js'
export { readLeftOut } from './records/left-out.js'
export type { LeftOut } from './records/left-out.js'
export { WORKER_DOCUMENT } from './records/document-names.js'
export { leftOutOf } from './settling/settlement.js'
export { CANCELLED_CLASS, CANCELLED_DETAILS, isCancelled } from './reconcile/cancelled-job.js'
export { foldMessage } from './reconcile/fold-message.js'
