import { isSluiceError, type ItemHead, type JobRef, type Queue, type Worker } from '@sluice/core'
import { CANCELLED_CLASS, CANCELLED_DETAILS } from '@sluice/engine'
import pMap from 'p-map'
import { CommandError } from '../command-error.js'
import { JobEnds } from './job-ends.js'
import { sendsEnded, type SendsEndedOptions } from './sends-ended.js'

const CONCURRENCY = 16

/** Cancels items, and keeps count of what became of them. */
export class Cancelling {
  readonly cancelled = new Set<string>()
  /** Those that were in FAIL before: only their jobs were told to end. */
  readonly again = new Set<string>()
  /** Their jobs may go on: the worker could not be told. */
  readonly unreached = new Set<string>()
  unreachedWhy: string | undefined
  readonly ends: JobEnds
  /** The worker knows no job of them, and a service may be sending one. */
  #unknown: JobRef[] = []
  readonly #queue: Queue
  readonly #reason: string
  readonly #worker: Worker

  /** @throws CommandError INVALID for a worker that can't end jobs */
  constructor(queue: Queue, worker: Worker, reason: string) {
    if (!worker.supports.cancelJob || worker.cancelJob === undefined) {
      throw new CommandError(
        'INVALID',
        'This worker can’t end jobs. `sluice release` sends the items back to WAITING and lets the jobs run on.',
      )
    }
    this.#queue = queue
    this.#worker = worker
    this.#reason = reason
    this.ends = new JobEnds(worker)
  }

  /** Items in PROCESSING go to FAIL, and nothing of them changes after that; those that moved meanwhile are left alone. */
  async items(items: readonly ItemHead[]): Promise<void> {
    const moves = items
      .filter(({ stage }) => stage === 'PROCESSING')
      .map(({ id, uid, attempt }) => ({
        id,
        uid,
        attempt,
        stage: 'FAIL' as const,
        reason: this.#reason,
        details: CANCELLED_DETAILS,
        failureClass: CANCELLED_CLASS,
      }))
    const { refused } = moves.length === 0 ? { refused: [] } : await this.#queue.settle(moves)
    const moved = new Set(refused.map(({ id }) => id))
    const jobs = items.filter(({ id }) => !moved.has(id))
    for (const { id, stage } of jobs) (stage === 'FAIL' ? this.again : this.cancelled).add(id)
    this.#unknown.push(...(await this.#endAll(jobs)))
    await this.#endEarlier(jobs)
  }

  /** Jobs of earlier attempts of these items that go on: an item that was given out again while its job ran has one. */
  async #endEarlier(items: readonly ItemHead[]): Promise<void> {
    const again = new Map(items.filter(({ attempt }) => attempt > 1).map((item) => [item.id, item]))
    if (again.size === 0) return
    const reports = await this.#told(() => this.#worker.pollAllStatus())
    const jobs = [...(reports ?? [])].flatMap(([id, { earlier = [], ...report }]) => {
      const item = again.get(id)
      const running = [report, ...earlier].filter((one) => one.stage === 'PROCESSING')
      return item === undefined
        ? []
        : running
            .filter((one) => one.attempt < item.attempt && one.uid === item.uid)
            .map(({ uid, attempt }) => ({ id, uid, attempt }))
    })
    await this.#endAll(jobs)
  }

  /** Items whose jobs may still start. */
  get mayStart(): readonly string[] {
    return this.#unknown.map(({ id }) => id)
  }

  /**
   * Jobs that the worker did not know when their items failed: a service may have been sending them. Once it no longer can be, those that are there
   * are told to end, and the others never come.
   */
  async endLateOnes(options: SendsEndedOptions): Promise<void> {
    const unknown = this.#unknown
    if (unknown.length === 0) return
    const areOver = await sendsEnded(this.#queue, options)
    const none = await this.#endAll(unknown)
    this.#unknown = areOver ? [] : [...none]
    if (!areOver) return
    for (const job of none) {
      this.ends.add(job)
      // A worker that can't be asked for one job may still list it.
      if (this.#worker.lookupJob !== undefined) this.ends.noteNone(job)
    }
  }

  /** @returns those that the worker knows nothing of */
  async #endAll(jobs: readonly JobRef[]): Promise<readonly JobRef[]> {
    return (await pMap(jobs, (job) => this.#end(job), { concurrency: CONCURRENCY })).flat()
  }

  /** @returns the job, if the worker knows nothing of it, or can't say: it may be about to be sent */
  async #end({ id, uid, attempt }: JobRef): Promise<readonly JobRef[]> {
    const job = { id, uid, attempt }
    const told = await this.#told(async () => {
      await this.#worker.cancelJob?.(job, this.#reason)
      return { report: await this.#worker.lookupJob?.(job) }
    })
    if (told === undefined) this.unreached.add(id)
    if (told?.report !== undefined) this.ends.add(job, told.report)
    return told !== undefined && told.report === undefined ? [job] : []
  }

  /** What the worker was told and said; `undefined` where it can't be reached for now. */
  async #told<T>(call: () => Promise<T>): Promise<T | undefined> {
    try {
      return await call()
    } catch (error) {
      if (!isSluiceError(error) || !error.retryable) throw error
      this.unreachedWhy = error.message
      return undefined
    }
  }
}
