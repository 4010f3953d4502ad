import type { Stage } from '@sluice/core'
import type { ColumnType, Generated } from 'kysely'

/** A stage as it is stored: two bytes instead of a word in the row that changes most. */
export const STAGE_NUMBERS = { WAITING: 0, PROCESSING: 1, SUCCESS: 2, FAIL: 3 } as const satisfies Record<
  Stage,
  number
>

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
}

interface LimitRow {
  queue_id: number
  name: string
  value: number
}

interface LeaseRow {
  queue_id: number
  name: string
  holder: string
  fence: number
  expires_at: number
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

/** The narrow row that every move changes. No index has a column that changes, so that PostgreSQL can update it in its page (HOT). */
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
  stage: number
  uid: string
  id: string
}

interface BodyRow {
  seq: number
  body: ColumnType<string, string, never>
}

/** The backlog in the order of `get`. It knows only INSERT and DELETE. */
interface WaitingRow {
  queue_id: number
  /** The priority with its sign turned, so that all columns of the key ascend. */
  rank: number
  available_at: number
  seq: number
}

/** What is claimed. It knows only INSERT and DELETE. */
interface ProcessingRow {
  queue_id: number
  seq: number
}

/** Attempts that have ended. */
interface AttemptRow {
  seq: number
  attempt: number
  queue_id: number
  outcome: number
  /** The stage in which the item rests because of this attempt, or null: the lists of SUCCESS and FAIL. */
  final: number | null
  claimed_at: number
  ended_at: number
  reason: string | null
  details: string | null
  result: string | null
  requeue_reason: string | null
}

/** The tables of a store, by their names without the prefix. */
export interface Tables {
  queues: QueueRow
  limits: LimitRow
  leases: LeaseRow
  counters: CounterRow
  items: ItemRow
  bodies: BodyRow
  waiting: WaitingRow
  processing: ProcessingRow
  attempts: AttemptRow
}

/** The real table names. Their types leave the prefix out, so that kysely knows the columns. */
export type TableNames = { readonly [T in keyof Tables]: T } & { readonly schema: string }

/** @param prefix checked by the options: letters, digits and underscores, so that no name needs quoting */
export function tableNames(prefix: string): TableNames {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the one place that says less than the truth: see TableNames
  const name = <T extends string>(table: T): T => `${prefix}${table}` as T
  return {
    schema: name('schema'),
    queues: name('queues'),
    limits: name('limits'),
    leases: name('leases'),
    counters: name('counters'),
    items: name('items'),
    bodies: name('bodies'),
    waiting: name('waiting'),
    processing: name('processing'),
    attempts: name('attempts'),
  }
}
