import {
  isSluiceError,
  SluiceError,
  type JobRef,
  type JobReport,
  type JobReports,
  type ProbeSample,
  type Runtime,
} from '@sluice/core'
import type {
  BackendSupports,
  CheckedJob,
  CheckedReadLog,
  SendManyBackend,
  WorkerBackend,
} from '@sluice/core/backend'
import type { DummyCall, DummyFaults } from './dummy-faults.js'
import { readJobLog } from './job-log.js'
import type { JobTable } from './job-table.js'
import type { QueueJobs } from './queue-jobs.js'

interface DummyParts {
  readonly table: JobTable
  readonly jobs: QueueJobs
  readonly faults: DummyFaults
  readonly runtime: Runtime
  /** A rule ends jobs: no change announces that. */
  readonly endsByRule: boolean
  readonly identity: string | undefined
  readonly maxJobsPerSend: number | undefined
}

/** Keeps every promise of a worker within one process, unless its faults say otherwise. */
export class DummyBackend implements WorkerBackend {
  readonly supports: BackendSupports
  readonly identity: string | undefined
  readonly sendMany: SendManyBackend | undefined
  readonly #parts: DummyParts
  /** The reports of this object's last poll: all that it knows of where a poll can't ask. */
  #lastKnown = new Map<string, JobReport>()
  #lastSent: ProbeSample | undefined

  constructor(parts: DummyParts) {
    const { identity, maxJobsPerSend: maxJobs } = parts
    this.#parts = parts
    this.identity = identity
    this.supports = {
      durable: false,
      pending: true,
      incompletePolls: true,
      overrides: true,
      identity: identity !== undefined,
    }
    this.sendMany = maxJobs === undefined ? undefined : { maxJobs, send: (jobs) => this.#sendMany(jobs) }
  }

  async sendJob(job: CheckedJob): Promise<void> {
    await this.#begin('sendJob', job.id)
    this.#start(job)
    this.#parts.faults.after('sendJob', job.id)
    this.#lastSent = job
  }

  async #sendMany(jobs: readonly CheckedJob[]): Promise<readonly (SluiceError | undefined)[]> {
    await this.#begin('sendMany')
    const { faults } = this.#parts
    const outcomes = jobs.map((job) => faults.ofJob(job.id) ?? this.#tryStart(job))
    faults.after('sendMany')
    this.#lastSent = jobs.findLast((_, index) => outcomes[index] === undefined) ?? this.#lastSent
    return outcomes
  }

  async probeSend(sample: ProbeSample | undefined = this.#lastSent): Promise<void> {
    await this.#begin('probeSend', sample?.id)
    if (sample === undefined) {
      const why = 'this object has sent none yet, and no sample was given'
      throw new SluiceError('SLUICE_WORKER_UNAVAILABLE', `Cannot probe the dummy worker: ${why}`)
    }
    this.#parts.jobs.assertCapacity('probe')
  }

  async pollAllStatus(): Promise<JobReports> {
    await this.#begin('pollAllStatus')
    const { jobs, faults } = this.#parts
    if (faults.isIncomplete()) return Object.assign(new Map(this.#lastKnown), INCOMPLETE)
    const byItem = new Map<string, JobReport[]>()
    for (const job of jobs.all()) byItem.set(job.id, [...(byItem.get(job.id) ?? []), jobs.report(job)])
    const reports = new Map([...byItem].map(([id, all]) => [id, withEarlier(all)]))
    this.#lastKnown = new Map(reports)
    return reports
  }

  async lookupJob(job: JobRef): Promise<JobReport | undefined> {
    await this.#begin('lookupJob', job.id)
    const known = this.#parts.jobs.find(job)
    return known === undefined ? undefined : this.#parts.jobs.report(known)
  }

  async cancelJob(job: JobRef, reason: string): Promise<void> {
    await this.#begin('cancelJob', job.id)
    const { jobs } = this.#parts
    const known = jobs.find(job)
    if (known === undefined || jobs.report(known).stage !== 'PROCESSING') return
    jobs.end(known, { stage: 'FAIL', message: reason, failureClass: 'killed' })
  }

  async acknowledgeJobs(refs: readonly JobRef[]): Promise<void> {
    await this.#begin('acknowledgeJobs')
    const { jobs } = this.#parts
    for (const ref of refs) {
      const known = jobs.find(ref)
      // A job that runs stays: its end would never be reported.
      if (known === undefined || jobs.report(known).stage === 'PROCESSING') continue
      jobs.acknowledge(known)
      const last = this.#lastKnown.get(ref.id)
      if (last?.uid === ref.uid && last.attempt === ref.attempt) this.#lastKnown.delete(ref.id)
    }
  }

  watch(signal: AbortSignal): AsyncIterable<undefined> {
    return this.#parts.table.changes.listen(signal)
  }

  /** What `writeLog` wrote, byte by byte [W-LOG-1]. */
  async *readLog(job: JobRef, options: CheckedReadLog): AsyncGenerator<Uint8Array, void, undefined> {
    await this.#begin('readLog', job.id)
    yield* readJobLog(job, options, this.#parts)
  }

  async check(): Promise<void> {
    await this.#begin('check')
  }

  async #begin(call: DummyCall, itemId?: string): Promise<void> {
    this.#parts.faults.before(call, itemId)
    await this.#parts.faults.untilAnswered(call)
  }

  #start({ id, uid, attempt, overrides }: CheckedJob): void {
    const given = overrides === undefined ? {} : { overrides }
    this.#parts.jobs.start({ id, uid, attempt, ...given })
    this.#lastKnown.set(id, { stage: 'PROCESSING', uid, attempt, ...given })
  }

  #tryStart(job: CheckedJob): SluiceError | undefined {
    try {
      this.#start(job)
      return undefined
    } catch (error) {
      if (!isSluiceError(error)) throw error
      return error
    }
  }
}

const INCOMPLETE = { complete: false, incompleteReason: 'the dummy can ask for nothing, as a test ordered' }

/** The report of the uid that was sent last, at its latest attempt, with the others that are unfinished. */
function withEarlier(all: readonly JobReport[]): JobReport {
  const uid = all.at(-1)?.uid
  const own = all.filter((report) => report.uid === uid)
  const latest = own.reduce((one, other) => (other.attempt > one.attempt ? other : one))
  const earlier = all.filter((report) => report !== latest && report.stage === 'PROCESSING')
  return earlier.length === 0 ? latest : { ...latest, earlier }
}
