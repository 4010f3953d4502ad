import { assertSpan } from '@sluice/core/backend'
import type { TickResult } from '../tick/tick-result.js'

/** How {@link WorkQueue.run} runs. */
export interface RunOptions {
  /**
   * From the end of one tick to the start of the next, in ms, 1 or more. Never longer in effect than a third
   * of `leaseTtlMs`. Default 1,000.
   */
  readonly intervalMs?: number
  /** Ends the run. Without one it runs until {@link WorkQueue.close}. */
  readonly signal?: AbortSignal
  /**
   * Wake signals don't bring two ticks closer together than this, in ms, 1 or more. Default 10, or the
   * interval if that is shorter.
   */
  readonly minDelayMs?: number
  /**
   * The longest time in an outage that the other side is left alone, in ms, 1 or more, unless it asks for
   * longer. Default 30,000.
   */
  readonly maxBackoffMs?: number
  /** A tick that has not ended so long after the abort is given up, in ms, 0 or more. Default 10,000. */
  readonly stopDeadlineMs?: number
  /** Called after each tick. What it throws ends the run. */
  readonly onTick?: (result: TickResult) => void
}

/** {@link RunOptions}, checked, with their defaults. */
export type CheckedRunOptions = Required<Omit<RunOptions, 'signal'>>

export const DEFAULT_STOP_DEADLINE_MS = 10_000

/** @throws TypeError that names the option that is wrong */
export function checkedRunOptions(options: RunOptions): CheckedRunOptions {
  const { intervalMs = 1_000, maxBackoffMs = 30_000, stopDeadlineMs = DEFAULT_STOP_DEADLINE_MS } = options
  const { onTick = (): void => undefined } = options
  assertDelay(intervalMs, 'intervalMs')
  const { minDelayMs = Math.min(10, intervalMs) } = options
  assertDelay(minDelayMs, 'minDelayMs')
  assertDelay(maxBackoffMs, 'maxBackoffMs')
  assertSpan(stopDeadlineMs, 'stopDeadlineMs')
  return { intervalMs, minDelayMs, maxBackoffMs, stopDeadlineMs, onTick }
}

function assertDelay(value: number, what: string): void {
  assertSpan(value, what)
  if (value === 0) throw new TypeError(`${what} must be 1 or more: a loop without a pause is a busy loop`)
}
