import type { CheckedChange } from '../../checks/call-input.js'
import type { CheckedMove } from '../../checks/checked-move.js'
import type { CheckedItem } from '../../checks/input.js'
import type { ControlState } from '../../items/control.js'
import type { DocumentVersion } from '../../items/document.js'
import type { ItemRecord, ItemRef, ItemSummary, NewItem, QueueItem } from '../../items/item.js'
import type { Lease, LeaseView } from '../../items/lease.js'
import type {
  CallOptions,
  Page,
  PageOptions,
  PeekSummariesOptions,
  QueueSupports,
  SweepOptions,
  SweepReport,
} from '../../items/queue.js'
import type { Stage } from '../../items/stage.js'

/** A backend in memory answers at once, and no microtask is spent on its answer. */
export type MaybePromise<T> = T | Promise<T>

/** How new items are put. */
export interface PutOrder extends CallOptions {
  /** Say of each item that is there whether its body is the one given. */
  readonly compare: boolean
  readonly stage: 'WAITING' | 'SUCCESS'
}

/** Why an item was not put: there is one of its id. */
export interface PutRefusal {
  /** `exists-same` and `exists-changed` where it was asked for by `compare`. */
  readonly reason: 'exists' | 'exists-same' | 'exists-changed'
  /** Where it is, if the backend knows: for the message of an error. */
  readonly stage?: Stage
}

/** Why an item was not moved out of PROCESSING. */
export interface MoveRefusal {
  readonly reason: 'not-found' | 'wrong-stage' | 'not-current'
  /** Of an item that is there: what it is, for the message of an error. */
  readonly item?: Pick<ItemSummary, 'stage' | 'attempt' | 'uid'>
}

/** How FAIL items go back to WAITING. */
export interface RequeueOrder extends CallOptions {
  readonly delayMs: number
  /** Absent: each keeps its own. */
  readonly priority?: number
  readonly reason?: string
}

/** Which items are removed. */
export interface RemoveOrder extends CallOptions {
  /** Never PROCESSING. */
  readonly stages: readonly Stage[]
}

/**
 * What a backend implements: storage, and nothing else. `createQueue` makes a {@link Queue} of it, which
 * checks every argument, refuses calls after `close`, finds what is mentioned twice in one call, checks
 * bodies by a schema, watches abort signals, and raises every error that follows from a verdict.
 *
 * A method receives checked input and returns a verdict. It rejects only for its storage:
 * `SLUICE_QUEUE_UNAVAILABLE`, `SLUICE_QUEUE_DENIED`, `SLUICE_QUEUE_CORRUPT`. The promises are those of
 * {@link Queue}, by their ids.
 *
 * A bulk method that is given a signal stops between two steps once it has aborted and rejects with the
 * signal's reason. A backend may ignore it: the caller gets the rejection at once in any case, and the
 * outcome of the method is then not used.
 *
 * @typeParam Item what `put` receives: {@link CheckedItem} has the body as JSON text, `CopiedItem` as a copy
 */
export interface QueueBackend<Item extends { readonly id: string } = CheckedItem> {
  readonly supports: QueueSupports

  /**
   * Throws what every call rejects with from now on, such as of a queue that was dropped. Called first in
   * each call.
   */
  readonly assertUsable?: () => void

  /** `checkNewItem` for bodies as JSON text, `copyNewItem` for bodies as values. */
  readonly checkItem: (item: NewItem, maxBodyBytes: number) => Item

  /**
   * Adds items, no two of one id, each all or nothing, in the order given [Q-PUT-1, Q-PUT-2, Q-PUT-3,
   * Q-PUT-5].
   *
   * @returns those that were not added, by id [Q-PUT-4]
   * @throws SluiceError with `stored` where it is known what of the call is stored
   */
  put(items: readonly Item[], order: PutOrder): MaybePromise<ReadonlyMap<string, PutRefusal>>

  /**
   * Changes items that are WAITING, no two of one id [Q-UPDATE-1 to Q-UPDATE-4]. @returns those that were not
   * changed, by id
   */
  update(
    changes: readonly CheckedChange[],
    options: CallOptions,
  ): MaybePromise<ReadonlyMap<string, 'not-found' | 'wrong-stage' | 'not-current'>>

  /**
   * WAITING → PROCESSING [Q-GET-1 to Q-GET-4].
   *
   * @param maxItems 0 or more
   * @param lease the claim holds only under it [Q-GET-5]
   * @returns `undefined`: the lease is not held, and nothing is claimed
   */
  claim(maxItems: number, lease: Lease | undefined): MaybePromise<QueueItem[] | undefined>

  /** What `claim` would give; nothing moves. */
  peek(maxItems: number, options: CallOptions): MaybePromise<QueueItem[]>

