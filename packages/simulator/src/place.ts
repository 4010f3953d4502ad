import type { ItemRecord, JobRef, Queue, Stage } from '@sluice/core'
import { CANCELLED_DETAILS, WorkQueue, processingLimit, type WorkEvent } from '@sluice/engine'
import { MemoryStore } from '@sluice/queue-memory'
import type { ManualRuntime } from '@sluice/testkit'
import { JobStore, type DummyWorker } from '@sluice/worker-dummy'
import type { Choices } from './choices.js'
import type { Checker, TimedCall } from './checker.js'
import { Faults } from './faults.js'
import { SimulatedProcess } from './process.js'
import type { Setting } from './script.js'

export const QUEUE = 'play'
/** How long a service may take to stop. */
const STOP_MS = 5_000

interface Service {
  readonly process: SimulatedProcess
  readonly workQueue: WorkQueue
  readonly worker: DummyWorker
  readonly stop: AbortController
  /** Whether its run has ended, by a stop or an error. */
  ended: boolean
  /** Its stop, once begun. */
  stopCall?: TimedCall
}

export interface PlaceOptions {
  readonly runtime: ManualRuntime
  readonly setting: Setting
  readonly choices: Choices
  readonly checker: Checker
  readonly trace: (line: string) => void
}

/** The place of a play: one store, one cluster, one clock, and services on them. */
export class Place {
  readonly runtime: ManualRuntime
  readonly store: MemoryStore
  readonly jobs: JobStore
  readonly queue: Queue
  /** The cluster as operators and its own jobs see it, without faults. */
  readonly cluster: DummyWorker
  readonly faults: Faults
  readonly services: Service[]
  readonly #options: PlaceOptions
  #quota: number | null = null
  #holders = 0
  #suspensions: { readonly service: Service; readonly untilMonotonic: number }[] = []

  constructor(options: PlaceOptions) {
    this.#options = options
    const { setting, choices, checker } = options
    this.runtime = options.runtime
    this.store = new MemoryStore({ runtime: this.runtime })
    this.jobs = new JobStore({ onStart: (job) => checker.jobStarted(job, this.runtime.monotonicMs()) })
    this.queue = this.store.queue(QUEUE)
    this.cluster = this.jobs.worker({ name: QUEUE, runtime: this.runtime })
    this.faults = new Faults(this.runtime, choices.fork())
    this.services = Array.from({ length: setting.services }, (_, index) => this.#open(index))
  }

  service(index: number): Service {
    const service = this.services[index]
    if (service === undefined) throw new Error(`there is no service ${index}`)
    return service
  }

  /** Starts it again, if it has ended or was killed. */
  revive(index: number): void {
    const service = this.service(index)
    if (service.process.isDead || service.ended) this.services[index] = this.#open(index)
  }

  kill(index: number): void {
    const { process, stop, stopCall } = this.service(index)
    this.#options.checker.sendsCutOff(process.sendsInFlight)
    process.kill()
    stopCall?.excused()
    stop.abort()
  }

  /** SIGTERM, which a service obeys at once, not when the tick under way has ended. */
  stop(index: number): void {
    const service = this.service(index)
    const { process, stop, ended } = service
    if (process.isDead || ended || stop.signal.aborted) return
    const nowMonotonic = this.runtime.monotonicMs()
    const { checker } = this.#options
    service.stopCall = checker.callBegan(`stop of service ${index}`, { nowMonotonic, maxMs: STOP_MS })
    if (process.isSuspended) service.stopCall.excused()
    stop.abort()
  }

  suspend(index: number, ms: number): void {
    const service = this.service(index)
    this.#options.checker.sendsCutOff(service.process.sendsInFlight)
    service.process.suspend()
    service.stopCall?.excused()
    this.#suspensions.push({ service, untilMonotonic: this.runtime.monotonicMs() + ms })
  }

  setQuota(jobs: number | null): void {
    this.#quota = jobs
    for (const { worker } of this.services) worker.limitJobs(jobs ?? Number.POSITIVE_INFINITY)
  }

  /** Lets time pass; processes go on when their suspensions end. */
  async pass(ms: number): Promise<void> {
    const endAtMonotonic = this.runtime.monotonicMs() + ms
    for (;;) {
      const nowMonotonic = this.runtime.monotonicMs()
      for (const { service } of this.#suspensions.filter(
        ({ untilMonotonic }) => untilMonotonic <= nowMonotonic,
      ))
        service.process.resume()
      this.#suspensions = this.#suspensions.filter(({ untilMonotonic }) => untilMonotonic > nowMonotonic)
      const nextAtMonotonic = Math.min(
        endAtMonotonic,
        ...this.#suspensions.map(({ untilMonotonic }) => untilMonotonic),
      )
      await this.runtime.advance(nextAtMonotonic - nowMonotonic)
      if (
        nextAtMonotonic >= endAtMonotonic &&
        !this.#suspensions.some(({ untilMonotonic }) => untilMonotonic <= endAtMonotonic)
      )
        return
    }
  }

