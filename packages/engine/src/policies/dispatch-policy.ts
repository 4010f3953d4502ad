import { MAX_PROCESSING_LIMIT } from '@sluice/core'
import { assertCount } from '@sluice/core/backend'

/** What a dispatch policy sees when it is asked. */
export interface DispatchSnapshot {
  /** Items in PROCESSING that hold a place: each has a job, or may get one at any moment. */
  readonly processing: number
  /** Places that jobs take which no item in PROCESSING waits for, earlier attempts among them: they use the cluster all the same. */
  readonly orphans: number
  /** The queue's live limits, as people set them last. */
  readonly limits: Readonly<Record<string, number>>
}

/**
 * How many more jobs may start now: a whole number of 0 or more, or `Infinity`. It is asked several times in a tick and must not
 * count on how often. What isn't a number counts as 0.
 */
export type DispatchPolicy = (snapshot: DispatchSnapshot) => number

/**
 * No more than `maxProcessing` unfinished jobs at once; 0 means that none start. The live limit `maxProcessing`, when one is set,
 * takes the place of the number.
 *
 * @param maxProcessing whole number, 0 or more
 * @throws TypeError for any other number
 */
export function processingLimit(maxProcessing: number): DispatchPolicy {
  assertCount(maxProcessing, 'maxProcessing')
  return limitOf(maxProcessing)
}

/** As many as there are, unless a live limit `maxProcessing` is set: that is a person's word, and obeyed. */
export function unlimited(): DispatchPolicy {
  return limitOf(Number.POSITIVE_INFINITY)
}

function limitOf(configured: number): DispatchPolicy {
  return ({ processing, orphans, limits }) =>
    Math.max(0, (limits[MAX_PROCESSING_LIMIT] ?? configured) - processing - orphans)
}

/** What a policy said, as a number that can be obeyed: a policy of a stranger must not open the gate by a `NaN`. */
export function roomIn(policy: DispatchPolicy, snapshot: DispatchSnapshot): number {
  const room = policy(snapshot)
  if (typeof room !== 'number' || Number.isNaN(room)) return 0
  return Math.max(0, Math.floor(room))
}
