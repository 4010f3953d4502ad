/**
 * The law of Sluice: what items, queues, workers and errors are. No I/O, no clock, no randomness, no
 * dependencies.
 */
export { STAGES, MOVES, canMove, isStage, assertStage } from './items/stage.js'
export type { Stage, FinalStage, Move } from './items/stage.js'
export { MAX_JSON_DEPTH, assertJson, encodeJson, isSameJson, utf8Bytes } from './json/json.js'
export type { JsonValue } from './json/json.js'
export { isExactNumber } from './json/exact-number.js'
export { parseJson } from './json/json-text.js'
export type { ParsedJson, ParseJsonOptions } from './json/json-text.js'
export { cloneJson, copyJson } from './json/json-copy.js'
export { bodyValueAt, missingInBody, readBodyPath } from './json/body-path.js'
export { TerminalTail, terminalText } from './text/terminal-tail.js'
export {
  MAX_FAILURE_CLASS_CHARS,
  MAX_HISTORY,
  MAX_ID_BYTES,
  MAX_JOB_UID_CHARS,
  MAX_REASON_CHARS,
  MAX_RETRY_STATE_BYTES,
} from './items/item.js'
export type {
  NewItem,
  PutOptions,
  ItemChange,
  ItemSummary,
  QueueItem,
  ItemRecord,
  AttemptRecord,
} from './items/item.js'
export {
  MAX_PRIORITY,
  assertItemId,
  assertCount,
  assertSpan,
  checkNewItem,
  checkNewItems,
  checkPutMany,
  copyNewItem,
  copyNewItems,
  cutReason,
  encodeOptional,
} from './checks/input.js'
export type { CheckedItem, CopiedItem } from './checks/input.js'
export {
  assertDocumentName,
  assertDocumentPrefix,
  assertDocumentVersion,
  assertIds,
  assertLease,
  assertLeaseName,
  assertPageLimit,
  checkChanges,
  checkRemovable,
  checkRequeue,
  checkRetention,
} from './checks/call-input.js'
export type { CheckedChange } from './checks/call-input.js'
export { checkMove, checkSettlements } from './checks/checked-move.js'
export type { AskedMove, CheckedMove } from './checks/checked-move.js'
export { judgeMove } from './checks/judge-move.js'
export type { MovedItem, WantedMove } from './checks/judge-move.js'
export { MAX_PAGE_ITEMS, lastOutcome } from './items/queue.js'
export type {
  Queue,
  QueueSupports,
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
export { IDLE_TIMEOUT_MS, MIN_BYTES_PER_SECOND, requestTimeMs } from './backend/runtime/request-time.js'
export { FAILURE_CLASSES } from './worker.js'
export type {
  Worker,
  WorkerSupports,
  SendManySupport,
  NewJob,
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
export { ERROR_CODES, SluiceError, isSluiceError, withStored } from './errors.js'
export type { ErrorCode, PartlyStored, SluiceErrorOptions, TroubleConcerns } from './errors.js'
export { checkOptions } from './packages/options.js'
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
export { FAILURE_GROUP_ID_CHARS, FAILURE_RULES_VERSION, failureGroupOf } from './failure/failure-group.js'
export { MAX_TEMPLATE_CHARS } from './failure/message-template.js'
export type { Failure, FailureGroup } from './failure/failure-group.js'
export { baseDirOf } from './packages/package-entry.js'
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
export { SECRET_MARK, SecretRegistry } from './secrets/secrets.js'
export type { Secrets } from './secrets/secrets.js'
export { redactError, redactJson } from './secrets/redact-value.js'
export type { Runtime, SleepOptions } from './runtime.js'
export { silentLogger } from './logger.js'
export type { Logger } from './logger.js'
