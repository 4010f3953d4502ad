import { randomUUID } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import { setImmediate as turn } from 'node:timers/promises'
import type { Runtime, SleepOptions } from '../../runtime.js'

/** The longest delay of `setTimeout`. A longer sleep ends early, so every caller checks the time again. */
const MAX_TIMER_MS = 2_147_483_647

/** The machine's clocks, timers, randomness and ids: the only place in Sluice that reads them. */
export const systemRuntime: Runtime = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: (ms, signal, options) =>
    signal?.aborted === true
      ? Promise.resolve()
      : new Promise((wake) => wakeAfter(ms, wake, { signal, ...options })),
  yield: () => turn(),
  random: () => Math.random(),
  newId: () => randomUUID(),
}

interface Sleep extends SleepOptions {
  readonly signal: AbortSignal | undefined
}

/**
 * The timers of `node:timers/promises` reject with an error when they are aborted, and creating it is the
 * most expensive part of a timeout that is cancelled, as nearly all are.
 */
function wakeAfter(ms: number, wake: () => void, { signal, background = false }: Sleep): void {
  const end = (): void => {
    clearTimeout(timer)
    signal?.removeEventListener('abort', end)
    wake()
  }
  // A timer of 0 ms takes 1 ms, in which a loop with more to do would be idle.
  const timer = ms <= 0 ? undefined : setTimeout(end, Math.min(ms, MAX_TIMER_MS))
  const pending = timer ?? setImmediate(end)
  if (background) pending.unref()
  signal?.addEventListener('abort', end)
}

/** Whether a value is a {@link Runtime}, for schemas of options. */
export function isRuntime(value: unknown): value is Runtime {
  if (typeof value !== 'object' || value === null) return false
  return ['now', 'monotonicMs', 'sleep', 'yield', 'random', 'newId'].every(
    (name) => name in value && typeof Reflect.get(value, name) === 'function',
  )
}
