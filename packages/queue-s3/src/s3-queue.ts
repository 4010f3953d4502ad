import {
  SluiceError,
  assertCount,
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
  type SweepReport,
  type UpdateReport,
} from '@sluice/core'
import { FormatWatch } from './format/format-watch.js'
import type { QueueContext } from './queue-context.js'
import { ItemClaims } from './items/item-claims.js'
import { ItemMoves, itemNotFound, leaseLost, moveError } from './items/item-moves.js'
import { listSummaries, listRecords, lookupItem, lookupStage } from './items/item-reads.js'
import { repair } from './items/repair.js'
import { ItemPuts } from './items/item-puts.js'
import { s3Control } from './state/s3-control.js'
import { S3Documents } from './state/s3-documents.js'
import { S3Leases } from './state/s3-leases.js'
import { countStage } from './stages/stage-count.js'
import { assertCursor } from './stages/stage-walk.js'
import { Sweep, type S3SweepOptions } from './items/sweep.js'

const SUPPORTS = {
  durable: true,
  sharedBy: 'network',
  maxBodyBytes: 1_048_576,
  // The store tells its time in whole seconds; an answer is up to as long under way again.
  orderPrecisionMs: 2_000,
  sweep: true,
  // There is no condition on another object than the one that is written.
  fencedClaims: false,
} satisfies QueueSupports

/**
 * The longest call of a few items in `timeoutMs`: six steps, one after the other, of four each, and one for
 * the turn of large requests. See the README.
 */
const LONGEST_CALL_TIMEOUTS = 25

/**
 * A {@link Queue} in an S3 bucket, with nothing beside it. Each move is decided by the creation of one object
 * with If-None-Match, so that any number of processes may use it at once and any of them may die at any
 * instruction; `docs/s3-layout.md` says how. Get one by `openQueue`.
 */
export class S3Queue implements Queue {
  readonly name: string
  readonly supports: QueueSupports
  readonly control: QueueControl
  readonly #context: QueueContext
  readonly #claims: ItemClaims
  readonly #moves: ItemMoves
  readonly #puts: ItemPuts
  readonly #format: FormatWatch
  readonly #leases: S3Leases
  readonly #documents: S3Documents
  readonly #sweep: Sweep
  #closed = false

