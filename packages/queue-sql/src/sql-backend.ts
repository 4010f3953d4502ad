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
} from '@sluice/core/backend'
import { sql } from 'kysely'
import type { CallGate } from './calls/call-gate.js'
import { SharedCalls } from './calls/shared-calls.js'
import { expireItems } from './items/expiry.js'
import { ItemMoves } from './items/item-moves.js'
import { ItemPages } from './items/item-pages.js'
import { ItemPuts, partlyStored } from './items/item-puts.js'
import { ItemReads, type ItemFacts } from './items/item-reads.js'
import { peekedItem, recordOf, summaryOf, withBody } from './items/item-views.js'
import type { Moves } from './items/moves.js'
import type { StoredAs } from './queue-row.js'
import { SqlControl } from './sql-control.js'
import { SqlDocuments } from './sql-documents.js'
import { SqlLeases } from './sql-leases.js'
import type { SqlStore } from './sql-store.js'

const MAX_BODY_BYTES = 1_048_576

/**
 * A queue in PostgreSQL or SQLite.
 *
 * Each move is one transaction, and most are one statement. The cost of a claim does not grow with the number
 * of waiting, finished or delayed items; sizes are counters that every move changes in its own transaction.
 * Concurrent single calls share transactions, each with its own outcome.
 */
export class SqlBackend implements QueueBackend {
  readonly supports: QueueSupports
  readonly checkItem = checkNewItem
  readonly leases: SqlLeases
  readonly documents: SqlDocuments
  readonly control: SqlControl
  readonly #store: SqlStore
  readonly #gate: CallGate
  readonly #statements: Moves
  readonly #reads: ItemReads
  readonly #pages: ItemPages
  readonly #puts: ItemPuts
  readonly #moves: ItemMoves
  readonly #calls: SharedCalls

  constructor(store: SqlStore, gate: CallGate, as: StoredAs) {
    this.supports = {
      durable: store.durable,
      sharedBy: store.sharedBy,
      maxBodyBytes: MAX_BODY_BYTES,
      orderPrecisionMs: 1,
      sweep: true,
      fencedClaims: true,
      longestCallMs: store.longestCallMs,
    }
    this.#store = store
    this.#gate = gate
    this.#reads = new ItemReads(store, as.queueId)
    this.#pages = new ItemPages(store, as.queueId, this.#reads)
    this.#statements = store.moves(as.queueId)
    this.#puts = new ItemPuts({ gate, moves: this.#statements })
    this.#moves = new ItemMoves({ gate, reads: this.#reads, moves: this.#statements })
    this.#calls = new SharedCalls({ store, gate, reads: this.#reads, puts: this.#puts, moves: this.#moves })
    this.leases = new SqlLeases(store, gate, as)
    this.documents = new SqlDocuments(store, gate, as)
    this.control = new SqlControl(store, gate, as)
  }

  assertUsable(): void {
    this.#gate.assertUsable()
  }

  /**
   * With `compare` the database compares the bodies in the same statement or transaction, at no cost if all
   * items are new, and at less than adding them if none is [Q-PUT-4]. With `stage: 'SUCCESS'` the same
   * statement or transaction inserts the items as finished: they are never in the backlog, where a claim
   * could find them [Q-PUT-5].
   */
  put(items: readonly CheckedItem[], order: PutOrder): Promise<ReadonlyMap<string, PutRefusal>> {
    const [only] = items
    const isShared = items.length === 1 && !order.compare && order.stage === 'WAITING'
    return isShared && only !== undefined ? this.#calls.put(only) : this.#putMany(items, order)
  }

