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
  checkPutMany,
  checkRemovable,
  checkRequeue,
  checkRetention,
  checkSettlements,
  copyNewItem,
  copyNewItems,
  type AskedMove,
  type CheckedMove,
  type Runtime,
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
import { compared, skippedOf } from './bulk-skips.js'
import { memoryControl } from './memory-control.js'
import { memoryDocument } from './memory-documents.js'
import {
  itemExists,
  itemNotFound,
  leaseLost,
  queueClosed,
  queueDropped,
  stageConflict,
} from './memory-errors.js'
import { memoryLease } from './memory-lease.js'
import { MemoryStore, type StoredQueue } from './memory-store.js'
import { claimedItemOf, summaryOf, peekedItemOf, recordOf, type StoredItem } from './stored-item.js'

export interface MemoryQueueOptions {
  /** The name of the queue in its store. */
  readonly name: string
  /** A store shared with other queues of this process. Default a new one. */
  readonly store?: MemoryStore
  /** What a new store reads instants from. Default the machine's clock. */
  readonly runtime?: Pick<Runtime, 'now'>
}

const SUPPORTS: QueueSupports = {
  durable: false,
  sharedBy: 'process',
  maxBodyBytes: 1_048_576,
  orderPrecisionMs: 0,
  sweep: true,
  fencedClaims: true,
}

/**
 * The reference {@link Queue}: everything in this process's memory, gone when it ends. Each call does its work in one piece before
 * it returns its promise, so calls of one process never interleave and none can be half done.
 *
 * `put`, `get` and every move cost O(log n) for each item at most; only a page of `list` costs its length, and what
 * left since from among it.
 */
export class MemoryQueue implements Queue {
  readonly name: string
  readonly supports = SUPPORTS
  readonly control: QueueControl
  readonly #store: MemoryStore
  readonly #stored: StoredQueue
  #closed = false

