import {
  SluiceError,
  type JobRef,
  type JobReport,
  type JobSpec,
  type JsonValue,
  type Runtime,
  type Worker,
} from '@sluice/core'
import { seededRandom } from '@sluice/testkit'

/** What many unfinished jobs do to a worker. */
export interface OverloadModel {
  /** Up to this many it is well, and its throughput grows with them. */
  readonly above: number
  /** The duration of a job up to there; beyond, jobs share what there is. */
  readonly jobMs: number
  readonly sendMs?: number
  /** How much longer a send takes for each job more. */
  readonly sendMsPerJob?: number
  /** From here on a growing share of sends is refused, and 50 more all. */
  readonly refusesAbove?: number
  /** The power by which a job takes longer with the jobs beyond. Default 1: throughput stays what it is. */
  readonly slowdown?: number
  /** What the errors of refusals say. Default: a 429 with a `Retry-After` and a 503, in turns. */
  readonly refusal?: () => SluiceError
}

interface RunningJob extends JobRef {
  readonly endsAtMonotonic: number
}

/** A worker that degrades above so many unfinished jobs, by the runtime's clock. */
export class OverloadedWorker implements Worker {
  readonly name = 'q'
  readonly supports = { durable: true, lookupJob: true, cancelJob: false, watch: false }
  model: OverloadModel
  sends = 0
  refusals = 0
  done = 0
  peak = 0
  readonly #runtime: Runtime
  readonly #random: () => number
  readonly #running = new Map<string, RunningJob>()
  readonly #ended = new Map<string, RunningJob>()
  #share = 0

  constructor(runtime: Runtime, model: OverloadModel) {
    this.#runtime = runtime
    this.model = model
    this.#random = seededRandom(7)
  }

  get unfinished(): number {
    this.#settle()
    return this.#running.size
  }

  async sendJob(id: string, _body: JsonValue, { uid, attempt }: JobSpec): Promise<void> {
    this.sends += 1
    const { above, jobMs, sendMs = 50, sendMsPerJob = 10, refusesAbove = 1.25 * above } = this.model
    const before = this.unfinished
    const isRefused = this.#refuses(before, refusesAbove)
    await this.#runtime.sleep(sendMs + sendMsPerJob * Math.max(0, before - above))
    if (isRefused) throw this.#refusal()
    // About a tenth more or less: jobs that begin together do not end together.
    const jitter = 0.8 + 0.4 * this.#random()
    const durationMs = jobMs * jitter * Math.max(1, this.unfinished / above) ** (this.model.slowdown ?? 1)
    this.#running.set(uid, { id, uid, attempt, endsAtMonotonic: this.#runtime.monotonicMs() + durationMs })
    this.peak = Math.max(this.peak, this.#running.size)
  }

  async pollAllStatus(): Promise<ReadonlyMap<string, JobReport>> {
    this.#settle()
    const all = [
      ...[...this.#running.values()].map((job) => [job, 'PROCESSING'] as const),
      ...[...this.#ended.values()].map((job) => [job, 'SUCCESS'] as const),
    ]
    return new Map(all.map(([{ id, uid, attempt }, stage]) => [id, { stage, uid, attempt, pending: false }]))
  }

  async lookupJob({ uid, attempt }: JobRef): Promise<JobReport | undefined> {
    this.#settle()
    const stage = this.#running.has(uid) ? 'PROCESSING' : this.#ended.has(uid) ? 'SUCCESS' : undefined
    return stage === undefined ? undefined : { stage, uid, attempt }
  }

  async acknowledgeJobs(jobs: readonly JobRef[]): Promise<void> {
    for (const { uid } of jobs) this.#ended.delete(uid)
  }

  async close(): Promise<void> {
    this.#running.clear()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #settle(): void {
    const nowMonotonic = this.#runtime.monotonicMs()
    for (const [uid, job] of this.#running) {
      if (job.endsAtMonotonic > nowMonotonic) continue
      this.#running.delete(uid)
      this.#ended.set(uid, job)
      this.done += 1
    }
  }

  /** Shares add up to whole refusals. */
  #refuses(unfinished: number, refusesAbove: number): boolean {
    if (unfinished < refusesAbove) return false
    this.#share += Math.min(1, (unfinished - refusesAbove + 1) / 50)
    if (this.#share < 1) return false
    this.#share -= 1
    this.refusals += 1
    return true
  }

  /** As worker-argo has them: the HTTP limiter's, and a server that can't. */
  #refusal(): SluiceError {
    if (this.model.refusal !== undefined) return this.model.refusal()
    return this.refusals % 2 === 1
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
}
