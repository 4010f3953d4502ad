import {
  isSluiceError,
  type JobRef,
  type JobReport,
  type JobReports,
  type Queue,
  type Runtime,
  type Worker,
} from '@sluice/core'
import { readStartedJobs, type StartedJobs } from '@sluice/engine'
import pMap from 'p-map'
import { CommandError } from '../cli/command-error.js'
import type { CommandContext } from '../cli/command.js'

/** The worker's answer about a job, for a command that only reads. */
export type JobAnswer =
  | { readonly kind: 'report'; readonly report: JobReport }
  /**
   * The worker has no such job: it is not sent yet, acknowledged, or, where it is known to have started,
   * missing.
   */
  | { readonly kind: 'none'; readonly started?: StartedNote }
  /** The worker could not be asked. */
  | { readonly kind: 'unasked'; readonly why: string }

/** The dispatcher's note about a job that the worker does not know. */
export interface StartedNote {
  /** How long the worker has not known it, as far as the service has asked. */
  readonly missingForMs?: number
  /** The time after which it counts as lost. */
  readonly graceMs?: number
}

/** The longest wait for a worker that hangs. */
const TIMEOUT_MS = 10_000
const CONCURRENCY = 16
/** The most look-ups for jobs of which a poll does not show what holds them up. */
const MAX_LOOKUPS = 50

interface Started {
  readonly jobs: StartedJobs
  /** Epoch ms of the storage's clock. */
  readonly now: number
}

interface AskerParts {
  readonly worker: Worker | string
  readonly queue: Queue
  readonly runtime: Runtime
}

/**
 * Asks the worker about jobs for commands that must not fail without it: the obstacle is part of the answer.
 */
export class JobAsker {
  readonly #worker: Worker | string
  readonly #queue: Queue
  readonly #runtime: Runtime
  #started: Promise<Started | string> | undefined
  #reports: Promise<JobReports | string> | undefined
  #lookupsLeft = MAX_LOOKUPS

  private constructor({ worker, queue, runtime }: AskerParts) {
    this.#worker = worker
    this.#queue = queue
    this.#runtime = runtime
  }

  /** @returns `undefined` where the configuration has no worker */
  static async open(context: CommandContext): Promise<JobAsker | undefined> {
    const { config } = await context.config()
    if (config.worker === undefined) return undefined
    const { runtime } = context
    const queue = await context.openQueue({ reading: true })
    const worker = await answerWithin(runtime, () => context.openWorker({ reading: true }))
    return new JobAsker({ worker, queue, runtime })
  }

  /** One job, by name where the worker can. */
  async one(job: JobRef): Promise<JobAnswer> {
    const worker = this.#worker
    if (typeof worker === 'string') return { kind: 'unasked', why: worker }
    if (worker.lookupJob === undefined) return (await this.many([job])).get(job.id) ?? { kind: 'none' }
    const report = await answerWithin(this.#runtime, async () => worker.lookupJob?.(refOf(job)))
    if (typeof report === 'string') return { kind: 'unasked', why: report }
    return report === undefined ? this.#none(job) : { kind: 'report', report }
  }

  /**
   * Many jobs, by item id: a single poll for all calls, and then look-ups, up to the bound, of those whose
   * start a poll does not show.
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

  /** Tells a job that had started from one that is still to be sent. */
  async #none(job: JobRef): Promise<JobAnswer> {
    this.#started ??= answerWithin(this.#runtime, async () => {
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
    return typeof worker === 'string' ? worker : answerWithin(this.#runtime, () => worker.pollAllStatus())
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
    // The poll's answer stays where a look-up fails or is late.
    await answerWithin(this.#runtime, async () => all)
  }
}

/** The answer, or the reason why there is none. @throws every unexpected error */
async function answerWithin<T>(runtime: Pick<Runtime, 'sleep'>, ask: () => Promise<T>): Promise<T | string> {
  const answered = new AbortController()
  const late = runtime
    .sleep(TIMEOUT_MS, answered.signal)
    .then(() => `the worker did not answer within ${TIMEOUT_MS / 1_000} s`)
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
  return { kind: 'unasked', why: reports.incompleteReason ?? 'the worker could not list all of its jobs' }
}

/** Whether a look-up may say more: whether the job is pending, or exists although the poll lacks it. */
function isUnclear(answer: JobAnswer | undefined): boolean {
  if (answer?.kind !== 'report') return true
  return answer.report.stage === 'PROCESSING' && answer.report.pending === undefined
}

function refOf({ id, uid, attempt }: JobRef): JobRef {
  return { id, uid, attempt }
}

/**
 * The job of an item for `--json`: `null` where the worker has none, with the note about one that had
 * started.
 */
export function jobJson(answer: JobAnswer | undefined): object {
  if (answer === undefined) return {}
  if (answer.kind === 'unasked') return { jobError: answer.why }
  if (answer.kind === 'report') return { job: answer.report }
  return { job: null, ...(answer.started === undefined ? {} : { jobStarted: answer.started }) }
}
