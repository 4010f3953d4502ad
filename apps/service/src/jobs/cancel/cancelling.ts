import {
  isSluiceError,
  type ItemRecord,
  type JobRef,
  type JobReport,
  type Queue,
  type Runtime,
  type Worker,
} from '@sluice/core'
import {
  CANCELLED_CLASS,
  CANCELLED_DETAILS,
  DISPATCHER_LEASE,
  isCancelled,
  readDispatcher,
} from '@sluice/engine'
import pMap from 'p-map'
import { CommandError } from '../../cli/command-error.js'
import { JobEnds } from './job-ends.js'

const CONCURRENCY = 16
/** Where a poll is incomplete, at most this many attempts of an item are looked up, the latest first. */
const MAX_ATTEMPTS = 20

/** A requested id, and its item. */
export interface Target {
  readonly id: string
  /** `undefined`: there is no such item. */
  readonly item: ItemRecord | undefined
}

/** Which jobs to cancel. */
export interface JobsWanted {
  /** Only that of this attempt. */
  readonly attempt?: number | undefined
}

/** How to wait for sends under way. */
export interface SendsEndedOptions {
  readonly timeoutMs: number
  readonly signal: AbortSignal
  readonly runtime: Runtime
}

/** Cancels items and their jobs, and records the outcome of each. */
export class Cancelling {
  /** Items that this moved to FAIL, and the attempt of each. */
  readonly cancelled = new Map<string, number>()
  /** Items that were not in PROCESSING, or not at the requested attempt. */
  readonly others = new Map<string, Target>()
  /** Their jobs may still run: the worker was unreachable. */
  readonly unreached = new Set<string>()
  unreachedWhy: string | undefined
  /** Ids of cancelled jobs other than those of the items that this moved. */
  readonly told = new Set<string>()
  readonly ends: JobEnds
  /** The worker has no job of these, and a service may be sending one. */
  #unknown: JobRef[] = []
  readonly #queue: Queue
  readonly #reason: string
  readonly #worker: Worker

  /** @throws CommandError INVALID for a worker that can't cancel jobs */
  constructor(queue: Queue, worker: Worker, reason: string) {
    if (!worker.supports.cancelJob || worker.cancelJob === undefined) {
      throw new CommandError(
        'INVALID',
        'This worker can’t cancel jobs. `sluice release` returns the items to WAITING; their jobs continue.',
      )
    }
    this.#queue = queue
    this.#worker = worker
    this.#reason = reason
    this.ends = new JobEnds(worker)
  }

  /**
   * Moves items in PROCESSING to FAIL, then cancels their jobs. Items that another process moved meanwhile
   * stay unchanged.
   */
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

  /**
   * Cancels every job of these ids: of any attempt, with an item in any stage or none. Items in PROCESSING at
   * the requested attempt are cancelled.
   */
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

  /** Cancels all running jobs without an item in PROCESSING. */
  async endUnawaited(): Promise<void> {
    const reports = await this.#reached(() => this.#worker.pollAllStatus())
    await this.#endReported([...(reports ?? [])].flatMap(([id, report]) => runningJobs(id, report, {})))
  }

  /** How many jobs the worker runs; `undefined` where it is unreachable. */
  async runningJobs(): Promise<number | undefined> {
    const reports = await this.#reached(() => this.#worker.pollAllStatus())
    if (reports === undefined) return undefined
    return [...reports].flatMap(([id, report]) => runningJobs(id, report, {})).length
  }

  /** Items whose jobs may still start. */
  get mayStart(): readonly string[] {
    return this.#unknown.map(({ id }) => id)
  }

