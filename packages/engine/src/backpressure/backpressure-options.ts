import { assertSpan } from '@sluice/core/backend'

/**
 * How the number of unfinished jobs follows what the worker can take. Refused and slow sends, and jobs that
 * stay pending, lower the effective limit; without them it returns to what the dispatch policy allows.
 */
export interface BackpressureOptions {
  /**
   * How far slow sends lower the limit. `aimd`: by a fixed share · `gradient`: as far as sends are slower
   * than usual. Default `aimd`.
   */
  readonly algorithm?: 'aimd' | 'gradient'
  /** The limit is never lowered below this, 1 or more. Default 10. */
  readonly minLimit?: number
  /** Sends that take less never count as slow, in ms; 0 to leave the duration of sends aside. Default 150. */
  readonly slowSendMs?: number
  /**
   * Jobs that are pending for longer count as lack of room, in ms; 0 to leave pending jobs aside. Default
   * 30,000.
   */
  readonly pendingMs?: number
}

/** {@link BackpressureOptions} with their defaults. */
export type BackpressureRule = 'off' | Required<BackpressureOptions>

const ALGORITHMS: readonly string[] = ['aimd', 'gradient'] satisfies BackpressureOptions['algorithm'][]

/** @throws TypeError that names the field that is wrong */
export function checkedBackpressure(given: 'off' | BackpressureOptions): BackpressureRule {
  if (given === 'off') return given
  if (typeof given !== 'object' || given === null)
    throw new TypeError(`backpressure must be 'off' or its options; got ${String(given)}`)
  const rule = { algorithm: 'aimd', minLimit: 10, slowSendMs: 150, pendingMs: 30_000, ...given } as const
  for (const name of Object.keys(given))
    if (!['algorithm', 'minLimit', 'slowSendMs', 'pendingMs'].includes(name))
      throw new TypeError(`backpressure.${name} is no option`)
  if (!ALGORITHMS.includes(rule.algorithm))
    throw new TypeError(
      `backpressure.algorithm must be one of ${ALGORITHMS.join(', ')}; got ${rule.algorithm}`,
    )
  if (!Number.isSafeInteger(rule.minLimit) || rule.minLimit < 1)
    throw new TypeError(`backpressure.minLimit must be a whole number of 1 or more; got ${rule.minLimit}`)
  assertSpan(rule.slowSendMs, 'backpressure.slowSendMs')
  assertSpan(rule.pendingMs, 'backpressure.pendingMs')
  return rule
}
