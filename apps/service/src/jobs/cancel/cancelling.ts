import {
  isSluiceError,
  type ItemRecord,
  type JobRef,
  type JobReport,
  type Queue,
  type Worker,
} from '@sluice/core'
import { CANCELLED_CLASS, CANCELLED_DETAILS, isCancelled } from '@sluice/engine'
import pMap from 'p-map'
import { CommandError } from '../../cli/command-error.js'
import { JobEnds } from './job-ends.js'
import { sendsEnded, type SendsEndedOptions } from './sends-ended.js'

const CONCURRENCY = 16
/** Where a poll can't speak for them, so many attempts of an item are asked for by name, the latest first. */
const MAX_ATTEMPTS = 20

/** What an id is that was asked for, as far as the queue knows. */
export interface Target {
  readonly id: string
  /** Absent: there is no such item. */
  readonly item: ItemRecord | undefined
}

/** Which jobs are to end. */
export interface JobsWanted {
  /** Of this attempt alone. */
  readonly attempt?: number | undefined
}

/** Cancels items and ends jobs, and keeps count of what became of them. */
export class Cancelling {
  /** Items that this moved to FAIL, and at which attempt. */
  readonly cancelled = new Map<string, number>()
  /** Those that were not in PROCESSING, or not at the attempt that was asked for. */
  readonly others = new Map<string, Target>()
  /** Their jobs may go on: the worker could not be told. */
  readonly unreached = new Set<string>()
  unreachedWhy: string | undefined
  /** Ids of jobs beside those of the items that this moved: they ran, and were told to end. */
  readonly told = new Set<string>()
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

