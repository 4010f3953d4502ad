import { assertSpan } from '@sluice/core/backend'
import { withSettings, type DispatchPolicy, type PolicyHoldup } from './dispatch-policy.js'

export interface RateLimitOptions {
  /** The most items that are claimed within any `perMs`, 1 or more. */
  readonly count: number
  /** The window, in ms, 100 or more. */
  readonly perMs: number
}

/** Claims are recorded ahead for about this time at the full rate. */
const AHEAD_MS = 5_000
const LONG_MS = 10_000
const LEAST_PER_MS = 100
/** Longest window: a week. */
const MAX_PER_MS = 604_800_000

/**
 * At most `count` claims within any window of `perMs`, by the storage's clock, across restarts and failovers
 * [E-RATE-1]. It is a sliding window: `count` items may be claimed at once, and then none before these are
 * `perMs` old; for an even flow choose a short window, and combine two by {@link all}. Claims count, not
 * sends: an item that is claimed again counts again, and a job that is sent again does not.
 *
 * Claims are recorded before they are made, those of about five seconds by one write. After a crash those
 * that were recorded and not made count as made: for one window up to so many fewer are claimed. A change of
 * dispatcher costs up to a second in which as many more could be claimed.
 *
 * @throws TypeError for wrong numbers
 */
export function rateLimit({ count, perMs }: RateLimitOptions): DispatchPolicy {
  if (!Number.isSafeInteger(count) || count < 1)
    throw new TypeError(`rateLimit: count must be a whole number of 1 or more; got ${count}`)
  assertSpan(perMs, 'rateLimit: perMs')
  if (perMs < LEAST_PER_MS || perMs > MAX_PER_MS)
    throw new TypeError(`rateLimit: perMs must be from ${LEAST_PER_MS} to ${MAX_PER_MS}; got ${perMs}`)
  const message = `at most ${count} ${count === 1 ? 'item is' : 'items are'} claimed in any ${spanText(perMs)}`
  const state = { claimsForMs: perMs, claimsAhead: Math.ceil((count * AHEAD_MS) / perMs) }
  return withSettings(
    ({ claims, nowAt }) => {
      // Of the items that are claimed, each has been counted.
      if (claims === undefined) return Number.POSITIVE_INFINITY
      const room = count - claims.within(perMs)
      if (room > 0) return room
      const forMs = claims.fewerIn(perMs, count)
      return { room: 0, holdup: { code: 'rate', message, ...endOf(forMs, nowAt) } }
    },
    { policy: 'rateLimit', count, perMs },
    { state },
  )
}

/** A long wait as an instant, which stays the same from tick to tick. */
function endOf(forMs: number | undefined, nowAt: number): Pick<PolicyHoldup, 'forMs' | 'untilAt'> {
  if (forMs === undefined) return {}
  return forMs < LONG_MS ? { forMs } : { untilAt: Math.ceil((nowAt + forMs) / 1_000) * 1_000 }
}

/** Such as `500 ms`, `90 s`, `5 min`, `24 h`: exact. */
function spanText(ms: number): string {
  const [size, unit] = UNITS.find(([each]) => ms % each === 0) ?? [1, 'ms']
  return `${ms / size} ${unit}`
}

const UNITS: readonly (readonly [ms: number, unit: string])[] = [
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1_000, 's'],
]
