import type { JobReport } from '@sluice/core'
import type { JobFile } from './job-file.js'

/** A job, and what is said of it. */
interface ReportedJob {
  readonly file: JobFile
  readonly report: JobReport | undefined
}

/**
 * Of the jobs of one item the later attempt, or, of an item that was removed and put again, the one accepted later; with the others that have not
 * ended [W-POLL-1].
 */
export function byItem(reported: readonly ReportedJob[]): Map<string, JobReport> {
  const items = new Map<string, { readonly file: JobFile; readonly report: JobReport }[]>()
  for (const { file, report } of reported) {
    if (report === undefined) continue
    items.set(file.id, [...(items.get(file.id) ?? []), { file, report }])
  }
  return new Map([...items].map(([id, jobs]) => [id, together(jobs)]))
}

function together(jobs: readonly { readonly file: JobFile; readonly report: JobReport }[]): JobReport {
  const [latest, ...others] = jobs.toSorted((one, other) => (isLater(one.file, other.file) ? -1 : 1))
  if (latest === undefined) throw new RangeError('an item without a job')
  const earlier = others.flatMap(({ report }) => (report.stage === 'PROCESSING' ? [report] : []))
  return earlier.length === 0 ? latest.report : { ...latest.report, earlier }
}

function isLater(job: JobFile, other: JobFile): boolean {
  return job.uid === other.uid ? job.attempt > other.attempt : job.acceptedAt > other.acceptedAt
}
