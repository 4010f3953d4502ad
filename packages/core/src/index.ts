/**
 * The law of Sluice: what items, queues, workers and errors are. No I/O, no clock, no randomness, no
 * dependencies.
 */
export { STAGES, isStage } from './items/stage.js'
export type { Stage, FinalStage } from './items/stage.js'
export { MAX_JSON_DEPTH } from './json/json.js'
export type { JsonValue } from './json/json.js'
export {
  MAX_FAILURE_CLASS_CHARS,
  MAX_HISTORY,
  MAX_ID_BYTES,
  MAX_JOB_UID_CHARS,
  MAX_LIMIT_KEY_BYTES,
  MAX_REASON_CHARS,
  MAX_RESOURCES,
  MAX_RESOURCE_NAME_CHARS,
  MAX_RETRY_STATE_BYTES,
} from './items/item.js'
export type {
  NewItem,
  PutOptions,
  ItemChange,
  ItemRef,
  ItemSummary,
  QueueItem,
  ItemRecord,
  AttemptRecord,
  Resources,
} from './items/item.js'
export { MAX_PRIORITY } from './checks/input.js'
export { MAX_PAGE_ITEMS } from './items/queue.js'
export type {
  Queue,
  QueueSupports,
  SelectionSupport,
  SharedBy,
  AttemptRef,
  JobOutcome,
  ReturnOptions,
  GetOptions,
  SuccessOutcome,
  FailOutcome,
  ReleaseOptions,
  Settlement,
  PutManyOptions,
  PutReport,
  MoveReport,
  RemoveReport,
  UpdateReport,
  SkippedItem,
  SkipReason,
  RefusedSettlement,
  SettleReport,
  RequeueOptions,
  RemoveOptions,
  PageOptions,
  PeekSummariesOptions,
  Page,
  SweepOptions,
  SweepReport,
  CallOptions,
  ParsedBody,
} from './items/queue.js'
export { MAX_PROCESSING_LIMIT } from './items/control.js'
export type { ControlState, QueueControl } from './items/control.js'
export type { Lease, LeaseView } from './items/lease.js'
export { MAX_DOCUMENT_NAME_BYTES } from './items/document.js'
export type {
  DocumentRemoveOptions,
  DocumentVersion,
  DocumentWriteOptions,
  QueueDocument,
} from './items/document.js'
export { FAILURE_CLASSES, MAX_OVERRIDES } from './worker.js'
export type {
  Worker,
  WorkerSupports,
  SendManySupport,
  NewJob,
  CheckUse,
  JobOverrides,
  JobRef,
  JobSpec,
  JobReport,
  JobReports,
  FailureClass,
  FailureKind,
  KnownFailureClass,
  ProbeSample,
  ReadLogOptions,
} from './worker.js'
export { ERROR_CODES, SluiceError, isSluiceError } from './errors.js'
export type { ErrorCode, PartlyStored, SluiceErrorOptions, TroubleConcerns } from './errors.js'
export type { OptionsSchema } from './packages/options.js'
export type {
  SchemaResult,
  SchemaIssue,
  SchemaInput,
  SchemaOutput,
  StandardSchema,
} from './json/standard-schema.js'
export type { JsonCompatible } from './json/json-compatible.js'
export { eachItem, eachSummary } from './items/each-item.js'
export type { EachOptions } from './items/each-item.js'
export type {
  DropOutcome,
  DropProgress,
  DropQueueUse,
  ListQueuesUse,
  StoredQueue,
  StoredQueueState,
} from './packages/stored-queues.js'
export type {
  PackageContext,
  BackupOutcome,
  BackupProgress,
  BackupUse,
  QueuePackage,
  StorageFinding,
  QueueUse,
  RoomNeed,
  WorkerPackage,
  WorkerUse,
} from './packages/package-entry.js'
export type { Secrets } from './secrets/secrets.js'
export type { Runtime, SleepOptions } from './runtime.js'
export { silentLogger } from './logger.js'
export type { Logger } from './logger.js'
