import { assertSpan } from '@sluice/core'
import { backoffMs, type Random } from './backoff.js'
import type { TickResult } from './tick-result.js'
import type { WorkQueue } from './work-queue.js'

export interface RunLoopOptions {
  /** From the end of one tick to the start of the next, in ms, 1 or more. Never longer in effect than a third of the lease. */
  readonly intervalMs: number
  /** Ends the loop after the tick under way. */
  readonly signal: AbortSignal
  /** Wake-ups don't bring two ticks closer together than this, in ms. Default 10, or the interval if that is shorter. */
  readonly minDelayMs?: number
  /** The longest wait in an outage, in ms, unless the other side asks for a longer one. Default 30,000. */
  readonly maxBackoffMs?: number
  /** Called after each tick. What it throws ends the loop. */
  readonly onTick?: (result: TickResult) => void
  /** Default `Math.random`; for jitter alone. */
  readonly random?: Random
}

/**
 * Ticks until the signal aborts: the only timer there is. It waits for the interval, or less when the worker's `watch` or
 * {@link WorkQueue.wake} rings, and longer and longer while there is an outage. The lease is kept at the end: call
 * {@link WorkQueue.stop} then.
 *
 * @returns resolves when the signal has aborted and the tick under way has ended
 * @throws whatever {@link WorkQueue.tick} throws
 */
export async function runLoop(workQueue: WorkQueue, options: RunLoopOptions): Promise<void> {
  const { signal, onTick } = options
  assertDelay(options.intervalMs, 'intervalMs')
  if (options.minDelayMs !== undefined) assertDelay(options.minDelayMs, 'minDelayMs')
  if (options.maxBackoffMs !== undefined) assertDelay(options.maxBackoffMs, 'maxBackoffMs')
  const watching = new AbortController()
  // Not awaited: it never rejects, and a worker whose watch is slow to end must not hold up the end of the loop.
  void listen(workQueue, watching.signal)
  let outages = 0
  try {
    while (!signal.aborted) {
      const result = await workQueue.tick()
      onTick?.(result)
      outages = result.unavailable === undefined ? 0 : outages + 1
      await pause(workQueue, options, { result, outages })
    }
  } finally {
    watching.abort()
  }
}

function assertDelay(value: number, what: string): void {
  assertSpan(value, what)
  if (value === 0) throw new TypeError(`${what} must be 1 or more: a loop without a pause is a busy loop`)
}

interface Ticked {
  readonly result: TickResult
  readonly outages: number
}

async function pause(workQueue: WorkQueue, options: RunLoopOptions, ticked: Ticked): Promise<void> {
  const { signal, intervalMs, minDelayMs = Math.min(10, intervalMs) } = options
  const { result, outages } = ticked
  const { clock, leaseTtlMs } = workQueue
  // A ring doesn't shorten the wait in an outage: a thousand puts must not become a thousand knocks on a closed door.
  if (outages > 0) {
    await clock.sleep(outageDelayMs(options, ticked), signal)
    return
  }
  // A standby has nothing to hurry for.
  if (result.role === 'standby') {
    await clock.sleep(Math.min(intervalMs, leaseTtlMs / 3), signal)
    return
  }
  // The lease must not run out between two ticks, or engines would take turns for nothing.
  const wholeMs = Math.min(result.nextDelayMs ?? intervalMs, leaseTtlMs / 3)
  const firstMs = Math.min(wholeMs, minDelayMs)
  await clock.sleep(firstMs, signal)
  if (wholeMs > firstMs) await workQueue.waitForWake(wholeMs - firstMs, signal)
}

function outageDelayMs(options: RunLoopOptions, { result, outages }: Ticked): number {
  const { intervalMs, maxBackoffMs = 30_000, random = Math.random } = options
  const maxMs = Math.max(maxBackoffMs, intervalMs)
  const delayMs = backoffMs({ baseMs: intervalMs, factor: 2, maxMs, jitter: 0.5 }, outages, random)
  // A worker that only refuses to start more is still asked how its jobs do: the tick itself leaves it alone with sends.
  const askedMs = result.reconciled ? 0 : (result.nextDelayMs ?? 0)
  return Math.max(delayMs, askedMs, 1)
}

/** Wakes the loop for each ring of the worker. A doorbell that breaks is no harm: the interval goes on; it is put up again. */
async function listen(workQueue: WorkQueue, signal: AbortSignal): Promise<void> {
  const again = { baseMs: 1_000, factor: 2, maxMs: 60_000, jitter: 0.5 }
  for (let failures = 1; !signal.aborted; failures++) {
    try {
      const rings = workQueue.watchWorker(signal)
      if (rings === undefined) return
      for await (const ring of rings) {
        void ring
        failures = 0
        workQueue.wake()
      }
    } catch {
      // A worker that can't be reached: the next tick says so, and loudly enough.
    }
    await workQueue.clock.sleep(backoffMs(again, Math.max(failures, 1), Math.random), signal)
  }
}
