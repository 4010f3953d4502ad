import type {
  AttemptRecord,
  ItemChange,
  ItemRef,
  ItemSummary,
  ItemRecord,
  NewItem,
  PutOptions,
  QueueItem,
} from './item.js'
import type { JsonValue } from '../json/json.js'
import type { QueueControl } from './control.js'
import type { QueueDocument } from './document.js'
import type { Lease, LeaseView } from './lease.js'
import type { Stage } from './stage.js'
import type { FailureClass } from '../worker.js'

/**
 * Who can open the same queue at once: `process`, only the process that made it; `machine`, processes of one
 * machine, as with a file; `network`, processes of any number of machines. Only with `network` can services
 * on two machines stand by for each other.
 */
export type SharedBy = 'process' | 'machine' | 'network'

/**
 * What a backend can do; declared on the instance, and the only reason for which the contract skips a case.
 */
export interface QueueSupports {
  /** Items outlive the process that put them. */
  readonly durable: boolean
  /** How far the processes that open the same queue may be apart. */
  readonly sharedBy: SharedBy
  /** Largest body, result or details, in bytes of JSON text in UTF-8. */
  readonly maxBodyBytes: number
  /** Two items that became available closer together than this may be given out in either order. */
  readonly orderPrecisionMs: number
  /** It has a `sweep`. Default false. */
  readonly sweep?: boolean
  /**
   * `get` with a lease, and writes of documents with one, compare the lease in the same atomic step
   * [Q-GET-5]. Default false: they read it before and after, and a claim that turns out to be late is given
   * back, uncounted.
   */
  readonly fencedClaims?: boolean
  /**
   * It keeps `resources` and `limitKey` of items, and has `peekSummaries` and `getItems`. Default: it has
   * neither, and refuses items that come with one of the two.
   */
  readonly selection?: SelectionSupport
  /**
   * The longest that one call may take by its documentation, in ms; the engine's watchdog waits for at least
   * twice that [Q-END-1].
   */
  readonly longestCallMs?: number
}

/** What a backend that lets its caller choose items can do. */
export interface SelectionSupport {
  /**
   * `indexed`: `peekSummaries` finds the items of one limit key without reading others. `none`: it takes no
   * `limitKey`.
   */
  readonly limitKeys: 'indexed' | 'none'
}

/** The attempt that a move is for. What is given must match the item, else nothing moves. */
export interface AttemptRef {
  readonly attempt?: number
  readonly uid?: string
}

/**
 * How an attempt's job ended, for operators and rules to tell failures apart. Kept in the item's record and
 * in its history [Q-LOOK-2].
 */
export interface JobOutcome {
  /** FAIL and WAITING. 1 to {@link MAX_FAILURE_CLASS_CHARS} characters. */
  readonly failureClass?: FailureClass
  /** Of the program, as the worker knows it. An integer. */
  readonly exitCode?: number
  /**
   * The job's own id in the outside system: two jobs of one name that were made one after the other differ in
   * it.
   */
  readonly jobUid?: string
}

/** How an item comes back to WAITING. */
export interface ReturnOptions {
  /** Not given out again before this many ms have passed. Default 0. */
  readonly delayMs?: number
  /** Whether the attempt counts against a limit of attempts. Default true. */
  readonly countAttempt?: boolean
  /**
   * No job was started for the attempt. It doesn't count, as with `countAttempt: false`, and its history says
   * `unsent`: a job of it that shows up all the same was made too late.
   */
  readonly unsent?: boolean
  /**
   * The item goes back to the place in the order that it had before the claim, instead of behind those that
   * wait. Excludes `delayMs`. [Q-MOVE-5]
   */
  readonly keepPlace?: boolean
  /**
   * A small value for the next claim of the item, at most {@link MAX_RETRY_STATE_BYTES} bytes of JSON: part
   * of the item's summary from then on. A release without one, and a `requeue`, take it away [Q-MOVE-6].
   */
  readonly retryState?: JsonValue
}

export interface SuccessOutcome<Result = JsonValue>
  extends AttemptRef, Pick<JobOutcome, 'exitCode' | 'jobUid'> {
  readonly result?: Result
  readonly details?: JsonValue
}

export interface FailOutcome extends AttemptRef, JobOutcome {
  readonly reason?: string
  readonly details?: JsonValue
}

export interface ReleaseOptions extends AttemptRef, JobOutcome, ReturnOptions {
  readonly reason?: string
}

