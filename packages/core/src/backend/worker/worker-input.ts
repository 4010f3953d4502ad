import { assertCount, assertItemId } from '../../checks/input.js'
import { assertJson } from '../../json/json.js'
import type { JobRef, JobSpec, NewJob, ProbeSample, ReadLogOptions, SendManySupport } from '../../worker.js'
import type { CheckedJob, CheckedReadLog } from './worker-backend.js'

/** @throws TypeError unless it names a job */
export function assertJobRef(job: JobRef): void {
  assertItemId(job.id)
  assertAttempt(job)
}

/** @throws TypeError unless these are the arguments of a send to the worker of this queue */
export function checkJob<Body>({ id, body, job }: NewJob<Body>, queue: string): CheckedJob {
  assertItemId(id)
  assertJson(body)
  assertAttempt(job)
  if (job.queue !== queue) {
    const names = `${JSON.stringify(queue)}; the job is of ${JSON.stringify(job.queue)}`
    throw new TypeError(`this worker is of queue ${names}`)
  }
  const { uid, attempt, priority } = job
  if (priority === undefined) return { id, uid, attempt, queue, body }
  if (!Number.isSafeInteger(priority)) throw new TypeError(`priority must be a whole number; got ${priority}`)
  return { id, uid, attempt, queue, priority, body }
}

/** @throws TypeError for too many jobs, and for any that is not one */
export function checkJobs<Body>(
  jobs: readonly NewJob<Body>[],
  queue: string,
  { maxJobs }: SendManySupport,
): CheckedJob[] {
  if (jobs.length > maxJobs) throw new TypeError(`sendMany takes at most ${maxJobs} jobs; got ${jobs.length}`)
  return jobs.map((job) => checkJob(job, queue))
}

/** @throws TypeError unless it has an id and a body that is JSON */
export function checkSample<Body>({ id, body }: ProbeSample<Body>): ProbeSample {
  assertItemId(id)
  assertJson(body)
  return { id, body }
}

/** @throws TypeError unless `tailBytes` is a count */
export function checkReadLog(
  { tailBytes, follow = false }: ReadLogOptions,
  signal: AbortSignal,
): CheckedReadLog {
  if (tailBytes === undefined) return { signal, follow }
  assertCount(tailBytes, 'tailBytes')
  return { signal, follow, tailBytes }
}

function assertAttempt({ uid, attempt }: Pick<JobSpec, 'uid' | 'attempt'>): void {
  if (typeof uid !== 'string' || uid === '') throw new TypeError('uid must be a string that is not empty')
  assertCount(attempt, 'attempt')
}
