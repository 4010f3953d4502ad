import type { JobRef, Logger } from '@sluice/core'
import { HOLDUP_ADVICE, type OpenBreaker, type WorkEvent } from '@sluice/engine'
import { countText } from '../output/amounts.js'
import { withoutFullStop } from '../output/output.js'

/**
 * Logs the engine's events, one line each. What an operator must know is `info` or louder; the ordinary
 * progress of an item is `debug`, since a million items would bury the rest.
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
      return logger.info({ fencingToken: event.fencingToken }, 'this service dispatches')
    case 'paused':
      return logger.warn({ reason: event.reason }, 'paused: no new jobs start')
    case 'breaker-open':
    case 'breaker-half-open':
    case 'breaker-closed':
      return logBreaker(logger, event)
    case 'resumed':
      return logger.info({}, 'resumed')
    case 'swept':
      return logger.info({ ...event.report }, 'swept the storage')
    case 'job-cancelled':
      return logger.warn(jobFields(event.job, { reason: event.reason }), `job cancelled: ${event.reason}`)
    // The service logs it with the lease of the other one.
    case 'standby':
      return undefined
    // The engine logs these itself.
    case 'orphan':
    case 'jobs-pending':
    case 'straggler':
    case 'poll-incomplete':
    case 'poll-complete':
    case 'stalled':
    case 'outage':
    case 'outage-over':
    case 'capacity':
    case 'capacity-over':
    case 'backpressure':
    case 'backpressure-over':
      return undefined
  }
}

type BreakerEvent = Extract<WorkEvent, { kind: 'breaker-open' | 'breaker-half-open' | 'breaker-closed' }>

function logBreaker(logger: Logger, event: BreakerEvent): void {
  if (event.kind === 'breaker-open') logOpenBreaker(logger, event.breaker)
  else if (event.kind === 'breaker-half-open')
    logger.warn({ items: event.items }, 'the breaker is half open: a few items are tried')
  else logger.info({}, 'the breaker is closed: the items that were tried have succeeded')
}

function logOpenBreaker(logger: Logger, breaker: OpenBreaker): void {
  const { guard, reason, example, group, failed, ended, sinceAt } = breaker
  const fields = { guard, example, group, failed, ended, since: new Date(sinceAt).toISOString() }
  const advice = HOLDUP_ADVICE['breaker-open'] ?? ''
  logger.error(fields, `Sluice paused the queue itself: ${withoutFullStop(reason)}: ${advice}`)
}

/**
 * Logs outcomes that were not stored whole: the first when it happens, and their number at the end. One line
 * an item would bury the rest.
 */
export class LeftOutLog {
  readonly #logger: Logger
  #count = 0

  constructor(logger: Logger) {
    this.#logger = logger
  }

  note(event: WorkEvent): void {
    if (event.kind !== 'item-settled' || event.leftOut === undefined) return
    this.#count += 1
    if (this.#count > 1) return
    const [reason = ''] = event.leftOut
    const text = `part of a job's outcome was not stored: ${withoutFullStop(reason)}. ${SEE_LEFT_OUT}; further ones are counted`
    this.#logger.warn(jobFields(event.job), text)
  }

  end(): void {
    if (this.#count === 0) return
    const jobs = this.#count === 1 ? 'one job' : `${countText(this.#count)} jobs`
    const text = `part of the outcome of ${jobs} was not stored since this service started. ${SEE_LEFT_OUT}`
    this.#logger.warn({ leftOut: this.#count }, text)
  }
}

const SEE_LEFT_OUT = 'For which and why, see `sluice report --summary` and `sluice show`'

type Settled = Extract<WorkEvent, { kind: 'item-settled' }>

function logSettled(logger: Logger, event: Settled): void {
  const fields = jobFields(event.job, { reason: event.reason, failureClass: event.failureClass })
  if (event.stage === 'SUCCESS') return logger.debug(fields, 'item succeeded')
  if (event.stage === 'FAIL') return logger.warn(fields, 'item failed')
  return logger.info(fields, 'item released to WAITING')
}

function jobFields({ id, attempt }: JobRef, more: object = {}): object {
  return { id, attempt, ...more }
}
