import type { ItemRef, Lease } from '@sluice/core'
import type { CheckedItem, PutOrder, PutRefusal } from '@sluice/core/backend'

/** The part of a lease that a claim or a write compares with the stored row. */
export type HeldLease = Pick<Lease, 'name' | 'holder' | 'fencingToken'>

/** A new item as the statements take it. */
export interface NewRow {
  readonly id: string
  readonly uid: string
  readonly priority: number
  readonly not_before_at: number | null
  readonly delay_ms: number | null
  readonly body: string
  /** JSON text. */
  readonly resources: string | null
  readonly limit_key: string | null
}

export type PutMode = Pick<PutOrder, 'compare' | 'stage'>

export type KnownReason = PutRefusal['reason']

/**
 * The items that a put did not add. Without a reason: the item was added after the snapshot of the statement,
 * which cannot see its body; the same put again can.
 */
export type NotAdded = ReadonlyMap<string, KnownReason | undefined>

/** The puts of many items, all of them new, in one transaction: see {@link Moves.put} for all others. */
export interface BulkPuts {
  /** It pays from this many items on. */
  readonly minRows: number
  readonly maxRows: number
  /** Whether it is likely to succeed, after what earlier puts met. */
  readonly isUsable: boolean
  /** @returns false: nothing was put, because an id is known or the database refuses the form */
  put(items: readonly CheckedItem[], stage: PutMode['stage']): Promise<boolean>
}

/** A change of a waiting item as the statements take it; `null` changes nothing. */
export interface ChangeRow {
  readonly id: string
  readonly uid: string | null
  readonly body: string | null
  readonly priority: number | null
  readonly not_before_at: number | null
  /** JSON text; the empty text takes them away. */
  readonly resources: string | null
  /** The empty text takes it away. */
  readonly limit_key: string | null
}

/** An item as a claim returns it. `null` stands for the usual 0, and is cheaper to send. */
export interface ClaimedRow {
  readonly id: string
  readonly uid: string
  readonly attempt: number
  readonly refunds: number | null
  readonly priority: number | null
  readonly put_at: number
  readonly claimed_at: number
  readonly retry_state: string | null
  readonly resources: string | null
  readonly limit_key: string | null
  readonly body: string
  /** `null`: as `put_at`. With `seq` it gives the order of `get`. */
  readonly available_at: number | null
  readonly seq: number
}

/** The outcome of a claim. */
export interface Claimed {
  readonly rows: readonly ClaimedRow[]
  /** More items are claimable, but were left because of their size [Q-GET-3]. */
  readonly isCut: boolean
}

/** The outcome of a claim of named items. */
export interface NamedClaim {
  readonly rows: readonly ClaimedRow[]
  /** How many of the names it has tried, from the first on: fewer than all because of their size. */
  readonly tried: number
}

/** A place in the order of `get`. */
export interface Turn {
  readonly rank: number
  readonly available_at: number
  readonly seq: number
}

/** Which items a look ahead reads. */
export interface AheadOrder {
  readonly max: number
  /** `undefined`: from the first on. */
  readonly after: Turn | undefined
  /** `null`: of all keys. */
  readonly limitKey: string | null
}

/** An item that can be claimed, with its place. */
export interface AheadRow extends Turn {
  readonly id: string
  readonly uid: string
  readonly attempt: number
  readonly refunds: number
  readonly priority: number
  readonly retry_state: string | null
  readonly resources: string | null
  readonly limit_key: string | null
}

/** Claimable items in the order of `get`. */
export interface AheadPage {
  readonly rows: readonly AheadRow[]
  /** The place behind which more may follow. */
  readonly next?: Turn
}

