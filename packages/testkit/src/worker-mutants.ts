import { SluiceError, isSluiceError, type ErrorCode, type JobReport, type Worker } from '@sluice/core'
import type { WorkerHarness } from './worker-harness.js'
import { wrapWorker } from './worker-wrapping.js'

/** A worker that is broken on purpose: the proof that the cases it breaks can fail. */
export interface WorkerMutant {
  readonly id: string
  /** What is wrong with it. */
  readonly title: string
  /** The ids of cases that must catch it. */
  readonly breaks: readonly string[]
  /** The same harness, its workers broken. */
  wrap(harness: WorkerHarness): WorkerHarness
}

/** Workers that are broken on purpose: every case of the contract catches at least one of them. */
export const workerMutants: readonly WorkerMutant[] = [
  broken('every-send-starts', 'each sendJob starts a job', {
    breaks: ['W-SEND-1', 'W-SEND-1/a', 'W-SEND-1/b', 'W-SEND-1/c', 'W-SEND-1/e'],
    change: () => {
      const sent = new Map<string, number>()
      return (inner) => ({
        sendJob: async (id, body, job) => {
          const key = JSON.stringify([id, job.uid, job.attempt])
          const count = (sent.get(key) ?? 0) + 1
          sent.set(key, count)
          await inner.sendJob(id, body, job)
          // The repeat is started as a job of another attempt, which the harness is then told to count with this one.
          if (count > 1) await inner.sendJob(id, body, { ...job, attempt: job.attempt + 1_000 })
        },
      })
    },
  }),
  broken('attempt-not-told-apart', 'all attempts of a uid are one job', {
    breaks: ['W-SEND-1/d', 'W-POLL-1/b', 'W-LOOK-1'],
    change: () => (inner) => ({
      sendJob: (id, body, job) => inner.sendJob(id, body, { ...job, attempt: 1 }),
    }),
  }),
  broken('id-shortened', 'ids are cut to eight characters', {
    breaks: ['W-SEND-2'],
    change: () => (inner) => ({
      sendJob: async (id, ...rest) => inner.sendJob(id.slice(0, 8).toWellFormed(), ...rest),
    }),
  }),
  broken('rejected-as-outage', 'an item that can never be accepted is reported as an outage', {
    breaks: ['W-SEND-2/a'],
    change: () => (inner) => ({
      sendJob: (...args) =>
        recoded(inner.sendJob(...args), 'SLUICE_JOB_REJECTED', 'SLUICE_WORKER_UNAVAILABLE'),
    }),
  }),
  broken('outage-as-rejection', 'an outage is reported as a rejection of the item', {
    breaks: ['W-SEND-2/b'],
    change: () => (inner) => ({
      sendJob: (...args) =>
        recoded(inner.sendJob(...args), 'SLUICE_WORKER_UNAVAILABLE', 'SLUICE_JOB_REJECTED'),
    }),
  }),
  broken('denied-as-outage', 'refused credentials are reported as an outage', {
    breaks: ['W-SEND-2/c'],
    change: () => (inner) => ({
      pollAllStatus: () =>
        recoded(inner.pollAllStatus(), 'SLUICE_WORKER_DENIED', 'SLUICE_WORKER_UNAVAILABLE'),
    }),
  }),
  broken('id-unchecked', 'sendJob takes any id', {
    breaks: ['W-SEND-2/d'],
    change: () => (inner) => ({
      sendJob: async (...args) => inner.sendJob(...args).catch(ignoreTypeError),
    }),
  }),
  broken('finished-hidden', 'a finished job is not reported', {
    breaks: ['W-POLL-1', 'W-POLL-1/a', 'W-POLL-1/e'],
    change: () => (inner) => ({
      pollAllStatus: () => reporting(inner, (report) => report.stage === 'PROCESSING'),
    }),
  }),
  broken('forgotten-by-poll', 'an outcome is reported by one poll only', {
    breaks: ['W-POLL-1/a'],
    change: () => {
      const told = new Set<string>()
      return (inner) => ({
        pollAllStatus: () =>
          reporting(inner, ({ stage, uid, attempt }) => {
            const key = `${stage} ${uid} ${attempt}`
            if (stage === 'PROCESSING') return true
            return !told.has(key) && told.add(key) !== undefined
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
  broken('forgets-by-id', 'forgetting one job forgets all of its item', {
    breaks: ['W-POLL-1/c'],
    change: () => {
      const forgotten = new Set<string>()
      return (inner) => ({
        forgetJobs: async (jobs) => {
          for (const { id } of jobs) forgotten.add(id)
          await inner.forgetJobs?.(jobs)
        },
        pollAllStatus: async () =>
          new Map([...(await inner.pollAllStatus())].filter(([id]) => !forgotten.has(id))),
      })
    },
  }),
  broken('only-the-awaited', 'told which jobs are awaited, a poll hides that another one runs', {
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
  broken('outage-is-empty', 'a poll that reaches nobody gives an empty map', {
    breaks: ['W-POLL-2/a'],
    change: () => (inner) => ({
      pollAllStatus: () =>
        inner.pollAllStatus().catch((error: unknown) => {
          if (isSluiceError(error, 'SLUICE_WORKER_UNAVAILABLE')) return new Map<string, JobReport>()
          throw error
        }),
    }),
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
  broken('cancel-ignored', 'cancelJob does nothing', {
    breaks: ['W-STOP-1'],
    change: () => () => ({ cancelJob: async () => undefined }),
  }),
  broken('cancel-by-id', 'cancelJob ends whatever attempt of the item runs', {
    breaks: ['W-STOP-1/a'],
    change: () => (inner) => ({
      cancelJob: async ({ id, ...rest }, reason) => {
        const { uid, attempt } = (await inner.pollAllStatus()).get(id) ?? rest
        await inner.cancelJob?.({ id, uid, attempt }, reason)
      },
    }),
  }),
  broken('close-ignored', 'close does nothing', {
    breaks: ['W-CLOSE-1'],
    change: () => () => ({ close: async () => undefined }),
  }),
  broken('watch-deaf', 'watch does not hear its signal', {
    breaks: ['W-CLOSE-1/a'],
    change: () => (inner) => ({
      watch: () => inner.watch?.(new AbortController().signal) ?? { [Symbol.asyncIterator]: endless },
    }),
  }),
]

interface Breakage {
  readonly breaks: readonly string[]
  readonly change: () => (inner: Worker) => Partial<Worker>
}

function broken(id: string, title: string, { breaks, change }: Breakage): WorkerMutant {
  return {
    id,
    title,
    breaks,
    wrap: (harness) => {
      const changes = change()
      return rewritten(harness, (worker) => wrapWorker(worker, changes(worker)))
    },
  }
}

function rewritten(harness: WorkerHarness, rewrite: (worker: Worker) => Worker): WorkerHarness {
  return {
    ...handedOn(harness),
    open: async (name) => rewrite(await harness.open(name)),
    ...(harness.openUnreachable && {
      openUnreachable: async () => rewrite(offered(await harness.openUnreachable?.())),
    }),
    ...(harness.openDenied && { openDenied: async () => rewrite(offered(await harness.openDenied?.())) }),
    ...(harness.openCrashing && {
      openCrashing: async (point) => {
        const crash = offered(await harness.openCrashing?.(point))
        return { worker: rewrite(crash.worker), crashed: () => crash.crashed() }
      },
    }),
  }
}

function handedOn(harness: WorkerHarness): WorkerHarness {
  return {
    open: (name) => harness.open(name),
    body: () => harness.body(),
    finish: (job, how) => harness.finish(job, how),
    // A job that was started a second time runs as the attempt a thousand further on: see `every-send-starts`.
    starts: async (job) =>
      (await harness.starts(job)) + (await harness.starts({ ...job, attempt: job.attempt + 1_000 })),
    close: () => harness.close(),
    ...(harness.refusedItem && { refusedItem: () => offered(harness.refusedItem?.()) }),
  }
}

function offered<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the harness does not offer this')
  return value
}

async function recoded<T>(call: Promise<T>, from: ErrorCode, to: ErrorCode): Promise<T> {
  return call.catch((error: unknown) => {
    throw isSluiceError(error, from) ? new SluiceError(to, error.message) : error
  })
}

function ignoreTypeError(error: unknown): void {
  if (!(error instanceof TypeError)) throw error
}

async function reporting(
  inner: Worker,
  shown: (report: JobReport) => boolean,
): Promise<ReadonlyMap<string, JobReport>> {
  return new Map([...(await inner.pollAllStatus())].filter(([, report]) => shown(report)))
}

function endless(): AsyncIterator<undefined> {
  return { next: () => new Promise(() => undefined) }
}
