import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { Logger, Queue, Stage, Worker } from '@sluice/core'
import {
  WorkQueue,
  processingLimit,
  readSelfPause,
  type SelfPause,
  type WorkEvent,
} from '@sluice/engine'
import type { Config } from './config/config-schema.js'
import { atMost } from './deadline.js'
import { FoldedLog } from './folded-log.js'
import { retryOptions } from './retry-options.js'
import { QueueWatcher, type QueueWatcherOptions } from './queue-watcher.js'
import { RivalWatch } from './rival-watch.js'
import { LeftOutLog, logEvent } from './service-events.js'
import { StopDeadline } from './stop-deadline.js'
import { assertCanCancel, checkAgain, checkWorker } from './worker-check.js'

/** The counts of the last line are worth waiting for, but not long. */
const FINAL_LOOK_MS = 2000
/** Of the time to stop in, the engine has so much, and the last look ends by so much; the rest is for closing what was opened. */
const STOP_SHARE = 0.8
const LOOK_SHARE = 0.9

/** The settings that a service runs by. */
export type ServiceConfig = Pick<
  Config,
  'processing' | 'retry' | 'lost' | 'jobs' | 'sends' | 'sweep' | 'service'
>

/** What a service runs on. */
export interface ServiceOptions {
  readonly queue: Queue
  readonly worker: Worker
  readonly config: ServiceConfig
  readonly logger: Logger
  /** Its abort ends the service: nothing more is sent, what has ended is settled, the lease given back, and jobs go on running. */
  readonly signal: AbortSignal
  /** End when nothing is in WAITING or PROCESSING. */
  readonly untilEmpty?: boolean
  /** Start nothing, and end when nothing is in PROCESSING. */
  readonly drain?: boolean
  /** Run with another worker than before although items are in PROCESSING: what it does not know is lost. */
  readonly acceptNewWorker?: boolean
  /** Told of everything, after it was logged. */
  readonly onEvent?: (event: WorkEvent) => void
}

/** How a service ended. */
export interface ServiceEnd {
  /**
   * `drained`: nothing is in PROCESSING any more, and nothing was started · `paused`: nothing is in PROCESSING any more, and the queue is paused by Sluice
   * itself.
   */
  readonly why: 'empty' | 'drained' | 'paused' | 'stopped'
  /** Of `paused`. */
  readonly selfPause?: SelfPause
  /** Absent when the queue couldn't be asked any more. */
  readonly sizes?: Readonly<Record<Stage, number>>
}

/**
 * Runs a queue's items through a worker until it is stopped, or until the queue is empty, or, where it is to end of itself, until nothing runs in a queue
 * that was paused by Sluice itself. From the signal on no job starts, and it ends within
 * `service.stopDeadlineMs`.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID for a setting that this worker can't keep, and for another worker than before while items are in PROCESSING; what can't be waited out: a queue that is closed, denied or corrupt; a worker whose check says that it
 * can't be used as configured; SLUICE_QUEUE_UNAVAILABLE or SLUICE_WORKER_UNAVAILABLE, not retryable, when a call of it never ends. An outage of either is waited out.
 */
export async function runService(options: ServiceOptions): Promise<ServiceEnd> {
  const { queue, worker, config, signal } = options
  assertCanCancel(worker, config)
  const logger = new FoldedLog(options.logger)
  // While a worker hangs with no socket or timer of its own, Node would see nothing left to do and end with 0.
  const alive = setInterval(() => undefined, 60_000)
  const leftOut = new LeftOutLog(logger)
  const onEvent = (event: WorkEvent): void => {
    leftOut.note(event)
    options.onEvent?.(event)
  }
  const ended = new AbortController()
  try {
    const start = await startChecked({ ...options, logger }, ended.signal)
    const emptied = new AbortController()
    const rivals = new AbortController()
    const stop = AbortSignal.any([signal, emptied.signal, start.unusable, rivals.signal])
    const deadline = new StopDeadline(stop, config.service.stopDeadlineMs)
    if (!stop.aborted) {
      const watcher = new QueueWatcher({ queue, logger, ...endOf(options, emptied) })
      const rival = options.drain === true ? new RivalWatch(queue, (error) => rivals.abort(error)) : undefined
      await follow({ ...options, logger, onEvent }, { stop, watcher, rival })
    }
    logger.flush()
    for (const { aborted, reason } of [start.unusable, rivals.signal]) if (aborted) throw reason
    const ending: Ending = emptied.signal.aborted ? emptied.signal.reason : { why: 'stopped' }
    return await finish(queue, { logger, deadline, ending })
  } finally {
    leftOut.end()
    logger.flush()
    clearInterval(alive)
    ended.abort()
  }
}

