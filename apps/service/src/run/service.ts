import { hostname } from 'node:os'
import type { Logger, Queue, Runtime, Stage, Worker } from '@sluice/core'
import { systemRuntime } from '@sluice/core/backend'
import {
  WorkQueue,
  readOpenBreaker,
  type FailureThreshold,
  type OpenBreaker,
  type WorkEvent,
} from '@sluice/engine'
import type { Config } from '../config/config.js'
import type { LoadedConfig } from '../config/load-config.js'
import { StopDeadline, atMost } from '../cli/timing.js'
import { assertCanChoose, dispatchPolicy } from './dispatch-policy.js'
import { FoldedLog } from './folded-log.js'
import { breakerOptions } from './breaker-options.js'
import { escalated, retryOptions } from './retry-options.js'
import { QueueWatcher, type QueueWatcherOptions } from './queue-watcher.js'
import { DispatcherWatch } from './dispatcher-watch.js'
import { LeftOutLog, logEvent } from './service-events.js'
import { logStandby, warnOfOtherPolicy } from './standby-log.js'
import { assertSupported, checkAgain, checkWorker } from './worker-check.js'

/** The longest wait for the counts of the last line. */
const FINAL_READ_MS = 2000
/**
 * Shares of the stop deadline: by when the engine must have stopped, and the last counts be read. The rest is
 * for closing.
 */
const STOP_SHARE = 0.8
const READ_SHARE = 0.9

/** The settings of a service. */
export type ServiceConfig = Pick<
  Config,
  | 'processing'
  | 'canary'
  | 'breaker'
  | 'retry'
  | 'lost'
  | 'jobs'
  | 'deadlines'
  | 'stragglers'
  | 'sends'
  | 'backpressure'
  | 'sweep'
  | 'service'
>

/** What a service runs on. */
export interface ServiceOptions {
  readonly queue: Queue
  readonly worker: Worker
  readonly config: ServiceConfig
  /** The source of a setting, for errors. */
  readonly placeOf?: LoadedConfig['placeOf']
  readonly logger: Logger
  /**
   * Its abort ends the service: no more jobs are sent, ended ones are settled, the lease is released, and
   * running jobs continue.
   */
  readonly signal: AbortSignal
  /** Default: the machine's own. */
  readonly runtime?: Runtime
  /** End when nothing is in WAITING or PROCESSING. */
  readonly untilEmpty?: boolean
  /** Start no jobs, and end when nothing is in PROCESSING. */
  readonly drain?: boolean
  /** Pause the queue when so many items have failed for good, or such a share, and end then. */
  readonly halt?: FailureThreshold
  /**
   * Accept another worker than the queue was run with while items are in PROCESSING: jobs that it does not
   * know are lost.
   */
  readonly acceptNewWorker?: boolean
  /** Receives every event, after it was logged. */
  readonly onEvent?: (event: WorkEvent) => void
}

/** How a service ended. */
export interface ServiceEnd {
  /**
   * `drained`: nothing is in PROCESSING, and no job was started · `paused`: nothing is in PROCESSING, and
   * Sluice itself paused the queue.
   */
  readonly why: 'empty' | 'drained' | 'paused' | 'stopped'
  /** Of `paused`. */
  readonly openBreaker?: OpenBreaker
  /** Absent where the queue no longer answered. */
  readonly sizes?: Readonly<Record<Stage, number>>
}

/**
 * Runs a queue's items through a worker until it is stopped. With `untilEmpty` or `drain` it also ends when
 * the stages in question are empty, or when no job runs and Sluice itself has paused the queue. After the
 * signal no job starts, and it ends within `service.stopDeadlineMs`. It waits out an outage of the queue or
 * the worker.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID for a setting that the worker does not support, and for another
 * worker than before while items are in PROCESSING; the error of a queue that is closed, denied or corrupt,
 * and of a worker whose check fails; SLUICE_QUEUE_UNAVAILABLE or SLUICE_WORKER_UNAVAILABLE, not retryable,
 * when a call of it never ends
 */
export async function runService(options: ServiceOptions): Promise<ServiceEnd> {
  const { queue, worker, config, signal, runtime = systemRuntime } = options
  assertSupported(worker, { config, placeOf: options.placeOf ?? (() => undefined) })
  assertCanChoose(queue, config)
  const logger = new FoldedLog(options.logger, runtime)
  const leftOut = new LeftOutLog(logger)
  const onEvent = (event: WorkEvent): void => {
    leftOut.note(event)
    options.onEvent?.(event)
  }
  const ended = new AbortController()
  void keepAlive(runtime, ended.signal)
  try {
    const start = await startChecked({ ...options, logger, runtime }, ended.signal)
    const emptied = new AbortController()
    const others = new AbortController()
    const stop = AbortSignal.any([signal, emptied.signal, start.unusable, others.signal])
    const deadline = new StopDeadline(stop, config.service.stopDeadlineMs, runtime)
    if (!stop.aborted) {
      const watcher = new QueueWatcher({ queue, logger, runtime, ...endOf(options, emptied) })
      const other =
        options.drain === true ? new DispatcherWatch(queue, (error) => others.abort(error)) : undefined
      await follow({ ...options, runtime, logger, onEvent }, { stop, watcher, other })
    }
    logger.flush()
    for (const { aborted, reason } of [start.unusable, others.signal]) if (aborted) throw reason
    const ending: Ending = emptied.signal.aborted ? emptied.signal.reason : { why: 'stopped' }
    return await finish(queue, { logger, deadline, ending, runtime })
  } finally {
    leftOut.end()
    logger.flush()
    ended.abort()
  }
}

const ALIVE_MS = 60_000

/**
 * While a worker hangs without a socket or timer of its own, Node would see nothing left to do and exit
 * with 0.
 */
