import type { JobRef, JobReport } from '@sluice/core'

/** One job of the dummy. */
export interface DummyJob extends JobRef {
  readonly queue: string
  readonly startedAt: number
  /** The store's own id of it: a job of the same name that is made after this one was lost has another. */
  jobUid?: string
  /** What keeps it from beginning, by hand; `false`: it was let go; absent: only a rule knows. */
  pending?: string | false
  /** What it wrote, by hand; `gone`: it was lost. */
  log?: Buffer | 'gone'
  /** How it ended by hand; absent while it runs, or while only a rule knows. */
  report?: JobReport
}

export interface JobStoreOptions {
  /** Called once for each job that really starts: a second `sendJob` of the same one is silent. */
  readonly onStart?: (job: JobRef) => void
}

/** Forgotten jobs whose names are still known, so that a late second `sendJob` doesn't start one anew [W-SEND-1]. */
const MAX_FORGOTTEN = 10_000

/**
 * Where a dummy's jobs live. Hand one store to several {@link DummyWorker} objects and each sees the same jobs, as
 * processes that use one cluster do.
 */
export class JobStore {
  readonly #jobs = new Map<string, DummyJob>()
  readonly #forgotten = new Map<string, DummyJob>()
  readonly #listeners = new Set<() => void>()
  readonly #onStart: ((job: JobRef) => void) | undefined
  #started = 0

  constructor(options: JobStoreOptions = {}) {
    this.#onStart = options.onStart
  }

  /** Starts the job unless it was started before, forgotten ones included. */
  start(job: DummyJob): void {
    if (this.find(job.queue, job) !== undefined) return
    this.#jobs.set(jobKey(job.queue, job), { ...job, jobUid: `job-${++this.#started}` })
    this.#onStart?.({ id: job.id, uid: job.uid, attempt: job.attempt })
  }

  find(queue: string, job: Omit<JobRef, 'id'>): DummyJob | undefined {
    const key = jobKey(queue, job)
    return this.#jobs.get(key) ?? this.#forgotten.get(key)
  }

  /** Every job that isn't forgotten, oldest first. */
  jobs(): Iterable<DummyJob> {
    return this.#jobs.values()
  }

  forget(queue: string, job: JobRef): void {
    const key = jobKey(queue, job)
    const known = this.#jobs.get(key)
    if (known === undefined) return
    this.#jobs.delete(key)
    this.#forgotten.set(key, known)
    for (const oldest of this.#forgotten.keys()) {
      if (this.#forgotten.size <= MAX_FORGOTTEN) break
      this.#forgotten.delete(oldest)
    }
  }

  /** Every job whose name is still known, forgotten ones included. */
  *known(): Iterable<DummyJob> {
    yield* this.#jobs.values()
    yield* this.#forgotten.values()
  }

  /** Takes a job away without a trace, as a cluster does that collects its garbage too early. */
  lose(queue: string, job: Omit<JobRef, 'id'>): void {
    this.#jobs.delete(jobKey(queue, job))
    this.#forgotten.delete(jobKey(queue, job))
  }

  /** Rings every `watch` on this store. */
  ring(): void {
    for (const listener of this.#listeners) listener()
  }

  /** @returns the call that ends the listening */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}

function jobKey(queue: string, job: Omit<JobRef, 'id'>): string {
  return JSON.stringify([queue, job.uid, job.attempt])
}