/**
 * One move of a `settle`: `success`, `fail` or `release` by the stage it leads to. The attempt is not
 * optional here.
 */
export interface Settlement<Result = JsonValue> extends JobOutcome, ReturnOptions {
  readonly id: string
  readonly attempt: number
  readonly uid?: string
  readonly stage: 'SUCCESS' | 'FAIL' | 'WAITING'
  /** SUCCESS only. */
  readonly result?: Result
  /** FAIL and WAITING. */
  readonly reason?: string
  /** SUCCESS and FAIL in the item's record; of WAITING it goes to the attempt's history. */
  readonly details?: JsonValue
}

/**
 * Why a bulk call left one item as it was.
 *
 * - `exists`: an item of this id is there, in whatever stage. With `compare` one of the next two says more.
 * - `exists-same`: and its body is deep-equal to the one given.
 * - `exists-changed`: and its body is another one.
 * - `repeated`: the id came earlier in the same call, and that one counts.
 * - `not-found`: no item of this id is there.
 * - `wrong-stage`: the item is in a stage from which the call doesn't move it.
 * - `not-current`: the item is of another uid, or at another attempt, than the one given.
 */
export type SkipReason =
  | 'exists'
  | 'exists-same'
  | 'exists-changed'
  | 'repeated'
  | 'not-found'
  | 'wrong-stage'
  | 'not-current'

/** An item that a bulk call left as it was, one for each mention of it. */
export interface SkippedItem<Reason extends SkipReason = SkipReason> {
  readonly id: string
  readonly reason: Reason
}

/**
 * What every call takes that can be long. An aborted call rejects with the signal's reason; what it had begun
 * is as after a crash of the process: each item is whole or not there, and the call can be repeated
 * [Q-MOVE-4].
 */
export interface CallOptions {
  readonly signal?: AbortSignal
}

export interface PutManyOptions extends CallOptions {
  /**
   * Says of each item that is there already whether its body is the one given: `exists-same` or
   * `exists-changed` in place of `exists`. Priority and delay are not compared. What it costs, the backend
   * says. Default false.
   */
  readonly compare?: boolean
  /**
   * The stage that new items enter. `SUCCESS` is for work that was done before this queue was: such an item
   * is at attempt 0 with no history, is never given out, and its `finishedAt` is the instant of the call by
   * the storage's clock [Q-PUT-5]. It takes no delay. Default WAITING.
   */
  readonly stage?: 'WAITING' | 'SUCCESS'
}

/** What a `putMany` did; `added` and the length of `skipped` add up to the items of the call [Q-BULK-1]. */
export interface PutReport {
  /** Items that are new. */
  readonly added: number
  /** In the order of the call. */
  readonly skipped: readonly SkippedItem<'exists' | 'exists-same' | 'exists-changed' | 'repeated'>[]
}

/** What a `requeue` did [Q-BULK-1]. */
export interface MoveReport {
  readonly moved: number
  /** In the order of the call. */
  readonly skipped: readonly SkippedItem<'not-found' | 'wrong-stage' | 'repeated'>[]
}

/** What a `remove` did [Q-BULK-1]. */
export interface RemoveReport {
  readonly removed: number
  /** In the order of the call. */
  readonly skipped: readonly SkippedItem<'not-found' | 'wrong-stage' | 'repeated'>[]
}

/** What an `update` did [Q-BULK-1]. */
export interface UpdateReport {
  readonly updated: number
  /** In the order of the call. */
  readonly skipped: readonly SkippedItem<'not-found' | 'wrong-stage' | 'not-current' | 'repeated'>[]
}

export interface RefusedSettlement {
  readonly id: string
  readonly attempt: number
  readonly reason: 'not-found' | 'wrong-stage' | 'not-current'
}

export interface SettleReport {
  /** Moves that are now done, repeats of earlier ones included. */
  readonly settled: number
  readonly refused: readonly RefusedSettlement[]
}

export interface GetOptions {
  /**
   * The claim holds only under this lease, an object that `lease()` of the same queue gave: nothing is
   * claimed once it has run out, was released, or is held by another process [Q-GET-5].
   */
  readonly lease?: Lease
}

export interface RequeueOptions extends CallOptions {
  /** Not given out before this many ms have passed. Default 0. */
  readonly delayMs?: number
  /** Replaces the item's priority. */
  readonly priority?: number
  readonly reason?: string
}

