import { isSluiceError, type JobReport } from '@sluice/core'
import { wrapWorker } from '../worker-wrapping.js'
import { broken, changed, handedOn, reporting, type WorkerMutant } from './worker-mutant.js'

/** Workers that break what is promised of polls, look-ups and pending jobs. */
export const pollMutants: readonly WorkerMutant[] = [
  broken('finished-hidden', 'a finished job is not reported', {
    breaks: ['W-POLL-1', 'W-POLL-1/a', 'W-POLL-1/e'],
    change: () => (inner) => ({
      pollAllStatus: () => reporting(inner, (report) => report.stage === 'PROCESSING'),
    }),
  }),
  broken('outcome-once', 'an outcome is reported by one poll only', {
    breaks: ['W-POLL-1/a'],
    change: () => {
      const reported = new Set<string>()
      return (inner) => ({
        pollAllStatus: () =>
          reporting(inner, ({ stage, uid, attempt }) => {
            const key = `${stage} ${uid} ${attempt}`
            if (stage === 'PROCESSING') return true
            return !reported.has(key) && reported.add(key) !== undefined
          }),
      })
    },
  }),
  broken('first-attempt-reported', 'of two attempts the earlier is reported', {
    breaks: ['W-POLL-1/b', 'W-POLL-1/c'],
    change: () => (inner) => ({
      pollAllStatus: async () => {
        const reports = new Map(await inner.pollAllStatus())
        for (const [id, { uid, attempt }] of reports) {
          const earlier = await inner.lookupJob?.({ id, uid, attempt: attempt - 1 })
          if (earlier !== undefined) reports.set(id, earlier)
        }
        return reports
      },
    }),
  }),
  broken('acknowledges-by-id', 'acknowledging one job acknowledges all of its item', {
    breaks: ['W-POLL-1/c'],
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
  broken('only-the-awaited', 'given the awaited jobs, a poll hides that another one runs', {
    breaks: ['W-POLL-1/f'],
    change: () => (inner) => ({
      pollAllStatus: async (awaited) => {
        const reports = await inner.pollAllStatus(awaited)
        if (awaited === undefined) return reports
        const ids = new Set(awaited.map(({ id }) => id))
        return new Map([...reports].filter(([id]) => ids.has(id)))
      },
    }),
  }),
  broken('poll-capped', 'a poll reports ten jobs at most', {
    breaks: ['W-POLL-1/d'],
    change: () => (inner) => ({
      pollAllStatus: async () => new Map([...(await inner.pollAllStatus())].slice(0, 10)),
    }),
  }),
  broken('absent-is-failed', 'a job that is not known is reported as failed', {
    breaks: ['W-POLL-2', 'W-POLL-3'],
    change: () => (inner) => ({
      pollAllStatus: async () => {
        const reports = new Map(await inner.pollAllStatus())
        const known = reports.get.bind(reports)
        reports.get = (id) => known(id) ?? { stage: 'FAIL', attempt: 1, uid: 'unknown' }
        return reports
      },
    }),
  }),
  broken('outage-is-empty', 'a poll that reaches no server gives an empty map', {
    breaks: ['W-POLL-2/a'],
    change: () => (inner) => ({
      pollAllStatus: () =>
        inner.pollAllStatus().catch((error: unknown) => {
          if (isSluiceError(error, 'SLUICE_WORKER_UNAVAILABLE')) return new Map<string, JobReport>()
          throw error
        }),
    }),
  }),
  broken(
    'drops-the-unknown',
    'a poll that could not ask for everything drops the rest and claims to be complete',
    {
      breaks: ['W-POLL-2/b', 'W-POLL-2/c'],
      change: () => (inner) => ({
        pollAllStatus: async (awaited) => {
          const reports = await inner.pollAllStatus(awaited)
          return reports.complete === false ? new Map<string, JobReport>() : reports
        },
      }),
    },
  ),
  broken('incomplete-unsaid', 'a poll gives the rest as last known and does not say so', {
    breaks: ['W-POLL-2/b'],
    change: () => (inner) => ({
      pollAllStatus: async (awaited) => new Map(await inner.pollAllStatus(awaited)),
    }),
  }),
  broken('pending-unsaid', 'a job that does not begin is reported as one that runs', {
    breaks: ['W-PEND-1'],
    change: () => (inner) => ({
      pollAllStatus: () => changed(inner, (report) => ({ ...report, pending: false })),
    }),
  }),
  broken('pending-for-ever', 'a job that was pending is reported so to its end', {
    breaks: ['W-PEND-1'],
    change: () => {
      const held = new Set<string>()
      return (inner) => ({
        pollAllStatus: () =>
          changed(inner, (report) => {
            if (report.pending === true) held.add(report.uid)
            return held.has(report.uid) ? { ...report, pending: true } : report
          }),
      })
    },
  }),
  {
    id: 'names-mixed',
    title: 'all workers of a place are one',
    breaks: ['W-POLL-3', 'W-POLL-3/a'],
    wrap: (harness) => ({
      ...handedOn(harness),
      open: async (name = 'contract') => wrapWorker(await harness.open('one for all'), { name }),
    }),
  },
  broken('lookup-by-id', 'lookupJob answers for the item instead of the job', {
    breaks: ['W-LOOK-1'],
    change: () => (inner) => ({ lookupJob: async ({ id }) => (await inner.pollAllStatus()).get(id) }),
  }),
]
