/** A worker whose jobs live in memory, for tests, demonstrations and trying things out. */
import type { JsonCompatible, JsonValue } from '@sluice/core'
import { checkOptions } from '@sluice/core/backend'
import { optionsSchema, type DummyWorkerOptions } from './dummy-options.js'
import type { DummyWorker } from './dummy-worker.js'
import { JobStore } from './job-store.js'

export { optionsSchema } from './dummy-options.js'
export type { DummyWorkerOptions } from './dummy-options.js'
export type { DummyWorker } from './dummy-worker.js'
export type { DummyControls } from './dummy-controls.js'
export type { DummyCall, ItemTrouble } from './dummy-faults.js'
export { JobStore } from './job-store.js'
export type { DummyJob, JobStoreOptions } from './job-table.js'
export { jobFate } from './job-rule.js'
export type { JobFate, JobRule } from './job-rule.js'
export type { JobEnd } from './queue-jobs.js'

/**
 * Opens a dummy worker.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID naming each wrong option
 *
 * @example
 * ```ts
 * import { openWorker } from '@sluice/worker-dummy'
 *
 * const worker = await openWorker({ name: 'tiles' })
 * await worker.sendJob('tile-1', null, { attempt: 1, uid: 'u1', queue: 'tiles' })
 * worker.settleJob('tile-1', { stage: 'SUCCESS', result: { bytes: 12 } })
 * const report = (await worker.pollAllStatus()).get('tile-1')
 * ```
 */
export async function openWorker<Body extends JsonCompatible<Body> = JsonValue>(
  options: DummyWorkerOptions,
): Promise<DummyWorker<Body>> {
  const { store = new JobStore(), ...settings } = await checkOptions(
    optionsSchema,
    options,
    '@sluice/worker-dummy',
  )
  return store.worker<Body>(settings)
}