/** When it is to end of itself. */
function endOf(
  { queue, untilEmpty, drain }: ServiceOptions,
  emptied: AbortController,
): Pick<QueueWatcherOptions, 'onEmpty' | 'onPaused' | 'readSelfPause' | 'endsWith'> {
  if (drain !== true && untilEmpty !== true) return {}
  const end = (how: Ending): void => emptied.abort(how)
  return {
    onEmpty: () => end({ why: drain === true ? 'drained' : 'empty' }),
    onPaused: (selfPause) => end({ why: 'paused', selfPause }),
    readSelfPause: () => readSelfPause(queue),
    ...(drain === true ? { endsWith: ['PROCESSING'] } : {}),
  }
}

/** Why a service ends of itself. */
type Ending = Pick<ServiceEnd, 'why' | 'selfPause'>

/** Asks the worker whether it can be used. One that can't be reached is asked again, beside the work, until the service ends. */
async function startChecked(
  { worker, config, logger, signal }: ServiceOptions,
  ended: AbortSignal,
): Promise<{ unusable: AbortSignal }> {
  const unusable = new AbortController()
  const isReady = await checkWorker(worker, { logger, signal, stallMs: config.service.stallMs })
  const until = AbortSignal.any([signal, ended])
  if (!isReady) void checkAgain(worker, until).catch((error: unknown) => unusable.abort(error))
  return { unusable: unusable.signal }
}

interface Following {
  readonly stop: AbortSignal
  readonly watcher: QueueWatcher
  readonly rival: RivalWatch | undefined
}

/** Runs the loop to its end. Whatever ends it, the lease is given back. */
async function follow(options: ServiceOptions, { stop, watcher, rival }: Following): Promise<void> {
  const { intervalMs, stopDeadlineMs } = options.config.service
  await makeWorkQueue(options).run({
    intervalMs,
    signal: stop,
    stopDeadlineMs: Math.floor(stopDeadlineMs * STOP_SHARE),
    onTick: (result) => {
      void watcher.afterTick(result)
      void rival?.afterTick(result)
    },
  })
}

function makeWorkQueue(options: ServiceOptions): WorkQueue {
  const { queue, worker, config, logger, onEvent, acceptNewWorker = false, drain = false } = options
  const { processing, retry, lost, jobs, sends, sweep, service } = config
  const { retentionMs, everyMs } = sweep
  const { pendingTimeoutMs, ...others } = jobs
  return new WorkQueue({
    queue,
    worker,
    policy: processingLimit(processing.limit),
    retry: retryOptions(retry),
    lost,
    jobs: pendingTimeoutMs === undefined ? others : { ...others, pendingTimeoutMs },
    sends,
    sweep: retentionMs === undefined ? { everyMs } : { everyMs, retentionMs },
    leaseTtlMs: service.leaseTtlMs,
    stallMs: service.stallMs,
    sendConcurrency: service.sendConcurrency,
    maxLookupsPerSecond: service.maxLookupsPerSecond,
    acceptNewWorker,
    drain,
    holder: processName(),
    logger,
    onEvent: (event) => {
      logEvent(logger, event)
      onEvent?.(event)
    },
  })
}

/** What `status` calls this service: where a person finds it, and unique though numbers of processes come again. */
function processName(): string {
  return `${hostname()}/${process.pid}/${randomUUID().slice(0, 8)}`
}

const END_TEXTS: Readonly<Record<ServiceEnd['why'], string>> = {
  empty: 'all items are finished',
  drained: 'drained: no job runs, and nothing was started',
  paused: 'nothing runs any more, and the queue is paused by Sluice itself: see `sluice status`',
  stopped: 'stopped; jobs that run go on running',
}

async function finish(
  queue: Queue,
  { logger, deadline, ending }: { logger: Logger; deadline: StopDeadline; ending: Ending },
): Promise<ServiceEnd> {
  const { why } = ending
  const sizes = await atMost(queue.sizes(), Math.min(FINAL_LOOK_MS, deadline.leftMs(LOOK_SHARE)))
  const isRunning = sizes === undefined || sizes.PROCESSING > 0
  logger.info({ ...sizes }, why === 'stopped' && !isRunning ? 'stopped; no job runs' : END_TEXTS[why])
  return { ...ending, ...(sizes === undefined ? {} : { sizes }) }
}
