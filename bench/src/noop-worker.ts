import type { CallOptions, JobRef, JobReport, JobSpec, JsonValue, Worker } from '@sluice/core'

/** A worker whose jobs have succeeded by the time that they are sent. */
export class NoopWorker implements Worker {
  readonly name: string
  readonly supports = { durable: false, lookupJob: false, cancelJob: false, watch: true }
  readonly #ended = new Map<string, JobReport>()
  #ring: PromiseWithResolvers<void> = Promise.withResolvers()

  constructor(name: string) {
    this.name = name
  }

  async sendJob(id: string, _body: JsonValue, { uid, attempt }: JobSpec): Promise<void> {
    this.#ended.set(id, { stage: 'SUCCESS', uid, attempt })
    this.#ring.resolve()
  }

  async pollAllStatus(): Promise<ReadonlyMap<string, JobReport>> {
    return new Map(this.#ended)
  }

  async acknowledgeJobs(jobs: readonly JobRef[]): Promise<void> {
    for (const { id } of jobs) this.#ended.delete(id)
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
    this.#ended.clear()
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
