import { MAX_PROCESSING_LIMIT, STAGES, type Queue, type Runtime, type Stage } from '@sluice/core'
import {
  HOLDUP_ADVICE,
  readOpenBreaker,
  readStragglers,
  type Holdup,
  type LoweredLimit,
  type OpenBreaker,
} from '@sluice/engine'
import type { RateMeter } from '../output/rate-meter.js'
import { isBlocked, peekOne, queueHoldups } from './queue-holdups.js'
import { readService, type ServiceState } from './service-state.js'

/** What `sluice status` shows, and prints with `--json`. */
export interface QueueStatus {
  readonly queue: string
  readonly sizes: Readonly<Record<Stage, number>>
  readonly total: number
  readonly paused: boolean
  readonly reason?: string
  readonly pausedAt?: number
  /**
   * Where Sluice itself paused the queue: the guard, why, and since when. Absent where only an operator did.
   */
  readonly openBreaker?: OpenBreaker
  readonly limit: StatusLimit
  /** Whether a service dispatches, and which. */
  readonly service: ServiceState
  /** What holds the queue back, causes before effects; empty when nothing does. */
  readonly holdups: readonly StatusHoldup[]
  /** Jobs that run far longer than others; absent where none are looked for. */
  readonly stragglers?: number
  /** Items finished a minute; absent where not measured. */
  readonly ratePerMinute?: number
  /** The span of the measurement, in ms. */
  readonly measuredMs?: number
  /** Ms until all is finished; absent at rate 0, and where a holdup makes it meaningless. */
  readonly etaMs?: number
}

/** A holdup, with what to do about it. */
export interface StatusHoldup extends Holdup {
  readonly advice?: string
}

/** The most unfinished jobs, as far as a reader can know: each service has its own configuration. */
export interface StatusLimit {
  /** Set by `sluice limit`; it holds for every service of the queue. */
  readonly live?: number
  /** In this reader's configuration. */
  readonly configured: number
  /** What the worker's pushback has lowered it to, in the service that dispatches; absent: nothing. */
  readonly effective?: number
  /** Why it is lowered. */
  readonly reason?: string
}

export interface ReadStatusOptions {
  readonly configuredLimit: number
  /** Stragglers are looked for, by this configuration. */
  readonly countsStragglers?: boolean
  readonly meter: RateMeter
  readonly runtime: Pick<Runtime, 'monotonicMs'>
}

/**
 * Reads a status once, and adds a reading to the meter.
 *
 * @throws SluiceError of the queue
 */
export async function readStatus(
  queue: Queue,
  { configuredLimit, countsStragglers = false, meter, runtime }: ReadStatusOptions,
): Promise<QueueStatus> {
  // At once: each storage takes its time to answer, and may be far away.
  const [sizes, control, dispatcher, openBreaker, next, stragglers] = await Promise.all([
    queue.sizes(),
    queue.control.read(),
    readService(queue),
    readOpenBreaker(queue),
    peekOne(queue),
    countsStragglers ? readStragglers(queue) : undefined,
  ])
  const { paused, reason, pausedAt, limits } = control
  const liveLimit = limits[MAX_PROCESSING_LIMIT]
  const pauses = { paused, reason, pausedAt, openBreaker }
  const holdups = await queueHoldups(queue, { ...dispatcher, ...pauses, sizes, next, liveLimit })
  meter.add(runtime.monotonicMs(), sizes.SUCCESS + sizes.FAIL)
  const rate = meter.perMinute()
  const isHeld = isBlocked(holdups, liveLimit ?? dispatcher.service.atMost)
  const eta = isHeld ? undefined : meter.etaMs(sizes.WAITING + sizes.PROCESSING)
  return {
    queue: queue.name,
    sizes,
    total: STAGES.reduce((sum, stage) => sum + sizes[stage], 0),
    paused,
    ...(reason === undefined ? {} : { reason }),
    ...(pausedAt === undefined ? {} : { pausedAt }),
    ...(openBreaker === undefined ? {} : { openBreaker }),
    limit: statusLimit(liveLimit, configuredLimit, dispatcher.service.lowered),
    service: dispatcher.service,
    holdups: holdups.map(advised),
    // A service that has stopped may have left some that ended with it.
    ...(stragglers === undefined ? {} : { stragglers: Math.min(stragglers.count, sizes.PROCESSING) }),
    ...(rate === undefined
      ? {}
      : { ratePerMinute: Math.round(rate * 10) / 10, measuredMs: Math.round(meter.spanMs()) }),
    ...(eta === undefined ? {} : { etaMs: Math.round(eta) }),
  }
}

/** The limit as `sluice status` and `sluice limit` print it with `--json`. */
export function statusLimit(
  live: number | undefined,
  configured: number,
  lowered?: LoweredLimit,
): StatusLimit {
  // A live limit that was set since may be lower still.
  const isLowered = lowered !== undefined && lowered.limit < (live ?? Number.POSITIVE_INFINITY)
  return {
    ...(live === undefined ? {} : { live }),
    configured,
    ...(!isLowered ? {} : { effective: lowered.limit, reason: lowered.reason }),
  }
}

function advised(holdup: Holdup): StatusHoldup {
  const advice = HOLDUP_ADVICE[holdup.code]
  return advice === undefined ? holdup : { ...holdup, advice }
}