async function keepAlive(runtime: Runtime, ended: AbortSignal): Promise<void> {
  while (!ended.aborted) await runtime.sleep(ALIVE_MS, ended)
}

/** How it detects its own end. */
function endOf(
  { queue, untilEmpty, drain, halt }: ServiceOptions,
  emptied: AbortController,
): Pick<QueueWatcherOptions, 'onEmpty' | 'onPaused' | 'readOpenBreaker' | 'endsWith'> {
  const isEnding = drain === true || untilEmpty === true
  if (!isEnding && halt === undefined) return {}
  const end = (how: Ending): void => emptied.abort(how)
  return {
    ...(isEnding ? { onEmpty: () => end({ why: drain === true ? 'drained' : 'empty' }) } : {}),
    onPaused: (openBreaker) => {
      // Without an end of its own it stays for what a resume brings, unless it was told to halt.
      if (isEnding || openBreaker.guard === 'halt') end({ why: 'paused', openBreaker })
    },
    readOpenBreaker: () => readOpenBreaker(queue),
    ...(drain === true ? { endsWith: ['PROCESSING'] } : {}),
  }
}

/** Why a service ended. */
type Ending = Pick<ServiceEnd, 'why' | 'openBreaker'>

/** The options with their defaults. */
type Running = ServiceOptions & { readonly runtime: Runtime }

/**
 * Checks the worker. While it is unreachable, the check is repeated beside the work until the service ends.
 */
async function startChecked(
  { worker, config, logger, signal, runtime }: Running,
  ended: AbortSignal,
): Promise<{ unusable: AbortSignal }> {
  const unusable = new AbortController()
  const use = { overrides: escalated(config) }
  const isReady = await checkWorker(worker, { logger, signal, runtime, stallMs: config.service.stallMs, use })
  const until = { runtime, use, signal: AbortSignal.any([signal, ended]) }
  if (!isReady) void checkAgain(worker, until).catch((error: unknown) => unusable.abort(error))
  return { unusable: unusable.signal }
}

interface Following {
  readonly stop: AbortSignal
  readonly watcher: QueueWatcher
  readonly other: DispatcherWatch | undefined
}

/** Runs the loop to its end, and releases the lease however it ends. */
async function follow(options: Running, { stop, watcher, other }: Following): Promise<void> {
  const { intervalMs, stopDeadlineMs } = options.config.service
  await makeWorkQueue(options).run({
    intervalMs,
    signal: stop,
    stopDeadlineMs: Math.floor(stopDeadlineMs * STOP_SHARE),
    onTick: (result) => {
      void watcher.afterTick(result)
      void other?.afterTick(result)
    },
  })
}

function makeWorkQueue(options: Running): WorkQueue {
  const { queue, worker, config, runtime, logger, onEvent, halt } = options
  const { acceptNewWorker = false, drain = false } = options
  const policy = dispatchPolicy(config.processing)
  return new WorkQueue({
    queue,
    worker,
    policy,
    ...breakerOptions(config),
    ...(halt === undefined ? {} : { halt }),
    ...configured(config),
    acceptNewWorker,
    drain,
    holder: processName(runtime),
    runtime,
    logger,
    onEvent: (event) => {
      logEvent(logger, event)
      if (event.kind === 'standby') {
        void logStandby(queue, logger)
        void warnOfOtherPolicy(queue, { policy, logger })
      }
      onEvent?.(event)
    },
  })
}

/** What the engine takes as it is configured. */
function configured(config: ServiceConfig) {
  const { retry, lost, jobs, deadlines, stragglers, sends, backpressure, sweep, service } = config
  const { attemptMs, itemMs } = deadlines
  const { retentionMs, everyMs } = sweep
  const { pendingTimeoutMs, ...others } = jobs
  const { leaseTtlMs, stallMs, sendConcurrency, maxLookupsPerSecond } = service
  return {
    retry: retryOptions(retry),
    lost,
    jobs: pendingTimeoutMs === undefined ? others : { ...others, pendingTimeoutMs },
    deadlines: {
      ...(attemptMs === undefined ? {} : { attemptMs }),
      ...(itemMs === undefined ? {} : { itemMs }),
    },
    ...(stragglers === undefined ? {} : { stragglers }),
    sends,
    backpressure,
    sweep: retentionMs === undefined ? { everyMs } : { everyMs, retentionMs },
    leaseTtlMs,
    stallMs,
    sendConcurrency,
    maxLookupsPerSecond,
  }
}

/**
 * The name of this service in `status`: host and process id for an operator, and unique although process ids
 * repeat.
 */
function processName(runtime: Runtime): string {
  return `${hostname()}/${process.pid}/${runtime.newId().slice(0, 8)}`
}

const END_TEXTS: Readonly<Record<ServiceEnd['why'], string>> = {
  empty: 'all items are finished',
  drained: 'drained: no job runs, and none was started',
  paused: 'no job runs, and Sluice itself paused the queue: see `sluice status`',
  stopped: 'stopped; running jobs continue',
}

interface Finishing {
  readonly logger: Logger
  readonly deadline: StopDeadline
  readonly ending: Ending
  readonly runtime: Runtime
}

async function finish(queue: Queue, { logger, deadline, ending, runtime }: Finishing): Promise<ServiceEnd> {
  const { why } = ending
  const limitMs = Math.min(FINAL_READ_MS, deadline.leftMs(READ_SHARE))
  const sizes = await atMost(queue.sizes(), limitMs, runtime)
  const isRunning = sizes === undefined || sizes.PROCESSING > 0
  logger.info({ ...sizes }, why === 'stopped' && !isRunning ? 'stopped; no job runs' : END_TEXTS[why])
  return { ...ending, ...(sizes === undefined ? {} : { sizes }) }
}
