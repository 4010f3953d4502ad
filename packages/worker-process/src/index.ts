/** Runs a local command for each item of a Sluice queue. */
export { ProcessWorker, openWorker } from './process-backend.js'
export { checkRoom } from './check-room.js'
export { optionsSchema } from './options.js'
export type { ProcessWorkerOptions, ProcessWorkerSettings } from './options.js'
