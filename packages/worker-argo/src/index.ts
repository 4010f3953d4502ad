/** Makes each item of a Sluice queue one Argo workflow, and follows it to its true end. */
export { ArgoWorker, openWorker } from './argo-backend.js'
export { optionsSchema } from './options.js'
export type { ArgoWorkerOptions, ArgoWorkerSettings, ParameterFunction, ParameterMapping } from './options.js'
export type { ParameterInput } from './parameters/parameter-source.js'