  constructor({ name, runtime, store = new MemoryStore(runtime ? { runtime } : {}) }: MemoryQueueOptions) {
    this.name = name
    this.#store = store
    this.#stored = store.queue(name)
    this.control = memoryControl(this.#stored.control, () => this.#assertOpen())
  }

  async put(id: string, body: JsonValue, options: PutOptions = {}): Promise<void> {
    this.#assertOpen()
    const copied = copyNewItem({ ...options, id, body }, SUPPORTS.maxBodyBytes)
    const known = this.#stored.items.insert(copied, this.#store.now())
    if (known !== undefined) throw itemExists(this.name, known)
  }

  /** To compare costs a look at the body that is there [Q-PUT-4]. */
  async putMany(items: readonly NewItem[], options: PutManyOptions = {}): Promise<PutReport> {
    this.#assertOpen()
    const copied = copyNewItems(items, SUPPORTS.maxBodyBytes)
    const { compare, stage } = checkPutMany(options, copied)
    const now = this.#store.now()
    const skipped: PutReport['skipped'][number][] = []
    const seen = new Set<string>()
    for (const item of copied) {
      const { id, body } = item
      const known = this.#stored.items.insert(item, now, stage)
      if (seen.has(id)) skipped.push({ id, reason: 'repeated' })
      else if (known !== undefined)
        skipped.push({ id, reason: compare ? compared(known.body, body) : 'exists' })
      seen.add(id)
    }
    return { added: copied.length - skipped.length, skipped }
  }

  async update(changes: readonly ItemChange[]): Promise<UpdateReport> {
    this.#assertOpen()
    const checked = checkChanges(changes, SUPPORTS.maxBodyBytes)
    const now = this.#store.now()
    const skipped = skippedOf(
      checked,
      ({ id }) => id,
      (change) => {
        const item = this.#stored.items.find(change.id)
        if (item === undefined) return 'not-found'
        const done = this.#stored.items.update(item, change, now)
        return done === 'updated' ? undefined : done
      },
    )
    return { updated: checked.length - skipped.length, skipped }
  }

  async get(maxItems: number, { lease }: GetOptions = {}): Promise<QueueItem[]> {
    this.#assertOpen()
    assertCount(maxItems, 'maxItems')
    this.#assertHeld(lease)
    const now = this.#store.now()
    return this.#stored.items.claim(maxItems, now).map((item) => claimedItemOf(item, now))
  }

  async peek(maxItems: number): Promise<QueueItem[]> {
    this.#assertOpen()
    assertCount(maxItems, 'maxItems')
    return this.#stored.items.peek(maxItems, this.#store.now()).map(peekedItemOf)
  }

  async success(id: string, outcome: SuccessOutcome = {}): Promise<void> {
    this.#moveOne({ ...outcome, id, stage: 'SUCCESS' })
  }

  async fail(id: string, outcome: FailOutcome = {}): Promise<void> {
    this.#moveOne({ ...outcome, id, stage: 'FAIL' })
  }

  async release(id: string, options: ReleaseOptions = {}): Promise<void> {
    this.#moveOne({ ...options, id, stage: 'WAITING' })
  }

  async settle(outcomes: readonly Settlement[]): Promise<SettleReport> {
    this.#assertOpen()
    const moves = checkSettlements(outcomes, SUPPORTS.maxBodyBytes)
    const now = this.#store.now()
    const refused: RefusedSettlement[] = []
    for (const move of moves) {
      const reason = this.#refusal(move, now)
      if (reason !== undefined) refused.push({ id: move.id, attempt: move.attempt, reason })
    }
    return { settled: moves.length - refused.length, refused }
  }

  async requeue(ids: readonly string[], options: RequeueOptions = {}): Promise<MoveReport> {
    this.#assertOpen()
    assertIds(ids)
    const checked = checkRequeue(options)
    const now = this.#store.now()
    const skipped = skippedOf(ids, String, (id) => {
      const item = this.#stored.items.find(id)
      if (item === undefined) return 'not-found'
      return this.#stored.items.requeue(item, checked, now) ? undefined : 'wrong-stage'
    })
    return { moved: ids.length - skipped.length, skipped }
  }

  async remove(ids: readonly string[], options: RemoveOptions = {}): Promise<RemoveReport> {
    this.#assertOpen()
    assertIds(ids)
    const stages = checkRemovable(options)
    const skipped = skippedOf(ids, String, (id) => {
      const item = this.#stored.items.find(id)
      if (item === undefined) return 'not-found'
      if (!stages.includes(item.stage)) return 'wrong-stage'
      this.#stored.items.remove(item)
      return undefined
    })
    return { removed: ids.length - skipped.length, skipped }
  }

  async size(stage: Stage): Promise<number> {
    this.#assertOpen()
    assertStage(stage)
    return this.#stored.items.size(stage)
  }

  async sizes(): Promise<Record<Stage, number>> {
    this.#assertOpen()
    const { items } = this.#stored
    return {
      WAITING: items.size('WAITING'),
      PROCESSING: items.size('PROCESSING'),
      SUCCESS: items.size('SUCCESS'),
      FAIL: items.size('FAIL'),
    }
  }

  async lookupStatus(id: string): Promise<Stage> {
    this.#assertOpen()
    assertItemId(id)
    const item = this.#stored.items.find(id)
    if (item === undefined) throw itemNotFound(this.name, id, 'look up')
    return item.stage
  }

  async lookup(id: string): Promise<ItemRecord | undefined> {
    this.#assertOpen()
    assertItemId(id)
    const item = this.#stored.items.find(id)
    return item === undefined ? undefined : recordOf(item)
  }

  async list(stage: Stage, page: PageOptions): Promise<Page<ItemRecord>> {
    return this.#page(stage, page, recordOf)
  }

  async listSummaries(stage: Stage, page: PageOptions): Promise<Page<ItemSummary>> {
    return this.#page(stage, page, summaryOf)
  }

  async now(): Promise<number> {
    this.#assertOpen()
    return this.#store.now()
  }

  async lease(name: string, holder: string, ttlMs: number): Promise<Lease | undefined> {
    this.#assertOpen()
    assertLease(name, holder, ttlMs)
    const fencingToken = this.#stored.leases.take(name, holder, ttlMs)
    if (fencingToken === undefined) return undefined
    const access = { table: this.#stored.leases, assertKept: () => this.#assertKept() }
    return memoryLease(access, { name, holder, fencingToken, ttlMs })
  }

  async readLease(name: string): Promise<LeaseView | undefined> {
    this.#assertOpen()
    assertLeaseName(name)
    return this.#stored.leases.read(name)
  }

  document(name: string): QueueDocument {
    assertDocumentName(name)
    return memoryDocument(name, {
      table: this.#stored.documents,
      maxBytes: SUPPORTS.maxBodyBytes,
      assertUsable: (lease) => {
        this.#assertOpen()
        this.#assertHeld(lease)
      },
    })
  }

  async documents(prefix = ''): Promise<readonly string[]> {
    this.#assertOpen()
    assertDocumentPrefix(prefix)
    return this.#stored.documents.names(prefix)
  }

  /** Nothing is ever half done here, and nothing is left over: only the age of finished items counts [Q-SWEEP-1]. */
  async sweep(options: SweepOptions = {}): Promise<SweepReport> {
    this.#assertOpen()
    const retentionMs = checkRetention(options)
    const removed = retentionMs === undefined ? 0 : this.#stored.items.expire(this.#store.now() - retentionMs)
    return { repaired: 0, leftovers: 0, removed }
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  #assertOpen(): void {
    if (this.#closed) throw queueClosed(this.name)
    this.#assertKept()
  }

  #assertKept(): void {
    if (this.#stored.isDropped) throw queueDropped(this.name)
  }

  #assertHeld(lease: Lease | undefined): void {
    if (lease === undefined || this.#stored.leases.isHeld(lease)) return
    throw leaseLost(this.name, lease)
  }

  #moveOne(asked: AskedMove): void {
    this.#assertOpen()
    const move = checkMove(asked, SUPPORTS.maxBodyBytes)
    const item = this.#stored.items.find(move.id)
    if (item === undefined) throw itemNotFound(this.name, move.id, `move to ${move.to}`)
    const verdict = this.#stored.items.move(item, move, this.#store.now())
    if (verdict !== 'move' && verdict !== 'repeat') throw stageConflict(item, move)
  }

  #refusal(move: CheckedMove, now: number): RefusedSettlement['reason'] | undefined {
    const item = this.#stored.items.find(move.id)
    if (item === undefined) return 'not-found'
    const verdict = this.#stored.items.move(item, move, now)
    return verdict === 'move' || verdict === 'repeat' ? undefined : verdict
  }

  #page<T>(stage: Stage, options: PageOptions, view: (item: StoredItem) => T): Page<T> {
    this.#assertOpen()
    assertStage(stage)
    assertPageLimit(options.limit)
    const page = this.#stored.items.page(stage, options)
    return { ...page, items: page.items.map(view) }
  }
}
