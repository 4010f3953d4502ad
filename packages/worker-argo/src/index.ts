/** Makes each item of a Sluice queue one Argo workflow. */
import type { JsonValue } from '@sluice/core'
import { workerOpener, type OpenWorker, type WorkerWith } from '@sluice/core/backend'
import { openBackend } from './argo-backend.js'
import type { ArgoWorkerOptions } from './argo-options.js'
import { optionsSchema } from './options.js'

export { optionsSchema } from './options.js'
export type { ArgoOverrides, ArgoWorkerOptions, ParameterFunction, ParameterMapping } from './argo-options.js'
export type { ParameterInput } from './parameters/parameter-source.js'

type Method =
  | 'lookupJob'
  | 'cancelJob'
  | 'acknowledgeJobs'
  | 'probeSend'
  | 'checkItem'
  | 'readLog'
  | 'watch'
  | 'check'

/** A worker that makes each item one Argo workflow. */
export type ArgoWorker<Body = JsonValue> = WorkerWith<Method, Body>

/**
 * Opens a worker that makes each item one Argo workflow. It asks the server nothing: that is for `check`.
 *
 * Of the use, its logger is used unless the options have one; `tokenFile` and `caFile` are relative to its
 * `baseDir`, and `tokenCommand` runs there.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID for wrong options, and for a `caFile` that can't be read;
 * SLUICE_WORKER_DENIED for a `token` that no header can have
 *
 * @example
 * ```ts
 * import { openWorker } from '@sluice/worker-argo'
 *
 * const worker = await openWorker({
 *   name: 'tiles',
 *   baseUrl: 'https://argo.example.org',
 *   namespace: 'tiles',
 *   template: 'convert-tile',
 *   tokenFile: '/var/run/secrets/argo/token',
 * })
 * await worker.check()
 * ```
 */
export const openWorker: OpenWorker<ArgoWorkerOptions, Method> = workerOpener({
  packageName: '@sluice/worker-argo',
  optionsSchema,
  open: openBackend,
})
