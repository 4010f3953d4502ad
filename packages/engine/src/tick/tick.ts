import type { Runtime, Logger } from '@sluice/core'
import type { Backpressure } from '../backpressure/backpressure.js'
import type { DecideRules } from '../reconcile/decide.js'
import type { Guards } from '../guards/guards.js'
import type { JobMemory } from '../reconcile/job-memory.js'
import type { AnyQueue, AnyWorker, JobsRule, SendsOptions } from '../work-queue-options.js'
import type { JobClocks } from '../clocks/job-clocks.js'
import type { LeaseKeeper } from './lease-keeper.js'
import type { LookupBudget } from '../lookups/lookup-budget.js'
import type { PollState } from '../reconcile/poll-state.js'
import type { DispatchPolicy } from '../policies/dispatch-policy.js'
import type { ClaimLog } from '../records/claim-log.js'
import type { KnownWorker } from '../records/known-worker.js'
import type { SeenJobs } from '../records/seen-jobs.js'
import type { RunningJobs } from '../reconcile/running-jobs.js'
import type { OpenLookups } from '../lookups/open-lookups.js'
import type { QuietJobs } from '../lookups/quiet-jobs.js'
import type { JudgedOrphan } from '../reconcile/orphan-verdict.js'
import type { Selector } from '../selection/selector.js'
import type { SendState } from '../sending/send-state.js'
import type { DispatcherRecord } from '../records/dispatcher-record.js'
import type { MissingJobs } from '../records/missing-jobs.js'
import type { CallWatch } from '../watchdog/call-watch.js'
import type { UnsentClaims } from '../dispatch/unsent-claims.js'
import type { WorkEvent } from '../work-event.js'
import type { Tally } from './tick-result.js'

/** What an engine works with and remembers from tick to tick. After a stall all of it is made again. */
export interface EngineParts {
  readonly queue: AnyQueue
  readonly worker: AnyWorker
  readonly policy: DispatchPolicy
  /** Chooses what is claimed; `undefined`: the policy takes items in the order of the queue. */
  readonly selector: Selector | undefined
  readonly rules: DecideRules
  readonly sendConcurrency: number
  /** How many jobs one call starts: 1, or what the worker's `sendMany` takes. */
  readonly maxJobsPerSend: number
  readonly maxBatchItems: number
  readonly jobs: JobsRule
  readonly sends: Required<SendsOptions>
  readonly stallMs: number
  readonly leaseTtlMs: number
  readonly runtime: Runtime
  readonly logger: Logger
  readonly memory: JobMemory
  readonly running: RunningJobs
  /** The durable record of jobs that were seen. */
  readonly seen: SeenJobs
  readonly drain: boolean
  /** Pauses the queue where going on would only fail its items. */
  readonly guards: Guards
  /** Reports those of them that the worker does not know any more. */
  readonly missing: MissingJobs
  /** The recent claims, for a policy with a state. */
  readonly claimLog?: ClaimLog
  readonly acceptNewWorker: boolean
  /** Compares the worker with the one that the queue was run with before. */
  readonly known: KnownWorker
  /** When running jobs were last heard of. */
  readonly quiet: QuietJobs
  readonly polls: PollState
  readonly lookups: LookupBudget
  /** Look-ups without an answer. */
  readonly open: OpenLookups
  readonly lease: LeaseKeeper
  /** How long jobs run; absent where neither deadlines nor stragglers are configured. */
  readonly clocks: JobClocks | undefined
  readonly sendState: SendState
  /** Lowers the limit while the worker pushes back. */
  readonly backpressure: Backpressure
  /** Every call of `queue` and `worker` goes through it. */
  readonly calls: CallWatch
  /** What it records of itself for other processes. */
  readonly record: DispatcherRecord
  readonly unsent: UnsentClaims
  /**
   * Nothing more is to start: this engine is being stopped, or has stalled. Checked before each send and each
   * claim.
   */
  readonly stop: { requested: boolean }
  /** What was reported already, so that it isn't reported at every tick. */
  readonly reported: {
    /** Orphans that run, by their names, and what becomes of them; only those that still count. */
    readonly orphans: Map<string, JudgedOrphan>
    /**
     * Jobs that ended and whose items were seen to have moved on, by their names; only those of the latest
     * poll.
     */
    readonly movedOn: Set<string>
    /** Calls of `acknowledgeJobs` that failed since one went well. */
    acknowledgeFailures: number
    /** Before this monotonic instant, jobs that could not be acknowledged aren't tried again. */
    acknowledgeAtMonotonic: number
    cancelFailing: boolean
    sendManyFailing: boolean
    schemaFailing: boolean
  }
  readonly emit: (event: WorkEvent) => void
}

/** The context of one tick, which every step of it is given. */
export interface Tick extends EngineParts {
  /** What the tick has done so far. */
  readonly tally: Tally
}
