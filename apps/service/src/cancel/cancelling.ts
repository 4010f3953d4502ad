import { setTimeout as pause } from 'node:timers/promises'
import { isSluiceError, type ItemHead, type JobRef, type Queue, type Worker } from '@sluice/core'
import { CANCELLED_CLASS, CANCELLED_DETAILS } from '@sluice/engine'
import pMap from 'p-map'
import { CommandError } from '../command-error.js'
import { JobEnds } from './job-ends.js'

/** A service that is just sending an item has its job at the worker within this time. */
const SENDING_MS = 2_000
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
    const unknown = (await pMap(jobs, (job) => this.#end(job), { concurrency: CONCURRENCY })).flat()
    if (unknown.length === 0) return
    await pause(SENDING_MS)
    const none = await pMap(unknown, (job) => this.#end(job), { concurrency: CONCURRENCY })
    for (const job of none.flat()) this.ends.noteNone(job)
  }

  /** @returns the job, if the worker knows nothing of it: it may be about to be sent */
  async #end({ id, uid, attempt }: JobRef): Promise<readonly JobRef[]> {
    const job = { id, uid, attempt }
    try {
      await this.#worker.cancelJob?.(job, this.#reason)
      const report = await this.#worker.lookupJob?.(job)
      this.ends.add(job, report)
      return report === undefined && this.#worker.lookupJob !== undefined ? [job] : []
    } catch (error) {
      if (!isSluiceError(error) || !error.retryable) throw error
      this.unreached.add(id)
      this.unreachedWhy = error.message
      return []
    }
  }
}
