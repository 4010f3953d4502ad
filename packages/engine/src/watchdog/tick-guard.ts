import type { Runtime } from '@sluice/core'
import type { LeaseKeeper } from '../tick/lease-keeper.js'
import type { CallWatch, OpenCall } from './call-watch.js'

export interface TickGuardOptions {
  readonly runtime: Runtime
  readonly lease: LeaseKeeper
  readonly calls: CallWatch
  readonly leaseTtlMs: number
  readonly stallMs: number
  /** Told of a call that takes long, at most once a minute. */
  readonly onSlow: (slow: OpenCall) => void
}

/** How exactly a stall is timed. */
const LOOK_MS = 1_000
/** A person who looks at a log or a status by then wants to know why nothing goes on. */
const SLOW_MS = 10_000
const SAY_EVERY_MS = 60_000

/**
 * Watches over a tick while it runs: renews the lease when a third of it is over, whatever the tick waits for, but only until a call of it is stuck.
 * There is no timer of it before or after.
 *
 * @param ended aborted when the tick has ended
 * @returns the call that is stuck, or `undefined` once the tick has ended
 */
export async function guardTick(
  options: TickGuardOptions,
  ended: AbortSignal,
): Promise<OpenCall | undefined> {
  const { runtime, lease, calls, leaseTtlMs, stallMs, onSlow } = options
  const everyMs = Math.min(leaseTtlMs / 3, LOOK_MS)
  let reportedAtMonotonic = Number.NEGATIVE_INFINITY
  for (let beforeMonotonic = runtime.monotonicMs(); ;) {
    await runtime.sleep(everyMs, ended)
    if (ended.aborted) return undefined
    const nowMonotonic = runtime.monotonicMs()
    // A sleep that ends late says that this process stood still: answers may lie there that it has not read yet.
    if (nowMonotonic - beforeMonotonic > everyMs + LOOK_MS) calls.discount(nowMonotonic - beforeMonotonic - everyMs)
    beforeMonotonic = nowMonotonic
    const stuck = calls.stuck(stallMs)
    if (stuck !== undefined) return stuck
    const slow = nowMonotonic - reportedAtMonotonic < SAY_EVERY_MS ? undefined : calls.stuck(SLOW_MS)
    if (slow !== undefined) {
      reportedAtMonotonic = nowMonotonic
      onSlow(slow)
    }
    if (lease.held) renew(lease)
  }
}

/** Not waited for: a renewal that hangs must not keep the guard from finding that out. */
function renew(lease: LeaseKeeper): void {
  // Whoever needs the lease asks for it again before it goes on, and is told what is wrong.
  lease.keep().catch(() => false)
}