export interface RemoveOptions extends CallOptions {
  /** Only items in these stages. Default WAITING, SUCCESS and FAIL. */
  readonly stages?: readonly Exclude<Stage, 'PROCESSING'>[]
}

export interface SweepOptions extends CallOptions {
  /** Items that came to SUCCESS or FAIL longer ago than this are removed, in ms. Default: none are. */
  readonly retentionMs?: number
}

export interface SweepReport {
  /** Moves that a process had begun and not ended, and that were finished. */
  readonly repaired: number
  /** What the storage held to no purpose any more, and was deleted; no items. */
  readonly leftovers: number
  /** Items that were removed for their age. */
  readonly removed: number
}

export interface PageOptions extends CallOptions {
  /** 1 to {@link MAX_PAGE_ITEMS}; a page may hold fewer and still not be the last. */
  readonly limit: number
  /** As the page before gave it. Opaque. */
  readonly cursor?: string
}

export interface Page<T> {
  readonly items: readonly T[]
  /** Absent on the last page. */
  readonly cursor?: string
}

export interface PeekSummariesOptions extends CallOptions {
  /** As an earlier page, with the same `limitKey`, gave it: goes on behind that page. Opaque. */
  readonly after?: string
  /** Only items of this limit key. Only where `supports.selection.limitKeys` is `indexed`. */
  readonly limitKey?: string
}

export const MAX_PAGE_ITEMS = 10_000

/**
 * A durable list of items in four stages. Every implementation keeps every promise named here; the promises
 * are proven by the contract in `@sluice/testkit`.
 *
 * Any call may also reject with `SLUICE_QUEUE_CLOSED` after `close` [Q-CLOSE-1], and with
 * `SLUICE_QUEUE_UNAVAILABLE` or `SLUICE_QUEUE_DENIED` when the storage can't be used [Q-DOWN-1]; what a call
 * that failed so had begun is whole or not there, or is finished by the next call [Q-MOVE-4]. A wrong
 * argument is a `TypeError`, and nothing is stored. Queues of different names in one store never see each
 * other's items [Q-NAME-1].
 *
 * @example
 * ```ts
 * import { openQueue } from '@sluice/queue-memory'
 *
 * const queue = await openQueue({ name: 'tiles' })
 * await queue.put('tile-1', { url: 's3://maps/1.tif' })
 * const [item] = await queue.get(1)
 * if (item) await queue.success(item.id, { attempt: item.attempt, result: { bytes: 12 } })
 * ```
 */
export interface Queue<Body = JsonValue, Result = JsonValue, Stored = Body> {
  /** The queue's name in its store. */
  readonly name: string
  readonly supports: QueueSupports
  /** Pause, resume and live limits, shared by every process on the same storage [Q-CTRL-1]. */
  readonly control: QueueControl

  /**
   * Adds one item to WAITING. A `get` that starts after it returned can receive it [Q-PUT-1]; of any number
   * of concurrent puts of one id exactly one wins [Q-PUT-2].
   *
   * @param body any JSON value; it comes back deep-equal
   * @throws SluiceError SLUICE_ITEM_EXISTS when the id is in the queue in any stage; that item is unchanged
   * [Q-PUT-2]
   */
  put(id: string, body: Stored, options?: PutOptions): Promise<void>

  /**
   * Adds many items, each all or nothing, in the order given. Interrupted anywhere and run again, it ends
   * with each item exactly once [Q-PUT-3].
   *
   * @returns how many are new, and which were skipped: in the queue already, or earlier in the same call
   * [Q-BULK-1]; with `compare` whether the body that is stored is the one given [Q-PUT-4]; with `stage` they
   * enter SUCCESS instead of WAITING [Q-PUT-5]
   * @throws SluiceError of the storage; its `stored` says what of the call is stored all the same. Without it
   * that is not known
   */
  putMany(items: readonly NewItem<Stored>[], options?: PutManyOptions): Promise<PutReport>

  /**
   * Changes items that are WAITING, each all or nothing: the body, the priority, or the instant before which
   * it isn't given out. What it acknowledged is what the next claim gives [Q-UPDATE-1]; an item that it
   * skipped is unchanged [Q-UPDATE-2]. No attempt is raised, and the item keeps its place in the order unless
   * its priority or `notBeforeAt` is given [Q-UPDATE-3]. Resources and limit key are replaced, or taken away
   * by `null` [Q-UPDATE-5]. Repeated, it changes nothing more. Killed at any instruction, an item is as
   * before or as changed [Q-UPDATE-4].
   *
   * @returns how many were changed, and which were not: unknown, in another stage, of another uid, or earlier
   * in the same call [Q-BULK-1]
   */
  update(changes: readonly ItemChange<Stored>[], options?: CallOptions): Promise<UpdateReport>

