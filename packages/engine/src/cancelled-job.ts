import type { ItemRecord, JobRef } from '@sluice/core'

/** The details with which a caller fails an item whose job it tells to end: by them the job that still ends is no surprise to anybody. */
export const CANCELLED_DETAILS = { cancelled: true, failureClass: 'killed' } as const

/** Whether the item was failed with {@link CANCELLED_DETAILS} while this job of it ran, whatever became of it since. */
export function isCancelled(item: ItemRecord, job: JobRef): boolean {
  if (item.uid !== job.uid) return false
  const record = item.history.find(({ attempt }) => attempt === job.attempt)
  const details = record?.details
  if (record?.outcome !== 'FAIL' || typeof details !== 'object' || details === null) return false
  return 'cancelled' in details && details.cancelled === true
}
