import { performance } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'
import type { Clock } from '@sluice/core'

/** What `setTimeout` can hold: a longer sleep ends early, which every caller must stand anyway. */
const MAX_TIMER_MS = 2_147_483_647

/** The machine's time. A sleep keeps the process alive until it ends or is aborted. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  // It rejects when it is aborted, and for nothing else.
  sleep: (ms, signal) =>
    wait(Math.min(Math.max(ms, 0), MAX_TIMER_MS), undefined, { signal }).catch(() => undefined),
}
