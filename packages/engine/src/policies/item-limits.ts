import { keySelection } from '../selection/key-limit.js'
import { resourceSelection, type ResourceLimitOptions } from '../selection/resource-limit.js'
import type { ItemSelection } from '../selection/item-selection.js'
import type { DispatchPolicy } from './dispatch-policy.js'

/**
 * Unfinished jobs never use more of a resource than its limit. What a job uses is given with its item, as
 * `put(id, body, { resources: { gpu: 1 } })`; what has no limit here is unlimited. An item that does not fit now
 * is passed by later ones that do, at most `maxPassed` times; one that could not even start alone fails. A live
 * limit `resources.NAME` replaces the number. It limits no number of jobs: combine it by `all` with
 * `processingLimit`. The queue must declare `supports.selection`.
 *
 * @param limits the most of each resource, 0 or more, in the unit that the items use
 * @throws TypeError that names the resource whose limit is none
 */
export function resourceLimit(
  limits: Readonly<Record<string, number>>,
  options: ResourceLimitOptions = {},
): DispatchPolicy {
  return choosing(resourceSelection(limits, options))
}

/** How many jobs of one limit key may run. */
export interface LimitPerOptions {
  /** Whole number, 0 or more. */
  readonly max: number
}

/**
 * Of the items with one limit key, such as those of one user, at most `max` have unfinished jobs; later items of
 * other keys pass the others. The key is given with the item, as `put(id, body, { limitKey: 'ada' })`; an item
 * without one has no such limit. A live limit `perKey` replaces the number. The queue must declare
 * `supports.selection`.
 *
 * @throws TypeError for a number that is none
 */
export function limitPer({ max }: LimitPerOptions): DispatchPolicy {
  return choosing(keySelection(max))
}

function choosing(selection: ItemSelection): DispatchPolicy {
  return Object.assign(() => Number.POSITIVE_INFINITY, { selections: [selection] })
}
