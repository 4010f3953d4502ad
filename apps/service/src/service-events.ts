import type { JobRef, Logger } from '@sluice/core'
import { HOLDUP_ADVICE, type SelfPause, type WorkEvent } from '@sluice/engine'
import { withoutFullStop } from './output.js'

/**
 * Logs what the engine tells, a line each. What a person must know of is `info` or louder; the ordinary way of an item is
 * `debug`, since a million items would bury the rest.
 */
export function logEvent(logger: Logger, event: WorkEvent): void {
  switch (event.kind) {
    case 'item-sent':
      return logger.debug(jobFields(event.job, { again: event.again || undefined }), 'job sent')
    case 'item-settled':
      return logSettled(logger, event)
    case 'item-lost':
      return logger.warn(jobFields(event.job, { policy: event.policy }), 'job lost')
    case 'dispatcher':
      return logger.info({ fence: event.fence }, 'this service dispatches')
    case 'standby':
      return logger.info({}, 'standing by: another service dispatches this queue')
    case 'paused':
      return logger.warn({ reason: event.reason }, 'paused: no new jobs start')
    case 'self-paused':
      return logSelfPause(logger, event.pause)
    case 'resumed':
      return logger.info({}, 'resumed')
    case 'swept':
      return logger.info({ ...event.report }, 'swept the storage')
    case 'job-cancelled':
      return logger.warn(jobFields(event.job, { reason: event.reason }), `job told to end: ${event.reason}`)
    // The engine logs these itself.
    case 'orphan':
    case 'jobs-pending':
    case 'poll-incomplete':
    case 'poll-complete':
    case 'stalled':
    case 'outage':
    case 'outage-over':
    case 'capacity':
    case 'capacity-over':
      return undefined
  }
}

function logSelfPause(logger: Logger, { guard, reason, example, since }: SelfPause): void {
  const fields = { guard, example, since: new Date(since).toISOString() }
  const advice = HOLDUP_ADVICE['self-paused'] ?? ''
  logger.error(fields, `Sluice paused the queue itself: ${withoutFullStop(reason)}: ${advice}`)
}

type Settled = Extract<WorkEvent, { kind: 'item-settled' }>

function logSettled(logger: Logger, event: Settled): void {
  const fields = jobFields(event.job, { reason: event.reason, failureClass: event.failureClass })
  if (event.stage === 'SUCCESS') return logger.debug(fields, 'item succeeded')
  if (event.stage === 'FAIL') return logger.warn(fields, 'item failed')
  return logger.info(fields, 'item goes back to WAITING')
}

function jobFields({ id, attempt }: JobRef, more: object = {}): object {
  return { id, attempt, ...more }
}
