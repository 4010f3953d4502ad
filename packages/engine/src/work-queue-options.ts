import {
  silentLogger,
  type JobSpec,
  type JsonCompatible,
  type JsonValue,
  type Runtime,
  type Logger,
  type Queue,
  type Worker,
} from '@sluice/core'
import { assertSpan, systemRuntime } from '@sluice/core/backend'
import {
  checkedBackpressure,
  type BackpressureOptions,
  type BackpressureRule,
} from './backpressure/backpressure-options.js'
import type { LostPolicy } from './reconcile/decide.js'
import { checkedGuards, type GuardOptions, type GuardRule } from './guards/breaker-options.js'
import type { DispatchPolicy } from './policies/dispatch-policy.js'
import { processingLimit } from './policies/processing-limit.js'
import { retryPolicy, type RetryOptions, type RetryPolicy } from './policies/retry.js'
import type { WorkEvent } from './work-event.js'

/** What happens to an item whose job has disappeared from the worker. */
export interface LostOptions {
  /**
   * `fail`: the item fails, and the reason says so · `resend`: it is released for another attempt, which
   * counts, although `maxAttempts` doesn't end it · `hold`: it stays in PROCESSING and keeps its place until
   * an operator moves it. Default `fail`.
   */
  readonly policy?: LostPolicy
  /** How long the job must have been absent, in ms, 0 or more. Default 60,000. */
  readonly graceMs?: number
}

/**
 * The handling of pending jobs, with workers that report them by `JobReport.pending`, and of jobs without
 * news.
 */
export interface JobsOptions {
  /**
   * A job that is pending for longer is warned of once, together with others that have the same message; in
   * ms since this process first saw it pending, 0 for never. Default 600,000.
   */
  readonly pendingWarnMs?: number
  /**
   * A job that is pending for longer is cancelled. Its item keeps its place until the job's end is seen: one
   * that ended well is a SUCCESS, any other end is a failure of class `unschedulable` under the retry rules.
   * In ms, 1 or more. Default: never.
   */
  readonly pendingTimeoutMs?: number
  /**
   * A job that polls report as running is looked up when its report has not changed for this time, and then
   * less and less often; in ms, 0 for never. Default 300,000.
   */
  readonly askAfterMs?: number
}

/** How long work may take. They need a worker with `cancelJob`. */
export interface DeadlinesOptions {
  /**
   * A job that runs for longer is cancelled; in ms since it was first seen to run, 1 or more. Its end counts
   * as class `timeout` under the retry rules, unless it ended well all the same. Default: none.
   */
  readonly attemptMs?: number
  /**
   * In ms since the first claim of an item after it was put, requeued, or released by an operator, 1 or more.
   * After it no attempt starts, a job that runs is cancelled, and the item fails with class `timeout`, unless
   * its job ended well. A retry that would start later is none. Default: none.
   */
  readonly itemMs?: number
}

/**
 * The handling of jobs that run far longer than others: than `factor` times the 95th percentile of the
 * successful attempts that this engine has seen.
 */
export interface StragglersOptions {
  /** More than 1. Default 3. */
  readonly factor?: number
  /** No job counts as a straggler while fewer durations are known, 1 or more. Default 20. */
  readonly minSamples?: number
  /**
   * `mark`: it is reported, once · `retry`: it is also cancelled, and its item is released for another
   * attempt at once, uncounted, once for each item; it needs a worker with `cancelJob`. Default `mark`.
   */
  readonly action?: 'mark' | 'retry'
}

/** {@link JobsOptions} with their defaults. */
export type JobsRule = JobsOptions & { readonly pendingWarnMs: number; readonly askAfterMs: number }

/** The handling of items that the worker refuses while it accepts others. */
export interface SendsOptions {
  /**
   * A refused item fails with class `unsendable` after this many tries that count, 1 or more. The first one
   * counts, and each later one if another item was sent, or a probe succeeded, since the one before; it takes
   * at least two, so that no outage fails an item. Default 5.
   */
  readonly maxTries?: number
  /** From one try of an item to the next: exponential with jitter, in ms. Default 1,000 to 60,000. */
  readonly baseMs?: number
  readonly maxMs?: number
  /** The longest `Retry-After` that is obeyed, in ms. Default 300,000. */
  readonly maxRetryAfterMs?: number
}

