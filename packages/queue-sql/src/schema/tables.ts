import type { Stage } from '@sluice/core'
import type { Generated } from 'kysely'

/** Stages as they are stored. */
export const STAGE_NUMBERS = { WAITING: 0, PROCESSING: 1, SUCCESS: 2, FAIL: 3 } as const satisfies Record<
  Stage,
  number
>

/**
 * The attempt in `finished` of an item that was put into SUCCESS: it was never claimed, and its `claimed_at`
 * has no meaning.
 */
export const NO_ATTEMPT = 0

/** The stage of a number; a check of the tables limits it to 0 to 3. */
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

/** A document. A removed one has no value, and keeps its version so that versions never repeat. */
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
  /** Of the latest taking or renewal; `null` if an older release wrote the row. */
  ttl_ms: number | null
}

/** Sizes of the stages: the sum of the rows of a queue. Every move changes one row in its own transaction. */
interface CounterRow {
  queue_id: number
  slot: number
  waiting: number
  processing: number
  success: number
  fail: number
}

/**
 * An item. A put writes it, and only returns to WAITING and updates change it: `attempt`, `refunds` and
 * `claimed_at` are those of when it last became WAITING. Its stage is given by which of `waiting`,
 * `processing` and `finished` has a row of it.
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
  /** JSON text. */
  resources: string | null
  limit_key: string | null
}

/** The backlog in the order of `get`. Rows are inserted and deleted; only updates of items rewrite them. */
interface WaitingRow {
  queue_id: number
  /** The negated priority, so that all columns of the key ascend. */
  rank: number
  available_at: number
  seq: number
  /** That of the item: an index finds the backlog of one key. */
  limit_key: string | null
}

/**
 * Claimed items. Rows are only inserted and deleted, and have all that a move must compare, so that a move
 * does not read the item.
 */
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

/**
 * Items in SUCCESS or FAIL, with their last attempt or {@link NO_ATTEMPT}. Rows are only inserted and, by
 * requeues and removals, deleted.
 */
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
  /** 1: no job was started. */
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
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the type omits the prefix: see TableNames
  const name = <T extends string>(table: T, stored: string = table): T => `${prefix}${stored}` as T
  return {
    schema: name('schema'),
    queues: name('queues'),
    limits: name('limits'),
    // Renamed in version 4: older releases must not find a table of the old name that they can write.
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
