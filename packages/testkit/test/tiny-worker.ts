import {
  SluiceError,
  assertItemId,
  type JobRef,
  type JobReport,
  type JobSpec,
  type JsonValue,
  type Worker,
} from '@sluice/core'
import type { WorkerHarness } from '../src/index.js'

interface TinyJob {
  readonly ref: JobRef
  readonly queue: string
  report: JobReport
  forgotten: boolean
  starts: number
}

/** What stands between one tiny worker and its place. */
interface Obstruction {
  isThere: boolean
}

type Trouble = () => void

const REFUSED_BODY = 'a body that this worker can never accept'

/** Where the jobs of tiny workers run: it outlives them, as a cluster would. */
class TinyPlace {
  readonly jobs = new Map<string, TinyJob>()

  find(queue: string, job: JobRef): TinyJob | undefined {
    return this.jobs.get(JSON.stringify([queue, job.id, job.uid, job.attempt]))
  }

  start(queue: string, { id, uid, attempt }: JobRef): void {
    if (this.find(queue, { id, uid, attempt })) return
    this.jobs.set(JSON.stringify([queue, id, uid, attempt]), {
      ref: { id, uid, attempt },
      queue,
      report: { stage: 'PROCESSING', uid, attempt },
      forgotten: false,
      starts: 1,
    })
  }

  all(job: JobRef): TinyJob[] {
    return [...this.jobs.values()].filter(
      ({ ref }) => ref.id === job.id && ref.uid === job.uid && ref.attempt === job.attempt,
    )
  }
}

/** The smallest worker that keeps the contract. */
function tinyWorker(
  place: TinyPlace,
  name: string,
  trouble: Trouble = () => undefined,
  obstruction: Obstruction = { isThere: false },
): Worker {
  let closed = false
  let lastKnown = new Map<string, JobReport>()
  const begin = () => {
    if (closed) throw new SluiceError('SLUICE_WORKER_CLOSED', 'it is closed')
    trouble()
  }
  return {
    name,
    supports: {
      durable: true,
      lookupJob: true,
      cancelJob: true,
      watch: true,
      pending: true,
      incompletePolls: true,
    },
    async sendJob(id: string, body: JsonValue, job: JobSpec) {
      assertItemId(id)
      begin()
      if (body === REFUSED_BODY) throw new SluiceError('SLUICE_JOB_REJECTED', 'never')
      place.start(name, { id, uid: job.uid, attempt: job.attempt })
      trouble()
    },
    async pollAllStatus() {
      begin()
      if (obstruction.isThere)
        return Object.assign(new Map(lastKnown), { complete: false, incompleteReason: 'obstructed' })
      const reports = new Map<string, JobReport>()
      for (const { queue, ref, report, forgotten } of place.jobs.values()) {
        const other = reports.get(ref.id)
        if (queue === name && !forgotten && !(other && other.attempt > ref.attempt))
          reports.set(ref.id, report)
      }
      lastKnown = new Map(reports)
      return reports
    },
    async lookupJob(job) {
      begin()
      return place.find(name, job)?.report
    },
    async cancelJob(job, reason) {
      begin()
      const found = place.find(name, job)
      if (found?.report.stage !== 'PROCESSING') return
      const { uid, attempt } = found.ref
      found.report = { stage: 'FAIL', uid, attempt, message: reason, failureClass: 'killed' }
    },
    async forgetJobs(jobs) {
      begin()
      for (const job of jobs) {
        const found = place.find(name, job)
        if (found) found.forgotten = true
      }
    },
    async *watch(signal) {
      begin()
      if (signal.aborted) return
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
      yield undefined
    },
    async check() {
      begin()
    },
    async close() {
      closed = true
    },
  }
}

function failing(error: SluiceError): Trouble {
  return () => {
    throw error
  }
}

/** A fresh place and tiny workers on it, every kind of trouble included. */
export async function tinyHarness(): Promise<WorkerHarness> {
  const place = new TinyPlace()
  return {
    open: async (name = 'contract') => tinyWorker(place, name),
    body: () => null,
    finish: async (job, how) => {
      for (const found of place.all(job))
        found.report = { stage: how, uid: found.ref.uid, attempt: found.ref.attempt }
    },
    sendPending: async (worker, { id, uid, attempt }, message) => {
      await worker.sendJob(id, null, { uid, attempt, queue: worker.name })
      for (const found of place.all({ id, uid, attempt }))
        found.report = { ...found.report, pending: true, message }
    },
    begin: async (job) => {
      for (const found of place.all(job)) found.report = { ...found.report, pending: false, message: 'runs' }
    },
    openObstructed: async () => {
      const obstruction = { isThere: false }
      const set = (isThere: boolean) => async () => {
        obstruction.isThere = isThere
      }
      const worker = tinyWorker(place, 'contract', undefined, obstruction)
      return { worker, obstruct: set(true), restore: set(false) }
    },
    starts: async (job) => place.all(job).reduce((sum, found) => sum + found.starts, 0),
    refusedItem: () => ({ id: 'refused', body: REFUSED_BODY }),
    openUnreachable: async () =>
      tinyWorker(place, 'contract', failing(new SluiceError('SLUICE_WORKER_UNAVAILABLE', 'nobody there'))),
    openDenied: async () =>
      tinyWorker(place, 'contract', failing(new SluiceError('SLUICE_WORKER_DENIED', 'who are you?'))),
    openCrashing: async (point) => {
      let passed = 0
      const die = () => {
        if (passed++ >= point) throw new Error('the process died')
      }
      return { worker: tinyWorker(place, 'contract', die), crashed: () => passed > point }
    },
    close: async () => place.jobs.clear(),
  }
}