  /**
   * Handles jobs that the worker did not know when their items failed: a service may have been sending them.
   * Once all sends have ended, those that exist are cancelled, and the others never start.
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
      // A worker without look-ups may still list it.
      if (this.#worker.lookupJob !== undefined) this.ends.noteNone(job)
    }
  }

  /** Cancels what a poll reports of the ids, and looks up what it does not report. */
  async #endOthers(targets: readonly Target[], wanted: JobsWanted): Promise<void> {
    const reports = await this.#reached(() => this.#worker.pollAllStatus())
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
      this.unreachedWhy = reports.incompleteReason ?? 'the worker could not list all of its jobs'
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
    // Only a complete poll answers for a removed item.
    for (const { id, item } of targets) if (item === undefined && !this.told.has(id)) this.unreached.add(id)
  }

  /** Cancels running jobs, except those of items that have come to PROCESSING since their look-up. */
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
      // It was listed, and is gone since; or the worker has no look-ups.
      this.ends.add(job)
      if (this.#worker.lookupJob !== undefined) this.ends.noteNone(job)
    }
    for (const job of unawaited.flat()) if (this.ends.has(job)) this.told.add(job.id)
  }

  /** Cancels a job if it runs, which is not known yet. */
  async #endKnown(job: JobRef, listed: JobReport | undefined): Promise<void> {
    if (this.ends.has(job)) return
    const answer = await this.#reached(async () => ({
      report: this.#worker.lookupJob === undefined ? listed : await this.#worker.lookupJob(job),
    }))
    if (answer === undefined) this.unreached.add(job.id)
    const { report } = answer ?? {}
    if (report?.uid !== job.uid || report.attempt !== job.attempt) {
      if (answer !== undefined && this.#isCancelledAgain(job)) this.#unknown.push(job)
    } else if (report.stage === 'PROCESSING') await this.#endReported([job])
    else this.ends.noteEnded(job, report)
  }

  /** An interrupted cancel is repeated: the job of the item may be under way. */
  #isCancelledAgain(job: JobRef): boolean {
    const item = this.others.get(job.id)?.item
    return item?.attempt === job.attempt && wasCancelled(item)
  }

  /** @returns those that the worker does not know */
  async #endAll(jobs: readonly JobRef[]): Promise<readonly JobRef[]> {
    return (await pMap(jobs, (job) => this.#end(job), { concurrency: CONCURRENCY })).flat()
  }

  /** @returns the job, where the worker does not know it: a service may be sending it */
  async #end(job: JobRef): Promise<readonly JobRef[]> {
    const { id, uid, attempt } = job
    const answer = await this.#reached(async () => {
      await this.#worker.cancelJob?.({ id, uid, attempt }, this.#reason)
      return { report: await this.#worker.lookupJob?.({ id, uid, attempt }) }
    })
    if (answer === undefined) this.unreached.add(id)
    if (answer?.report !== undefined) this.ends.add(job, answer.report)
    return answer !== undefined && answer.report === undefined ? [job] : []
  }

  /** The worker's answer; `undefined` while it is unreachable. */
  async #reached<T>(call: () => Promise<T>): Promise<T | undefined> {
    try {
      return await call()
    } catch (error) {
      if (!isSluiceError(error) || !error.retryable) throw error
      this.unreachedWhy = error.message
      return undefined
    }
  }
}

/** Whether an earlier cancel moved it: a repeated one has the same result. */
export function wasCancelled(item: ItemRecord): boolean {
  return item.stage === 'FAIL' && isCancelled(item, item)
}

function isRunning(item: ItemRecord, { attempt }: JobsWanted): boolean {
  return item.stage === 'PROCESSING' && (attempt === undefined || attempt === item.attempt)
}

/** The running jobs of an id in a poll: of the requested attempt, or of all. */
function runningJobs(id: string, report: JobReport, { attempt }: JobsWanted): JobRef[] {
  return [report, ...(report.earlier ?? [])]
    .filter((one) => one.stage === 'PROCESSING' && (attempt === undefined || attempt === one.attempt))
    .map((one) => ({ id, uid: one.uid, attempt: one.attempt }))
}

/**
 * The jobs of an item to look up: that of its last or the requested attempt; after an incomplete poll, those
 * of all attempts. An item that was never claimed has none.
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

const GAP_MS = 200
/** The shortest lease: it is released at once. */
const LEASE_MS = 100

/**
 * Waits until every send has ended that a service may have begun before it could read what is stored now.
 * After it, no job starts of an item that was moved before this call. Either the dispatcher confirms it
 * [Q-CTRL-2], or there is no dispatcher.
 *
 * @returns `false` where neither is known in time
 */
async function sendsEnded(queue: Queue, { timeoutMs, signal, runtime }: SendsEndedOptions): Promise<boolean> {
  const endsAtMonotonic = runtime.monotonicMs() + timeoutMs
  const sync = await queue.control.sync()
  for (;;) {
    const dispatcher = await readDispatcher(queue)
    if (dispatcher !== undefined && dispatcher.syncedTo >= sync) return true
    if (await isFree(queue, runtime)) return true
    const leftMs = endsAtMonotonic - runtime.monotonicMs()
    if (signal.aborted || leftMs <= 0) return false
    await runtime.sleep(Math.min(GAP_MS, leftMs), signal)
  }
}

/** Whether no service dispatches: only then can another process get the lease. */
async function isFree(queue: Queue, runtime: Runtime): Promise<boolean> {
  const lease = await queue.lease(DISPATCHER_LEASE, `sluice cancel ${runtime.newId()}`, LEASE_MS)
  await lease?.release()
  return lease !== undefined
}
