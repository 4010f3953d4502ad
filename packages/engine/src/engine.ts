import type { Clock, Logger, Queue, Worker } from '@sluice/core'
import type { DecideRules } from './decide.js'
import type { JobMemory } from './job-memory.js'
import type { JobsRule, SendsOptions } from './engine-options.js'
import type { LeaseKeeper } from './lease-keeper.js'
import type { LookupBudget } from './lookup-budget.js'
import type { PollState } from './poll-state.js'
import type { ReleasePolicy } from './release-policy.js'
import type { RunningJobs } from './running-jobs.js'
import type { DispatcherRecord } from './records/dispatcher-record.js'
import type { CallWatch } from './running/call-watch.js'
import type { UnsentClaims } from './running/unsent-claims.js'
import type { WorkEvent } from './work-event.js'

/** What the functions of one WorkQueue share. */
export interface Engine {
  readonly queue: Queue
  readonly worker: Worker
  readonly policy: ReleasePolicy
  readonly rules: DecideRules
  readonly sendConcurrency: number
  readonly maxBatchItems: number
  readonly jobs: JobsRule
  readonly sends: Required<SendsOptions>
  readonly stallMs: number
  readonly leaseTtlMs: number
  readonly clock: Clock
  readonly logger: Logger
  readonly memory: JobMemory
  readonly running: RunningJobs
  readonly polls: PollState
  readonly lookups: LookupBudget
  readonly lease: LeaseKeeper
  /** Every call of `queue` and `worker` goes through it. */
  readonly calls: CallWatch
  /** What it says of itself to other processes. */
  readonly record: DispatcherRecord
  readonly unsent: UnsentClaims
  /** Nothing more is to start: this engine is being stopped, or has stalled. Looked at before each send and each claim. */
  readonly stop: { requested: boolean }
  /** What was told already, so that it isn't told at every tick. */
  readonly told: {
    /** Orphans that run, by their names; only those of the latest poll. */
    readonly orphans: Set<string>
    forgetFailing: boolean
    cancelFailing: boolean
  }
  readonly emit: (event: WorkEvent) => void
}
