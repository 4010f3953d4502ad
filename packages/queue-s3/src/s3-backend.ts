import type {
  CallOptions,
  ItemRecord,
  ItemSummary,
  Lease,
  Page,
  PageOptions,
  QueueItem,
  QueueSupports,
  Stage,
  SweepOptions,
  SweepReport,
} from '@sluice/core'
import {
  checkNewItem,
  type CheckedChange,
  type CheckedItem,
  type CheckedMove,
  type MoveRefusal,
  type PutOrder,
  type PutRefusal,
  type QueueBackend,
  type RemoveOrder,
  type RequeueOrder,
  type SelectionBackend,
} from '@sluice/core/backend'
import { FormatWatch } from './format/format-watch.js'
import { ClaimBatches } from './items/claim-batches.js'
import { ItemClaims } from './items/item-claims.js'
import { ItemMoves } from './items/item-moves.js'
import { ItemPuts } from './items/item-puts.js'
import { listRecords, listSummaries, lookupItem, lookupStage } from './items/item-reads.js'
import { claimNamedItems } from './items/named-claims.js'
import { repair } from './items/repair.js'
import { Sweep } from './items/sweep.js'
import { peekSummaries } from './items/waiting-peek.js'
import { contextOf, type QueueContext } from './queue-context.js'
import { countStage } from './stages/stage-count.js'
import { assertCursor } from './stages/stage-walk.js'
import { s3Control } from './state/s3-control.js'
import { S3Documents } from './state/s3-documents.js'
import { S3Leases } from './state/s3-leases.js'

const SUPPORTS = {
  durable: true,
  sharedBy: 'network',
  maxBodyBytes: 1_048_576,
  // The store's clock has whole seconds; an answer is under way for up to another one.
  orderPrecisionMs: 2_000,
  sweep: true,
  // A write has no condition on another object than its own.
  fencedClaims: false,
  // Names sort in the order of claims alone.
  selection: { limitKeys: 'none' },
} satisfies QueueSupports

/**
 * The longest call of a few items, in `timeoutMs`: six steps in sequence, of four each, and one for the wait
 * of large requests. See the README.
 */
const LONGEST_CALL_TIMEOUTS = 25

/**
 * A queue in an S3 bucket, with nothing beside it. Each move is decided by the creation of one object with
 * If-None-Match, so any number of processes may use it at once, and any of them may die at any instruction:
 * `docs/s3-layout.md` says how.
 */
export class S3Backend implements QueueBackend {
  readonly supports: QueueSupports
  readonly checkItem = checkNewItem
  readonly selection: SelectionBackend
  readonly leases: S3Leases
  readonly documents: S3Documents
  readonly control
  readonly #context: QueueContext
  readonly #claims: ItemClaims
  readonly #moves: ItemMoves
  readonly #puts: ItemPuts
  readonly #format: FormatWatch
  readonly #sweep: Sweep

