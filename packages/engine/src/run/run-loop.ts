import { assertSpan } from '@sluice/core'
import { backoffMs, type Random } from '../policies/backoff.js'
import type { TickResult } from '../tick/tick-result.js'
import type { WorkQueue } from '../tick/ticker.js'

export interface RunLoopOptions {
  /** From the end of one tick to the start of the next, in ms, 1 or more. Never longer in effect than a third of the lease. */
  readonly intervalMs: number
  /** Ends the loop with the tick under way, which begins no more sends from then on and gives claims back that were not sent. */
  readonly signal: AbortSignal
  /** Wake-ups don't bring two ticks closer together than this, in ms. Default 10, or the interval if that is shorter. */
  readonly minDelayMs?: number
  /** The longest time in an outage that the other side is left alone, in ms, unless it asks for longer. Default 30,000. */
  readonly maxBackoffMs?: number
  /** Called after each tick. What it throws ends the loop. */
  readonly onTick?: (result: TickResult) => void
  /** Default `Math.random`; for jitter alone. */
  readonly random?: Random
}

/**
 * Ticks until the signal aborts: the only timer there is. It waits for the interval, or less when the worker's `watch` or
 * {@link WorkQueue.wake} rings. In an outage the side that can't be used is left alone for longer and longer; in one of the worker the control is
 * still read at the interval and at each ring, and the lease kept. Where only sends fail, ticks go on. The lease is kept at the end: call
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
      const result = await workQueue.tick({ signal })
      onTick?.(result)
      outages = isDown(result) ? outages + 1 : 0
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

/** The tick could not do its work at all. A worker that only takes no jobs is still asked how its jobs do: the tick leaves it alone with sends. */
function isDown({ unavailable, reconciled }: TickResult): boolean {
  return unavailable !== undefined && !reconciled
}

async function pause(workQueue: WorkQueue, options: RunLoopOptions, ticked: Ticked): Promise<void> {
  const { signal, intervalMs } = options
  const { result, outages } = ticked
  const { runtime, leaseTtlMs } = workQueue
  if (outages > 0) {
    await waitOut(workQueue, options, outageDelayMs(options, ticked))
    return
  }
  // A standby has nothing to hurry for.
  if (result.role === 'standby') {
    await runtime.sleep(Math.min(intervalMs, leaseTtlMs / 3), signal)
    return
  }
  // The lease must not run out between two ticks, or engines would take turns for nothing.
  const wholeMs = Math.min(result.nextDelayMs ?? intervalMs, intervalMs, leaseTtlMs / 3)
  if (result.unavailable === undefined) await waitForWake(workQueue, options, wholeMs)
  else await waitOut(workQueue, options, wholeMs)
}

/** Resolves after `wholeMs` or at a ring, but not before the least delay. */
async function waitForWake(workQueue: WorkQueue, options: RunLoopOptions, wholeMs: number): Promise<void> {
  const { signal, intervalMs, minDelayMs = Math.min(10, intervalMs) } = options
  const firstMs = Math.min(wholeMs, minDelayMs)
  await workQueue.runtime.sleep(firstMs, signal)
  if (wholeMs > firstMs) await workQueue.waitForWake(wholeMs - firstMs, signal)
}

/**
 * Waits in an outage, but keeps looking after what operators say: at the interval, and at each ring. A ring brings no tick: a thousand puts must not
 * become a thousand knocks on a closed door.
 */
async function waitOut(workQueue: WorkQueue, options: RunLoopOptions, wholeMs: number): Promise<void> {
  const { signal, intervalMs } = options
  const { runtime, leaseTtlMs } = workQueue
  const endAtMs = runtime.monotonicMs() + wholeMs
  for (;;) {
    const leftMs = endAtMs - runtime.monotonicMs()
    await waitForWake(workQueue, options, Math.min(leftMs, intervalMs, leaseTtlMs / 3))
    // Less than a timer can tell apart is over.
    if (signal.aborted || endAtMs - runtime.monotonicMs() < 1) return
    await workQueue.attend()
  }
}

function outageDelayMs(options: RunLoopOptions, { result, outages }: Ticked): number {
  const { intervalMs, maxBackoffMs = 30_000, random = Math.random } = options
  const maxMs = Math.max(maxBackoffMs, intervalMs)
  const delayMs = backoffMs({ baseMs: intervalMs, factor: 2, maxMs, jitter: 0.5 }, outages, random)
  return Math.max(delayMs, result.nextDelayMs ?? 0, 1)
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
    await workQueue.runtime.sleep(backoffMs(again, Math.max(failures, 1), Math.random), signal)
  }
}
