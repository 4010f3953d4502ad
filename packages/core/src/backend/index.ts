/** What implementations of queues and workers need, and users don't. */
export { systemRuntime } from './system-runtime.js'
export { startTimer, timeoutSignal } from './timer.js'
export type { Timer, TimerOptions } from './timer.js'
export { createWorker } from './worker-front.js'
export type { BackendSupports, CheckedJob, CheckedReadLog, WorkerBackend } from './worker-backend.js'
export { WakeSignal } from './wake-signal.js'
