import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger, Queue, Stage, Worker } from '@sluice/core'
import { WorkQueue, processingLimit, runLoop, type WorkEvent } from '@sluice/engine'
import type { Config } from './config/config-schema.js'
import { atMost } from './deadline.js'
import { FoldedLog } from './folded-log.js'
import { QueueWatcher } from './queue-watcher.js'
import { logEvent } from './service-events.js'
import { assertCanCancel, checkAgain, checkWorker } from './worker-check.js'

/** The counts of the last line are worth waiting for, but not long. */
const FINAL_LOOK_MS = 2000

/** The settings that a service runs by. */
export type ServiceConfig = Pick<Config, 'processing' | 'retry' | 'lost' | 'jobs' | 'sweep' | 'service'>

/** What a service runs on. */
export interface ServiceOptions {
  readonly queue: Queue
  readonly worker: Worker
  readonly config: ServiceConfig
  readonly logger: Logger
  /** Its abort ends the service: the tick under way is finished, the lease given back, jobs go on running. */
  readonly signal: AbortSignal
  /** End when nothing is in WAITING or PROCESSING. */
  readonly untilEmpty?: boolean
  /** Told of everything, after it was logged. */
  readonly onEvent?: (event: WorkEvent) => void
}

/** How a service ended. */
export interface ServiceEnd {
  readonly why: 'empty' | 'stopped'
  /** Absent when the queue couldn't be asked any more. */
  readonly sizes?: Readonly<Record<Stage, number>>
}

/**
 * Runs a queue's items through a worker until it is stopped, or until the queue is empty.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID for a setting that this worker can't keep; what can't be waited out: a queue that is closed, denied or corrupt; a worker whose check says that it
 * can't be used as configured. An outage of either is waited out.
 */
export async function runService(options: ServiceOptions): Promise<ServiceEnd> {
  const { queue, worker, config, signal } = options
  assertCanCancel(worker, config)
  const logger = new FoldedLog(options.logger)
  const isReady = await checkWorker(worker, logger)
  const emptied = new AbortController()
  const unusable = new AbortController()
  const stop = AbortSignal.any([signal, emptied.signal, unusable.signal])
  if (!isReady) void checkAgain(worker, stop).catch((error: unknown) => unusable.abort(error))
  const workQueue = makeWorkQueue({ ...options, logger })
  const untilEmpty = options.untilEmpty ? { onEmpty: () => emptied.abort('empty') } : {}
  const watcher = new QueueWatcher({ queue, logger, ...untilEmpty })
  const { intervalMs, stopDeadlineMs } = config.service
  const loop = runLoop(workQueue, {
    intervalMs,
    signal: stop,
    onTick: (result) => void watcher.afterTick(result),
  })
  const inTime = { stop, logger, deadlineMs: stopDeadlineMs }
  // While a worker hangs with no socket or timer of its own, Node would see nothing left to do and end with 0.
  const alive = setInterval(() => undefined, 60_000)
  try {
    const ended = await endInTime(loop, { ...inTime, what: 'the tick under way' })
    // A lease that isn't given back runs out by itself.
    if (ended) await endInTime(giveBack(workQueue, logger), { ...inTime, what: 'giving the lease back' })
    logger.flush()
    if (unusable.signal.aborted) throw unusable.signal.reason
    return await finish(queue, { logger, why: emptied.signal.aborted ? 'empty' : 'stopped' })
  } finally {
    logger.flush()
    clearInterval(alive)
    emptied.abort()
  }
}

function makeWorkQueue({ queue, worker, config, logger, onEvent }: ServiceOptions): WorkQueue {
  const { processing, retry, lost, jobs, sweep, service } = config
  const { on, ...retries } = retry
  const { retentionMs, everyMs } = sweep
  const { pendingWarnMs, pendingTimeoutMs } = jobs
  return new WorkQueue({
    queue,
    worker,
    policy: processingLimit(processing.limit),
    retry: on === undefined ? retries : { ...retries, on },
    lost,
    jobs: pendingTimeoutMs === undefined ? { pendingWarnMs } : { pendingWarnMs, pendingTimeoutMs },
    sweep: retentionMs === undefined ? { everyMs } : { everyMs, retentionMs },
    leaseTtlMs: service.leaseTtlMs,
    sendConcurrency: service.sendConcurrency,
    maxLookupsPerSecond: service.maxLookupsPerSecond,
    logger,
    onEvent: (event) => {
      logEvent(logger, event)
      onEvent?.(event)
    },
  })
}

interface InTime {
  readonly stop: AbortSignal
  readonly deadlineMs: number
  readonly logger: Logger
  readonly what: string
}

/**
 * Waits for something, after the stop for the deadline at most: a storage that hangs must not keep the process from ending.
 *
 * @returns whether it ended
 */
async function endInTime(work: Promise<void>, { stop, deadlineMs, logger, what }: InTime): Promise<boolean> {
  const ended = new AbortController()
  const guard = async (): Promise<'late'> => {
    if (!stop.aborted) await once(stop, 'abort', { signal: ended.signal })
    await sleep(deadlineMs, undefined, { signal: ended.signal })
    return 'late'
  }
  // What comes too late may still fail; nobody is there any more to hear of it.
  work.catch(() => undefined)
  // The guard's sleep rejects when it is aborted, and for nothing else.
  const late = guard().catch(() => undefined)
  const first = await Promise.race([work, late])
  ended.abort()
  if (first !== 'late') return true
  logger.warn(
    { deadlineMs },
    `${what} did not end in time: leaving. Nothing is lost; the next service goes on`,
  )
  return false
}

async function giveBack(workQueue: WorkQueue, logger: Logger): Promise<void> {
  try {
    await workQueue.stop()
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    logger.warn({ reason }, 'the lease could not be given back; it runs out by itself')
  }
}

async function finish(
  queue: Queue,
  { logger, why }: { logger: Logger; why: ServiceEnd['why'] },
): Promise<ServiceEnd> {
  const sizes = await atMost(queue.sizes(), FINAL_LOOK_MS)
  const isEmpty = why === 'empty'
  logger.info({ ...sizes }, isEmpty ? 'all items are finished' : 'stopped; jobs that run go on running')
  return { why, ...(sizes === undefined ? {} : { sizes }) }
}