/** A move out of PROCESSING, as the statements take it. */
export interface WantedRow {
  readonly id: string
  readonly attempt: number | null
  readonly uid: string | null
  /** The number of the stage that the item moves to. */
  readonly stage: number
  readonly delay_ms: number
  readonly uncounted: 0 | 1
  readonly reason: string | null
  readonly result: string | null
  readonly details: string | null
  readonly failure_class: string | null
  readonly exit_code: number | null
  readonly job_uid: string | null
  /** Only for moves to WAITING, as the fields below. */
  readonly unsent: 1 | null
  readonly keep_place: 1 | null
  readonly retry_state: string | null
}

/** A requeue as the statements take it. */
export interface RequeueRow {
  readonly delayMs: number
  readonly priority: number | null
  readonly reason: string | null
}

/** Which finished items a sweep removes. */
export interface ExpiryOrder {
  /** Items that ended longer ago than this. */
  readonly retentionMs: number
  /** Items that ended before this instant are not searched for: the index has only dead entries there. */
  readonly fromAt: number
  /** The most items, the oldest first. */
  readonly max: number
}

export interface Expired {
  readonly removed: number
  /** When the last of them ended; `null` if there were none. */
  readonly lastAt: number | null
}

/** One rank of the backlog, and whether it has a due item. */
export interface RankRow {
  readonly rank: number
  readonly due: boolean
}

/** The part of the backlog that a claim scans. */
export type ClaimScope =
  | { readonly kind: 'top' }
  | { readonly kind: 'at'; readonly rank: number }
  | { readonly kind: 'after'; readonly rank: number }

/**
 * The moves of one queue in one dialect. Each call is one transaction: if the process is killed in it, the
 * database rolls back and nothing has changed [Q-GET-4, Q-MOVE-4]. Ids are distinct within a call, and sorted
 * where rows are locked, so that two calls lock them in the same order.
 */
export interface Moves {
  readonly bulk: BulkPuts
  /**
   * Prepares a put, while the batch before may still be under way. With `compare` it reports for known items
   * whether their bodies are the same [Q-PUT-4]. Items that enter SUCCESS are never in the backlog, not even
   * within the transaction [Q-PUT-5].
   *
   * @returns does the put; it may be called again
   */
  put(rows: readonly NewRow[], mode: PutMode): () => Promise<NotAdded>
  /**
   * Changes waiting items, those of the uid if one is given. Later claims return the changed item, even a
   * claim that had begun before [Q-UPDATE-1].
   *
   * @returns the ids that were changed
   */
  update(rows: readonly ChangeRow[]): Promise<readonly string[]>
  /**
   * Claims up to `max` items of one part of the backlog, in the order of `get`.
   *
   * @returns `undefined`: the lease, compared in the same transaction, is not held, and nothing is claimed
   * [Q-GET-5]
   */
  claim(scope: ClaimScope, max: number, lease?: HeldLease): Promise<Claimed | undefined>
  /**
   * Claims those of the named items that are due; no name comes twice.
   *
   * @returns `undefined`: as {@link Moves.claim}
   */
  claimNamed(refs: readonly ItemRef[], lease?: HeldLease): Promise<NamedClaim | undefined>
  /** Reads what can be claimed, a bounded number of ranks at a time [Q-PEEK-1]. */
  ahead(order: AheadOrder): Promise<AheadPage>
  /**
   * The first `limit` ranks of the backlog, ascending; the cost depends on the number of ranks, not of items.
   */
  ranks(limit: number): Promise<RankRow[]>
  /** Moves items that are in PROCESSING at the given attempt and uid. @returns the ids that moved */
  settle(rows: readonly WantedRow[]): Promise<readonly string[]>
  /** Moves items that are in FAIL. @returns the ids that moved */
  requeue(ids: readonly string[], order: RequeueRow): Promise<string[]>
  /** Removes items by age. An item that another transaction has locked is left to the next sweep. */
  expire(order: ExpiryOrder): Promise<Expired>
  /** Removes items that are in one of the stages. @returns the ids that are removed */
  remove(ids: readonly string[], stages: readonly number[]): Promise<string[]>
}
