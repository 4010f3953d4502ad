import type { BackpressureRule } from './backpressure-options.js'
import type { Pushback } from './effective-limit.js'
import type { Latency } from './send-latency.js'

type Rule = Exclude<BackpressureRule, 'off'>

/** Pushback without a measure of its own leaves this share of the unfinished jobs. */
const DECREASE = 0.85
/** Sends that take so many times what is usual are slow. */
const SLOW_FACTOR = 3
/** From here on sends are slower than usual: the limit is not raised, and `gradient` lowers it. */
const SLOWER_FACTOR = 2
/** No measurement lowers the limit further at once. */
const MAX_DECREASE = 0.5
/** Jobs that are pending up to this share of the others are ready to start, and no lack of room. */
const PENDING_SHARE = 0.1
/**
 * What was accepted of late starts, at least this share of it: then old pending jobs wait for something else.
 */
const STARTED_SHARE = 0.5

/** Sends that the worker refused. */
export interface RefusedSends {
  /** The worker's message for the last one. */
  readonly message: string
}

/** Sends that failed in words that do not say whose trouble it is. */
export interface UnclearSends extends RefusedSends {
  /** Of items that never failed before. */
  readonly sends: number
}

/** Fewer items of a pass, or a smaller share of them, fail for what they are. */
const UNCLEAR_SENDS = 3
const UNCLEAR_SHARE = 0.1

/** Whether it is the worker, such as a proxy in front of it that answers 503 now and then. */
export function isOverload({ sends }: UnclearSends, sent: number): boolean {
  return sends >= UNCLEAR_SENDS && sends >= UNCLEAR_SHARE * (sends + sent)
}

export function refusedPushback({ message }: RefusedSends, unfinished: number): Pushback {
  return { cause: 'refused', reason: message, target: DECREASE * unfinished }
}

/** A worker that is full at so many jobs is full at about as many the next time. */
const FULL_SHARE = 0.95

/**
 * How it counts that a worker says it is full. That is a limit of its own, such as a quota, and no pushback:
 * the gate uses each place that becomes free. A worker that is full at fewer and fewer jobs is overloaded.
 *
 * @param fullAt the most unfinished jobs at which it was full before, in this spell
 */
export function fullPushback(
  { message }: RefusedSends,
  unfinished: number,
  fullAt: number,
): Pushback | undefined {
  return unfinished < FULL_SHARE * fullAt
    ? { cause: 'refused', reason: message, target: DECREASE * unfinished }
    : undefined
}

/** How sends that take that long count. */
export function latencyPushback(
  { algorithm, slowSendMs }: Rule,
  { nowMs, usualMs }: Latency,
  unfinished: number,
): { pushback?: Pushback; isHeld: boolean } {
  if (slowSendMs === 0) return { isHeld: false }
  const slower = SLOWER_FACTOR * usualMs
  const isHeld = nowMs > Math.max(slower, slowSendMs / 2)
  const isSlow = nowMs > Math.max(algorithm === 'aimd' ? SLOW_FACTOR * usualMs : slower, slowSendMs)
  if (!isSlow) return { isHeld }
  const share = algorithm === 'aimd' ? DECREASE : Math.max(MAX_DECREASE, slower / nowMs)
  // As in other gradient algorithms a queue of the root of the limit is allowed.
  const allowed = algorithm === 'aimd' ? 0 : Math.sqrt(share * unfinished) / 2
  const reason = `a send takes ${Math.round(nowMs)} ms, and ${Math.round(usualMs)} ms when the worker is well`
  return { isHeld, pushback: { cause: 'slow', reason, target: share * unfinished + allowed } }
}

/** What is known of the jobs that have not started. */
export interface PendingJobs {
  readonly unfinished: number
  /** How long each pending job has been known to be pending, in ms. */
  readonly pendingMs: readonly number[]
  /** Jobs that were accepted within `pendingMs`. */
  readonly acceptedOfLate: number
  /** The worker's message for one of them. */
  readonly message?: string | undefined
}

/** How jobs count that the worker has accepted and does not start. */
export function pendingPushback(
  { pendingMs: longMs }: Rule,
  { unfinished, pendingMs, acceptedOfLate, message }: PendingJobs,
): { pushback?: Pushback; isHeld: boolean } {
  if (longMs === 0 || pendingMs.length === 0) return { isHeld: false }
  const young = pendingMs.filter((ms) => ms < longMs).length
  // What came later has started: there is room, and the old ones wait for something of their own.
  if (acceptedOfLate > 0 && young < STARTED_SHARE * acceptedOfLate) return { isHeld: false }
  const old = pendingMs.length - young
  const started = unfinished - old
  const allowed = Math.max(1, PENDING_SHARE * started)
  const waiting = pendingMs.filter((ms) => ms >= longMs / 3).length
  const isHeld = waiting > Math.max(1, (PENDING_SHARE / 2) * unfinished)
  if (old <= allowed) return { isHeld }
  const why = message === undefined ? '' : `: ${message}`
  const reason = `${old} of ${unfinished} jobs have been pending for more than ${Math.round(longMs / 1_000)} s${why}`
  const target = Math.max(MAX_DECREASE * unfinished, started + Math.ceil(allowed))
  return { isHeld, pushback: { cause: 'pending', reason, target } }
}