  async #putMany(
    items: readonly CheckedItem[],
    { compare, stage, signal }: PutOrder,
  ): Promise<ReadonlyMap<string, PutRefusal>> {
    const progress = { added: 0, stored: 0, underWay: 0 }
    try {
      return await this.#puts.put(items, { compare, stage, signal, progress })
    } catch (error) {
      throw partlyStored(error, progress)
    }
  }

  /** Each item is changed whole or not at all [Q-UPDATE-1]. */
  update(changes: readonly CheckedChange[], { signal }: CallOptions) {
    return this.#calls.update(changes, signal)
  }

  claim(maxItems: number, lease: Lease | undefined): Promise<QueueItem[] | undefined> {
    return this.#calls.claim(maxItems, lease)
  }

  peek(maxItems: number, { signal }: CallOptions): Promise<QueueItem[]> {
    return this.#read('peek at items', async () => {
      if (maxItems === 1) {
        const first = await this.#reads.firstDue()
        return first === undefined ? [] : [peekedItem(first, first.body)]
      }
      const rows = await this.#reads.due(maxItems)
      signal?.throwIfAborted()
      const bodies = await this.#reads.bodies(rows.map(({ seq }) => seq))
      return rows.flatMap((row) => withBody(row, bodies, peekedItem))
    })
  }

  settle(
    moves: readonly CheckedMove[],
    { signal }: CallOptions,
  ): Promise<readonly (MoveRefusal | undefined)[]> {
    return this.#calls.settle(moves, signal)
  }

  requeue(ids: readonly string[], { delayMs, priority, reason, signal }: RequeueOrder) {
    return this.#moves.requeue(ids, { delayMs, priority: priority ?? null, reason: reason ?? null }, signal)
  }

  remove(ids: readonly string[], order: RemoveOrder) {
    return this.#moves.remove(ids, order)
  }

  async size(stage: Stage): Promise<number> {
    return (await this.sizes())[stage]
  }

  sizes(): Promise<Record<Stage, number>> {
    return this.#read('read sizes', () => this.#reads.sizes())
  }

  lookupStage(id: string): Promise<Stage | undefined> {
    return this.#calls.stage(id)
  }

  lookup(id: string, { signal }: CallOptions): Promise<ItemRecord | undefined> {
    return this.#read(
      'look up an item',
      async () => (await this.#records(await this.#reads.find([id]), signal))[0],
    )
  }

  list(stage: Stage, page: PageOptions): Promise<Page<ItemRecord>> {
    return this.#read('list items', async () => {
      const { items, ...rest } = await this.#pages.recordPage(stage, page)
      return { items: await this.#records(items, page.signal), ...rest }
    })
  }

  listSummaries(stage: Stage, page: PageOptions): Promise<Page<ItemSummary>> {
    return this.#read('list items', async () => {
      const { items, ...rest } = await this.#pages.summaryPage(stage, page)
      return { items: items.map(summaryOf), ...rest }
    })
  }

  now(): Promise<number> {
    return this.#read('read the clock', async () => {
      const { rows } = await sql<{ now: number }>`select ${this.#store.nowMs} as now`.execute(this.#store.db)
      return Number(rows[0]?.now)
    })
  }

  /** No move is ever half done here: only the age of finished items counts [Q-SWEEP-1]. */
  async sweep({ retentionMs, signal }: SweepOptions): Promise<SweepReport> {
    if (retentionMs !== undefined) {
      const parts = { store: this.#store, gate: this.#gate, moves: this.#statements }
      return { repaired: 0, leftovers: 0, removed: await expireItems(parts, retentionMs, signal) }
    }
    // With nothing to do it still reports whether the storage is reachable [Q-DOWN-1].
    await this.now()
    return { repaired: 0, leftovers: 0, removed: 0 }
  }

  close(): Promise<void> {
    return this.#gate.close()
  }

  #read<T>(what: string, run: () => Promise<T>): Promise<T> {
    return this.#gate.run(what, run)
  }

  /** An item that was removed between the reads is left out. */
  async #records(rows: readonly ItemFacts[], signal: AbortSignal | undefined): Promise<ItemRecord[]> {
    if (rows.length === 0) return []
    const seqs = rows.map(({ seq }) => seq)
    signal?.throwIfAborted()
    const bodies = await this.#reads.bodies(seqs)
    signal?.throwIfAborted()
    const attempts = await this.#reads.attempts(seqs)
    return rows.flatMap((row) =>
      withBody(row, bodies, (_, body) => recordOf(row, body, attempts.get(row.seq) ?? [])),
    )
  }
}
