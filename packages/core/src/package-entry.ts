import type { OptionsSchema } from './options.js'
import type { Queue } from './queue.js'
import type { Worker } from './worker.js'

/** What a package that brings a queue exports, so that a service opens it by its name. */
export interface QueuePackage {
  readonly openQueue: (options: unknown) => Promise<Queue>
  readonly optionsSchema?: OptionsSchema<unknown>
}

/** What a package that brings a worker exports, so that a service opens it by its name. */
export interface WorkerPackage {
  readonly openWorker: (options: unknown) => Promise<Worker>
  readonly optionsSchema?: OptionsSchema<unknown>
}
