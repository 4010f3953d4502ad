import { isDeepStrictEqual } from 'node:util'
import type { Logger, Queue } from '@sluice/core'
import { DISPATCHER_LEASE, readDispatcher, settingsOf, type DispatchPolicy } from '@sluice/engine'
import { spanText } from '../output/amounts.js'
import { printable } from '../output/output.js'

const STANDING_BY = 'standing by: another service dispatches this queue'

/**
 * Logs which service dispatches instead, and when this one would take over: the other one may have been
 * killed, and its lease outlives it. It never rejects: the tick reports outages.
 */
export async function logStandby(queue: Pick<Queue, 'readLease'>, logger: Logger): Promise<void> {
  // The line is worth having without the lease, and the tick reports the outage.
  const lease = await queue.readLease(DISPATCHER_LEASE).catch(() => undefined)
  if (lease === undefined || lease.leftMs <= 0) return logger.info({}, STANDING_BY)
  const { holder, leftMs, ttlMs } = lease
  const seenMs = Math.max(0, ttlMs - leftMs)
  const seen = seenMs < 1_000 ? 'just now' : `${spanText(seenMs)} ago`
  const within = spanText(Math.ceil(leftMs / 1_000) * 1_000)
  const text = `${STANDING_BY} (${printable(holder, 100)}, last seen ${seen}); this one takes over in up to ${within} if that one has ended`
  logger.info({ holder, leftMs: Math.round(leftMs) }, text)
}

/**
 * Warns where the service that dispatches has another dispatch policy: it holds until this one takes over. It
 * never rejects.
 */
export async function warnOfOtherPolicy(
  queue: Pick<Queue, 'document'>,
  { policy, logger }: { readonly policy: DispatchPolicy; readonly logger: Logger },
): Promise<void> {
  // The tick reports the outage.
  const dispatcher = await readDispatcher(queue).catch(() => undefined)
  const [own, other] = [settingsOf(policy), dispatcher?.policy]
  if (other === undefined || isDeepStrictEqual(own, other)) return
  logger.warn(
    { own, other },
    'the service that dispatches has another dispatch policy than this one: its policy holds until this one takes over; `sluice policy show` shows it',
  )
}
