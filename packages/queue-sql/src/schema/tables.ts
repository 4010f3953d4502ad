import type { Stage } from '@sluice/core'
import type { Generated } from 'kysely'

/** A stage as it is stored: two bytes instead of a word in the row that changes most. */
export const STAGE_NUMBERS = { WAITING: 0, PROCESSING: 1, SUCCESS: 2, FAIL: 3 } as const satisfies Record<
  Stage,
  number
>

/** The attempt in `finished` of an item that was put into SUCCESS: it was never claimed, and its `claimed_at` means nothing. */
export const NO_ATTEMPT = 0

/** The stage of a number, which the tables' own check keeps within 0 to 3. */
export function stageOf(stored: number): Stage {
  return (['WAITING', 'PROCESSING', 'SUCCESS', 'FAIL'] as const)[stored] ?? 'FAIL'
}

/** The name of a queue and its pause. */
interface QueueRow {
  id: Generated<number>
  name: string
  paused_at: number | null
  pause_reason: string | null
  syncs: Generated<number>
}

interface LimitRow {
  queue_id: number
  name: string
  value: number
}

/** A document; one that was removed has no value, and keeps its number, so that it doesn't come again. */
interface DocumentRow {
  queue_id: number
  name: string
  version: number
  value: string | null
}

interface LeaseRow {
  queue_id: number
  name: string
  holder: string
  fence: number
  expires_at: number
  /** Of the latest taking or renewal; `null` where a release wrote it that knew nothing of it. */
  ttl_ms: number | null
}

/** Sizes of the four stages; the rows of one queue are summed. Every move changes one of them in its own transaction. */
interface CounterRow {
  queue_id: number
  slot: number
  waiting: number
  processing: number
  success: number
  fail: number
}

/**
 * An item. It is written by a put, and changed only by what brings it back to WAITING, and by an update while it waits: `attempt`, `refunds` and `claimed_at` are
 * as they were when it last became WAITING. Which of `waiting`, `processing` and `finished` has its other row says in which stage it is.
 */
interface ItemRow {
  seq: Generated<number>
  available_at: number
  put_at: number
  not_before_at: number | null
  claimed_at: number | null
  queue_id: number
  attempt: number
  refunds: number
  priority: number
  uid: string
  id: string
  body: string
  /** JSON text. */
  retry_state: string | null
}

/** The backlog in the order of `get`. It knows only INSERT and DELETE, but for updates of items, which write its row anew. */
interface WaitingRow {
  queue_id: number
  /** The priority with its sign turned, so that all columns of the key ascend. */
  rank: number
  available_at: number
  seq: number
}

/** What is claimed. It knows only INSERT and DELETE, and all that a move out of it must compare, so that a move need not read the item. */
interface ProcessingRow {
  seq: number
  claimed_at: number
  queue_id: number
  attempt: number
  uid: string
  id: string
}

/** How the job of an attempt ended. */
interface OutcomeColumns {
  failure_class: string | null
  exit_code: number | null
  job_uid: string | null
}

/** What is in SUCCESS or FAIL, with the attempt that brought it there, or {@link NO_ATTEMPT}. It knows only INSERT and, of what is requeued or removed, DELETE. */
interface FinishedRow extends OutcomeColumns {
  seq: number
  claimed_at: number
  ended_at: number
  queue_id: number
  attempt: number
  stage: number
  reason: string | null
  details: string | null
  result: string | null
}

/** Attempts after which the item became WAITING again. */
interface AttemptRow extends OutcomeColumns {
  seq: number
  claimed_at: number
  ended_at: number
  attempt: number
  outcome: number
  reason: string | null
  details: string | null
  requeue_reason: string | null
  /** 1: no job was started for it. */
  unsent: number | null
}

/** The tables of a store, by their names without the prefix. */
export interface Tables {
  queues: QueueRow
  limits: LimitRow
  leases: LeaseRow
  documents: DocumentRow
  counters: CounterRow
  items: ItemRow
  waiting: WaitingRow
  processing: ProcessingRow
  finished: FinishedRow
  attempts: AttemptRow
}

/** The real table names. Their types leave the prefix out, so that kysely knows the columns. */
export type TableNames = { readonly [T in keyof Tables]: T } & { readonly schema: string }

/** @param prefix checked by the options: letters, digits and underscores, so that no name needs quoting */
export function tableNames(prefix: string): TableNames {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the one place that says less than the truth: see TableNames
  const name = <T extends string>(table: T, stored: string = table): T => `${prefix}${stored}` as T
  return {
    schema: name('schema'),
    queues: name('queues'),
    limits: name('limits'),
    // Of its name before version 4 older releases are to find nothing that they could write.
    leases: name('leases', 'leases_4'),
    documents: name('documents'),
    counters: name('counters'),
    items: name('items'),
    waiting: name('waiting'),
    processing: name('processing'),
    finished: name('finished'),
    attempts: name('attempts'),
  }
}
