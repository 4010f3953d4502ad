import { randomUUID } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises'
import type { Runtime } from '../../runtime.js'

/** The longest delay of `setTimeout`. A longer sleep ends early, so every caller checks the time again. */
const MAX_TIMER_MS = 2_147_483_647

/** The machine's clocks, timers, randomness and ids: the only place in Sluice that reads them. */
export const systemRuntime: Runtime = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  // A timer of 0 ms takes 1 ms, in which a loop with more to do would be idle. Both reject when they are
  // aborted, and for no other reason.
  sleep: (ms, signal, { background = false } = {}) =>
    (ms <= 0
      ? turn(undefined, { signal, ref: !background })
      : wait(Math.min(ms, MAX_TIMER_MS), undefined, { signal, ref: !background })
    ).catch(() => undefined),
  yield: () => turn(),
  random: () => Math.random(),
  newId: () => randomUUID(),
}

/** Whether a value is a {@link Runtime}, for schemas of options. */
export function isRuntime(value: unknown): value is Runtime {
  if (typeof value !== 'object' || value === null) return false
  return ['now', 'monotonicMs', 'sleep', 'yield', 'random', 'newId'].every(
    (name) => name in value && typeof Reflect.get(value, name) === 'function',
  )
}
