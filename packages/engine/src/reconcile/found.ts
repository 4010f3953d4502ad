import type { ItemSummary, JobRef, JobReport, JobReports } from '@sluice/core'

/** What was read of queue and worker, the queue first. */
export interface Found {
  readonly items: ReadonlyMap<string, ItemSummary>
  readonly reports: JobReports
}

/** Whether a report speaks of this item's current attempt. */
export function isReportOf(item: ItemSummary, { uid, attempt }: Pick<JobRef, 'uid' | 'attempt'>): boolean {
  return uid === item.uid && attempt === item.attempt
}

/** A report, and the id of the item that its job is of. */
export interface ReportedJob {
  readonly id: string
  readonly report: JobReport
}

/** Every job of a poll, the unfinished ones of earlier attempts and uids too. */
export function* reportedJobs(reports: JobReports): Iterable<ReportedJob> {
  for (const [id, report] of reports) {
    yield { id, report }
    for (const earlier of report.earlier ?? []) yield { id, report: earlier }
  }
}