/** Sweeps of the queue's storage, where the queue has a `sweep`. */
export interface SweepingOptions {
  /**
   * From the end of a sweep to the start of the next, in ms; 0 for none. The first one comes after five
   * minutes, or this if it is less. Default: an hour.
   */
  readonly everyMs?: number
  /**
   * Items that have been in SUCCESS or FAIL for longer than this are removed, in ms, 0 or more. Default: none
   * are.
   */
  readonly retentionMs?: number
}

/** {@link SweepingOptions} with their default. */
export type SweepRule = SweepingOptions & { readonly everyMs: number }

/** A queue of any bodies: the engine passes them on unread. */
export type AnyQueue = Queue<unknown, unknown, unknown>
/** A worker for any bodies. */
export type AnyWorker = Worker<unknown>

/**
 * A worker that takes every JSON body, for a queue whose bodies are JSON. An interface is not assignable to
 * `JsonValue`, and methods are compared bivariantly: so the body of `sendJob` is compared here as that of a
 * function.
 */
export type WorkerOfAnyJson<Body> =
  Body extends JsonCompatible<Body>
    ? Worker & { readonly sendJob: (id: string, body: JsonValue, job: JobSpec) => Promise<void> }
    : never

/** The options of {@link WorkQueue}. `Body` is what the queue's `get` gives and the worker takes. */
export interface WorkQueueOptions<Body = JsonValue> extends GuardOptions {
  readonly queue: Queue<Body, unknown, unknown>
  /** Its name must be the queue's. */
  readonly worker: Worker<NoInfer<Body>> | WorkerOfAnyJson<Body>
  /** How many jobs may start. Default `processingLimit(10)`. */
  readonly policy?: DispatchPolicy
  readonly retry?: RetryOptions
  readonly lost?: LostOptions
  readonly sweep?: SweepingOptions
  readonly jobs?: JobsOptions
  readonly deadlines?: DeadlinesOptions
  /** Default: none are looked for. */
  readonly stragglers?: StragglersOptions
  readonly sends?: SendsOptions
  /**
   * How the limit follows what the worker can take: refused and slow sends, and jobs that stay pending, lower
   * it for a while [E-PRESS-1]. `off`: it does not. Default: on, with the defaults of the options.
   */
  readonly backpressure?: 'off' | BackpressureOptions
  /**
   * A tick without the end of a call of queue or worker for this time has stalled: the call is given up, and
   * the lease with it. At least twice the longest call that both declare. In ms, 1,000 or more. Default
   * 120,000.
   */
  readonly stallMs?: number
  /** How long a standby waits after this engine has died, in ms, 100 or more. Default 15,000. */
  readonly leaseTtlMs?: number
  /** Names this process among those that share the queue; unique. Default: a new id of the runtime. */
  readonly holder?: string
  /** How many calls that send or look up run at once, 1 or more. Default 16. */
  readonly sendConcurrency?: number
  /** How many calls of `lookupJob` begin within a second, 1 or more. Default 200. */
  readonly maxLookupsPerSecond?: number
  /** How many items one tick claims at most, 1 or more: their bodies are in memory together. Default 500. */
  readonly maxBatchItems?: number
  /**
   * Whether the queue may be run with another worker than before while items are in PROCESSING. Each of their
   * jobs is then looked up, and `lost` decides about those that this worker does not know. Default false: the
   * tick rejects. See `Worker.identity`.
   */
  readonly acceptNewWorker?: boolean
  /**
   * Start no jobs, as if the queue were paused for this engine only: running jobs are followed to their ends,
   * and items that were claimed and not sent are given back. Default false.
   */
  readonly drain?: boolean
  /** Time, scheduling, randomness and ids. Default: the machine's own. */
  readonly runtime?: Runtime
  readonly logger?: Logger
  /** Called with each event. What it throws is logged, and stops nothing. */
  readonly onEvent?: (event: WorkEvent) => void
}

