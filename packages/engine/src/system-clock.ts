import { performance } from 'node:perf_hooks'
import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises'
import type { Clock } from '@sluice/core'

/** What `setTimeout` can hold: a longer sleep ends early, which every caller must stand anyway. */
const MAX_TIMER_MS = 2_147_483_647

/** The machine's time. A sleep keeps the process alive until it ends or is aborted. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  // A timer of nothing takes a millisecond, in which a loop with more to do would do nothing. Both reject when they are aborted, and for
  // nothing else.
  sleep: (ms, signal) =>
    (ms <= 0 ? turn(undefined, { signal }) : wait(Math.min(ms, MAX_TIMER_MS), undefined, { signal })).catch(
      () => undefined,
    ),
}
