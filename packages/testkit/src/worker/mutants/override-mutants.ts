import type { JobOverrides, JobReport, JobSpec, Worker } from '@sluice/core'
import { broken, changed, type WorkerMutant } from './worker-mutant.js'

/** Workers that break what is promised of overrides. */
export const overrideMutants: readonly WorkerMutant[] = [
  broken('overrides-dropped', 'a job starts without its overrides', {
    breaks: ['W-OVERRIDE-1', 'W-OVERRIDE-1/a'],
    change: () => (inner) => ({ sendJob: (id, body, job) => inner.sendJob(id, body, plain(job)) }),
  }),
  broken('overrides-unsaid', 'no report has the overrides', {
    breaks: ['W-OVERRIDE-1', 'W-OVERRIDE-1/a', 'W-OVERRIDE-1/b', 'W-OVERRIDE-1/c'],
    change: () => (inner) => reportsWith(inner, () => undefined),
  }),
  broken('overrides-of-the-last-send', 'a report has the overrides of the last send', {
    breaks: ['W-OVERRIDE-1/a'],
    change: () => {
      const sent = new Map<string, JobOverrides | undefined>()
      return (inner) => ({
        sendJob: async (id, body, job) => {
          await inner.sendJob(id, body, job)
          sent.set(nameOf(job), job.overrides)
        },
        ...reportsWith(inner, (report) => sent.get(nameOf(report))),
      })
    },
  }),
  broken('overrides-of-the-first', 'all jobs of a sendMany get the overrides of the first', {
    breaks: ['W-OVERRIDE-1/b'],
    change: () => (inner) => ({
      sendMany: async (jobs) => {
        const overrides = jobs[0]?.job.overrides ?? {}
        return (await inner.sendMany?.(jobs.map((one) => ({ ...one, job: { ...one.job, overrides } })))) ?? []
      },
    }),
  }),
  broken('overrides-in-memory', 'only the object that sent a job knows its overrides', {
    breaks: ['W-OVERRIDE-1/c'],
    change: () => (inner) => {
      const sent = new Map<string, JobOverrides | undefined>()
      return {
        sendJob: async (id, body, job) => {
          await inner.sendJob(id, body, job)
          if (!sent.has(nameOf(job))) sent.set(nameOf(job), job.overrides)
        },
        ...reportsWith(inner, (report) => sent.get(nameOf(report))),
      }
    },
  }),
]

function plain({ uid, attempt, queue }: JobSpec): JobSpec {
  return { uid, attempt, queue }
}

function nameOf({ uid, attempt }: Pick<JobReport, 'uid' | 'attempt'>): string {
  return `${attempt} ${uid}`
}

/** Polls and look-ups with other overrides in their reports. */
function reportsWith(
  inner: Worker,
  overridesOf: (report: JobReport) => JobOverrides | undefined,
): Pick<Worker, 'pollAllStatus' | 'lookupJob'> {
  const rewritten = (report: JobReport): JobReport => ({ ...report, overrides: overridesOf(report) ?? {} })
  return {
    pollAllStatus: () => changed(inner, rewritten),
    lookupJob: async (job) => {
      const report = await inner.lookupJob?.(job)
      return report && rewritten(report)
    },
  }
}
