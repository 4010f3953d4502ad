import { MAX_PROCESSING_LIMIT } from '@sluice/core'
import { assertCount } from '@sluice/core/backend'
import type { ItemSelection } from '../selection/item-selection.js'

/** The input of a dispatch policy. */
export interface DispatchSnapshot {
  /** Items in PROCESSING: each has a job, or may get one at any moment. */
  readonly processing: number
  /**
   * Places that are taken by jobs without an item in PROCESSING, such as those of earlier attempts: they use
   * the cluster too.
   */
  readonly orphans: number
  /** The queue's live limits, as operators set them last. */
  readonly limits: Readonly<Record<string, number>>
}

/**
 * How many more jobs may start now: a whole number of 0 or more, or `Infinity`. It is called several times in
 * a tick and must not depend on how often. A result that isn't a number counts as 0.
 */
export interface DispatchPolicy {
  (snapshot: DispatchSnapshot): number
  /** Which of the waiting items may start: each of these must agree. Default: all, in the order of the queue. */
  readonly selections?: readonly ItemSelection[]
}

/**
 * At most `maxProcessing` unfinished jobs at once; with 0 none start. A live limit `maxProcessing`
 * replaces the number.
 *
 * @param maxProcessing whole number, 0 or more
 * @throws TypeError for any other number
 */
export function processingLimit(maxProcessing: number): DispatchPolicy {
  assertCount(maxProcessing, 'maxProcessing')
  return limitOf(maxProcessing)
}

/** No limit of its own; a live limit `maxProcessing` holds. */
export function unlimited(): DispatchPolicy {
  return limitOf(Number.POSITIVE_INFINITY)
}

function limitOf(configured: number): DispatchPolicy {
  return ({ processing, orphans, limits }) =>
    Math.max(0, (limits[MAX_PROCESSING_LIMIT] ?? configured) - processing - orphans)
}

/**
 * The result of a policy as a whole number of 0 or more: a third party's policy must not lift the limit by a
 * `NaN`.
 */
export function roomIn(policy: DispatchPolicy, snapshot: DispatchSnapshot): number {
  const room = policy(snapshot)
  if (typeof room !== 'number' || Number.isNaN(room)) return 0
  return Math.max(0, Math.floor(room))
}
