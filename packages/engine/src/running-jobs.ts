import type { ItemHead, JobRef, JobReports } from '@sluice/core'
import { isReportOf, type Found } from './found.js'

/**
 * The jobs that ran when they were last heard of. A complete poll says it all; one that isn't complete may lack jobs that run, and those
 * take a place all the same. Of use within one engine's time as the dispatcher: another dispatcher starts jobs that it doesn't know.
 */
export class RunningJobs {
  #jobs = new Map<string, JobRef>()

  /** A send begins: whatever comes of it, from now on the job may run. */
  noteSending(job: JobRef): void {
    this.#jobs.set(nameOf(job), job)
  }

  /** It has ended, was never accepted, or the worker is sure that there is no such job. */
  noteEnded(job: JobRef): void {
    this.#jobs.delete(nameOf(job))
  }

  /** A poll was read. */
  notePoll({ items, reports }: Found): void {
    if (isComplete(reports)) this.#jobs = this.#awaited(items)
    for (const [id, { uid, attempt, stage }] of reports) {
      if (stage === 'PROCESSING') this.noteSending({ id, uid, attempt })
      else this.noteEnded({ id, uid, attempt })
    }
  }

  /** Those whose item isn't in PROCESSING at that attempt: moved by hand, or of an earlier attempt. */
  orphans(items: ReadonlyMap<string, ItemHead>): JobRef[] {
    return [...this.#jobs.values()].filter((job) => !isAwaited(items, job))
  }

  /** A poll, be it complete, may not show yet what was sent just before. */
  #awaited(items: ReadonlyMap<string, ItemHead>): Map<string, JobRef> {
    return new Map([...this.#jobs].filter(([, job]) => isAwaited(items, job)))
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

function isAwaited(items: ReadonlyMap<string, ItemHead>, job: JobRef): boolean {
  const item = items.get(job.id)
  return item !== undefined && isReportOf(item, job)
}
