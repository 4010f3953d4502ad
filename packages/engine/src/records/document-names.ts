/** The prefix of all documents of the engine. */
export const ENGINE_DOCUMENTS = 'engine/'
/** Who dispatches, and what holds the queue back: see {@link DispatcherState}. */
export const DISPATCHER_DOCUMENT = `${ENGINE_DOCUMENTS}dispatcher`
/** The identity of the worker that the queue was last run with: see `Worker.identity`. */
export const WORKER_DOCUMENT = `${ENGINE_DOCUMENTS}worker`
/** The jobs of items in PROCESSING that were seen: see `SeenJobs`. */
export const SEEN_JOBS_DOCUMENT = `${ENGINE_DOCUMENTS}jobs`
/** Those of them that the worker no longer knows, and since when: see `MissingJobs`. */
export const MISSING_JOBS_DOCUMENT = `${ENGINE_DOCUMENTS}missing`
/** How long jobs of items in PROCESSING run, for deadlines and stragglers: see `JobClocks`. */
export const JOB_CLOCKS_DOCUMENT = `${ENGINE_DOCUMENTS}clocks`
/** Refusals in a row, and the pause by Sluice itself: see `Guards`. */
export const GUARDS_DOCUMENT = `${ENGINE_DOCUMENTS}guards`
/** How many outcomes are not stored completely: see `LeftOut`. */
export const LEFT_OUT_DOCUMENT = `${ENGINE_DOCUMENTS}left-out`
/** The recent claims, for policies with a state: see `ClaimLog`. */
export const POLICY_DOCUMENT = `${ENGINE_DOCUMENTS}policy`
