import type { ItemHead, JobRef, JobReports } from '@sluice/core'
import { isReportOf, reportedJobs, type Found } from './found.js'

interface KnownJob {
  readonly job: JobRef
  /** It was sent, or the worker was asked for it, since the latest poll began: that poll may not show it. */
  isFresh: boolean
}

type Items = ReadonlyMap<string, ItemHead>

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
    if (isComplete(reports)) this.#jobs = this.#unseen(items)
    for (const { id, report } of reportedJobs(reports)) {
      const { uid, attempt, stage } = report
      const job = { id, uid, attempt }
      if (stage === 'PROCESSING') this.#jobs.set(nameOf(job), { job, isFresh: false })
      else this.noteEnded(job)
    }
  }

  /** Those whose item isn't in PROCESSING at that attempt: moved by hand, or of an earlier attempt. */
  orphans(items: Items): JobRef[] {
    return [...this.#jobs.values()].map(({ job }) => job).filter((job) => !isAwaited(items, job))
  }

  /** Of each of the items, by its uid: the jobs of its earlier attempts that run. Items that have none are not in it. */
  earlier(items: Iterable<JobRef>): Map<string, readonly JobRef[]> {
    const byUid = Map.groupBy(
      [...this.#jobs.values()].map(({ job }) => job),
      ({ uid }) => uid,
    )
    const earlier = new Map<string, readonly JobRef[]>()
    for (const { uid, attempt } of items) {
      const jobs = byUid.get(uid)?.filter((job) => job.attempt < attempt) ?? []
      if (jobs.length > 0) earlier.set(uid, jobs)
    }
    return earlier
  }

  /**
   * The places that orphans take beside those of the items. An item whose own job was not sent, and that waits for an earlier one to end, and the
   * earlier one take one place together.
   */
  orphanPlaces(items: Items, isSent: (item: ItemHead) => boolean): number {
    const earlier = this.earlier(items.values())
    const sharing = [...items.values()].filter((item) => earlier.has(item.uid) && !isSent(item))
    return this.orphans(items).length - sharing.length
  }

  /** What a complete poll may lack and may run all the same: it was begun too early for what was sent, or reads of a list that lags. */
  #unseen(items: Items): Map<string, KnownJob> {
    const kept = [...this.#jobs].filter(([, { job, isFresh }]) => isFresh || isAwaited(items, job))
    return new Map(kept.map(([name, { job }]) => [name, { job, isFresh: false }]))
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
