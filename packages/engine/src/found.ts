import type { ItemHead, JobRef, JobReports } from '@sluice/core'

/** What was read of queue and worker, the queue first. */
export interface Found {
  readonly items: ReadonlyMap<string, ItemHead>
  readonly reports: JobReports
}

/** Whether a report speaks of this item's current attempt. */
export function isReportOf(item: ItemHead, { uid, attempt }: Pick<JobRef, 'uid' | 'attempt'>): boolean {
  return uid === item.uid && attempt === item.attempt
}
