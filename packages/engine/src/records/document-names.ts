/** Every document of a queue that the engine keeps begins so. */
export const ENGINE_DOCUMENTS = 'engine/'
/** Who dispatches, what holds it back, how far it is with what was asked of it: see {@link DispatcherState}. */
export const DISPATCHER_DOCUMENT = `${ENGINE_DOCUMENTS}dispatcher`
/** Which worker the queue is run with: see `KnownWorker`. */
export const WORKER_DOCUMENT = `${ENGINE_DOCUMENTS}worker`
/** The jobs that were seen running, of the items in PROCESSING: see `SeenJobs`. */
export const SEEN_JOBS_DOCUMENT = `${ENGINE_DOCUMENTS}jobs`
/** Of these jobs, those that the worker does not know any more, and since when: see `MissingJobs`. */
export const MISSING_JOBS_DOCUMENT = `${ENGINE_DOCUMENTS}missing`
/** What was refused in a row, and why Sluice itself paused the queue: see `Guards`. */
export const GUARDS_DOCUMENT = `${ENGINE_DOCUMENTS}guards`
/** How many outcomes are not stored whole: see `LeftOut`. */
export const LEFT_OUT_DOCUMENT = `${ENGINE_DOCUMENTS}left-out`
