import { assertSpan } from '@sluice/core/backend'

/** Growing delays with jitter. */
export interface Backoff {
  /** The first delay, in ms, 0 or more. */
  readonly baseMs: number
  /** The factor from one delay to the next, 1 or more. */
  readonly factor: number
  /** The longest delay, in ms. */
  readonly maxMs: number
  /** The random share of a delay, 0 to 1, so that many items don't return at one moment. */
  readonly jitter: number
}

/** A source of numbers of 0 or more and under 1. */
export type Random = () => number

/**
 * The delay before the next try, in whole ms.
 *
 * @param failures how many tries failed so far, 1 or more
 */
export function backoffMs(backoff: Backoff, failures: number, random: Random): number {
  // A thousand doublings are Infinity, and Infinity times a base of 0 is NaN.
  const growth = backoff.factor ** Math.min(Math.max(failures - 1, 0), 64)
  const whole = Math.min(backoff.baseMs * growth, backoff.maxMs)
  return Math.round(whole * (1 - backoff.jitter * random()))
}

/** @throws TypeError that names the field */
export function assertBackoff(backoff: Backoff, what: string): void {
  assertSpan(backoff.baseMs, `${what}.baseMs`)
  assertSpan(backoff.maxMs, `${what}.maxMs`)
  if (!Number.isFinite(backoff.factor) || backoff.factor < 1) {
    throw new TypeError(`${what}.factor must be a number of 1 or more; got ${backoff.factor}`)
  }
  if (!(backoff.jitter >= 0 && backoff.jitter <= 1)) {
    throw new TypeError(`${what}.jitter must be a number from 0 to 1; got ${backoff.jitter}`)
  }
}
