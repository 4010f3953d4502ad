import {
  assertCount,
  assertDocumentName,
  assertDocumentPrefix,
  assertIds,
  assertItemId,
  assertLease,
  assertLeaseName,
  assertPageLimit,
  assertStage,
  checkChanges,
  checkMove,
  checkNewItem,
  checkNewItems,
  checkPutMany,
  checkRemovable,
  checkRequeue,
  checkRetention,
  checkSettlements,
  type AskedMove,
  type FailOutcome,
  type GetOptions,
  type ItemChange,
  type ItemSummary,
  type ItemRecord,
  type JsonValue,
  type Lease,
  type LeaseView,
  type MoveReport,
  type NewItem,
  type Page,
  type PageOptions,
  type PutManyOptions,
  type PutOptions,
  type PutReport,
  type Queue,
  type QueueControl,
  type QueueDocument,
  type QueueItem,
  type QueueSupports,
  type RefusedSettlement,
  type ReleaseOptions,
  type RemoveOptions,
  type RemoveReport,
  type RequeueOptions,
  type SettleReport,
  type Settlement,
  type Stage,
  type SuccessOutcome,
  type SweepOptions,
  type SweepReport,
  type UpdateReport,
} from '@sluice/core'
import { sql } from 'kysely'
import { firstOfEach } from './calls/batch.js'
import { reasonsById, skippedOf } from './bulk-report.js'
import type { CallGate } from './calls/call-gate.js'
import { changeRow, wantedRow } from './items/item-rows.js'
import { expireItems, type ExpiryParts } from './items/expiry.js'
import { itemExists, itemNotFound, partlyStored } from './items/item-errors.js'
import { ItemMoves } from './items/item-moves.js'
import { ItemPuts } from './items/item-puts.js'
import { ItemPages } from './items/item-pages.js'
import { ItemReads, type ItemFacts } from './items/item-reads.js'
import { claimedItem, summaryOf, peekedItem, recordOf, withBody } from './items/item-views.js'
import { SharedCalls } from './calls/shared-calls.js'
import { SqlControl } from './sql-control.js'
import { SqlDocuments } from './sql-documents.js'
import { SqlLeases } from './sql-leases.js'
import type { SqlStore } from './sql-store.js'
import { STAGE_NUMBERS, stageOf } from './schema/tables.js'

const MAX_BODY_BYTES = 1_048_576

export interface SqlQueueParts {
  readonly name: string
  readonly queueId: number
  readonly store: SqlStore
  readonly gate: CallGate
}

let makeQueue: (parts: SqlQueueParts) => SqlQueue

/** For this package alone: what a queue is made of is nobody else's, so its constructor is private. */
export function sqlQueueOf(parts: SqlQueueParts): SqlQueue {
  return makeQueue(parts)
}

/**
 * A {@link Queue} in PostgreSQL or SQLite; `openQueue` opens one.
 *
 * Each move is one transaction, and most are one statement. A claim's cost doesn't grow with what waits, with what is finished, or with
 * what must not be given out yet; `size` reads counters that every move changes in its own transaction. Concurrent `put`, `success`, `fail`
 * and `release` of one object share transactions, each with its own outcome.
 */
export class SqlQueue implements Queue {
  readonly name: string
  readonly supports: QueueSupports
  readonly control: QueueControl
  readonly #store: SqlStore
  readonly #gate: CallGate
  readonly #reads: ItemReads
  readonly #pages: ItemPages
  readonly #puts: ItemPuts
  readonly #moves: ItemMoves
  readonly #leases: SqlLeases
  readonly #documents: SqlDocuments
  readonly #expiry: ExpiryParts
  readonly #calls: SharedCalls

  static {
    makeQueue = (parts) => new SqlQueue(parts)
  }

  private constructor({ name, queueId, store, gate }: SqlQueueParts) {
    this.name = name
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
    this.#reads = new ItemReads(store, queueId)
    this.#pages = new ItemPages(store, queueId, this.#reads)
    const moves = store.moves(queueId)
    this.#puts = new ItemPuts({ gate, moves })
    this.#moves = new ItemMoves({ queue: name, gate, reads: this.#reads, moves })
    this.#expiry = { store, gate, moves }
    this.#calls = new SharedCalls({ store, gate, reads: this.#reads, puts: this.#puts, moves: this.#moves })
    this.#leases = new SqlLeases(store, gate, { queueId, name })
    this.#documents = new SqlDocuments({ queue: name, store, gate, queueId, maxBytes: MAX_BODY_BYTES })
    this.control = new SqlControl(store, gate, { queueId, name })
  }

