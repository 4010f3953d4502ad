import { isSluiceError, type JobRef, type JobReport, type JobReports, type Worker } from '@sluice/core'
import pMap from 'p-map'
import { heldUpBy } from '../held-up.js'

/** How a job ended: one that was told to, or one that had ended before. */
export interface JobEnd {
  readonly job: JobRef
  /** `none`: the worker is sure that there is no such job. */
  readonly end: 'SUCCESS' | 'FAIL' | 'none'
  /** It ran when it was told to end. */
  readonly told: boolean
  /** Epoch ms of the worker's clock. */
  readonly finishedAt?: number
  readonly message?: string
  readonly failureClass?: string
}

const CONCURRENCY = 16
/** So few are asked for one by one: it is exact, and cheaper than a list. */
const FEW = 16
/** Of more, those that the list lacks, or can't speak for, are asked for, so many each time. */
const MAX_LOOKUPS = 200

/** Follows jobs that were told to end, until each end is seen. */
export class JobEnds {
  readonly ends: JobEnd[] = []
  /** Jobs whose end has not been seen, by their names, oldest first. */
  readonly #open = new Map<string, JobRef>()
  readonly #heldUp = new Map<string, string>()
  readonly #worker: Worker
  /** Why the worker could not be asked last. */
  unreachedWhy: string | undefined

  constructor(worker: Worker) {
    this.#worker = worker
  }

  get open(): readonly JobRef[] {
    return [...this.#open.values()]
  }

  /** What holds up a job that is open, as far as the worker has said. */
  heldUp(job: JobRef): string | undefined {
    return this.#heldUp.get(nameOf(job))
  }

  /** A job was told to end; `report` is what the worker says of it since. */
  add({ id, uid, attempt }: JobRef, report?: JobReport): void {
    const job = { id, uid, attempt }
    this.#open.set(nameOf(job), job)
    if (report !== undefined) this.#note(job, report)
  }

  /** The worker is sure that it has no such job. */
  noteNone({ id, uid, attempt }: JobRef): void {
    this.#end({ job: { id, uid, attempt }, end: 'none', told: true })
  }

  /** It had ended before it could be told to. */
  noteEnded({ id, uid, attempt }: JobRef, report: JobReport): void {
    this.ends.push(endOf({ id, uid, attempt }, report, false))
  }

  /** Whether it was told to end, or had ended. */
  has(job: JobRef): boolean {
    const name = nameOf(job)
    return this.#open.has(name) || this.ends.some((end) => nameOf(end.job) === name)
  }

  /**
   * Asks the worker once. It can't be reached for a moment, or it is closed for maintenance: the jobs stay open.
   *
   * @throws SluiceError of the worker that no waiting mends
   */
  async look(): Promise<void> {
    try {
      if (this.#open.size > FEW || this.#worker.lookupJob === undefined) await this.#poll()
      else await this.#lookUp(this.open)
      this.unreachedWhy = undefined
    } catch (error) {
      if (!isSluiceError(error) || !error.retryable) throw error
      this.unreachedWhy = error.message
    }
  }

  /** What a list may not show: what holds up those that are open. Of so many as may be asked for at once. */
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
    const unsure = open.filter((job) => !this.#isToldOf(job, reports))
    if (this.#worker.lookupJob !== undefined) await this.#lookUp(unsure.slice(0, MAX_LOOKUPS))
  }

  /** @returns whether the poll has said all that there is to say of the job */
  #isToldOf(job: JobRef, reports: JobReports): boolean {
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