  /**
   * WAITING → PROCESSING for at most `maxItems` items, by priority and then first come first served; each
   * one's attempt is one more [Q-GET-1]. No two calls on any machines ever return the same (id, attempt)
   * [Q-GET-2]. It never waits. It may give fewer than there are, for the sake of their size; only `[]` says
   * that nothing can be given out now [Q-GET-3]. Killed at any instruction it loses nothing [Q-GET-4]. Items
   * whose `notBeforeAt` lies ahead stay [Q-TIME-1]. A pause does not stop it: that is for the engine to obey.
   *
   * @param maxItems whole number, 0 or more
   * @throws SluiceError SLUICE_LEASE_LOST when `options.lease` is no longer held; nothing is claimed
   * [Q-GET-5]
   */
  get(maxItems: number, options?: GetOptions): Promise<QueueItem<Body>[]>

  /**
   * What `get` would return now, attempts unraised; nothing moves [Q-GET-1]. Large items may cut it short, as
   * they do `get`.
   */
  peek(maxItems: number, options?: CallOptions): Promise<QueueItem<Stored>[]>

  /**
   * The summaries of what `get` would give out now, in the order of `get`; nothing moves [Q-PEEK-1]. The
   * cursor goes on behind the last item that was looked at, whatever comes and goes meanwhile: an item that
   * lies behind it and can be given out throughout is given once [Q-PEEK-2]. With `limitKey`, only items of
   * that key [Q-PEEK-3]. Only where `supports.selection` is there.
   *
   * @param maxItems 1 to {@link MAX_PAGE_ITEMS}; a page may hold fewer and still not be the last
   */
  peekSummaries?(maxItems: number, options?: PeekSummariesOptions): Promise<Page<ItemSummary>>

  /**
   * WAITING → PROCESSING for those of the named items that `get` could give out now, with the promises of
   * `get`, whatever their place in the order [Q-GET-6, Q-GET-7]. The others are left out: unknown, of another
   * uid, in another stage, or with a `notBeforeAt` that lies ahead. It may give fewer than it could, for the
   * sake of their size; only `[]` says that none of them can be given out now. Only where
   * `supports.selection` is there.
   *
   * @param refs one that comes twice counts once
   * @returns in the order of `refs`
   * @throws SluiceError SLUICE_LEASE_LOST when `options.lease` is no longer held; nothing is claimed
   * [Q-GET-8]
   */
  getItems?(refs: readonly ItemRef[], options?: GetOptions): Promise<QueueItem<Body>[]>

  /**
   * PROCESSING → SUCCESS. Repeated for the same attempt it succeeds and changes nothing [Q-MOVE-2].
   *
   * @throws SluiceError SLUICE_STAGE_CONFLICT when the item is elsewhere or at another attempt or uid;
   * unchanged [Q-MOVE-1]. SLUICE_ITEM_NOT_FOUND for an unknown id [Q-MOVE-3].
   */
  success(id: string, outcome?: SuccessOutcome<Result>): Promise<void>

  /**
   * PROCESSING → FAIL. Promises and errors as for `success`; a late one never overwrites SUCCESS [Q-MOVE-1].
   */
  fail(id: string, outcome?: FailOutcome): Promise<void>

  /**
   * Many `success`, `fail` and `release` at once, each all or nothing; one refusal doesn't stop the rest
   * [Q-MOVE-1, Q-MOVE-2]. The reason of a refusal is `not-current` where the item is of another uid or at
   * another attempt, else `wrong-stage` [Q-BULK-1].
   */
  settle(outcomes: readonly Settlement<Result>[], options?: CallOptions): Promise<SettleReport>

  /** PROCESSING → WAITING, to be given out again after `delayMs`. Promises and errors as for `success`. */
  release(id: string, options?: ReleaseOptions): Promise<void>

  /**
   * FAIL → WAITING, by an operator. The attempts so far no longer count against a limit of attempts.
   *
   * @returns how many moved, and which did not: not in FAIL, not there at all, or earlier in the same call
   * [Q-BULK-1]
   */
  requeue(ids: readonly string[], options?: RequeueOptions): Promise<MoveReport>

