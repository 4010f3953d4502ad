import { keySelection } from '../selection/key-limit.js'
import { DEFAULT_MAX_PASSED, resourceSelection } from '../selection/resource-limit.js'
import { withSettings, type DispatchPolicy } from './dispatch-policy.js'

/** How often others may start before an item that they have passed. */
export interface ResourceLimitOptions {
  /**
   * Starts of later items that an item which does not fit may be passed by, 0 or more; then nothing that
   * needs the same resources starts until it fits. More gives a higher utilisation, fewer a shorter wait of
   * large items. Default 1,000.
   */
  readonly maxPassed?: number
}

/**
 * Unfinished jobs never use more of a resource than its limit. What a job uses is given with its item, as
 * `put(id, body, { resources: { gpu: 1 } })`; what has no limit here is unlimited. An item that does not fit
 * now is passed by later ones that do, at most `maxPassed` times; one that could not even start alone fails.
 * A live limit `resources.NAME` replaces the number. It limits no number of jobs: combine it by `all` with
 * `processingLimit`. The queue must declare `supports.selection`.
 *
 * @param limits the most of each resource, 0 or more, in the unit that the items use
 * @throws TypeError that names the resource whose limit is none
 */
export function resourceLimit(
  limits: Readonly<Record<string, number>>,
  options: ResourceLimitOptions = {},
): DispatchPolicy {
  const { maxPassed = DEFAULT_MAX_PASSED } = options
  const settings = { policy: 'resourceLimit', limits: { ...limits }, maxPassed }
  return withSettings(noLimit(), settings, { selection: resourceSelection(limits, maxPassed) })
}

/** How many jobs of one limit key may run. */
export interface LimitPerOptions {
  /** Whole number, 0 or more. */
  readonly max: number
}

/**
 * Of the items with one limit key, such as those of one user, at most `max` have unfinished jobs; later items
 * of other keys pass the others. The key is given with the item, as `put(id, body, { limitKey: 'ada' })`; an
 * item without one has no such limit. A live limit `perKey` replaces the number. The queue must declare
 * `supports.selection`.
 *
 * @throws TypeError for a number that is none
 */
export function limitPer({ max }: LimitPerOptions): DispatchPolicy {
  return withSettings(noLimit(), { policy: 'limitPer', max }, { selection: keySelection(max) })
}

/** The number of jobs is limited by other policies. */
function noLimit(): () => number {
  return () => Number.POSITIVE_INFINITY
}
