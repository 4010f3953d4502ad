import type { WorkerCase } from './worker-harness.js'

/** The contract of a worker, as data: run each case on a harness of its own. */
export const workerContract: readonly WorkerCase[] = []
