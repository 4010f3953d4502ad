import { MAX_PROCESSING_LIMIT, STAGES, type Queue, type Stage } from '@sluice/core'
import { HOLDUP_ADVICE, readSelfPause, type Holdup, type SelfPause } from '@sluice/engine'
import type { RateMeter } from '../output/rate-meter.js'
import { isBlocked, queueHoldups } from './queue-holdups.js'
import { readService, type ServiceState } from './service-state.js'

/** What `sluice status` shows, and prints with `--json`. */
export interface QueueStatus {
  readonly queue: string
  readonly sizes: Readonly<Record<Stage, number>>
  readonly total: number
  readonly paused: boolean
  readonly reason?: string
  readonly pausedAt?: number
  /** Where Sluice itself paused the queue: which guard, why, since when. Absent where only an operator did. */
  readonly selfPause?: SelfPause
  readonly limit: StatusLimit
  /** Whether a service is at work, and which. */
  readonly service: ServiceState
  /** What holds the queue back, what stands first explaining what follows; empty when nothing does. */
  readonly holdups: readonly StatusHoldup[]
  /** Items finished a minute; absent when it wasn't measured. */
  readonly ratePerMinute?: number
  /** For how many ms it was measured. */
  readonly measuredMs?: number
  /** Ms until all is finished; absent when nothing moves, and when something holds it up that makes it untrue. */
  readonly etaMs?: number
}

/** A holdup, with what to do about it. */
export interface StatusHoldup extends Holdup {
  readonly advice?: string
}

/** Most unfinished jobs, as far as somebody who only reads can know: each service has a configuration of its own. */
export interface StatusLimit {
  /** Set by `sluice limit`; it holds for every service of the queue. */
  readonly live?: number
  /** In the configuration of this reader. */
  readonly configured: number
}

/**
 * Reads a status once and gives the meter its reading.
 *
 * @throws SluiceError of the queue
 */
export async function readStatus(
  queue: Queue,
  { configuredLimit, meter }: { configuredLimit: number; meter: RateMeter },
): Promise<QueueStatus> {
  const [sizes, control, dispatcher, selfPause] = await Promise.all([
    queue.sizes(),
    queue.control.read(),
    readService(queue),
    readSelfPause(queue),
  ])
  const { paused, reason, pausedAt, limits } = control
  const liveLimit = limits[MAX_PROCESSING_LIMIT]
  const pauses = { paused, reason, pausedAt, selfPause }
  const holdups = await queueHoldups(queue, { ...dispatcher, ...pauses, sizes, liveLimit })
  meter.add(performance.now(), sizes.SUCCESS + sizes.FAIL)
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
