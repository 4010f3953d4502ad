import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import type { CallOptions, JobRef, JobReport, JobSpec, JsonValue, NewJob, Worker } from '@sluice/core'
import type { JobReply, JobRequest, SaidJob } from './job-server-process.ts'
import { putAtOf } from './timed-worker.ts'

/** A worker whose jobs are in a process of their own, and outlive this one. */
export class SocketWorker implements Worker {
  readonly name: string
  readonly supports = {
    durable: true,
    lookupJob: true,
    cancelJob: false,
    watch: true,
    sendMany: { maxJobs: 1_000 },
  }
  readonly #socket: Socket
  readonly #open = new Map<number, PromiseWithResolvers<JobReply>>()
  #ring: PromiseWithResolvers<void> = Promise.withResolvers()
  #number = 0

  constructor(name: string, path: string) {
    this.name = name
    this.#socket = connect(path)
    createInterface({ input: this.#socket }).on('line', (line) => {
      const reply: JobReply = JSON.parse(line)
      if (reply.number === undefined) this.#ring.resolve()
      else this.#open.get(reply.number)?.resolve(reply)
    })
  }

  async sendJob(id: string, body: JsonValue, job: JobSpec): Promise<void> {
    await this.sendMany([{ id, body, job }])
  }

  async sendMany(jobs: readonly NewJob[]): Promise<undefined[]> {
    await this.#ask({ send: jobs.map(({ id, body, job }) => [id, job.uid, job.attempt, putAtOf(body)]) })
    return jobs.map(() => undefined)
  }

  async pollAllStatus(): Promise<ReadonlyMap<string, JobReport>> {
    const { jobs = [] } = await this.#ask({ poll: true })
    return new Map(jobs.map((job) => [job[0], reportOf(job)]))
  }

  async lookupJob({ id, uid, attempt }: JobRef): Promise<JobReport | undefined> {
    const { jobs = [] } = await this.#ask({ lookup: id })
    const job = jobs.find((each) => each[1] === uid && each[2] === attempt)
    return job && reportOf(job)
  }

  async acknowledgeJobs(jobs: readonly JobRef[]): Promise<void> {
    await this.#ask({ acknowledge: jobs.map(({ id }) => id) })
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
    this.#socket.end()
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #ask(request: Omit<JobRequest, 'number'>): Promise<JobReply> {
    const number = this.#number++
    const reply = Promise.withResolvers<JobReply>()
    this.#open.set(number, reply)
    this.#socket.write(`${JSON.stringify({ ...request, number })}\n`)
    try {
      return await reply.promise
    } finally {
      this.#open.delete(number)
    }
  }
}

function reportOf([, uid, attempt, isEnded]: SaidJob): JobReport {
  return { stage: isEnded ? 'SUCCESS' : 'PROCESSING', uid, attempt }
}
