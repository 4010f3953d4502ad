import { assertCount, assertItemId } from '../../checks/input.js'
import { assertJson } from '../../json/json.js'
import {
  MAX_OVERRIDE_CHARS,
  MAX_OVERRIDES,
  type JobOverrides,
  type JobRef,
  type JobSpec,
  type NewJob,
  type ProbeSample,
  type ReadLogOptions,
  type SendManySupport,
} from '../../worker.js'
import type { CheckedJob, CheckedReadLog } from './worker-backend.js'

/** @throws TypeError unless it names a job */
export function assertJobRef(job: JobRef): void {
  assertItemId(job.id)
  assertAttempt(job)
}

/** Which jobs a worker takes. */
interface Takes {
  readonly queue: string
  readonly overrides: boolean
}

/** @throws TypeError unless these are the arguments of a send to the worker of this queue */
export function checkJob<Body>({ id, body, job }: NewJob<Body>, { queue, ...takes }: Takes): CheckedJob {
  assertItemId(id)
  assertJson(body)
  assertAttempt(job)
  if (job.queue !== queue) {
    const names = `${JSON.stringify(queue)}; the job is of ${JSON.stringify(job.queue)}`
    throw new TypeError(`this worker is of queue ${names}`)
  }
  const { uid, attempt, priority, overrides } = job
  if (priority !== undefined && !Number.isSafeInteger(priority))
    throw new TypeError(`priority must be a whole number; got ${priority}`)
  const ranked = priority === undefined ? {} : { priority }
  if (overrides === undefined || Object.keys(overrides).length === 0)
    return { id, uid, attempt, queue, ...ranked, body }
  if (!takes.overrides)
    throw new TypeError('this worker starts no jobs with overrides: see supports.overrides')
  assertOverrides(overrides)
  return { id, uid, attempt, queue, ...ranked, overrides, body }
}

const OVERRIDE_NAME = /^[a-z][-\w]*$/iu
const PRINTABLE = /^[\x20-\x7E]+$/u

/** @throws TypeError that names the override which is wrong */
export function assertOverrides(overrides: JobOverrides): void {
  const entries = Object.entries(overrides)
  if (entries.length > MAX_OVERRIDES)
    throw new TypeError(`a job has at most ${MAX_OVERRIDES} overrides; got ${entries.length}`)
  for (const [name, value] of entries) {
    assertOverrideName(name, 'the name of an override')
    assertOverrideValue(value, `the override ${name}`)
  }
}

/** @throws TypeError */
export function assertOverrideName(name: string, what: string): void {
  if (OVERRIDE_NAME.test(name) && name.length <= MAX_OVERRIDE_CHARS) return
  throw new TypeError(
    `${what} must be a letter and then letters, digits, - or _, at most ${MAX_OVERRIDE_CHARS} characters; got ${JSON.stringify(name)}`,
  )
}

/** @throws TypeError */
export function assertOverrideValue(value: unknown, what: string): void {
  if (typeof value === 'string' && PRINTABLE.test(value) && value.length <= MAX_OVERRIDE_CHARS) return
  throw new TypeError(
    `${what} must be a text of 1 to ${MAX_OVERRIDE_CHARS} printable ASCII characters; got ${JSON.stringify(value)}`,
  )
}

/** @throws TypeError for too many jobs, and for any that is not one */
export function checkJobs<Body>(
  jobs: readonly NewJob<Body>[],
  { maxJobs, ...takes }: SendManySupport & Takes,
): CheckedJob[] {
  if (jobs.length > maxJobs) throw new TypeError(`sendMany takes at most ${maxJobs} jobs; got ${jobs.length}`)
  return jobs.map((job) => checkJob(job, takes))
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
