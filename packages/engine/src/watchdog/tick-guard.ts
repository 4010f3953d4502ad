import type { Runtime } from '@sluice/core'
import type { LeaseKeeper } from '../tick/lease-keeper.js'
import type { CallWatch, OpenCall } from './call-watch.js'

export interface TickGuardOptions {
  readonly runtime: Runtime
  readonly lease: LeaseKeeper
  readonly calls: CallWatch
  readonly leaseTtlMs: number
  readonly stallMs: number
  /** Called for a slow call, at most once a minute. */
  readonly onSlow: (slow: OpenCall) => void
}

/** The precision of a stall. */
const CHECK_MS = 1_000
/** After this time operators want to know why nothing happens. */
const SLOW_MS = 10_000
const REPORT_EVERY_MS = 60_000

/**
 * Guards a tick while it runs: renews the lease when a third of it is over, whatever the tick waits for, but
 * only until a call of it is stuck. It has no timer before or after.
 *
 * @param ended aborted when the tick has ended
 * @returns the call that is stuck, or `undefined` once the tick has ended
 */
export async function guardTick(
  options: TickGuardOptions,
  ended: AbortSignal,
): Promise<OpenCall | undefined> {
  const { runtime, lease, calls, leaseTtlMs, stallMs, onSlow } = options
  const everyMs = Math.min(leaseTtlMs / 3, CHECK_MS)
  let reportedAtMonotonic = Number.NEGATIVE_INFINITY
  for (let beforeMonotonic = runtime.monotonicMs(); ;) {
    await runtime.sleep(everyMs, ended)
    if (ended.aborted) return undefined
    const nowMonotonic = runtime.monotonicMs()
    // A sleep that ends late shows that this process stood still: answers may be unread.
    if (nowMonotonic - beforeMonotonic > everyMs + CHECK_MS)
      calls.discount(nowMonotonic - beforeMonotonic - everyMs)
    beforeMonotonic = nowMonotonic
    const stuck = calls.stuck(stallMs)
    if (stuck !== undefined) return stuck
    const slow = nowMonotonic - reportedAtMonotonic < REPORT_EVERY_MS ? undefined : calls.stuck(SLOW_MS)
    if (slow !== undefined) {
      reportedAtMonotonic = nowMonotonic
      onSlow(slow)
    }
    if (lease.held) renew(lease)
  }
}

/** Not waited for: a renewal that hangs must not stop the guard. */
function renew(lease: LeaseKeeper): void {
  // Each step that needs the lease renews it again, and gets the error.
  lease.keep().catch(() => false)
}