  /** Items in PROCESSING go to FAIL, and nothing of them changes after that; those that moved meanwhile are left alone. Their jobs are told to end. */
  async items(items: readonly ItemRecord[]): Promise<void> {
    const moves = items.map(({ id, uid, attempt }) => ({
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
    for (const { id, attempt } of jobs) this.cancelled.set(id, attempt)
    this.#unknown.push(...(await this.#endAll(jobs)))
    for (const id of moved) this.others.set(id, { id, item: await this.#queue.lookup(id) })
  }

  /** Every job of these ids, of any attempt, of items in any stage and of none. Items in PROCESSING at the attempt that is wanted are cancelled. */
  async ids(ids: readonly string[], wanted: JobsWanted = {}): Promise<void> {
    const targets = await pMap(
      [...new Set(ids)],
      async (id) => ({ id, item: await this.#queue.lookup(id) }),
      {
        concurrency: CONCURRENCY,
      },
    )
    const moving = targets.flatMap(({ item }) =>
      item !== undefined && isRunning(item, wanted) ? [item] : [],
    )
    await this.items(moving)
    const left = new Set(moving.map(({ id }) => id))
    for (const target of targets) if (!left.has(target.id)) this.others.set(target.id, target)
    await this.#endOthers(targets, wanted)
  }

  /** Jobs that the worker runs and that no item waits for, whatever their ids. */
  async endUnawaited(): Promise<void> {
    const reports = await this.#told(() => this.#worker.pollAllStatus())
    await this.#endReported([...(reports ?? [])].flatMap(([id, report]) => runningJobs(id, report, {})))
  }

  /** How many jobs the worker runs; `undefined` where it can't be asked now. */
  async runningJobs(): Promise<number | undefined> {
    const reports = await this.#told(() => this.#worker.pollAllStatus())
    if (reports === undefined) return undefined
    return [...reports].flatMap(([id, report]) => runningJobs(id, report, {})).length
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

  /** What a poll reports of the ids, and by name what it does not. */
  async #endOthers(targets: readonly Target[], wanted: JobsWanted): Promise<void> {
    const reports = await this.#told(() => this.#worker.pollAllStatus())
    if (reports === undefined) {
      for (const { id } of targets) if (this.others.has(id)) this.unreached.add(id)
      return
    }
    await this.#endReported(
      targets.flatMap(({ id }) => {
        const report = reports.get(id)
        return report === undefined ? [] : runningJobs(id, report, wanted)
      }),
    )
    if (reports.complete === false)
      this.unreachedWhy = reports.incompleteReason ?? 'the worker could not ask for all of its jobs'
    const byName = targets
      .flatMap((target) => attemptsOf(target, { ...wanted, isComplete: reports.complete !== false }))
      .filter(({ id, attempt }) => this.cancelled.get(id) !== attempt)
    await pMap(byName, (job) => this.#endKnown(job, reports.get(job.id)), { concurrency: CONCURRENCY })
    for (const { id, item } of targets) {
      const report = reports.get(id)
      if (item !== undefined || report === undefined || report.stage === 'PROCESSING') continue
      this.ends.noteEnded({ id, uid: report.uid, attempt: report.attempt }, report)
    }
    if (reports.complete !== false) return
    // Of a removed item nothing but a list can tell.
    for (const { id, item } of targets) if (item === undefined && !this.told.has(id)) this.unreached.add(id)
  }

  /** Jobs that run, but for those that an item has come to wait for since it was looked up. */
  async #endReported(jobs: readonly JobRef[]): Promise<void> {
    const fresh = jobs.filter((job) => !this.ends.has(job))
    const unawaited = await pMap(
      fresh,
      async (job) => {
        const item = await this.#queue.lookup(job.id)
        return item?.stage === 'PROCESSING' && item.uid === job.uid && item.attempt === job.attempt
          ? []
          : [job]
      },
      { concurrency: CONCURRENCY },
    )
    for (const job of await this.#endAll(unawaited.flat())) {
      // It was listed, and is gone since; or the worker can't be asked for one job.
      this.ends.add(job)
      if (this.#worker.lookupJob !== undefined) this.ends.noteNone(job)
    }
    for (const job of unawaited.flat()) if (this.ends.has(job)) this.told.add(job.id)
  }

  /** A job of which it is not known whether it runs: it is told to end if it does. */
  async #endKnown(job: JobRef, listed: JobReport | undefined): Promise<void> {
    if (this.ends.has(job)) return
    const answer = await this.#told(async () => ({
      report: this.#worker.lookupJob === undefined ? listed : await this.#worker.lookupJob(job),
    }))
    if (answer === undefined) this.unreached.add(job.id)
    const { report } = answer ?? {}
    if (report?.uid !== job.uid || report.attempt !== job.attempt) {
      if (answer !== undefined && this.#isCancelledAgain(job)) this.#unknown.push(job)
    } else if (report.stage === 'PROCESSING') await this.#endReported([job])
    else this.ends.noteEnded(job, report)
  }

  /** A cancel that was broken off is done again: the job of the item may just be being sent. */
  #isCancelledAgain(job: JobRef): boolean {
    const item = this.others.get(job.id)?.item
    return item?.attempt === job.attempt && wasCancelled(item)
  }

  /** @returns those that the worker knows nothing of */
  async #endAll(jobs: readonly JobRef[]): Promise<readonly JobRef[]> {
    return (await pMap(jobs, (job) => this.#end(job), { concurrency: CONCURRENCY })).flat()
  }

  /** @returns the job, if the worker knows nothing of it, or can't say: it may be about to be sent */
  async #end(job: JobRef): Promise<readonly JobRef[]> {
    const { id, uid, attempt } = job
    const told = await this.#told(async () => {
      await this.#worker.cancelJob?.({ id, uid, attempt }, this.#reason)
      return { report: await this.#worker.lookupJob?.({ id, uid, attempt }) }
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

/** By an earlier cancel: done again, it is to have the same end. */
export function wasCancelled(item: ItemRecord): boolean {
  return item.stage === 'FAIL' && isCancelled(item, item)
}

function isRunning(item: ItemRecord, { attempt }: JobsWanted): boolean {
  return item.stage === 'PROCESSING' && (attempt === undefined || attempt === item.attempt)
}

/** Of an id, those of a poll that run: of the attempt that is wanted, or of all. */
function runningJobs(id: string, report: JobReport, { attempt }: JobsWanted): JobRef[] {
  return [report, ...(report.earlier ?? [])]
    .filter((one) => one.stage === 'PROCESSING' && (attempt === undefined || attempt === one.attempt))
    .map((one) => ({ id, uid: one.uid, attempt: one.attempt }))
}

/**
 * The jobs of an item that are worth a look-up: that of its last attempt, or of the one that is wanted; where the poll was not complete, those of all
 * attempts. Of an item that was never claimed there is none.
 */
function attemptsOf(
  { id, item }: Target,
  { attempt, isComplete }: JobsWanted & { readonly isComplete: boolean },
): JobRef[] {
  if (item === undefined) return []
  const last = attempt ?? item.attempt
  const count = attempt !== undefined || isComplete ? 1 : MAX_ATTEMPTS
  const attempts = Array.from({ length: count }, (_, before) => last - before)
  return attempts
    .filter((one) => one >= 1 && one <= item.attempt)
    .map((one) => ({ id, uid: item.uid, attempt: one }))
}
