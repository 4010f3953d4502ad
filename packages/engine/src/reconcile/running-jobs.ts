import type { ItemSummary, JobRef, JobReports } from '@sluice/core'
import { isReportOf, reportedJobs, type Found } from './found.js'

interface KnownJob {
  readonly job: JobRef
  /** It was sent or looked up since the latest poll began: that poll may lack it. */
  isFresh: boolean
}

type Items = ReadonlyMap<string, ItemSummary>

/**
 * The jobs that ran by their latest reports, including those of earlier attempts and of earlier items of the
 * same id. A complete poll replaces them; an incomplete one may lack jobs that run, which still take a place.
 * Valid while one engine is the dispatcher: another dispatcher starts jobs that are not in it.
 */
export class RunningJobs {
  #jobs = new Map<string, KnownJob>()

  /** A send begins, and from now on the job may run; or a look-up shows that it runs. */
  noteSending(job: JobRef): void {
    this.#jobs.set(nameOf(job), { job, isFresh: true })
  }

  /** It has ended, was never accepted, or a look-up shows that it does not exist. */
  noteEnded(job: JobRef): void {
    this.#jobs.delete(nameOf(job))
  }

  /**
   * Another engine has worked in between: what this one sent before is in every poll by now, or has ended.
   */
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

  /** Those whose item isn't in PROCESSING at that attempt: moved by an operator, or of an earlier attempt. */
  orphans(items: Items): JobRef[] {
    return [...this.#jobs.values()].map(({ job }) => job).filter((job) => !isAwaited(items, job))
  }

  /**
   * Of each of the items, by its uid: the jobs of its earlier attempts that run. Items that have none are not
   * in it.
   */
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
   * The places that orphans take besides those of the items. An item whose own job was not sent, and the
   * earlier job that it waits for, take one place together.
   */
  orphanPlaces(items: Items, isSent: (item: ItemSummary) => boolean): number {
    const orphans = this.orphans(items)
    const isWaiting = ({ id, uid, attempt }: JobRef): boolean => {
      const item = items.get(id)
      return item?.uid === uid && attempt < item.attempt && !isSent(item)
    }
    return orphans.length - new Set(orphans.filter(isWaiting).map(({ uid }) => uid)).size
  }

  /**
   * Jobs that a complete poll may lack although they run: sent after it began, or missing in a list that
   * lags.
   */
  #keepUnseen(unseen: ReadonlyMap<string, KnownJob>, items: Items): void {
    for (const [name, { job, isFresh }] of unseen)
      if (isFresh || isAwaited(items, job)) this.#jobs.set(name, { job, isFresh: false })
  }
}

/** Whether a poll is complete [W-POLL-2]. */
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
