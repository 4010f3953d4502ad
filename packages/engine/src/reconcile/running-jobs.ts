import type { ItemSummary, JobRef, JobReports } from '@sluice/core'
import { isReportOf, reportedJobs, type Found } from './found.js'

interface KnownJob {
  readonly job: JobRef
  /** It was sent, or the worker was asked for it, since the latest poll began: that poll may not show it. */
  isFresh: boolean
}

type Items = ReadonlyMap<string, ItemSummary>

/**
 * The jobs that ran when they were last heard of, those of earlier attempts and of earlier items of the same id too. A complete poll says it all;
 * one that isn't complete may lack jobs that run, and those take a place all the same. Of use within one engine's time as the dispatcher: another
 * dispatcher starts jobs that it doesn't know.
 */
export class RunningJobs {
  #jobs = new Map<string, KnownJob>()

  /** A send begins: whatever comes of it, from now on the job may run. Also of a job that the worker, asked for it, says to run. */
  noteSending(job: JobRef): void {
    this.#jobs.set(nameOf(job), { job, isFresh: true })
  }

  /** It has ended, was never accepted, or the worker is sure that there is no such job. */
  noteEnded(job: JobRef): void {
    this.#jobs.delete(nameOf(job))
  }

  /** Another engine has worked in between: what this one sent before is in every poll by now, or has ended. */
  noteNewDispatcher(): void {
    for (const known of this.#jobs.values()) known.isFresh = false
  }

  /** A poll was read. */
  notePoll({ items, reports }: Found): void {
    const known = this.#jobs
    if (isComplete(reports)) this.#jobs = new Map()
    for (const { id, report } of reportedJobs(reports)) {
      const { uid, attempt, stage } = report
      const name = nameOf(report)
      known.delete(name)
      if (stage === 'PROCESSING') this.#jobs.set(name, { job: { id, uid, attempt }, isFresh: false })
    }
    if (known !== this.#jobs) this.#keepUnseen(known, items)
  }

  /** Those whose item isn't in PROCESSING at that attempt: moved by hand, or of an earlier attempt. */
  orphans(items: Items): JobRef[] {
    return [...this.#jobs.values()].map(({ job }) => job).filter((job) => !isAwaited(items, job))
  }

  /** Of each of the items, by its uid: the jobs of its earlier attempts that run. Items that have none are not in it. */
  earlier(items: Iterable<JobRef>): Map<string, readonly JobRef[]> {
    const attempts = new Map<string, number>()
    for (const { uid, attempt } of items) attempts.set(uid, attempt)
    const earlier = new Map<string, JobRef[]>()
    for (const { job } of this.#jobs.values()) {
      if (job.attempt >= (attempts.get(job.uid) ?? 0)) continue
      const others = earlier.get(job.uid)
      if (others === undefined) earlier.set(job.uid, [job])
      else others.push(job)
    }
    return earlier
  }

  /**
   * The places that orphans take beside those of the items. An item whose own job was not sent, and that waits for an earlier one to end, and the
   * earlier one take one place together.
   */
  orphanPlaces(items: Items, isSent: (item: ItemSummary) => boolean): number {
    const orphans = this.orphans(items)
    const isWaiting = ({ id, uid, attempt }: JobRef): boolean => {
      const item = items.get(id)
      return item?.uid === uid && attempt < item.attempt && !isSent(item)
    }
    return orphans.length - new Set(orphans.filter(isWaiting).map(({ uid }) => uid)).size
  }

  /** What a complete poll may lack and may run all the same: it was begun too early for what was sent, or reads of a list that lags. */
  #keepUnseen(unseen: ReadonlyMap<string, KnownJob>, items: Items): void {
    for (const [name, { job, isFresh }] of unseen)
      if (isFresh || isAwaited(items, job)) this.#jobs.set(name, { job, isFresh: false })
  }
}

/** Whether a poll asked for everything [W-POLL-2]. */
export function isComplete({ complete }: JobReports): boolean {
  return complete !== false
}

/** A job's name within a queue. */
export function nameOf({ uid, attempt }: Pick<JobRef, 'uid' | 'attempt'>): string {
  return `${attempt} ${uid}`
}

function isAwaited(items: Items, job: JobRef): boolean {
  const item = items.get(job.id)
  return item !== undefined && isReportOf(item, job)
}
