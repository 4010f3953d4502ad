import type { JobRef, Queue } from '@sluice/core'
import { MISSING_JOBS_DOCUMENT, SEEN_JOBS_DOCUMENT } from './document-names.js'
import { unpackMissing } from './missing-jobs-format.js'
import { hashOfJob, unpackJobs } from './seen-jobs-format.js'

/** A job that had started and that the worker does not know any more, while its grace runs. */
export interface MissingSince {
  /** Epoch ms of the storage's clock. */
  readonly sinceAt: number
  /** After so long the lost policy decides. */
  readonly graceMs: number
}

/** What the engine that dispatches has noted of the jobs of items in PROCESSING. */
export interface StartedJobs {
  /** It was seen, or its send was confirmed. `false`: not that anybody knows. */
  isStarted(job: Pick<JobRef, 'uid' | 'attempt'>): boolean
  /** Absent while the worker knows it, and where no engine has asked. */
  missing(job: Pick<JobRef, 'uid' | 'attempt'>): MissingSince | undefined
}

/**
 * For whoever looks at a queue from outside, and is told by the worker that it has no such job: whether that one never started, or is missing.
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
