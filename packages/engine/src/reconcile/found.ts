import {
  MAX_PAGE_ITEMS,
  eachSummary,
  type ItemSummary,
  type JobRef,
  type JobReport,
  type JobReports,
  type Queue,
} from '@sluice/core'

/** What was read of the queue, and then of the worker. */
export interface Found {
  readonly items: ReadonlyMap<string, ItemSummary>
  readonly reports: JobReports
}

/** Whether a report is of this item's current attempt. */
export function isReportOf(item: ItemSummary, { uid, attempt }: Pick<JobRef, 'uid' | 'attempt'>): boolean {
  return uid === item.uid && attempt === item.attempt
}

/** A report, and the id of the item of its job. */
export interface ReportedJob {
  readonly id: string
  readonly report: JobReport
}

/** Every job of a poll, including unfinished ones of earlier attempts and uids. */
export function* reportedJobs(reports: JobReports): Iterable<ReportedJob> {
  for (const [id, report] of reports) {
    yield { id, report }
    for (const earlier of report.earlier ?? []) yield { id, report: earlier }
  }
}

/** Everything in PROCESSING, by id, without bodies. */
export async function listProcessing(queue: Pick<Queue, 'listSummaries'>): Promise<Map<string, ItemSummary>> {
  const items = new Map<string, ItemSummary>()
  for await (const item of eachSummary(queue, 'PROCESSING', { pageItems: MAX_PAGE_ITEMS }))
    items.set(item.id, item)
  return items
}