  async put(id: string, body: JsonValue, options: PutOptions = {}): Promise<void> {
    this.#gate.assertOpen()
    const isNew = await this.#calls.put(checkNewItem({ ...options, id, body }, MAX_BODY_BYTES))
    if (!isNew) throw itemExists(this.name, id)
  }

  /**
   * With `compare` the database compares the bodies, in the same statement or transaction. It costs nothing where all items are new, and less than adding them where
   * all are there [Q-PUT-4]. With `stage: 'SUCCESS'` the same statement or transaction puts the items where finished ones are: they are in the backlog at no time, and
   * no one sees them there [Q-PUT-5].
   */
  async putMany(items: readonly NewItem[], options: PutManyOptions = {}): Promise<PutReport> {
    this.#gate.assertOpen()
    const checked = checkNewItems(items, MAX_BODY_BYTES)
    const order = checkPutMany(options, checked)
    const progress = { added: 0, stored: 0, underWay: 0 }
    const reasons = await this.#puts.put(checked, { ...order, progress }).catch((error: unknown) => {
      throw partlyStored(error, progress)
    })
    const skipped = skippedOf(checked, reasons)
    return { added: checked.length - skipped.length, skipped }
  }

  /** Concurrent calls of one object share statements; each item is changed whole or not at all [Q-UPDATE-1]. */
  async update(changes: readonly ItemChange[]): Promise<UpdateReport> {
    this.#gate.assertOpen()
    const checked = checkChanges(changes, MAX_BODY_BYTES)
    const distinct = firstOfEach(checked)
    const reasons = await this.#calls.update(distinct.map(changeRow))
    const known = new Map(distinct.map(({ id }, index) => [id, reasons[index]]))
    const skipped = skippedOf(checked, reasonsById(checked, known))
    return { updated: checked.length - skipped.length, skipped }
  }

  async get(maxItems: number, { lease }: GetOptions = {}): Promise<QueueItem[]> {
    this.#gate.assertOpen()
    assertCount(maxItems, 'maxItems')
    return (await this.#calls.claim(maxItems, lease)).map(claimedItem)
  }

  async peek(maxItems: number): Promise<QueueItem[]> {
    this.#gate.assertOpen()
    assertCount(maxItems, 'maxItems')
    return this.#read('peek at items', async () => {
      const rows = await this.#reads.due(maxItems)
      const bodies = await this.#reads.bodies(rows.map(({ seq }) => seq))
      return rows.flatMap((row) => withBody(row, bodies, peekedItem))
    })
  }

  async success(id: string, outcome: SuccessOutcome = {}): Promise<void> {
    await this.#moveOne({ ...outcome, id, stage: 'SUCCESS' })
  }

  async fail(id: string, outcome: FailOutcome = {}): Promise<void> {
    await this.#moveOne({ ...outcome, id, stage: 'FAIL' })
  }

  async release(id: string, options: ReleaseOptions = {}): Promise<void> {
    await this.#moveOne({ ...options, id, stage: 'WAITING' })
  }

  async settle(outcomes: readonly Settlement[]): Promise<SettleReport> {
    this.#gate.assertOpen()
    const refusals = await this.#calls.settle(checkSettlements(outcomes, MAX_BODY_BYTES).map(wantedRow))
    const refused = outcomes.flatMap(({ id, attempt }, index): RefusedSettlement[] => {
      const reason = refusals[index]?.reason
      return reason === undefined ? [] : [{ id, attempt, reason }]
    })
    return { settled: outcomes.length - refused.length, refused }
  }

  async requeue(ids: readonly string[], options: RequeueOptions = {}): Promise<MoveReport> {
    this.#gate.assertOpen()
    assertIds(ids)
    const { delayMs = 0, priority = null, reason = null } = checkRequeue(options)
    const known = await this.#moves.requeue([...new Set(ids)], { delayMs, priority, reason })
    const mentions = ids.map((id) => ({ id }))
    const skipped = skippedOf(mentions, reasonsById(mentions, known))
    return { moved: ids.length - skipped.length, skipped }
  }

  async remove(ids: readonly string[], options: RemoveOptions = {}): Promise<RemoveReport> {
    this.#gate.assertOpen()
    assertIds(ids)
    const stages = checkRemovable(options).map((stage) => STAGE_NUMBERS[stage])
    const known = await this.#moves.remove([...new Set(ids)], stages)
    const mentions = ids.map((id) => ({ id }))
    const skipped = skippedOf(mentions, reasonsById(mentions, known))
    return { removed: ids.length - skipped.length, skipped }
  }

  async size(stage: Stage): Promise<number> {
    this.#gate.assertOpen()
    assertStage(stage)
    return (await this.sizes())[stage]
  }

  async sizes(): Promise<Record<Stage, number>> {
    return this.#read('read sizes', () => this.#reads.sizes())
  }

  async lookupStatus(id: string): Promise<Stage> {
    this.#gate.assertOpen()
    assertItemId(id)
    const stage = await this.#calls.stage(id)
    if (stage === undefined) throw itemNotFound(this.name, id, 'look up')
    return stageOf(stage)
  }

  async lookup(id: string): Promise<ItemRecord | undefined> {
    this.#gate.assertOpen()
    assertItemId(id)
    return this.#read('look up an item', async () => (await this.#records(await this.#reads.find([id])))[0])
  }

  async list(stage: Stage, page: PageOptions): Promise<Page<ItemRecord>> {
    this.#assertPage(stage, page)
    return this.#read('list items', async () => {
      const { items, ...rest } = await this.#pages.recordPage(stage, page)
      return { items: await this.#records(items), ...rest }
    })
  }

  async listSummaries(stage: Stage, page: PageOptions): Promise<Page<ItemSummary>> {
    this.#assertPage(stage, page)
    return this.#read('list items', async () => {
      const { items, ...rest } = await this.#pages.summaryPage(stage, page)
      return { items: items.map(summaryOf), ...rest }
    })
  }

  async now(): Promise<number> {
    return this.#read('read the clock', async () => {
      const { rows } = await sql<{ now: number }>`select ${this.#store.nowMs} as now`.execute(this.#store.db)
      return Number(rows[0]?.now)
    })
  }

  /** No move is ever half done here, and nothing is left over: only the age of finished items counts [Q-SWEEP-1]. */
  async sweep(options: SweepOptions = {}): Promise<SweepReport> {
    this.#gate.assertOpen()
    const retentionMs = checkRetention(options)
    if (retentionMs !== undefined)
      return { repaired: 0, leftovers: 0, removed: await expireItems(this.#expiry, retentionMs) }
    // With nothing to do it still says whether the storage is there [Q-DOWN-1].
    await this.now()
    return { repaired: 0, leftovers: 0, removed: 0 }
  }

  async lease(name: string, holder: string, ttlMs: number): Promise<Lease | undefined> {
    this.#gate.assertOpen()
    assertLease(name, holder, ttlMs)
    return this.#leases.take(name, holder, ttlMs)
  }

  async readLease(name: string): Promise<LeaseView | undefined> {
    this.#gate.assertOpen()
    assertLeaseName(name)
    return this.#leases.read(name)
  }

  document(name: string): QueueDocument {
    assertDocumentName(name)
    return this.#documents.document(name)
  }

  async documents(prefix = ''): Promise<readonly string[]> {
    this.#gate.assertOpen()
    assertDocumentPrefix(prefix)
    return this.#documents.names(prefix)
  }

  /** Lets calls under way end, then closes the connections. */
  close(): Promise<void> {
    return this.#gate.close()
  }

  #read<T>(what: string, run: () => Promise<T>): Promise<T> {
    return this.#gate.run(what, run)
  }

  #assertPage(stage: Stage, page: PageOptions): void {
    this.#gate.assertOpen()
    assertStage(stage)
    assertPageLimit(page.limit)
  }

  async #moveOne(asked: AskedMove): Promise<void> {
    this.#gate.assertOpen()
    const [refusal] = await this.#calls.settle([wantedRow(checkMove(asked, MAX_BODY_BYTES))])
    if (refusal !== undefined) throw refusal.error
  }

  /** An item that was removed between the reads is left out. */
  async #records(rows: readonly ItemFacts[]): Promise<ItemRecord[]> {
    if (rows.length === 0) return []
    const seqs = rows.map(({ seq }) => seq)
    const bodies = await this.#reads.bodies(seqs)
    const attempts = await this.#reads.attempts(seqs)
    return rows.flatMap((row) =>
      withBody(row, bodies, (_, body) => recordOf(row, body, attempts.get(row.seq) ?? [])),
    )
  }
}
