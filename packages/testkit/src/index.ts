/** The contract of Sluice's queues and workers as data, with its runners. */
export { queueContract } from './queue/queue-contract.js'
export type {
  CallSize,
  CrashingQueue,
  LinkOptions,
  QueueCase,
  QueueHarness,
  SlowQueue,
  StorageTrouble,
  TroubledQueue,
  TroubleOptions,
} from './queue/queue-harness.js'
export { engineContract } from './engine/engine-contract.js'
export type {
  ControlledWorker,
  EngineCase,
  EngineHarness,
  EngineMachine,
  EngineSettings,
  EngineTick,
  TestedEngine,
} from './engine/engine-harness.js'
export { engineMutants } from './engine/mutants/engine-mutants.js'
export type { EngineMutant } from './engine/mutants/engine-mutant.js'
export { enginePromises } from './engine/engine-promises.js'
export { workerContract } from './worker/worker-contract.js'
export type { ObstructedWorker, TroubledSends, WorkerCase, WorkerHarness } from './worker/worker-harness.js'
export { promiseOf, queuePromises, workerPromises } from './promises.js'
export type { ContractPromise } from './promises.js'
export { runEngineCase, runQueueCase, runWorkerCase } from './case-run.js'
export type { CaseResult } from './case-run.js'
export { verifyQueue, verifyWorker } from './verification.js'
export type { VerifyOptions } from './verification.js'
export { storeHarness } from './queue/store-harness.js'
export type { StoreHarnessOptions } from './queue/store-harness.js'
export { caseCatalog } from './case-catalog.js'
export type { CaseCatalog, CatalogCase, CatalogContract } from './case-catalog.js'
export { queueMutants } from './queue/queue-mutants.js'
export type { QueueMutant } from './queue/mutants/queue-mutant.js'
export {
  countAtCalls,
  crashAtCalls,
  interceptQueue,
  troubleAtCalls,
  wrapQueue,
} from './queue/queue-wrapping.js'
export type { AroundCall } from './queue/queue-wrapping.js'
export { workerMutants } from './worker/worker-mutants.js'
export type { WorkerMutant } from './worker/worker-mutants.js'
export { wrapWorker } from './worker/worker-wrapping.js'
export { contractMarkdown, contractTable } from './contract-report.js'
export type { ContractColumn, ContractResults } from './contract-report.js'
export { dropCases } from './queue/drop-cases.js'
export type { DropCase, DropHarness } from './queue/drop-cases.js'
export { ManualRuntime } from './manual-runtime.js'
export { seededRandom } from './random.js'
