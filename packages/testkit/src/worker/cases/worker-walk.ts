import {
  isSluiceError,
  type JobRef,
  type JobReport,
  type JobSpec,
  type TroubleConcerns,
  type Worker,
} from '@sluice/core'
import { systemRuntime } from '@sluice/core/backend'
import { check, same } from '../../check.js'
import type { TroubledSends, WorkerHarness } from '../worker-harness.js'

/** The job of an item's attempt, with a uid made of the id unless one is given. */
export function jobOf(id: string, attempt = 1, uid = `uid-of-${id}`): JobRef {
  return { id, uid, attempt }
}

/** Sends a job with the harness's body. */
export async function send(worker: Worker, harness: WorkerHarness, job: JobRef): Promise<void> {
  await worker.sendJob(job.id, harness.body(), specOf(worker, job))
}

/** The `JobSpec` of a job. */
export function specOf(worker: Worker, { attempt, uid }: JobRef): JobSpec {
  return { attempt, uid, queue: worker.name }
}

/** Which job a report is of, and how it stands, as text. */
export function seen(report: JobReport | undefined): string {
  return report === undefined ? 'absent' : `${report.stage} of ${report.uid}@${report.attempt}`
}

/** The same of what a poll says of an item. */
export async function polled(worker: Worker, id: string): Promise<string> {
  return seen((await worker.pollAllStatus()).get(id))
}

/** The text that `seen` gives for a job in a stage. */
export function inStage(stage: JobReport['stage'], { uid, attempt }: JobRef): string {
  return `${stage} of ${uid}@${attempt}`
}

/** Throws unless the methods are there, as `supports` says. */
export function checkOffered(
  worker: Worker,
  ...names: readonly (
    | 'sendMany'
    | 'lookupJob'
    | 'cancelJob'
    | 'watch'
    | 'probeSend'
    | 'checkItem'
    | 'readLog'
  )[]
): void {
  for (const name of names) {
    check(
      typeof worker[name] === 'function',
      `supports says that there is ${name}, so the method must be there`,
    )
  }
}

/**
 * Sends a job that can't begin before `begin`, as the harness of a worker that says which jobs are pending
 * must be able to.
 */
export async function sendPending(
  harness: WorkerHarness,
  { worker, job, message }: { worker: Worker; job: JobRef; message: string },
): Promise<void> {
  const isOffered = harness.sendPending !== undefined && harness.begin !== undefined
  check(isOffered, 'supports.pending is true, so the harness must have sendPending and begin')
  await harness.sendPending?.(worker, job, message)
}

/** Asks until it holds or the time is over: no event reports the end of what runs elsewhere. */
export async function eventually(holds: () => Promise<boolean>, boundMs: number): Promise<boolean> {
  const endAtMonotonic = systemRuntime.monotonicMs() + boundMs
  while (systemRuntime.monotonicMs() < endAtMonotonic) {
    if (await holds()) return true
    await systemRuntime.sleep(20)
  }
  return false
}

/**
 * Throws unless the call rejects, and its error says whose trouble it is. Credentials that are refused are
 * the worker's trouble, by their code.
 */
export async function concerning(
  call: Promise<unknown>,
  concerns: TroubleConcerns,
  what: string,
): Promise<void> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  check(isSluiceError(error), `${what}: it rejects with a SluiceError`, error)
  if (!isSluiceError(error)) return
  const isWorkers = concerns === 'worker' && error.code === 'SLUICE_WORKER_DENIED'
  if (!isWorkers || error.concerns !== undefined) same(error.concerns, concerns, `${what}: its \`concerns\``)
}

/** Why no sends can be troubled so, for a case's `needs`. */
export async function lacksTrouble(
  harness: WorkerHarness,
  concerns: TroubleConcerns,
): Promise<string | undefined> {
  if (harness.openTroubledSends === undefined) return 'the harness can’t make sends fail'
  if ((await harness.openTroubledSends(concerns)) !== undefined) return undefined
  return `this worker never meets trouble that concerns the ${concerns}`
}

/** Sends that can be made to fail, of a case whose `needs` has asked {@link lacksTrouble}. */
export async function troubledSends(
  harness: WorkerHarness,
  concerns: TroubleConcerns,
): Promise<TroubledSends> {
  const troubled = await harness.openTroubledSends?.(concerns)
  if (troubled === undefined) throw new Error('the harness offered it a moment ago')
  return troubled
}
