import type { JobRef, Logger } from '@sluice/core'
import { HOLDUP_ADVICE, type SelfPause, type WorkEvent } from '@sluice/engine'
import { withoutFullStop } from './output.js'
import { countText } from './progress/progress-text.js'

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
      return logger.info({ fencingToken: event.fencingToken }, 'this service dispatches')
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

function logSelfPause(logger: Logger, { guard, reason, example, sinceAt }: SelfPause): void {
  const fields = { guard, example, since: new Date(sinceAt).toISOString() }
  const advice = HOLDUP_ADVICE['self-paused'] ?? ''
  logger.error(fields, `Sluice paused the queue itself: ${withoutFullStop(reason)}: ${advice}`)
}

/** Tells of outcomes that were not stored whole: when it first happens, and how many there were, at the end. A line an item would bury the rest. */
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
    const text = `not all of a job's outcome could be kept: ${withoutFullStop(reason)}. ${SEE_LEFT_OUT}; others are counted`
    this.#logger.warn(jobFields(event.job), text)
  }

  end(): void {
    if (this.#count === 0) return
    const jobs = this.#count === 1 ? 'one job' : `${countText(this.#count)} jobs`
    const text = `not all of the outcome of ${jobs} could be kept since this service started. ${SEE_LEFT_OUT}`
    this.#logger.warn({ leftOut: this.#count }, text)
  }
}

const SEE_LEFT_OUT = 'Which, and why: `sluice report --summary` and `sluice show`'

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
