/** A worker whose jobs live in memory and end by hand or by a rule: for tests, demonstrations and trying things out. */
export { DummyWorker, openWorker } from './dummy-worker.js'
export type { JobEnd } from './dummy-worker.js'
export { optionsSchema } from './dummy-options.js'
export type { DummyWorkerOptions } from './dummy-options.js'
export { jobFate } from './job-rule.js'
export type { JobFate, JobRule } from './job-rule.js'
export { JobStore } from './job-store.js'
export type { DummyJob, JobStoreOptions } from './job-store.js'
