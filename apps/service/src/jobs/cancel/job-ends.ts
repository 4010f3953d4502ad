import { isSluiceError, type JobRef, type JobReport, type JobReports, type Worker } from '@sluice/core'
import pMap from 'p-map'
import { heldUpBy } from '../job-text.js'

/** The end of a job that was cancelled, or that had ended before. */
export interface JobEnd {
  readonly job: JobRef
  /** `none`: the worker has no such job. */
  readonly end: 'SUCCESS' | 'FAIL' | 'none'
  /** It was running when it was cancelled. */
  readonly told: boolean
  /** Epoch ms of the worker's clock. */
  readonly finishedAt?: number
  readonly message?: string
  readonly failureClass?: string
}

const CONCURRENCY = 16
/** Up to this many jobs are looked up one by one, which is exact and cheaper than a poll. */
const FEW = 16
/** Of more, those missing in an incomplete poll are looked up, at most this many each time. */
const MAX_LOOKUPS = 200

/** Follows cancelled jobs until each end is seen. */
export class JobEnds {
  readonly ends: JobEnd[] = []
  /** Jobs whose end has not been seen, by name, oldest first. */
  readonly #open = new Map<string, JobRef>()
  readonly #heldUp = new Map<string, string>()
  readonly #worker: Worker
  /** Why the worker was unreachable at the last request. */
  unreachedWhy: string | undefined

  constructor(worker: Worker) {
    this.#worker = worker
  }

  get open(): readonly JobRef[] {
    return [...this.#open.values()]
  }

  /** What holds up an open job, as far as the worker reports it. */
  heldUp(job: JobRef): string | undefined {
    return this.#heldUp.get(nameOf(job))
  }

  /** A job was cancelled; `report` is the worker's report since then. */
  add({ id, uid, attempt }: JobRef, report?: JobReport): void {
    const job = { id, uid, attempt }
    this.#open.set(nameOf(job), job)
    if (report !== undefined) this.#note(job, report)
  }

  /** The worker has no such job. */
  noteNone({ id, uid, attempt }: JobRef): void {
    this.#end({ job: { id, uid, attempt }, end: 'none', told: true })
  }

  /** It had ended before it could be cancelled. */
  noteEnded({ id, uid, attempt }: JobRef, report: JobReport): void {
    this.ends.push(endOf({ id, uid, attempt }, report, false))
  }

  /** Whether it was cancelled, or had ended. */
  has(job: JobRef): boolean {
    const name = nameOf(job)
    return this.#open.has(name) || this.ends.some((end) => nameOf(end.job) === name)
  }

  /**
   * Asks the worker once. While it is unreachable the jobs stay open.
   *
   * @throws SluiceError of the worker that is not retryable
   */
  async refresh(): Promise<void> {
    try {
      if (this.#open.size > FEW || this.#worker.lookupJob === undefined) await this.#poll()
      else await this.#lookUp(this.open)
      this.unreachedWhy = undefined
    } catch (error) {
      if (!isSluiceError(error) || !error.retryable) throw error
      this.unreachedWhy = error.message
    }
  }

  /** Looks up what holds up the open jobs, which a poll may not show; at most {@link MAX_LOOKUPS}. */
  async lookUpOpen(): Promise<void> {
    if (this.#worker.lookupJob === undefined || this.unreachedWhy !== undefined) return
    const unknown = this.open.filter((job) => this.heldUp(job) === undefined)
    await this.#lookUp(unknown.slice(0, MAX_LOOKUPS)).catch((error: unknown) => {
      if (!isSluiceError(error) || !error.retryable) throw error
    })
  }

  async #poll(): Promise<void> {
    const open = this.open
    const reports = await this.#worker.pollAllStatus(open)
    const unsure = open.filter((job) => !this.#isReported(job, reports))
    if (this.#worker.lookupJob !== undefined) await this.#lookUp(unsure.slice(0, MAX_LOOKUPS))
  }

  /** @returns whether the poll answers for the job */
  #isReported(job: JobRef, reports: JobReports): boolean {
    const report = reports.get(job.id)
    if (report?.uid !== job.uid || report.attempt !== job.attempt) return false
    this.#note(job, report)
    return report.stage !== 'PROCESSING' || reports.complete !== false
  }

  async #lookUp(jobs: readonly JobRef[]): Promise<void> {
    await pMap(
      jobs,
      async (job) => {
        const report = await this.#worker.lookupJob?.(job)
        if (report === undefined) this.noteNone(job)
        else this.#note(job, report)
      },
      { concurrency: CONCURRENCY },
    )
  }

  #note(job: JobRef, report: JobReport): void {
    const heldUp = heldUpBy(report)
    if (heldUp === undefined) this.#heldUp.delete(nameOf(job))
    else this.#heldUp.set(nameOf(job), heldUp)
    if (report.stage !== 'PROCESSING') this.#end(endOf(job, report, true))
  }

  #end(end: JobEnd): void {
    const name = nameOf(end.job)
    this.#heldUp.delete(name)
    if (this.#open.delete(name)) this.ends.push(end)
  }
}

function endOf(job: JobRef, report: JobReport, told: boolean): JobEnd {
  const { stage, message, failureClass, finishedAt } = report
  return {
    job,
    told,
    end: stage === 'SUCCESS' ? 'SUCCESS' : 'FAIL',
    ...(finishedAt === undefined ? {} : { finishedAt }),
    ...(message === undefined ? {} : { message }),
    ...(failureClass === undefined ? {} : { failureClass }),
  }
}

function nameOf({ uid, attempt }: JobRef): string {
  return `${attempt} ${uid}`
}
