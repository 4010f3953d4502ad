/** Makes each item of a Sluice queue one Argo workflow, and follows it to its true end. */
export { ArgoWorker, openWorker } from './argo-worker.js'
export { optionsSchema } from './options.js'
export type { ArgoWorkerOptions, ArgoWorkerSettings, ParameterFunction, ParameterMapping } from './options.js'
export type { ParameterInput } from './parameter-source.js'
