/** What implementations of queues, workers and services need, and users of a queue don't. */
export { createQueue, takesEncodedItems } from './queue/queue-front.js'
export type { CreateQueueOptions } from './queue/queue-front.js'
export { existingQueueOpener, queueOpener } from './queue/open-queue.js'
export type { ExistingQueueOpener, OpenQueue, QueueOpener } from './queue/open-queue.js'
export type {
  ControlBackend,
  DocumentBackend,
  DocumentCondition,
  DocumentVerdict,
  LeaseBackend,
  MaybePromise,
  MoveRefusal,
  PutOrder,
  PutRefusal,
  QueueBackend,
  RemoveOrder,
  RequeueOrder,
} from './queue/queue-backend.js'
export { workerOpener } from './worker/open-worker.js'
export type { OpenWorker, WorkerOpener, WorkerWith } from './worker/open-worker.js'
export { createWorker } from './worker/worker-front.js'
export type {
  BackendSupports,
  CheckedJob,
  CheckedReadLog,
  SendManyBackend,
  WorkerBackend,
} from './worker/worker-backend.js'
export { WakeSignal } from './runtime/wake-signal.js'
export { createLease } from './queue/create-lease.js'
export { itemNotFound, leaseLost, queueClosed } from './queue/queue-errors.js'
export { assertSignal, untilAborted } from './runtime/call-signal.js'
export { IDLE_TIMEOUT_MS, MIN_BYTES_PER_SECOND, requestTimeMs } from './runtime/request-time.js'
export { isRuntime, systemRuntime } from './runtime/system-runtime.js'
export { startTimer, timeoutSignal } from './runtime/timer.js'
export type { Timer, TimerOptions } from './runtime/timer.js'
export {
  claimRecord,
  putRecord,
  queueItemOf,
  requeueRecord,
  settleRecord,
  summaryOf,
  updateRecord,
} from './records/item-record.js'
export type { RecordChange, RecordPlace } from './records/item-record.js'
export { compareBytes } from './records/compare-bytes.js'
export { isLeaseHeld, transactedParts } from './records/transacted.js'
export type { DocumentRow, LeaseRow, QueueTables, Transact } from './records/transacted.js'

export { MOVES, canMove, assertStage } from '../items/stage.js'
export type { Move } from '../items/stage.js'
export { lastOutcome } from '../items/queue.js'
export { withStored } from '../errors.js'

export { assertJson, encodeJson, isSameJson, utf8Bytes } from '../json/json.js'
export { cloneJson, copyJson } from '../json/json-copy.js'
export { isExactNumber } from '../json/exact-number.js'
export { parseJson } from '../json/json-text.js'
export type { ParseJsonOptions, ParsedJson } from '../json/json-text.js'
export { bodyValueAt, missingInBody, readBodyPath } from '../json/body-path.js'

export {
  assertCount,
  assertItemId,
  assertSpan,
  checkNewItem,
  checkNewItems,
  checkPutMany,
  copyNewItem,
  copyNewItems,
  cutReason,
  encodeItem,
  encodeOptional,
} from '../checks/input.js'
export type { CheckedItem, CopiedItem } from '../checks/input.js'
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
} from '../checks/call-input.js'
export type { CheckedChange } from '../checks/call-input.js'
export { checkMove, checkSettlements } from '../checks/checked-move.js'
export type { AskedMove, CheckedMove } from '../checks/checked-move.js'
export { judgeMove } from '../checks/judge-move.js'
export type { MovedItem, WantedMove } from '../checks/judge-move.js'

export { checkOptions } from '../packages/options.js'
export type { OptionsSchema } from '../packages/options.js'
export { baseDirOf } from '../packages/package-entry.js'
export { FAILURE_GROUP_ID_CHARS, FAILURE_RULES_VERSION, failureGroupOf } from '../failure/failure-group.js'
export { MAX_TEMPLATE_CHARS } from '../failure/message-template.js'
export type { Failure, FailureGroup } from '../failure/failure-group.js'
export { SECRET_MARK, SecretRegistry } from '../secrets/secrets.js'
export type { Secrets } from '../secrets/secrets.js'
export { redactError, redactJson } from '../secrets/redact-value.js'
export { TerminalTail, terminalText } from '../text/terminal-tail.js'
