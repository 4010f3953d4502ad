import type { JobOverrides, JobRef, JobReport } from '@sluice/core'
import { WakeSignal } from '@sluice/core/backend'

/** One job of the dummy. */
export interface DummyJob extends JobRef {
  readonly queue: string
  readonly startedAt: number
  /** The store's own id of it: a job of the same name that is made after this one was lost has another. */
  jobUid?: string
  /** Those of the send that started it [W-OVERRIDE-1]. */
  readonly overrides?: JobOverrides
  /** What holds it up, as `holdJob` said; `false`: `beginJob` let it begin; absent: only a rule knows. */
  pending?: string | false
  /** What it wrote, by `writeLog`; `gone`: it was lost. */
  log?: Buffer | 'gone'
  /** How it ended, by `settleJob` or a cancel; absent while it runs, or while only a rule knows. */
  report?: JobReport
}

export interface JobStoreOptions {
  /** Called once for each job that starts: a second send of the same one is silent. */
  readonly onStart?: (job: JobRef) => void
}

type JobKey = Omit<JobRef, 'id'>

/**
 * Acknowledged jobs whose names are still known, so that a late second send does not start one again
 * [W-SEND-1].
 */
const MAX_ACKNOWLEDGED = 10_000

/** The jobs of one store, of all its queues. */
export class JobTable {
  /** Notified at every change that a worker does not make by itself. */
  readonly changes = new WakeSignal()
  readonly #jobs = new Map<string, DummyJob>()
  readonly #acknowledged = new Map<string, DummyJob>()
  readonly #onStart: ((job: JobRef) => void) | undefined
  #started = 0

  constructor(options: JobStoreOptions = {}) {
    this.#onStart = options.onStart
  }

  /** Starts the job unless it was started before, acknowledged ones included. */
  start(job: DummyJob): void {
    if (this.find(job.queue, job) !== undefined) return
    this.#jobs.set(keyOf(job.queue, job), { ...job, jobUid: `job-${++this.#started}` })
    this.#onStart?.({ id: job.id, uid: job.uid, attempt: job.attempt })
  }

  find(queue: string, job: JobKey): DummyJob | undefined {
    const key = keyOf(queue, job)
    return this.#jobs.get(key) ?? this.#acknowledged.get(key)
  }

  /** Every job that is not acknowledged, oldest first. */
  jobs(): Iterable<DummyJob> {
    return this.#jobs.values()
  }

  /** Every job whose name is known, acknowledged ones included. */
  *known(): Iterable<DummyJob> {
    yield* this.#jobs.values()
    yield* this.#acknowledged.values()
  }

  acknowledge(queue: string, job: JobKey): void {
    const key = keyOf(queue, job)
    const known = this.#jobs.get(key)
    if (known === undefined) return
    this.#jobs.delete(key)
    this.#acknowledged.set(key, known)
    for (const oldest of this.#acknowledged.keys()) {
      if (this.#acknowledged.size <= MAX_ACKNOWLEDGED) break
      this.#acknowledged.delete(oldest)
    }
  }

  /** Removes a job without a trace, as a cluster does that collects its garbage too early. */
  lose(queue: string, job: JobKey): void {
    this.#jobs.delete(keyOf(queue, job))
    this.#acknowledged.delete(keyOf(queue, job))
  }
}

function keyOf(queue: string, { uid, attempt }: JobKey): string {
  return JSON.stringify([queue, uid, attempt])
}
