import { MAX_PROCESSING_LIMIT, STAGES, type Queue, type Runtime, type Stage } from '@sluice/core'
import { HOLDUP_ADVICE, readSelfPause, type Holdup, type SelfPause } from '@sluice/engine'
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
  readonly selfPause?: SelfPause
  readonly limit: StatusLimit
  /** Whether a service dispatches, and which. */
  readonly service: ServiceState
  /** What holds the queue back, causes before effects; empty when nothing does. */
  readonly holdups: readonly StatusHoldup[]
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
}

export interface ReadStatusOptions {
  readonly configuredLimit: number
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
  { configuredLimit, meter, runtime }: ReadStatusOptions,
): Promise<QueueStatus> {
  // At once: each storage takes its time to answer, and may be far away.
  const [sizes, control, dispatcher, selfPause, next] = await Promise.all([
    queue.sizes(),
    queue.control.read(),
    readService(queue),
    readSelfPause(queue),
    peekOne(queue),
  ])
  const { paused, reason, pausedAt, limits } = control
  const liveLimit = limits[MAX_PROCESSING_LIMIT]
  const pauses = { paused, reason, pausedAt, selfPause }
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
    ...(selfPause === undefined ? {} : { selfPause }),
    limit: statusLimit(liveLimit, configuredLimit),
    service: dispatcher.service,
    holdups: holdups.map(advised),
    ...(rate === undefined
      ? {}
      : { ratePerMinute: Math.round(rate * 10) / 10, measuredMs: Math.round(meter.spanMs()) }),
    ...(eta === undefined ? {} : { etaMs: Math.round(eta) }),
  }
}

/** The limit as `sluice status` and `sluice limit` print it with `--json`. */
export function statusLimit(live: number | undefined, configured: number): StatusLimit {
  return { ...(live === undefined ? {} : { live }), configured }
}

function advised(holdup: Holdup): StatusHoldup {
  const advice = HOLDUP_ADVICE[holdup.code]
  return advice === undefined ? holdup : { ...holdup, advice }
}
