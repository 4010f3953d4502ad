import type { JobRef, Queue } from '@sluice/core'
import { JOB_CLOCKS_DOCUMENT } from '../records/document-names.js'
import { hashOfJob } from '../records/seen-jobs-format.js'
import { unpackClocks } from './job-clocks-format.js'

/** The jobs that the dispatching engine has reported as stragglers, and that have not ended. */
export interface Stragglers {
  readonly count: number
  /** Since when a straggler runs, by the storage's clock; `undefined` for another job. */
  runningSince(job: Pick<JobRef, 'uid' | 'attempt'>): number | undefined
}

/**
 * For observers of a queue: which jobs run far longer than others.
 *
 * @throws SluiceError of the queue
 */
export async function readStragglers(queue: Pick<Queue, 'document'>): Promise<Stragglers> {
  const clocks = unpackClocks((await queue.document(JOB_CLOCKS_DOCUMENT).read())?.value)
  const marked = new Map([...(clocks ?? [])].filter(([, { isMarked }]) => isMarked === true))
  return {
    count: marked.size,
    runningSince: (job) => marked.get(hashOfJob(job))?.runningAt,
  }
}