  /** @param purgeAfterMs how long after a removal the tombstones of an item are kept */
  constructor(context: QueueContext, purgeAfterMs: number) {
    this.#context = context
    this.supports = { ...SUPPORTS, longestCallMs: LONGEST_CALL_TIMEOUTS * context.store.sender.timeoutMs }
    const batches = new ClaimBatches(context)
    this.#claims = new ItemClaims(context, batches)
    this.selection = {
      peek: (maxItems, options) => peekSummaries(context, batches, { ...options, maxItems }),
      claim: (refs, lease) => this.#claimUnder(lease, () => claimNamedItems(context, batches, refs)),
    }
    this.#moves = new ItemMoves(context)
    this.#puts = new ItemPuts(context)
    this.#format = new FormatWatch(context)
    context.watch.beforeCreate = (patience) => this.#format.assertFresh(patience)
    this.leases = new S3Leases(context, this.#format)
    this.documents = new S3Documents(context, (lease) => this.leases.isHeld(lease))
    this.control = s3Control(context)
    this.#sweep = new Sweep(context, purgeAfterMs)
  }

  assertUsable(): void {
    this.#format.assertKnown()
  }

  /**
   * A comparison costs a GET for each item that exists; two for one that was updated [Q-PUT-4]. Into SUCCESS
   * it costs the same as into WAITING [Q-PUT-5].
   */
  put(items: readonly CheckedItem[], order: PutOrder): Promise<ReadonlyMap<string, PutRefusal>> {
    return this.#puts.put(items, order)
  }

  update(changes: readonly CheckedChange[], options: CallOptions) {
    return this.#moves.update(changes, options)
  }

  /**
   * Under a lease, the lease is read before the claim and after it. If it is lost by then, or can't be read,
   * the claimed items are released to their places [Q-GET-5].
   */
  claim(maxItems: number, lease: Lease | undefined): Promise<QueueItem[] | undefined> {
    return this.#claimUnder(lease, () => this.#claims.get(maxItems))
  }

  peek(maxItems: number, options: CallOptions): Promise<QueueItem[]> {
    return this.#claims.peek(maxItems, options)
  }

  settle(moves: readonly CheckedMove[], options: CallOptions): Promise<readonly (MoveRefusal | undefined)[]> {
    return this.#moves.settle(moves, options)
  }

  requeue(ids: readonly string[], order: RequeueOrder) {
    return this.#moves.requeue(ids, order)
  }

  remove(ids: readonly string[], order: RemoveOrder) {
    return this.#moves.remove(ids, order)
  }

  async size(stage: Stage, options: CallOptions): Promise<number> {
    const context = contextOf(this.#context, options)
    await repair(context)
    return countStage(context, stage)
  }

  async sizes(options: CallOptions): Promise<Record<Stage, number>> {
    const context = contextOf(this.#context, options)
    await repair(context)
    const stages = ['WAITING', 'PROCESSING', 'SUCCESS', 'FAIL'] as const
    const counts = await Promise.all(stages.map((stage) => countStage(context, stage)))
    const [WAITING = 0, PROCESSING = 0, SUCCESS = 0, FAIL = 0] = counts
    return { WAITING, PROCESSING, SUCCESS, FAIL }
  }

  lookupStage(id: string, options: CallOptions): Promise<Stage | undefined> {
    return lookupStage(contextOf(this.#context, options), id)
  }

  lookup(id: string, options: CallOptions): Promise<ItemRecord | undefined> {
    return lookupItem(contextOf(this.#context, options), id)
  }

  list(stage: Stage, page: PageOptions): Promise<Page<ItemRecord>> {
    assertCursor(page.cursor)
    return listRecords(contextOf(this.#context, page), stage, page)
  }

  listSummaries(stage: Stage, page: PageOptions): Promise<Page<ItemSummary>> {
    assertCursor(page.cursor)
    return listSummaries(contextOf(this.#context, page), stage, page)
  }

  async now(): Promise<number> {
    const { store, layout } = this.#context
    await store.send({ do: 'head', key: layout.settings() }, store.patience())
    return store.clock.now()
  }

  /**
   * Finishes unfinished moves, deletes leftovers, removes finished items by age, and purges old tombstones.
   * Safe beside all other calls, any number of times; nothing needs it soon [Q-SWEEP-1].
   */
  sweep(options: SweepOptions): Promise<SweepReport> {
    return this.#sweep.run(options)
  }

  async close(): Promise<void> {
    await this.#context.watch.close()
    this.#context.store.close()
  }

  async #claimUnder(
    lease: Lease | undefined,
    claim: () => Promise<QueueItem[]>,
  ): Promise<QueueItem[] | undefined> {
    if (lease === undefined) return claim()
    if (!(await this.leases.isHeld(lease))) return undefined
    const items = await claim()
    if (items.length === 0) return items
    let isKept = false
    try {
      isKept = await this.leases.isHeld(lease)
    } finally {
      if (!isKept) await this.#moves.giveBack(items, SUPPORTS.maxBodyBytes)
    }
    return isKept ? items : undefined
  }
}
