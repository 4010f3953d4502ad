import type { ItemRecord, JobRef } from '@sluice/core'

/**
 * The details with which `cancel` fails an item: the engine then ends the item's job, even if it is sent a
 * moment later.
 */
export const CANCELLED_DETAILS = { cancelled: true } as const
/** The failure class of such an item. */
export const CANCELLED_CLASS = 'killed'

/**
 * Whether the item was failed with {@link CANCELLED_DETAILS} while this job of it ran, whatever became of it
 * since.
 */
export function isCancelled(item: Pick<ItemRecord, 'uid' | 'history'>, job: JobRef): boolean {
  if (item.uid !== job.uid) return false
  const record = item.history.find(({ attempt }) => attempt === job.attempt)
  const details = record?.details
  if (record?.outcome !== 'FAIL' || typeof details !== 'object' || details === null) return false
  return 'cancelled' in details && details.cancelled === true
}
