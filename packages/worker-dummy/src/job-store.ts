import type { JobRef, JsonValue } from '@sluice/core'
import type { DummyWorkerOptions } from './dummy-options.js'
import { createDummyWorker, type DummyWorker } from './dummy-worker.js'
import { JobTable, type DummyJob, type JobStoreOptions } from './job-table.js'

/**
 * Where a dummy's jobs live. Workers on one store see the same jobs, as processes that use one cluster do.
 *
 * @example
 * ```ts
 * import { JobStore } from '@sluice/worker-dummy'
 *
 * const store = new JobStore({ onStart: ({ id }) => console.log(id) })
 * const worker = store.worker({ name: 'tiles' })
 * ```
 */
export class JobStore {
  readonly #table: JobTable

  constructor(options: JobStoreOptions = {}) {
    this.#table = new JobTable(options)
  }

  /** A worker on this store. Its options are not checked: `openWorker` does that. */
  worker<Body = JsonValue>(options: Omit<DummyWorkerOptions, 'store'>): DummyWorker<Body> {
    return createDummyWorker<Body>(this.#table, options)
  }

  /** A job as the store has it, acknowledged or not; `undefined` for one that is unknown or lost. */
  find(queue: string, job: Omit<JobRef, 'id'>): DummyJob | undefined {
    return this.#table.find(queue, job)
  }

  /** Adds a job as if it had been sent. */
  start(job: DummyJob): void {
    this.#table.start(job)
  }

  /** Removes a job without a trace, as a cluster does that collects its garbage too early. */
  lose(queue: string, job: Omit<JobRef, 'id'>): void {
    this.#table.lose(queue, job)
  }
}
