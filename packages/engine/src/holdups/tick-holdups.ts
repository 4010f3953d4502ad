import type { SluiceError } from '@sluice/core'
import { sideOf } from '../engine-errors.js'
import type { Tick } from '../tick/tick.js'
import type { Holdup, HoldupCode } from './holdup.js'
import { sendHoldups } from './dispatch-holdups.js'

/** Longest message of a holdup, in characters. */
const MAX_MESSAGE_CHARS = 500

/** Notes at the end of a tick what holds the queue back besides the control, which is noted before. */
export function noteHoldups(tick: Tick): void {
  const { maxRetryAfterMs } = tick.sends
  if (tick.lease.held) {
    tick.tally.holdups.push(...sendHoldups(tick))
    if (tick.guards.pause !== undefined) tick.tally.openBreaker = tick.guards.pause
  }
  tick.tally.holdups.push(
    ...outageHoldups(tick.tally.unavailable, { said: tick.tally.holdups, maxRetryAfterMs }),
  )
}

/** The holdups of an outage, except those that are known already. */
export function outageHoldups(
  error: SluiceError | undefined,
  { said, maxRetryAfterMs }: { said: readonly Holdup[]; maxRetryAfterMs: number },
): Holdup[] {
  // A `Retry-After` of sends is noted with the sends.
  if (error === undefined || said.some(({ code }) => code === 'backoff')) return []
  const message = oneLine(error.message)
  const all: Holdup[] = [{ code: outageCode(error), message }]
  if (error.retryAfterMs !== undefined) {
    const forMs = Math.min(error.retryAfterMs, maxRetryAfterMs)
    all.push({ code: 'backoff', message: `the ${sideOf(error)} asked for a pause between calls`, forMs })
  }
  return all.filter(({ code }) => !said.some((one) => one.code === code))
}

function outageCode(error: SluiceError): HoldupCode {
  const isDenied = error.code === 'SLUICE_QUEUE_DENIED' || error.code === 'SLUICE_WORKER_DENIED'
  const [storage, worker] = isDenied
    ? (['storage-denied', 'worker-denied'] as const)
    : (['storage-unavailable', 'worker-unavailable'] as const)
  return sideOf(error) === 'queue' ? storage : worker
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/gu, ' ').trim().slice(0, MAX_MESSAGE_CHARS)
}
