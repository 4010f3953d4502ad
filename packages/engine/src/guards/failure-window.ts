import { isReached, needed, type GuardRule, type Threshold } from './breaker-options.js'

/** So many ends in a row with the same outcome: when, how many, and whether they are failures. */
export interface EndRun {
  /** Start of their slot, epoch ms of the storage's clock; 0 where the window has no time. */
  readonly at: number
  readonly count: number
  readonly isFailure: boolean
}

type WindowRule = Pick<GuardRule, 'window' | 'windowMs'>

/** A window of time moves on by this part of it. */
const SLOTS = 60

/** The start of the slot that an end counts in. */
export function slotOf(at: number, { windowMs }: WindowRule): number {
  if (windowMs === undefined) return 0
  const slotMs = Math.max(1, Math.floor(windowMs / SLOTS))
  return Math.floor(at / slotMs) * slotMs
}

/** The window with one more end. Where its length is time alone, the order within a slot does not matter. */
export function withEnd(
  window: readonly EndRun[],
  { at, isFailure }: { readonly at: number; readonly isFailure: boolean },
  rule: WindowRule,
): readonly EndRun[] {
  const slot = slotOf(at, rule)
  const found = window.findLastIndex((run) => run.at === slot && run.isFailure === isFailure)
  const isSame = found !== -1 && (rule.window === undefined || found === window.length - 1)
  const next = isSame
    ? window.map((run, index) => (index === found ? { ...run, count: run.count + 1 } : run))
    : [...window, { at: slot, count: 1, isFailure }]
  return within(next, at, rule)
}

/** Without what is too old, or more than the window holds. */
export function within(window: readonly EndRun[], now: number, rule: WindowRule): readonly EndRun[] {
  const { windowMs, window: most } = rule
  const recent = windowMs === undefined ? window : window.filter(({ at }) => at > now - windowMs)
  if (most === undefined) return recent
  let surplus = endsOf(recent).ended - most
  return recent.flatMap((run) => {
    if (surplus <= 0) return [run]
    const count = run.count - surplus
    surplus -= run.count
    return count > 0 ? [{ ...run, count }] : []
  })
}

/** The ends in a window. */
export function endsOf(window: readonly EndRun[]): { ended: number; failed: number } {
  let [ended, failed] = [0, 0]
  for (const { count, isFailure } of window) {
    ended += count
    if (isFailure) failed += count
  }
  return { ended, failed }
}

/**
 * Whether the failures in a window reach the threshold. A share of the last n ends counts those that are
 * still missing as successes, so that the verdict needs no least number of ends.
 */
export function isWindowFull(window: readonly EndRun[], failures: Threshold, rule: GuardRule): boolean {
  const ends = endsOf(window)
  if ('count' in failures) return isReached(failures, ends)
  if (rule.windowMs === undefined) return ends.failed >= needed(failures.share, rule.window ?? ends.ended)
  return ends.ended >= Math.min(rule.minItems, rule.window ?? rule.minItems) && isReached(failures, ends)
}
