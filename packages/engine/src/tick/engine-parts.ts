import { Backpressure } from '../backpressure/backpressure.js'
import { JobClocks } from '../clocks/job-clocks.js'
import { UnsentClaims } from '../dispatch/unsent-claims.js'
import { Guards } from '../guards/guards.js'
import { LookupBudget } from '../lookups/lookup-budget.js'
import { OpenLookups } from '../lookups/open-lookups.js'
import { QuietJobs } from '../lookups/quiet-jobs.js'
import type { DecideRules } from '../reconcile/decide.js'
import type { Random } from '../policies/backoff.js'
import { JobMemory } from '../reconcile/job-memory.js'
import { PollState } from '../reconcile/poll-state.js'
import { RunningJobs } from '../reconcile/running-jobs.js'
import { ClaimLog } from '../records/claim-log.js'
import { DispatcherRecord } from '../records/dispatcher-record.js'
import { KnownWorker } from '../records/known-worker.js'
import { MissingJobs } from '../records/missing-jobs.js'
import { SeenJobs } from '../records/seen-jobs.js'
import { selectorOf } from '../selection/selector.js'
import { SendState } from '../sending/send-state.js'
import { CallWatch } from '../watchdog/call-watch.js'
import { watchedQueue, watchedWorker } from '../watchdog/watched.js'
import type { WorkEvent } from '../work-event.js'
import { stallSpanMs, type CheckedOptions } from '../work-queue-options.js'
import { LeaseKeeper } from './lease-keeper.js'
import type { EngineParts } from './tick.js'

/**
 * The parts of a new engine: it remembers nothing, and makes each call of queue and worker through a watch of
 * its own.
 */
export function newEngineParts(options: CheckedOptions, emit: (event: WorkEvent) => void): EngineParts {
  const { holder, leaseTtlMs, runtime, lost, logger, drain, maxLookupsPerSecond, policy } = options
  const random = (): number => runtime.random()
  const calls = new CallWatch(runtime)
  const queue = watchedQueue(options.queue, calls, { drain })
  const maxJobsPerSend = maxJobsOf(options)
  const lease = new LeaseKeeper({ queue: options.queue, holder, ttlMs: leaseTtlMs, runtime, calls })
  const record = new DispatcherRecord({ queue, lease, leaseTtlMs, runtime, logger, calls, policy })
  const { guards: rule, ...others } = options
  return {
    ...others,
    queue,
    worker: watchedWorker(options.worker, calls),
    stallMs: stallSpanMs(options),
    rules: rulesOf(options, random),
    memory: new JobMemory(lost.graceMs, random),
    running: new RunningJobs(),
    selector: selectorOf(options.policy, queue, runtime),
    polls: new PollState({ logger, emit }),
    lookups: new LookupBudget(maxLookupsPerSecond),
    open: new OpenLookups(),
    stop: { requested: false },
    lease,
    clocks: clocksOf(options, queue),
    calls,
    record,
    backpressure: new Backpressure({ rule: options.backpressure, record, runtime, logger, emit }),
    unsent: new UnsentClaims(),
    seen: new SeenJobs({ queue, logger }),
    guards: new Guards({ queue, lease, logger, emit, drain, runtime, holder, rule }),
    missing: new MissingJobs({ queue, runtime, logger, graceMs: lost.graceMs }),
    ...claimLogOf(policy, { queue, lease, runtime, logger }),
    known: new KnownWorker(),
    quiet: new QuietJobs({ askAfterMs: options.jobs.askAfterMs, lookupsPerSecond: maxLookupsPerSecond }),
    reported: nothingReported(),
    maxJobsPerSend,
    sendState: new SendState({ ...options, queue, maxJobsPerSend, random }),
    emit,
  }
}

/** Only for a policy that counts claims. */
function claimLogOf(
  { state }: CheckedOptions['policy'],
  parts: Pick<EngineParts, 'queue' | 'lease' | 'runtime' | 'logger'>,
): Pick<EngineParts, 'claimLog'> {
  return state === undefined ? {} : { claimLog: new ClaimLog({ ...parts, state }) }
}

function rulesOf({ retry, lost, jobs, deadlines, stragglers }: CheckedOptions, random: Random): DecideRules {
  const { pendingTimeoutMs } = jobs
  return {
    retry,
    lost,
    random,
    ...(pendingTimeoutMs === undefined ? {} : { pendingTimeoutMs }),
    ...deadlines,
    ...(stragglers?.action === 'retry' ? { retriesStragglers: true } : {}),
  }
}

function clocksOf(
  { deadlines, stragglers, runtime, logger }: CheckedOptions,
  queue: EngineParts['queue'],
): JobClocks | undefined {
  const { attemptMs, itemMs } = deadlines
  if (attemptMs === undefined && itemMs === undefined && stragglers === undefined) return undefined
  return new JobClocks({ queue, runtime, logger, attemptMs, itemMs, stragglers })
}

function nothingReported(): EngineParts['reported'] {
  return {
    orphans: new Map(),
    movedOn: new Set(),
    acknowledgeFailures: 0,
    acknowledgeAtMonotonic: Number.NEGATIVE_INFINITY,
    cancelFailing: false,
    sendManyFailing: false,
    schemaFailing: false,
  }
}

/** No more than a tick claims at once. */
function maxJobsOf({ worker, maxBatchItems }: CheckedOptions): number {
  const { maxJobs = 1 } = worker.sendMany === undefined ? {} : (worker.supports.sendMany ?? {})
  return Math.max(1, Math.min(maxJobs, maxBatchItems))
}
