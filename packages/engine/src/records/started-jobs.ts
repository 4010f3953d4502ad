import type { JobRef, Queue } from '@sluice/core'
import { MISSING_JOBS_DOCUMENT, SEEN_JOBS_DOCUMENT } from './document-names.js'
import { unpackMissing } from './missing-jobs-format.js'
import { hashOfJob, unpackJobs } from './seen-jobs-format.js'

/** A job that had started and that the worker no longer knows, during its grace. */
export interface MissingSince {
  /** Epoch ms of the storage's clock. */
  readonly sinceAt: number
  /** After this time the lost policy decides. */
  readonly graceMs: number
}

/** What the dispatching engine has recorded of the jobs of items in PROCESSING. */
export interface StartedJobs {
  /** It was seen, or its send was confirmed, as far as is recorded. */
  isStarted(job: Pick<JobRef, 'uid' | 'attempt'>): boolean
  /** `undefined` while the worker knows it, and where it was not looked up. */
  missing(job: Pick<JobRef, 'uid' | 'attempt'>): MissingSince | undefined
}

/**
 * For observers of a queue: whether a job that the worker does not know never started, or is missing.
 *
 * @throws SluiceError of the queue
 */
export async function readStartedJobs(queue: Pick<Queue, 'document'>): Promise<StartedJobs> {
  const [seen, missing] = await Promise.all(
    [SEEN_JOBS_DOCUMENT, MISSING_JOBS_DOCUMENT].map((name) => queue.document(name).read()),
  )
  const started = seen === undefined ? undefined : unpackJobs(seen.value)
  const record = unpackMissing(missing?.value)
  return {
    isStarted: (job) => started?.has(hashOfJob(job)) === true,
    missing: (job) => {
      const sinceAt = record?.since.get(hashOfJob(job))
      return record === undefined || sinceAt === undefined ? undefined : { sinceAt, graceMs: record.graceMs }
    },
  }
}
