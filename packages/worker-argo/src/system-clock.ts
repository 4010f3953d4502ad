import { performance } from 'node:perf_hooks'
import type { Clock } from '@sluice/core'

/** What `setTimeout` can hold: a longer sleep ends early, which every caller must stand anyway. */
const MAX_TIMER_MS = 2_147_483_647

/** The machine's time. A sleep keeps the process alive until it ends or is aborted. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted === true) {
        resolve()
        return
      }
      const end = (): void => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', end)
        resolve()
      }
      const timer = setTimeout(end, Math.min(Math.max(ms, 0), MAX_TIMER_MS))
      signal?.addEventListener('abort', end)
    }),
}