  /**
   * Takes items out of the queue for good. An item in PROCESSING is never removed: its job would be an
   * orphan.
   *
   * @returns how many are gone, and which are not: in another stage, not there at all, or earlier in the same
   * call [Q-BULK-1]
   */
  remove(ids: readonly string[], options?: RemoveOptions): Promise<RemoveReport>

  /** Items in one stage, each counted once; exact with no writer running [Q-SIZE-1]. */
  size(stage: Stage, options?: CallOptions): Promise<number>

  /** All four sizes of one instant where the storage can; they add up to the number of items [Q-SIZE-1]. */
  sizes(options?: CallOptions): Promise<Record<Stage, number>>

  /**
   * The one current stage; right after a move returned it shows it [Q-LOOK-1].
   *
   * @throws SluiceError SLUICE_ITEM_NOT_FOUND
   */
  lookupStatus(id: string, options?: CallOptions): Promise<Stage>

  /** All that is known of an item, or `undefined` [Q-LOOK-2]. */
  lookup(id: string, options?: CallOptions): Promise<ItemRecord<Stored, Result> | undefined>

  /**
   * A page of a stage. With no writer, paging gives every item once; with writers, every item that stayed in
   * the stage throughout [Q-LIST-1]. The order is the backend's own.
   */
  list(stage: Stage, page: PageOptions): Promise<Page<ItemRecord<Stored, Result>>>

  /** The same walk without bodies, results and history: what the engine reads at every tick [Q-LIST-1]. */
  listSummaries(stage: Stage, page: PageOptions): Promise<Page<ItemSummary>>

  /** The storage's clock, epoch ms: the one that `notBeforeAt` is held against. */
  now(): Promise<number>

  /**
   * Takes or renews a named lease: at most one holder at a time has it. An efficiency, not a fence around the
   * items: those are fenced by their attempts [Q-LEASE-1].
   *
   * @param holder unique for each process that asks
   * @param ttlMs how long it lives without `renew`, 100 or more
   * @returns `undefined` while another holder has it
   * @throws SluiceError SLUICE_QUEUE_CORRUPT, not retryable, where a newer release has upgraded the storage;
   * every later call of this object then rejects with it [Q-VERSION-1]
   */
  lease(name: string, holder: string, ttlMs: number): Promise<Lease | undefined>

  /**
   * Who holds a named lease, or let it run out last; nothing changes by it [Q-LEASE-3].
   *
   * @returns `undefined`: it was never taken, or it was given back
   */
  readLease(name: string): Promise<LeaseView | undefined>

  /**
   * A small durable value of this queue by its name, 1 to {@link MAX_DOCUMENT_NAME_BYTES} bytes of UTF-8,
   * without NUL [Q-DOC-1].
   */
  document(name: string): QueueDocument

  /** The names of all documents that begin with a prefix, in the order of their UTF-8 bytes [Q-DOC-4]. */
  documents(prefix?: string): Promise<readonly string[]>

  /**
   * Tidies the storage: finishes moves that were begun by processes that died, deletes leftovers, and removes
   * finished items by their age. Safe beside everything else and any number of times; no other call needs it.
   * No item changes by it, but those that have been in SUCCESS or FAIL for longer than `retentionMs` are gone
   * [Q-SWEEP-1]. Only where `supports.sweep` says so.
   */
  sweep?(options?: SweepOptions): Promise<SweepReport>

  /**
   * Only of a queue that was opened with a schema of bodies: the schema's output for a stored body, or why
   * the body does not fit. `get` calls it for each item that it claims; a body that was read by another call
   * is parsed by the caller.
   *
   * @throws TypeError with a `cause` when the schema throws or rejects
   */
  parseBody?(body: Stored): Promise<ParsedBody<Body>>

  /** Ends the use of this object; twice is fine, and nothing then keeps the process alive [Q-CLOSE-1]. */
  close(): Promise<void>

  /** The same as `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>
}

/** A body as its schema reads it. `reason` names the path and repeats no value. */
export type ParsedBody<Body> =
  | { readonly body: Body; readonly reason?: undefined }
  | { readonly body?: undefined; readonly reason: string }

/**
 * The last attempt of a history ended so: how a backend tells the repeat of a move from a conflict
 * [Q-MOVE-2].
 */
export function lastOutcome(history: readonly AttemptRecord[]): AttemptRecord['outcome'] {
  return history.at(-1)?.outcome
}