  /**
   * Moves items out of PROCESSING, each as `judgeMove` says; several of one item in the order given
   * [Q-MOVE-1, Q-MOVE-2].
   *
   * @returns for each move why it was refused, or `undefined` where it is done
   */
  settle(
    moves: readonly CheckedMove[],
    options: CallOptions,
  ): MaybePromise<readonly (MoveRefusal | undefined)[]>

  /** FAIL → WAITING; no id comes twice. @returns those that did not move, by id */
  requeue(
    ids: readonly string[],
    order: RequeueOrder,
  ): MaybePromise<ReadonlyMap<string, 'not-found' | 'wrong-stage'>>

  /** Removes items; no id comes twice. @returns those that are not removed, by id */
  remove(
    ids: readonly string[],
    order: RemoveOrder,
  ): MaybePromise<ReadonlyMap<string, 'not-found' | 'wrong-stage'>>

  /** [Q-SIZE-1] */
  size(stage: Stage, options: CallOptions): MaybePromise<number>
  sizes(options: CallOptions): MaybePromise<Record<Stage, number>>

  /** The stage of an item; `undefined` for an unknown id [Q-LOOK-1]. */
  lookupStage(id: string, options: CallOptions): MaybePromise<Stage | undefined>
  /** [Q-LOOK-2] */
  lookup(id: string, options: CallOptions): MaybePromise<ItemRecord | undefined>

  /** A page [Q-LIST-1]. @throws TypeError for a cursor that no page of this stage gave */
  list(stage: Stage, page: PageOptions): MaybePromise<Page<ItemRecord>>
  listSummaries(stage: Stage, page: PageOptions): MaybePromise<Page<ItemSummary>>

  /** The storage's clock, epoch ms. */
  now(): MaybePromise<number>

  readonly leases: LeaseBackend
  readonly documents: DocumentBackend
  readonly control: ControlBackend

  /** Present where `supports.selection` is. */
  readonly selection?: SelectionBackend

  /** Present where `supports.sweep` is true [Q-SWEEP-1]. */
  readonly sweep?: (options: SweepOptions) => MaybePromise<SweepReport>

  /** Called once. No call begins after it; those under way end, or reject. */
  close(): MaybePromise<void>
}

/** What a queue has whose caller may choose items. */
export interface SelectionBackend {
  /**
   * The summaries of what `claim` would give, in its order; nothing moves [Q-PEEK-1, Q-PEEK-2].
   *
   * @param maxItems 1 or more
   * @param options `limitKey` only where `supports.selection.limitKeys` is `indexed` [Q-PEEK-3]
   * @throws TypeError for a cursor that no page gave
   */
  peek(maxItems: number, options: PeekSummariesOptions): MaybePromise<Page<ItemSummary>>

  /**
   * WAITING → PROCESSING for those of the items that `claim` could give out now, in any order; at least one
   * of them, if there is any [Q-GET-6 to Q-GET-8].
   *
   * @param refs each once
   * @returns `undefined`: the lease is not held, and nothing is claimed
   */
  claim(refs: readonly ItemRef[], lease: Lease | undefined): MaybePromise<QueueItem[] | undefined>
}

/** The leases of a queue. */
export interface LeaseBackend {
  /** @returns a lease made by `createLease`, or `undefined` while another holder has it [Q-LEASE-1] */
  take(name: string, holder: string, ttlMs: number): MaybePromise<Lease | undefined>
  /** [Q-LEASE-3] */
  read(name: string): MaybePromise<LeaseView | undefined>
}

/** On what a change of a document depends. */
export interface DocumentCondition {
  /** Of a write, `undefined`: the document does not exist. Of a removal, `undefined`: whatever is there. */
  readonly ifVersion: number | undefined
  readonly lease: Lease | undefined
}

/** What became of a change of a document; `lease-lost` only where there is a lease [Q-DOC-2, Q-DOC-3]. */
export type DocumentVerdict = 'done' | 'other-version' | 'lease-lost'

/** The documents of a queue. */
export interface DocumentBackend {
  /** [Q-DOC-1] */
  read(name: string): MaybePromise<DocumentVersion | undefined>
  /** @param text the value as JSON text */
  write(name: string, text: string, condition: DocumentCondition): MaybePromise<DocumentVerdict>
  remove(name: string, condition: DocumentCondition): MaybePromise<DocumentVerdict>
  /** In the order of their UTF-8 bytes [Q-DOC-4]. */
  names(prefix: string): MaybePromise<readonly string[]>
}

/** The control state of a queue [Q-CTRL-1]. */
export interface ControlBackend {
  read(): MaybePromise<ControlState>
  /** Paused again, it takes the new reason and keeps the instant of the first. */
  pause(reason: string | undefined): MaybePromise<void>
  resume(): MaybePromise<void>
  /** @param limits by name, in the order of the names; `null` takes one away */
  setLimits(limits: readonly (readonly [name: string, limit: number | null])[]): MaybePromise<void>
  /** [Q-CTRL-2] */
  sync(): MaybePromise<number>
}
