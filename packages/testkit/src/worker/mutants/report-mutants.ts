import type { JobReport } from '@sluice/core'
import { systemRuntime } from '@sluice/core/backend'
import { broken, changed, type WorkerMutant } from './worker-mutant.js'

/** Workers that break what is promised of a report's fields. */
export const reportMutants: readonly WorkerMutant[] = [
  broken('earlier-unsaid', 'a poll says nothing of earlier attempts', {
    breaks: ['W-POLL-1/g', 'W-POLL-1/h', 'W-POLL-1/i'],
    change: () => (inner) => ({ pollAllStatus: () => changed(inner, without('earlier')) }),
  }),
  broken('one-earlier', 'a poll says of one earlier attempt only', {
    breaks: ['W-POLL-1/h'],
    change: () => (inner) => ({
      pollAllStatus: () =>
        changed(inner, (report) =>
          report.earlier === undefined ? report : { ...report, earlier: report.earlier.slice(0, 1) },
        ),
    }),
  }),
  broken('earlier-of-the-uid', 'a poll does not read beyond the uid', {
    breaks: ['W-POLL-1/i'],
    change: () => (inner) => ({
      pollAllStatus: () =>
        changed(inner, (report) => ({
          ...report,
          earlier: (report.earlier ?? []).filter(({ uid }) => uid === report.uid),
        })),
    }),
  }),
  broken('earlier-for-ever', 'an earlier attempt that has ended is reported still', {
    breaks: ['W-POLL-1/g', 'W-POLL-1/i'],
    change: () => {
      const seen = new Map<string, readonly JobReport[]>()
      return (inner) => ({
        pollAllStatus: () =>
          changed(inner, (report) => {
            const key = `${report.uid} ${report.attempt}`
            if (report.earlier !== undefined) seen.set(key, report.earlier)
            return { ...report, earlier: seen.get(key) ?? [] }
          }),
      })
    },
  }),
  broken('earlier-with-the-later', 'with the later attempt the earlier one is acknowledged', {
    breaks: ['W-POLL-1/h'],
    change: () => {
      const acknowledged = new Set<string>()
      return (inner) => ({
        acknowledgeJobs: async (jobs) => {
          for (const { id } of jobs) acknowledged.add(id)
          await inner.acknowledgeJobs?.(jobs)
        },
        pollAllStatus: async () =>
          new Map([...(await inner.pollAllStatus())].filter(([id]) => !acknowledged.has(id))),
      })
    },
  }),
  broken('job-uid-unsaid', 'no report has a jobUid', {
    breaks: ['W-POLL-1/j', 'W-POLL-1/k'],
    change: () => (inner) => ({ pollAllStatus: () => changed(inner, without('jobUid')) }),
  }),
  broken('job-uid-of-the-poll', 'each poll gives a job another jobUid', {
    breaks: ['W-POLL-1/j'],
    change: () => (inner) => ({
      pollAllStatus: () => changed(inner, (report) => ({ ...report, jobUid: systemRuntime.newId() })),
    }),
  }),
  broken('job-uid-of-the-name', 'a job that was made again has the jobUid of the first', {
    breaks: ['W-POLL-1/k'],
    change: () => (inner) => ({
      pollAllStatus: () =>
        changed(inner, (report) => ({ ...report, jobUid: `${report.uid} ${report.attempt}` })),
      lookupJob: async (job) => {
        const report = await inner.lookupJob?.(job)
        return report && { ...report, jobUid: `${report.uid} ${report.attempt}` }
      },
    }),
  }),
  broken('exit-code-unsaid', 'no report has an exit code', {
    breaks: ['W-POLL-1/l'],
    change: () => (inner) => ({ pollAllStatus: () => changed(inner, without('exitCode')) }),
  }),
  broken('exit-code-early', 'a job that runs has an exit code', {
    breaks: ['W-POLL-1/l'],
    change: () => (inner) => ({
      pollAllStatus: () => changed(inner, (report) => ({ exitCode: 0, ...report })),
    }),
  }),
]

function without(name: 'earlier' | 'jobUid' | 'exitCode'): (report: JobReport) => JobReport {
  return (report) => {
    const { ...rest } = report
    Reflect.deleteProperty(rest, name)
    return rest
  }
}
