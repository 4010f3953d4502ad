import { SluiceError, type JobRef, type JobReport, type JobSpec, type JsonValue } from '@sluice/core'
import type { Runtime, Worker } from '@sluice/core'
import { OverloadState, type Overload } from '@sluice/fake-argo'
import { seededRandom } from '@sluice/testkit'

/** An overload as the fake Argo Server has it, and what it does to jobs that run. */
export interface OverloadProfile extends Overload {
  /** How long a job takes while the worker is well, in ms. */
  readonly jobMs: number
  /**
   * The power by which jobs above `above` take longer: with 1 they share what there is, with 2 it gets less.
   */
  readonly slowdown: number
}

interface RunningJob extends JobRef {
  readonly endsAtMonotonic: number
}

const SEND_MS = 50

/** A worker that is overloaded like a fake Argo Server, by the clock of a runtime, without HTTP. */
export class OverloadedWorker implements Worker {
  readonly name: string
  readonly supports = { durable: true, lookupJob: true, cancelJob: false, watch: false }
  readonly sendsMs: number[] = []
  refusals = 0
  ended = 0
  peak = 0
  readonly #runtime: Runtime
  readonly #overload: OverloadState
  readonly #random = seededRandom(20)
  readonly #running = new Map<string, RunningJob>()
  readonly #done = new Map<string, RunningJob>()
  #profile: OverloadProfile

  constructor(name: string, runtime: Runtime, profile: OverloadProfile) {
    this.name = name
    this.#runtime = runtime
    this.#profile = profile
    this.#overload = new OverloadState(profile)
  }

  /** From now on it is well with any number of jobs. */
  recover(): void {
    this.#overload.overload = undefined
    this.#profile = { ...this.#profile, above: Number.POSITIVE_INFINITY }
  }

  get unfinished(): number {
    const nowMonotonic = this.#runtime.monotonicMs()
    for (const [uid, job] of this.#running) {
      if (job.endsAtMonotonic > nowMonotonic) continue
      this.#running.delete(uid)
      this.#done.set(uid, job)
      this.ended += 1
    }
    return this.#running.size
  }

  async sendJob(id: string, _body: JsonValue, { uid, attempt }: JobSpec): Promise<void> {
    const { latencyMs, trouble } = this.#overload.effectOn(true, this.unfinished)
    this.sendsMs.push(SEND_MS + latencyMs)
    await this.#runtime.sleep(SEND_MS + latencyMs)
    if (trouble !== undefined) {
      this.refusals += 1
      throw refusal(trouble)
    }
    const { jobMs, above, slowdown } = this.#profile
    const durationMs = jobMs * (0.8 + 0.4 * this.#random()) * Math.max(1, this.unfinished / above) ** slowdown
    this.#running.set(uid, { id, uid, attempt, endsAtMonotonic: this.#runtime.monotonicMs() + durationMs })
    this.peak = Math.max(this.peak, this.#running.size)
  }

  async pollAllStatus(): Promise<ReadonlyMap<string, JobReport>> {
    const reports = new Map<string, JobReport>()
    if (this.unfinished > 0)
      for (const { id, uid, attempt } of this.#running.values())
        reports.set(id, { stage: 'PROCESSING', uid, attempt, pending: false })
    for (const { id, uid, attempt } of this.#done.values())
      reports.set(id, { stage: 'SUCCESS', uid, attempt })
    return reports
  }

  async lookupJob({ uid, attempt }: JobRef): Promise<JobReport | undefined> {
    if (this.#done.has(uid)) return { stage: 'SUCCESS', uid, attempt }
    return this.#running.has(uid) ? { stage: 'PROCESSING', uid, attempt } : undefined
  }

  async acknowledgeJobs(jobs: readonly JobRef[]): Promise<void> {
    for (const { uid } of jobs) this.#done.delete(uid)
  }

  async close(): Promise<void> {
    this.#running.clear()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/** As worker-argo gives the two answers. */
function refusal(trouble: 'rate-limited' | 'unavailable'): SluiceError {
  return trouble === 'rate-limited'
    ? new SluiceError('SLUICE_WORKER_UNAVAILABLE', '429 Too Many Requests', {
        concerns: 'capacity',
        retryAfterMs: 1_000,
      })
    : new SluiceError(
        'SLUICE_WORKER_UNAVAILABLE',
        '503 the server is currently unable to handle the request',
        {
          concerns: 'worker',
        },
      )
}