  /** Ends all faults, and starts every service. */
  heal(): void {
    this.faults.end()
    this.setQuota(null)
    for (const { service } of this.#suspensions) service.process.resume()
    this.#suspensions = []
    for (const { process } of this.services) process.unhang()
    for (const index of this.services.keys()) this.revive(index)
  }

  async items(stage: Stage): Promise<readonly ItemRecord[]> {
    return (await this.queue.list(stage, { limit: 10_000 })).items
  }

  running(): readonly JobRef[] {
    return this.cluster.running()
  }

  /** What `sluice cancel` does. */
  async cancel(items: readonly ItemRecord[]): Promise<void> {
    const moves = items.map(({ id, uid, attempt }) => ({
      id,
      uid,
      attempt,
      stage: 'FAIL' as const,
      reason: 'cancelled',
      details: CANCELLED_DETAILS,
    }))
    await this.queue.settle(moves)
    for (const job of items) await this.cluster.cancelJob(job, 'cancelled')
  }

  /** How the job of an attempt has ended, as far as the cluster remembers. */
  endOf(job: Pick<JobRef, 'uid' | 'attempt'>): 'SUCCESS' | 'FAIL' | 'runs' | 'none' {
    const found = this.jobs.find(QUEUE, job)
    if (found === undefined) return 'none'
    const stage = found.report?.stage
    return stage === 'SUCCESS' || stage === 'FAIL' ? stage : 'runs'
  }

  #open(index: number): Service {
    const { setting, choices } = this.#options
    const { maxSendMs, maxCallMs } = setting
    const process = new SimulatedProcess({
      runtime: this.runtime,
      choices: choices.fork(),
      faults: this.faults,
      service: index,
      maxSendMs,
      maxCallMs,
    })
    const { maxJobsPerSend } = setting
    const worker = this.jobs.worker({
      name: QUEUE,
      runtime: this.runtime,
      ...(maxJobsPerSend !== undefined && { maxJobsPerSend }),
    })
    worker.limitJobs(this.#quota ?? Number.POSITIVE_INFINITY)
    for (const number of setting.poison) worker.troubleItem(`i${number}`, { concerns: 'item' })
    const workQueue = new WorkQueue({
      queue: process.queue(this.store.queue(QUEUE)),
      worker: process.worker(worker),
      policy: processingLimit(setting.cap),
      retry: { maxAttempts: setting.maxAttempts, backoff: { baseMs: 500, maxMs: 5_000 } },
      lost: { policy: setting.lost, graceMs: setting.graceMs },
      leaseTtlMs: setting.leaseTtlMs,
      sendConcurrency: setting.sendConcurrency,
      stallMs: setting.stallMs,
      sends: { maxTries: 2, baseMs: 200, maxMs: 2_000 },
      holder: `service-${index}-${++this.#holders}`,
      runtime: process.runtime(),
      onEvent: (event) => this.#note(index, event),
    })
    const stop = new AbortController()
    const service: Service = { process, workQueue, worker, stop, ended: false }
    void this.#run(service, index)
    return service
  }

  async #run(service: Service, index: number): Promise<void> {
    const { setting, trace, checker } = this.#options
    const { process, workQueue, stop } = service
    trace(`service ${index} starts`)
    try {
      await workQueue.run({
        intervalMs: setting.intervalMs,
        signal: stop.signal,
        stopDeadlineMs: STOP_MS,
      })
    } catch (error) {
      trace(`service ${index} ended: ${messageOf(error)}`)
    }
    service.ended = true
    if (process.isDead) return
    service.stopCall?.ended(this.runtime.monotonicMs())
    // The process exits: requests that it has made may still arrive.
    checker.sendsCutOff(process.sendsInFlight)
    process.kill()
  }

  #note(index: number, event: WorkEvent): void {
    const { job } = { job: undefined, ...event }
    this.#options.trace(
      `service ${index}: ${event.kind}${job === undefined ? '' : ` ${JSON.stringify(job)}`}`,
    )
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