  /** Use `openQueue`. */
  constructor(name: string, context: QueueContext) {
    this.name = name
    this.#context = context
    this.supports = { ...SUPPORTS, longestCallMs: LONGEST_CALL_TIMEOUTS * context.store.sender.timeoutMs }
    this.#claims = new ItemClaims(context)
    this.#moves = new ItemMoves(context)
    this.#puts = new ItemPuts(context)
    this.#format = new FormatWatch(context)
    context.watch.beforeCreate = (patience) => this.#format.assertFresh(patience)
    this.#leases = new S3Leases(context, this.#format)
    this.#sweep = new Sweep(context)
    this.#documents = new S3Documents(context, {
      maxBytes: SUPPORTS.maxBodyBytes,
      assertOpen: () => this.#assertOpen(),
      assertHeld: (lease) => this.#assertHeld(lease),
    })
    this.control = s3Control(context, () => this.#assertOpen())
  }

  async put(id: string, body: JsonValue, options: PutOptions = {}): Promise<void> {
    this.#assertOpen()
    const checked = checkNewItem({ ...options, id, body }, SUPPORTS.maxBodyBytes)
    const [result] = await this.#puts.run([checked])
    if (result === undefined) return
    if ('error' in result) throw result.error
    if (result.value.added) return
    throw new SluiceError(
      'SLUICE_ITEM_EXISTS',
      `Cannot put item ${JSON.stringify(id)} into queue ${JSON.stringify(this.name)}: it is there, in ` +
        `${result.value.place?.at ?? 'an unknown stage'}. Remove it first if it is to be done anew`,
      { itemId: id },
    )
  }

  /**
   * To compare costs a GET for each item that is there; of one that was updated two [Q-PUT-4]. Into SUCCESS
   * it costs what it does into WAITING [Q-PUT-5].
   */
  async putMany(items: readonly NewItem[], options: PutManyOptions = {}): Promise<PutReport> {
    this.#assertOpen()
    const checked = checkNewItems(items, SUPPORTS.maxBodyBytes)
    return this.#puts.putMany(checked, checkPutMany(options, checked))
  }

  async update(changes: readonly ItemChange[]): Promise<UpdateReport> {
    this.#assertOpen()
    const checked = checkChanges(changes, SUPPORTS.maxBodyBytes)
    const skipped = await this.#moves.update(checked)
    return { updated: checked.length - skipped.length, skipped }
  }

  /**
   * Under a lease it is read before the claim and after it; what was claimed is given back when it is lost by
   * then, or can't be read [Q-GET-5].
   */
  async get(maxItems: number, { lease }: GetOptions = {}): Promise<QueueItem[]> {
    this.#assertOpen()
    assertCount(maxItems, 'maxItems')
    await this.#assertHeld(lease)
    const items = await this.#claims.get(maxItems)
    if (lease === undefined || items.length === 0) return items
    try {
      await this.#assertHeld(lease)
      return items
    } catch (error) {
      await this.#moves.giveBack(items, SUPPORTS.maxBodyBytes)
      throw error
    }
  }

  async peek(maxItems: number): Promise<QueueItem[]> {
    this.#assertOpen()
    assertCount(maxItems, 'maxItems')
    return this.#claims.peek(maxItems)
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
    this.#assertOpen()
    const moves = checkSettlements(outcomes, SUPPORTS.maxBodyBytes)
    const verdicts = await this.#moves.settle(moves)
    const refused = moves.flatMap(({ id, attempt }, index): RefusedSettlement[] => {
      const verdict = verdicts[index]
      if (verdict?.is === 'refused') return [{ id, attempt, reason: verdict.reason }]
      return verdict?.is === 'not-found' ? [{ id, attempt, reason: 'not-found' }] : []
    })
    return { settled: moves.length - refused.length, refused }
  }

  async requeue(ids: readonly string[], options: RequeueOptions = {}): Promise<MoveReport> {
    this.#assertOpen()
    assertIds(ids)
    const skipped = await this.#moves.requeue(ids, checkRequeue(options))
    return { moved: ids.length - skipped.length, skipped }
  }

  async remove(ids: readonly string[], options: RemoveOptions = {}): Promise<RemoveReport> {
    this.#assertOpen()
    assertIds(ids)
    const skipped = await this.#moves.remove(ids, checkRemovable(options))
    return { removed: ids.length - skipped.length, skipped }
  }

  async size(stage: Stage): Promise<number> {
    this.#assertOpen()
    assertStage(stage)
    await repair(this.#context)
    return countStage(this.#context, stage)
  }

  async sizes(): Promise<Record<Stage, number>> {
    this.#assertOpen()
    await repair(this.#context)
    const count = (stage: Stage) => countStage(this.#context, stage)
    const stages = ['WAITING', 'PROCESSING', 'SUCCESS', 'FAIL'] as const
    const [WAITING = 0, PROCESSING = 0, SUCCESS = 0, FAIL = 0] = await Promise.all(stages.map(count))
    return { WAITING, PROCESSING, SUCCESS, FAIL }
  }

  async lookupStatus(id: string): Promise<Stage> {
    this.#assertOpen()
    assertItemId(id)
    const stage = await lookupStage(this.#context, id)
    if (stage === undefined) throw itemNotFound(this.name, id, 'look up')
    return stage
  }

  async lookup(id: string): Promise<ItemRecord | undefined> {
    this.#assertOpen()
    assertItemId(id)
    return lookupItem(this.#context, id)
  }

  async list(stage: Stage, page: PageOptions): Promise<Page<ItemRecord>> {
    this.#assertPage(stage, page)
    return listRecords(this.#context, stage, page)
  }

  async listSummaries(stage: Stage, page: PageOptions): Promise<Page<ItemSummary>> {
    this.#assertPage(stage, page)
    return listSummaries(this.#context, stage, page)
  }

  async now(): Promise<number> {
    this.#assertOpen()
    const { store, layout } = this.#context
    await store.send({ do: 'head', key: layout.settings() }, store.patience())
    return store.clock.now()
  }

  async lease(name: string, holder: string, ttlMs: number): Promise<Lease | undefined> {
    this.#assertOpen()
    assertLease(name, holder, ttlMs)
    return this.#leases.take({ name, holder, ttlMs })
  }

  async readLease(name: string): Promise<LeaseView | undefined> {
    this.#assertOpen()
    assertLeaseName(name)
    return this.#leases.read(name)
  }

  document(name: string): QueueDocument {
    return this.#documents.document(name)
  }

  async documents(prefix?: string): Promise<readonly string[]> {
    return this.#documents.names(prefix)
  }

  /**
   * Finishes moves half done, deletes leftovers, removes finished items by age, and deletes old marks of
   * removed ones. Safe beside everything else, any number of times; nothing needs it soon [Q-SWEEP-1].
   *
   * @throws TypeError for a `purgeAfterMs` under an hour
   */
  async sweep(options: S3SweepOptions = {}): Promise<SweepReport> {
    this.#assertOpen()
    checkRetention(options)
    return this.#sweep.run(options)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#context.watch.close()
    this.#context.store.close()
  }

  #assertOpen(): void {
    if (!this.#closed) return this.#format.assertKnown()
    throw new SluiceError(
      'SLUICE_QUEUE_CLOSED',
      `Queue ${JSON.stringify(this.name)} was closed: open it again to go on`,
    )
  }

  async #assertHeld(lease: Lease | undefined): Promise<void> {
    if (lease === undefined || (await this.#leases.isHeld(lease))) return
    throw leaseLost(this.name, lease)
  }

  #assertPage(stage: Stage, page: PageOptions): void {
    this.#assertOpen()
    assertStage(stage)
    assertPageLimit(page.limit)
    assertCursor(page.cursor)
  }

  async #moveOne(asked: AskedMove): Promise<void> {
    this.#assertOpen()
    const move = checkMove(asked, SUPPORTS.maxBodyBytes)
    const [verdict] = await this.#moves.settle([move])
    const error = verdict && moveError(this.name, move, verdict)
    if (error !== undefined) throw error
  }
}
