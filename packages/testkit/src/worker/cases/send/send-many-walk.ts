import {
  isSluiceError,
  type JobRef,
  type JsonValue,
  type NewJob,
  type SluiceError,
  type Worker,
  type WorkerSupports,
} from '@sluice/core'
import { check, resolves, same } from '../../../check.js'
import type { WorkerHarness } from '../../worker-harness.js'
import { checkOffered, polled, specOf } from '../worker-walk.js'

export function lacksSendMany({ sendMany: support }: WorkerSupports): string | undefined {
  return support === undefined ? 'this worker has no sendMany' : undefined
}

export function newJob(worker: Worker, job: JobRef, body: JsonValue): NewJob {
  return { id: job.id, body, job: specOf(worker, job) }
}

export async function sentMany(
  worker: Worker,
  jobs: readonly NewJob[],
): Promise<readonly (SluiceError | undefined)[]> {
  checkOffered(worker, 'sendMany')
  const outcomes = (await worker.sendMany?.(jobs)) ?? []
  same(outcomes.length, jobs.length, 'there is one outcome for each job')
  return outcomes
}

export function sendMany(
  worker: Worker,
  harness: WorkerHarness,
  jobs: readonly JobRef[],
): Promise<readonly (SluiceError | undefined)[]> {
  return sentMany(
    worker,
    jobs.map((job) => newJob(worker, job, harness.body())),
  )
}

/** In as many calls as `maxJobs` makes of them. */
export function batches<T>(worker: Worker, jobs: readonly T[]): (readonly T[])[] {
  const maxJobs = worker.supports.sendMany?.maxJobs ?? 1
  return Array.from({ length: Math.ceil(jobs.length / maxJobs) }, (_, index) =>
    jobs.slice(index * maxJobs, (index + 1) * maxJobs),
  )
}

export async function checkAllSent(
  worker: Worker,
  harness: WorkerHarness,
  jobs: readonly JobRef[],
): Promise<void> {
  const outcomes = await resolves(sendMany(worker, harness, jobs), 'a call of many in which all can be sent')
  same(
    outcomes.map(shown),
    jobs.map(() => 'sent'),
    'all of it was sent',
  )
}

export interface Sends {
  readonly jobs: readonly JobRef[]
  /** By id, where it is not the harness's. */
  readonly bodies: ReadonlyMap<string, JsonValue>
}

/** The outcome of each of the jobs. A call rejects as a whole only where none of its jobs was sent. */
export async function sendAll(
  worker: Worker,
  harness: WorkerHarness,
  { jobs, bodies }: Sends,
): Promise<readonly (SluiceError | undefined)[]> {
  const outcomes: (SluiceError | undefined)[] = []
  for (const batch of batches(worker, jobs)) {
    const made = batch.map((job) => newJob(worker, job, bodies.get(job.id) ?? harness.body()))
    const ends = sentMany(worker, made).catch((error: unknown) => {
      if (batch.length > 1 || !isSluiceError(error)) throw error
      return [error]
    })
    outcomes.push(...(await resolves(ends, 'a call in which some of the jobs can be sent')))
  }
  return outcomes
}

/**
 * How each of the jobs ended where none can be sent: be it by its outcome or by the call's rejection as a
 * whole.
 */
export async function endsOf(
  worker: Worker,
  harness: WorkerHarness,
  jobs: readonly JobRef[],
): Promise<readonly (SluiceError | undefined)[]> {
  const ends: (SluiceError | undefined)[] = []
  for (const batch of batches(worker, jobs)) {
    const outcomes = await sendMany(worker, harness, batch).catch((error: unknown) => {
      if (!isSluiceError(error)) throw error
      return batch.map(() => error)
    })
    ends.push(...outcomes)
  }
  return ends
}

export function shown(outcome: SluiceError | undefined): string {
  return outcome === undefined ? 'sent' : outcome.code
}

/** Credentials that are refused concern every item, by their code. */
export function checkRefused(error: SluiceError | undefined, concerns: 'worker' | 'capacity'): void {
  check(error !== undefined, 'a job that cannot be sent has an error at its place')
  if (error === undefined) return
  if (concerns === 'worker' && error.code === 'SLUICE_WORKER_DENIED') return
  same(error.code, 'SLUICE_WORKER_UNAVAILABLE', 'the job may be sent again')
  same(error.retryable, true, 'and the error is retryable')
  same(error.concerns, concerns, 'it says whose trouble it is')
}

export async function checkNotStarted(worker: Worker, harness: WorkerHarness, job: JobRef): Promise<void> {
  same(await polled(worker, job.id), 'absent', 'no poll knows a job of the refused item')
  same(await harness.starts(job), 0, 'nothing was started')
}