/** The options, checked, with their defaults. */
export interface CheckedOptions {
  readonly queue: AnyQueue
  readonly worker: AnyWorker
  readonly policy: DispatchPolicy
  readonly retry: RetryPolicy
  readonly lost: Required<LostOptions>
  readonly sweep: SweepRule
  readonly jobs: JobsRule
  readonly deadlines: DeadlinesOptions
  readonly stragglers: Required<StragglersOptions> | undefined
  readonly sends: Required<SendsOptions>
  readonly backpressure: BackpressureRule
  readonly guards: GuardRule
  readonly stallMs: number
  readonly leaseTtlMs: number
  readonly holder: string
  readonly sendConcurrency: number
  readonly maxLookupsPerSecond: number
  readonly maxBatchItems: number
  readonly acceptNewWorker: boolean
  readonly drain: boolean
  readonly runtime: Runtime
  readonly logger: Logger
  readonly onEvent: (event: WorkEvent) => void
}

/**
 * After how long a tick has stalled, in ms: twice the longest call that queue and worker declare, if that is
 * more than configured.
 */
export function stallSpanMs({ queue, worker, stallMs }: CheckedOptions): number {
  const longestMs = Math.max(queue.supports.longestCallMs ?? 0, worker.supports.longestCallMs ?? 0)
  return Math.max(stallMs, 2 * longestMs)
}

const LOST_POLICIES: readonly string[] = ['fail', 'resend', 'hold'] satisfies LostPolicy[]

/** @throws TypeError that names the option that is wrong */
export function checkedOptions<Body>(options: WorkQueueOptions<Body>): CheckedOptions {
  const { policy = processingLimit(10), leaseTtlMs = 15_000 } = options
  const { sendConcurrency = 16, maxLookupsPerSecond = 200, maxBatchItems = 500 } = options
  const { retry = {}, lost = {}, sweep = {}, jobs = {}, sends = {}, stallMs = 120_000 } = options
  const { runtime = systemRuntime, logger = silentLogger, onEvent = ignore } = options
  const checked: CheckedOptions = {
    queue: options.queue,
    worker: options.worker,
    policy,
    retry: retryPolicy(retry),
    lost: { policy: lost.policy ?? 'fail', graceMs: lost.graceMs ?? 60_000 },
    sweep: { everyMs: 3_600_000, ...sweep },
    jobs: { pendingWarnMs: 600_000, askAfterMs: 300_000, ...jobs },
    deadlines: options.deadlines ?? {},
    stragglers: options.stragglers && { factor: 3, minSamples: 20, action: 'mark', ...options.stragglers },
    guards: checkedGuards(options),
    sends: { maxTries: 5, baseMs: 1_000, maxMs: 60_000, maxRetryAfterMs: 300_000, ...sends },
    backpressure: checkedBackpressure(options.backpressure ?? {}),
    stallMs,
    leaseTtlMs,
    holder: options.holder ?? runtime.newId(),
    sendConcurrency,
    maxLookupsPerSecond,
    maxBatchItems,
    acceptNewWorker: options.acceptNewWorker ?? false,
    drain: options.drain ?? false,
    runtime,
    logger,
    onEvent,
  }
  for (const name of Object.keys(options)) {
    if (!(name in checked) && !GUARD_OPTIONS.has(name))
      throw new TypeError(`${name} is no option of WorkQueue`)
  }
  assertOptions(checked)
  return checked
}

/** They are checked together. */
const GUARD_OPTIONS: ReadonlySet<string> = new Set<keyof GuardOptions>(['canary', 'breaker', 'halt'])

function ignore(): void {
  // Without a listener events are dropped.
}

/** What plain JavaScript may leave out or mistake. */
function assertParts({ queue, worker, policy }: Readonly<Record<string, unknown>>): void {
  for (const [name, part] of Object.entries({ queue, worker })) {
    if (typeof part === 'object' && part !== null) continue
    throw new TypeError(`${name} must be a ${name} that was opened; got ${String(part)}`)
  }
  if (typeof policy === 'function') return
  throw new TypeError(`policy must be a function, such as processingLimit(8); got ${String(policy)}`)
}

