/** Runs a local command for each item of a Sluice queue. */
import type { JsonValue } from '@sluice/core'
import { workerOpener, type OpenWorker, type OptionsSchema, type WorkerWith } from '@sluice/core/backend'
import { optionsSchema as schema, type ProcessWorkerOptions } from './options.js'
import { assertPlatform, openBackend } from './process-backend.js'

export { checkRoom } from './check-room.js'
export type { ProcessWorkerOptions } from './options.js'

/** The options of `openWorker`: a Standard Schema. */
export const optionsSchema: OptionsSchema<ProcessWorkerOptions> = schema

type Method =
  | 'lookupJob'
  | 'cancelJob'
  | 'acknowledgeJobs'
  | 'probeSend'
  | 'checkItem'
  | 'readLog'
  | 'watch'
  | 'check'

/** A worker that runs a command on this machine for each item. */
export type ProcessWorker<Body = JsonValue> = WorkerWith<Method, Body>

/**
 * Opens a worker that runs a command on this machine for each item. It makes its folders under `dir`; that
 * the command is there is for `check` to say.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID for wrong options, a `dir` that can be no folder, and on Windows;
 * SLUICE_WORKER_DENIED or SLUICE_WORKER_UNAVAILABLE when the folders can't be made
 *
 * @example
 * ```ts
 * import { openWorker } from '@sluice/worker-process'
 *
 * const worker = await openWorker({ name: 'tiles', command: ['convert', '{body.in}', '{body.out}'] })
 * await worker.check()
 * await worker.sendJob('tile-1', { in: '1.tif', out: '1.png' }, { attempt: 1, uid: 'u1', queue: 'tiles' })
 * ```
 */
export const openWorker: OpenWorker<ProcessWorkerOptions, Method> = workerOpener({
  packageName: '@sluice/worker-process',
  optionsSchema: schema,
  open: (settings, use) => {
    assertPlatform(process.platform)
    return openBackend(settings, use)
  },
})
