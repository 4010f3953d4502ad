import type { JsonValue } from '@sluice/core'
import { createWorker, systemRuntime, type WorkerWith } from '@sluice/core/backend'
import { DummyBackend } from './dummy-backend.js'
import { controlsOf, type DummyControls } from './dummy-controls.js'
import { DummyFaults } from './dummy-faults.js'
import type { DummyWorkerOptions } from './dummy-options.js'
import type { JobTable } from './job-table.js'
import { QueueJobs } from './queue-jobs.js'

/** The optional methods that a dummy always has. It has `sendMany` with the option `maxJobsPerSend`. */
type Method = 'lookupJob' | 'cancelJob' | 'acknowledgeJobs' | 'probeSend' | 'readLog' | 'watch' | 'check'

/**
 * A worker that runs nothing: jobs are entries in a `JobStore`, and end by {@link DummyControls.settleJob} or
 * by a rule. It keeps every promise of `Worker` within one process, and misbehaves on request.
 */
export type DummyWorker<Body = JsonValue> = WorkerWith<Method, Body> & DummyControls

/** A worker on the jobs of a store. */
export function createDummyWorker<Body = JsonValue>(
  table: JobTable,
  options: DummyWorkerOptions,
): DummyWorker<Body> {
  const { name, rule, runtime = systemRuntime, identity, maxJobsPerSend } = options
  const seeded = rule && { ...rule, seed: rule.seed ?? options.seed ?? 1 }
  const jobs = new QueueJobs({ queue: name, table, runtime, rule: seeded })
  const faults = new DummyFaults()
  const parts = { table, jobs, faults, runtime, endsByRule: rule !== undefined, identity, maxJobsPerSend }
  const worker = Object.assign(createWorker<Body>(name, new DummyBackend(parts)), controlsOf(parts))
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the backend has all these methods
  return worker as DummyWorker<Body>
}