function assertOptions({ queue, worker, lost, sweep, jobs, ...options }: CheckedOptions): void {
  assertParts({ queue, worker, policy: options.policy })
  if (queue.name !== worker.name) {
    const names = `the queue's is ${JSON.stringify(queue.name)}, the worker's ${JSON.stringify(worker.name)}`
    throw new TypeError(`queue and worker must be opened under one name: ${names}`)
  }
  if (!LOST_POLICIES.includes(lost.policy)) {
    throw new TypeError(`lost.policy must be one of ${LOST_POLICIES.join(', ')}; got ${lost.policy}`)
  }
  assertSpan(lost.graceMs, 'lost.graceMs')
  assertSpan(sweep.everyMs, 'sweep.everyMs')
  if (sweep.retentionMs !== undefined) assertSpan(sweep.retentionMs, 'sweep.retentionMs')
  assertJobs(jobs, worker)
  assertOverrides(options.retry, worker)
  assertTimes(options, worker)
  assertSends(options.sends)
  assertAtLeast(options.stallMs, 1_000, 'stallMs')
  assertAtLeast(options.leaseTtlMs, 100, 'leaseTtlMs')
  assertAtLeast(options.sendConcurrency, 1, 'sendConcurrency')
  assertAtLeast(options.maxLookupsPerSecond, 1, 'maxLookupsPerSecond')
  assertAtLeast(options.maxBatchItems, 1, 'maxBatchItems')
  if (options.holder === '') throw new TypeError('holder must not be empty')
}

function assertSends({ maxTries, baseMs, maxMs, maxRetryAfterMs }: Required<SendsOptions>): void {
  assertAtLeast(maxTries, 1, 'sends.maxTries')
  assertAtLeast(baseMs, 1, 'sends.baseMs')
  assertAtLeast(maxMs, baseMs, 'sends.maxMs')
  assertSpan(maxRetryAfterMs, 'sends.maxRetryAfterMs')
}

function assertJobs({ pendingWarnMs, askAfterMs, pendingTimeoutMs }: JobsRule, worker: AnyWorker): void {
  assertSpan(pendingWarnMs, 'jobs.pendingWarnMs')
  assertSpan(askAfterMs, 'jobs.askAfterMs')
  if (pendingTimeoutMs === undefined) return
  assertAtLeast(pendingTimeoutMs, 1, 'jobs.pendingTimeoutMs')
  assertCanCancel(worker, 'jobs.pendingTimeoutMs')
}

function assertTimes(
  { deadlines, stragglers }: Pick<CheckedOptions, 'deadlines' | 'stragglers'>,
  worker: AnyWorker,
): void {
  for (const [name, ms] of Object.entries(deadlines)) {
    if (name !== 'attemptMs' && name !== 'itemMs') throw new TypeError(`deadlines.${name} is no option`)
    if (ms === undefined) continue
    assertAtLeast(ms, 1, `deadlines.${name}`)
    assertCanCancel(worker, `deadlines.${name}`)
  }
  if (stragglers === undefined) return
  const { factor, minSamples, action } = stragglers
  if (!Number.isFinite(factor) || factor <= 1)
    throw new TypeError(`stragglers.factor must be a number of more than 1; got ${factor}`)
  assertAtLeast(minSamples, 1, 'stragglers.minSamples')
  if (!['mark', 'retry'].includes(action))
    throw new TypeError(`stragglers.action must be mark or retry; got ${action}`)
  if (action === 'retry') assertCanCancel(worker, 'stragglers.action: retry')
}

function assertCanCancel(worker: AnyWorker, what: string): void {
  if (worker.supports.cancelJob && worker.cancelJob !== undefined) return
  throw new TypeError(`${what} needs a worker that can end jobs: this one has no cancelJob`)
}

function assertOverrides({ escalations }: RetryPolicy, { supports }: AnyWorker): void {
  if (escalations.size === 0 || supports.overrides === true) return
  throw new TypeError(
    `retry.rules escalate ${[...escalations.keys()].join(', ')}, which needs a worker that starts jobs with overrides: this one does not`,
  )
}

function assertAtLeast(value: number, least: number, what: string): void {
  if (Number.isSafeInteger(value) && value >= least) return
  throw new TypeError(`${what} must be a whole number of ${least} or more; got ${value}`)
}
