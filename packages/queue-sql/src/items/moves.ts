import type { Lease, PutManyOptions } from '@sluice/core'

/** What a claim or a write compares with the stored lease. */
export type HeldLease = Pick<Lease, 'name' | 'holder' | 'fencingToken'>

/** An item to put, as the statements take it: one JSON object of a batch. */
export interface NewRow {
  readonly id: string
  readonly uid: string
  readonly priority: number
  readonly not_before_at: number | null
  readonly delay_ms: number | null
  readonly body: string
}

/** How a put is done, as `checkPutMany` of core gives it. */
export type PutOrder = Required<PutManyOptions>

/** Why an item of a put was not added. */
export type KnownReason = 'exists' | 'exists-same' | 'exists-changed'

/**
 * The items that a put did not add. Without a reason: the item came there while the statement ran, which cannot see its body; the same put again tells.
 */
export type NotAdded = ReadonlyMap<string, KnownReason | undefined>

/** What is to become of an item that waits, as the statements take it; `null` leaves that as it is. */
export interface ChangeRow {
  readonly id: string
  readonly uid: string | null
  readonly body: string | null
  readonly priority: number | null
  readonly not_before_at: number | null
}

/** An item as a claim gives it out. `null` stands for the usual zero, and costs less to send. */
export interface ClaimedRow {
  readonly id: string
  readonly uid: string
  readonly attempt: number
  readonly refunds: number | null
  readonly priority: number | null
  readonly put_at: number
  readonly claimed_at: number
  readonly retry_state: string | null
  readonly body: string
  /** `null`: since it was put. With `seq` it tells the order of `get`. */
  readonly available_at: number | null
  readonly seq: number
}

/** What a claim gave. */
export interface Claimed {
  readonly rows: readonly ClaimedRow[]
  /** More could be given, and is not for the sake of their size [Q-GET-3]. */
  readonly isCut: boolean
}

/** A move out of PROCESSING, as the statements take it. */
export interface WantedRow {
  readonly id: string
  readonly attempt: number | null
  readonly uid: string | null
  /** The number of the stage that it leads to. */
  readonly stage: number
  readonly delay_ms: number
  readonly uncounted: 0 | 1
  readonly reason: string | null
  readonly result: string | null
  readonly details: string | null
  readonly failure_class: string | null
  readonly exit_code: number | null
  readonly job_uid: string | null
  /** Back to WAITING only, as the rest. */
  readonly unsent: 1 | null
  readonly keep_place: 1 | null
  readonly retry_state: string | null
}

export interface RequeueOrder {
  readonly delayMs: number
  readonly priority: number | null
  readonly reason: string | null
}

/** Which finished items are to go. */
export interface ExpiryOrder {
  /** Those that ended longer ago than this, in ms. */
  readonly retentionMs: number
  /** Those that ended before this instant are not looked for: where they were, an index has only what is deleted. */
  readonly fromMs: number
  /** Not more than so many, the oldest first. */
  readonly max: number
}

export interface Expired {
  readonly removed: number
  /** When the youngest of them had ended; `null` when there were none. */
  readonly lastMs: number | null
}

/** One rank of the backlog: whether something in it may be given out now. */
export interface RankRow {
  readonly rank: number
  readonly due: boolean
}

/** Which part of the backlog a claim looks at. */
export type ClaimScope =
  | { readonly kind: 'top' }
  | { readonly kind: 'at'; readonly rank: number }
  | { readonly kind: 'after'; readonly rank: number }

/**
 * The stage moves of one queue in one dialect. Each call is one transaction: killed anywhere in it, the database rolls back, and
 * none of it has happened [Q-GET-4, Q-MOVE-4]. Ids are distinct within a call, and sorted where rows are locked, so that two calls
 * lock them in the same order.
 */
export interface Moves {
  /**
   * Makes a put ready, which takes this process time in which the batch before may be under way. What it gives back does it, and may be
   * called again. With `compare` it says of the items that were there already whether their bodies are the same [Q-PUT-4]. Items that enter SUCCESS are never
   * in the backlog, not even within the transaction [Q-PUT-5].
   */
  put(rows: readonly NewRow[], order: PutOrder): () => Promise<NotAdded>
  /**
   * Changes what waits and is of the uid, if one is given; the ids that were changed. What a claim that comes later gives is what was changed, also where
   * that claim had begun before [Q-UPDATE-1].
   */
  update(rows: readonly ChangeRow[]): Promise<readonly string[]>
  /**
   * Up to `max` items of one part of the backlog, in the order of `get`.
   *
   * @returns `undefined` when the lease is no longer held: compared in the same transaction, nothing is claimed [Q-GET-5]
   */
  claim(scope: ClaimScope, max: number, lease?: HeldLease): Promise<Claimed | undefined>
  /** The first `limit` ranks of the backlog, ascending; the cost depends on their number and not on that of the items. */
  ranks(limit: number): Promise<RankRow[]>
  /** Moves what is in PROCESSING at the wanted attempt and uid; the ids that moved. */
  settle(rows: readonly WantedRow[]): Promise<readonly string[]>
  /** The ids that were in FAIL and moved. */
  requeue(ids: readonly string[], order: RequeueOrder): Promise<string[]>
  /** Removes items by their age. One that somebody else is at is left to the next sweep. */
  expire(order: ExpiryOrder): Promise<Expired>
  /** The ids that were in one of the stages and are gone. */
  remove(ids: readonly string[], stages: readonly number[]): Promise<string[]>
}
