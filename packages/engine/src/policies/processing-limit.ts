import { MAX_PROCESSING_LIMIT } from '@sluice/core'
import { assertCount } from '@sluice/core/backend'
import { withSettings, type DispatchPolicy, type DispatchSnapshot } from './dispatch-policy.js'

/**
 * At most `maxProcessing` unfinished jobs at once; with 0 none start. A live limit `maxProcessing`
 * replaces the number.
 *
 * @param maxProcessing whole number, 0 or more
 * @throws TypeError for any other number
 */
export function processingLimit(maxProcessing: number): DispatchPolicy {
  assertCount(maxProcessing, 'maxProcessing')
  return withSettings(limitOf(maxProcessing), { policy: 'processingLimit', maxProcessing })
}

/** No limit of its own; a live limit `maxProcessing` holds. */
export function unlimited(): DispatchPolicy {
  return withSettings(limitOf(Number.POSITIVE_INFINITY), { policy: 'unlimited' })
}

function limitOf(configured: number): (snapshot: DispatchSnapshot) => number {
  return ({ processing, orphans, limits }) =>
    Math.max(0, (limits[MAX_PROCESSING_LIMIT] ?? configured) - processing - orphans)
}
