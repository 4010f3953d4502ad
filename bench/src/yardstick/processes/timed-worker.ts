import type { CallOptions, JobRef, JobReport, JobSpec, JsonValue, NewJob, Worker } from '@sluice/core'
import { Tally } from './readings.ts'

/** What the bench reads of a body: when the item was put, by the clock of this machine. */
export function putAtOf(body: JsonValue): number {
  if (typeof body !== 'object' || body === null || !('at' in body)) return Number.NaN
  return Number(body['at'])
}

/** A worker in the engine's process whose jobs take a fixed time and succeed. */
export class TimedWorker implements Worker {
  readonly name: string
  readonly supports = {
    durable: false,
    lookupJob: false,
    cancelJob: false,
    watch: true,
    sendMany: { maxJobs: 1_000 },
  }
  /** Jobs that were acknowledged, and so are in SUCCESS. */
  readonly tally = new Tally()
  readonly #jobMs: number
  readonly #jobs = new Map<string, JobReport>()
  readonly #putAt = new Map<string, number>()
  #ring: PromiseWithResolvers<void> = Promise.withResolvers()

  constructor(name: string, jobMs: number) {
    this.name = name
    this.#jobMs = jobMs
  }

  async sendJob(id: string, body: JsonValue, job: JobSpec): Promise<void> {
    await this.sendMany([{ id, body, job }])
  }

  async sendMany(jobs: readonly NewJob[]): Promise<undefined[]> {
    for (const { id, body, job } of jobs) {
      this.#jobs.set(id, { stage: 'PROCESSING', uid: job.uid, attempt: job.attempt })
      this.#putAt.set(id, putAtOf(body))
    }
    setTimeout(() => this.#end(jobs), this.#jobMs)
    return jobs.map(() => undefined)
  }

  async pollAllStatus(): Promise<ReadonlyMap<string, JobReport>> {
    return new Map(this.#jobs)
  }

  async acknowledgeJobs(jobs: readonly JobRef[]): Promise<void> {
    for (const { id } of jobs) {
      if (!this.#jobs.delete(id)) continue
      this.tally.add(this.#putAt.get(id) ?? Number.NaN)
      this.#putAt.delete(id)
    }
  }

  async *watch({ signal = new AbortController().signal }: CallOptions = {}): AsyncGenerator<
    undefined,
    void,
    undefined
  > {
    signal.addEventListener('abort', () => this.#ring.resolve())
    while (!signal.aborted) {
      await this.#ring.promise
      this.#ring = Promise.withResolvers()
      yield undefined
    }
  }

  async close(): Promise<void> {
    this.#jobs.clear()
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #end(jobs: readonly NewJob[]): void {
    for (const { id, job } of jobs)
      this.#jobs.set(id, { stage: 'SUCCESS', uid: job.uid, attempt: job.attempt })
    this.#ring.resolve()
  }
}
