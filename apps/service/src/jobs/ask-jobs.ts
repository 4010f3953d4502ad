import { setTimeout as sleep } from 'node:timers/promises'
import {
  isSluiceError,
  type JobRef,
  type JobReport,
  type JobReports,
  type Queue,
  type Worker,
} from '@sluice/core'
import { readStartedJobs, type StartedJobs } from '@sluice/engine'
import pMap from 'p-map'
import { CommandError } from '../cli/command-error.js'
import type { CommandContext } from '../cli/command.js'

/** What a command that only looks was told of a job. */
export type JobAnswer =
  | { readonly kind: 'report'; readonly report: JobReport }
  /** The worker has no such job: it was not sent yet, is forgotten, or, where it is known to have started, is missing. */
  | { readonly kind: 'none'; readonly started?: StartedNote }
  /** The worker could not be asked. */
  | { readonly kind: 'unasked'; readonly why: string }

/** What the service that dispatches has noted of a job that the worker does not know. */
export interface StartedNote {
  /** For how long the worker has not known it, as far as the service has asked. */
  readonly missingForMs?: number
  /** After so long it is lost. */
  readonly graceMs?: number
}

/** A command that only looks does not wait for a worker that hangs. */
const PATIENCE_MS = 10_000
const CONCURRENCY = 16
/** A list may not show what holds a job up: so many are asked for one by one. */
const MAX_LOOKUPS = 50

interface Started {
  readonly jobs: StartedJobs
  /** Of the storage's clock. */
  readonly now: number
}

/** Asks the worker about jobs for commands that must not fail for it: what stands in the way is part of the answer. */
export class JobAsker {
  readonly #worker: Worker | string
  readonly #queue: Queue
  #started: Promise<Started | string> | undefined
  #reports: Promise<JobReports | string> | undefined
  #lookupsLeft = MAX_LOOKUPS

  private constructor(worker: Worker | string, queue: Queue) {
    this.#worker = worker
    this.#queue = queue
  }

  /** @returns `undefined` where the configuration names no worker */
  static async open(context: CommandContext): Promise<JobAsker | undefined> {
    const { config } = await context.config()
    if (config.worker === undefined) return undefined
    const queue = await context.openQueue({ reading: true })
    return new JobAsker(await patiently(() => context.openWorker({ reading: true })), queue)
  }

  /** One job, by name where the worker can. */
  async one(job: JobRef): Promise<JobAnswer> {
    const worker = this.#worker
    if (typeof worker === 'string') return { kind: 'unasked', why: worker }
    if (worker.lookupJob === undefined) return (await this.many([job])).get(job.id) ?? { kind: 'none' }
    const report = await patiently(async () => worker.lookupJob?.(refOf(job)))
    if (typeof report === 'string') return { kind: 'unasked', why: report }
    return report === undefined ? this.#none(job) : { kind: 'report', report }
  }

  /**
   * Many jobs, by item id: one poll, however often it is asked, and then by name, so many as are left of the bound, those of which a list
   * does not tell whether they have begun.
   */
  async many(jobs: readonly JobRef[]): Promise<ReadonlyMap<string, JobAnswer>> {
    this.#reports ??= this.#poll()
    const reports = await this.#reports
    const answers = new Map<string, JobAnswer>()
    for (const job of jobs) answers.set(job.id, answerOf(job, reports))
    const unclear = jobs.filter(({ id }) => isUnclear(answers.get(id)))
    const asked = unclear.slice(0, this.#lookupsLeft)
    this.#lookupsLeft -= asked.length
    await this.#lookUp(asked, answers)
    for (const job of jobs)
      if (answers.get(job.id)?.kind === 'none') answers.set(job.id, await this.#none(job))
    return answers
  }

  /** One that is known to have started is no job that is still to come. */
  async #none(job: JobRef): Promise<JobAnswer> {
    this.#started ??= patiently(async () => {
      const [jobs, now] = await Promise.all([readStartedJobs(this.#queue), this.#queue.now()])
      return { jobs, now }
    })
    const started = await this.#started
    if (typeof started === 'string') return { kind: 'none' }
    const missing = started.jobs.missing(job)
    if (missing === undefined)
      return started.jobs.isStarted(job) ? { kind: 'none', started: {} } : { kind: 'none' }
    const missingForMs = Math.max(0, started.now - missing.sinceAt)
    return { kind: 'none', started: { missingForMs, graceMs: missing.graceMs } }
  }

  async #poll(): Promise<JobReports | string> {
    const worker = this.#worker
    return typeof worker === 'string' ? worker : patiently(() => worker.pollAllStatus())
  }

  async #lookUp(jobs: readonly JobRef[], answers: Map<string, JobAnswer>): Promise<void> {
    const worker = this.#worker
    if (typeof worker === 'string' || worker.lookupJob === undefined) return
    const all = pMap(
      jobs,
      async (job) => {
        const report = await worker.lookupJob?.(refOf(job))
        answers.set(job.id, report === undefined ? { kind: 'none' } : { kind: 'report', report })
      },
      { concurrency: CONCURRENCY },
    )
    // What the list said stays where a look-up fails, or comes too late.
    await patiently(async () => all)
  }
}

/** What was asked, or in words why not. @throws what is a bug */
async function patiently<T>(ask: () => Promise<T>): Promise<T | string> {
  const answered = new AbortController()
  // It rejects only when the answer came first.
  const late = sleep(PATIENCE_MS, `the worker did not answer within ${PATIENCE_MS / 1_000} s`, {
    signal: answered.signal,
  }).catch(() => '')
  try {
    return await Promise.race([ask(), late])
  } catch (error) {
    if (!isSluiceError(error) && !(error instanceof CommandError)) throw error
    return error.message
  } finally {
    answered.abort()
  }
}

function answerOf({ id, uid, attempt }: JobRef, reports: JobReports | string): JobAnswer {
  if (typeof reports === 'string') return { kind: 'unasked', why: reports }
  const report = reports.get(id)
  if (report?.uid === uid && report.attempt === attempt) return { kind: 'report', report }
  if (reports.complete !== false) return { kind: 'none' }
  return { kind: 'unasked', why: reports.incompleteReason ?? 'the worker could not ask for all of its jobs' }
}

/** A worker that says which jobs are pending may have to be asked by name; and what a list lacks may be there. */
function isUnclear(answer: JobAnswer | undefined): boolean {
  if (answer?.kind !== 'report') return true
  return answer.report.stage === 'PROCESSING' && answer.report.pending === undefined
}

function refOf({ id, uid, attempt }: JobRef): JobRef {
  return { id, uid, attempt }
}

/** The job of an item as it is printed with `--json`: `null` where the worker has none, with what is known of one that had started. */
export function jobJson(answer: JobAnswer | undefined): object {
  if (answer === undefined) return {}
  if (answer.kind === 'unasked') return { jobError: answer.why }
  if (answer.kind === 'report') return { job: answer.report }
  return { job: null, ...(answer.started === undefined ? {} : { jobStarted: answer.started }) }
}
