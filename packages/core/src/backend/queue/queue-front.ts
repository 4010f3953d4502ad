import {
  assertDocumentName,
  assertDocumentPrefix,
  assertLease,
  assertLeaseName,
  assertPageLimit,
  checkRetention,
} from '../../checks/call-input.js'
import { checkMove, type AskedMove } from '../../checks/checked-move.js'
import { assertCount, assertItemId, checkNewItem } from '../../checks/input.js'
import type { QueueControl } from '../../items/control.js'
import type { QueueDocument } from '../../items/document.js'
import type {
  ItemChange,
  ItemRecord,
  ItemRef,
  ItemSummary,
  NewItem,
  PutOptions,
  QueueItem,
} from '../../items/item.js'
import type { Lease, LeaseView } from '../../items/lease.js'
import type {
  CallOptions,
  FailOutcome,
  GetOptions,
  MoveReport,
  Page,
  PageOptions,
  ParsedBody,
  PeekSummariesOptions,
  PutManyOptions,
  PutReport,
  Queue,
  QueueSupports,
  ReleaseOptions,
  RemoveOptions,
  RemoveReport,
  RequeueOptions,
  SettleReport,
  Settlement,
  SuccessOutcome,
  SweepOptions,
  SweepReport,
  UpdateReport,
} from '../../items/queue.js'
import { assertStage, type Stage } from '../../items/stage.js'
import type { JsonValue } from '../../json/json.js'
import { BodyParser, type BodySchema } from './body-parser.js'
import { BulkCalls } from './bulk-calls.js'
import { NO_OPTIONS, assertSignal, until } from '../runtime/call-signal.js'
import { frontControl } from './front-control.js'
import { frontDocument } from './front-document.js'
import { FrontSelection, assertNoSelection } from './front-selection.js'
import { getParsed } from './get-parsed.js'
import type { MaybePromise, PutOrder, QueueBackend } from './queue-backend.js'
import { itemExists, itemNotFound, leaseLost, moveRefused, queueClosed } from './queue-errors.js'

/** Shared by all copies of this package in a process. */
const TAKES_ENCODED = Symbol.for('sluice.takesEncodedItems')

/**
 * Whether `putMany` of a queue takes items of `encodeItem` as they are. Other queues may copy an item by its
 * fields, of which `body` is none.
 */
export function takesEncodedItems(queue: object): boolean {
  return Reflect.get(queue, TAKES_ENCODED) === true
}

const PLAIN_PUT: PutOrder = { compare: false, stage: 'WAITING' }

export interface CreateQueueOptions {
  /** The queue's name in its store. */
  readonly name: string
  /** Checks and reads bodies. Default: every JSON value is a body. */
  readonly body?: BodySchema | undefined
}

/**
 * Makes a {@link Queue} of a backend. See {@link QueueBackend} for what is whose part.
 *
 * A backend that answers without a promise has done its work when the call returns its own promise, so calls
 * of one process never interleave.
 */
export function createQueue<Item extends { readonly id: string }>(
  options: CreateQueueOptions,
  backend: QueueBackend<Item>,
): Queue {
  return new QueueFront(options, backend)
}

class QueueFront<Item extends { readonly id: string }> implements Queue {
  readonly name: string
  readonly supports: QueueSupports
  readonly control: QueueControl
  readonly sweep?: (options?: SweepOptions) => Promise<SweepReport>
  readonly peekSummaries?: (maxItems: number, options?: PeekSummariesOptions) => Promise<Page<ItemSummary>>
  readonly getItems?: (refs: readonly ItemRef[], options?: GetOptions) => Promise<QueueItem[]>
  readonly parseBody?: (body: JsonValue) => Promise<ParsedBody<JsonValue>>
  readonly [TAKES_ENCODED]: boolean
  readonly #backend: QueueBackend<Item>
  readonly #maxBytes: number
  readonly #hasSelection: boolean
  readonly #parser: BodyParser | undefined
  readonly #bulk: BulkCalls<Item>
  #closing: Promise<void> | undefined

  constructor({ name, body }: CreateQueueOptions, backend: QueueBackend<Item>) {
    this.name = name
    this.supports = backend.supports
    this.#backend = backend
    this.#maxBytes = backend.supports.maxBodyBytes
    this.control = frontControl(backend.control, () => this.#assertUsable())
    const check: unknown = backend.checkItem
    this[TAKES_ENCODED] = check === checkNewItem
    const sweep = backend.sweep?.bind(backend)
    if (sweep !== undefined) this.sweep = (options = {}) => this.#sweep(sweep, options)
    const parser = body && new BodyParser(body)
    this.#parser = parser
    if (parser !== undefined) this.parseBody = (stored) => parser.parse(stored)
    const assertUsable = () => this.#assertUsable()
    this.#bulk = new BulkCalls({ queue: name, backend, parser, assertUsable })
    const { supports, selection } = backend
    this.#hasSelection = selection !== undefined
    if (selection === undefined) return
    const settle = (moves: readonly Settlement[]) => this.settle(moves)
    const front = new FrontSelection({ queue: name, supports, selection, parser, settle, assertUsable })
    this.peekSummaries = (maxItems, options) => front.peekSummaries(maxItems, options)
    this.getItems = (refs, options) => front.getItems(refs, options)
  }

  async put(id: string, body: JsonValue, options: PutOptions = {}): Promise<void> {
    this.#assertUsable()
    const item = this.#backend.checkItem({ ...options, id, body }, this.#maxBytes)
    if (!this.#hasSelection) assertNoSelection(this.name, [options], () => '')
    if (this.#parser !== undefined) {
      await this.#parser.assertAll([body], () => 'body')
      // A schema may be slow: no call of the backend begins after `close`.
      this.#assertUsable()
    }
    const pending = this.#backend.put([item], PLAIN_PUT)
    const refusals = pending instanceof Promise ? await pending : pending
    const refusal = refusals.get(id)
    if (refusal !== undefined) throw itemExists(this.name, id, refusal)
  }

  putMany(items: readonly NewItem[], options?: PutManyOptions): Promise<PutReport> {
    return this.#bulk.putMany(items, options)
  }

  update(changes: readonly ItemChange[], options?: CallOptions): Promise<UpdateReport> {
    return this.#bulk.update(changes, options)
  }

  get(maxItems: number, options?: GetOptions): Promise<QueueItem[]> {
    const parser = this.#parser
    if (parser === undefined) return this.#claim(maxItems, options)
    const claim = (max: number) => this.#claim(max, options)
    return getParsed({ parser, claim, settle: (moves) => this.settle(moves) }, maxItems)
  }

  async peek(maxItems: number, options: CallOptions = {}): Promise<QueueItem[]> {
    this.#assertUsable()
    assertSignal(options)
    assertCount(maxItems, 'maxItems')
    return until(this.#backend.peek(maxItems, options), options)
  }

  success(id: string, outcome?: SuccessOutcome): Promise<void> {
    return this.#moveOne({ ...outcome, id, stage: 'SUCCESS' })
  }

  fail(id: string, outcome?: FailOutcome): Promise<void> {
    return this.#moveOne({ ...outcome, id, stage: 'FAIL' })
  }

  release(id: string, options?: ReleaseOptions): Promise<void> {
    return this.#moveOne({ ...options, id, stage: 'WAITING' })
  }

  settle(outcomes: readonly Settlement[], options?: CallOptions): Promise<SettleReport> {
    return this.#bulk.settle(outcomes, options)
  }

  requeue(ids: readonly string[], options?: RequeueOptions): Promise<MoveReport> {
    return this.#bulk.requeue(ids, options)
  }

  remove(ids: readonly string[], options?: RemoveOptions): Promise<RemoveReport> {
    return this.#bulk.remove(ids, options)
  }

  async size(stage: Stage, options: CallOptions = {}): Promise<number> {
    this.#assertUsable()
    assertSignal(options)
    assertStage(stage)
    return until(this.#backend.size(stage, options), options)
  }

  async sizes(options: CallOptions = {}): Promise<Record<Stage, number>> {
    this.#assertUsable()
    assertSignal(options)
    return until(this.#backend.sizes(options), options)
  }

  async lookupStatus(id: string, options: CallOptions = {}): Promise<Stage> {
    this.#assertUsable()
    assertSignal(options)
    assertItemId(id)
    const found = this.#backend.lookupStage(id, options)
    // Of a queue in memory it is there, and an `await` would be a third of the call.
    const stage = found instanceof Promise ? await until(found, options) : found
    if (stage === undefined) throw itemNotFound(this.name, id, 'look up')
    return stage
  }

  async lookup(id: string, options: CallOptions = {}): Promise<ItemRecord | undefined> {
    this.#assertUsable()
    assertSignal(options)
    assertItemId(id)
    return until(this.#backend.lookup(id, options), options)
  }

  async list(stage: Stage, page: PageOptions): Promise<Page<ItemRecord>> {
    this.#assertPage(stage, page)
    return until(this.#backend.list(stage, page), page)
  }

  async listSummaries(stage: Stage, page: PageOptions): Promise<Page<ItemSummary>> {
    this.#assertPage(stage, page)
    return until(this.#backend.listSummaries(stage, page), page)
  }

  async now(): Promise<number> {
    this.#assertUsable()
    return this.#backend.now()
  }

  async lease(name: string, holder: string, ttlMs: number): Promise<Lease | undefined> {
    this.#assertUsable()
    assertLease(name, holder, ttlMs)
    return this.#backend.leases.take(name, holder, ttlMs)
  }

  async readLease(name: string): Promise<LeaseView | undefined> {
    this.#assertUsable()
    assertLeaseName(name)
    return this.#backend.leases.read(name)
  }

  document(name: string): QueueDocument {
    assertDocumentName(name)
    return frontDocument(name, {
      queue: this.name,
      documents: this.#backend.documents,
      maxBytes: this.#maxBytes,
      assertUsable: () => this.#assertUsable(),
    })
  }

  async documents(prefix = ''): Promise<readonly string[]> {
    this.#assertUsable()
    assertDocumentPrefix(prefix)
    return this.#backend.documents.names(prefix)
  }

  close(): Promise<void> {
    this.#closing ??= (async () => this.#backend.close())()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #assertUsable(): void {
    if (this.#closing !== undefined) throw queueClosed(this.name)
    this.#backend.assertUsable?.()
  }

  #assertPage(stage: Stage, page: PageOptions | undefined): void {
    this.#assertUsable()
    if (page === undefined) throw new TypeError('a page needs a limit, such as { limit: 100 }')
    assertSignal(page)
    assertStage(stage)
    assertPageLimit(page.limit)
    const { cursor } = page
    if (cursor === undefined || typeof cursor === 'string') return
    throw new TypeError('cursor must be one that an earlier page of this queue gave')
  }

  async #claim(maxItems: number, { lease }: GetOptions = {}): Promise<QueueItem[]> {
    this.#assertUsable()
    assertCount(maxItems, 'maxItems')
    const pending = this.#backend.claim(maxItems, lease)
    const items = pending instanceof Promise ? await pending : pending
    if (items === undefined && lease !== undefined) throw leaseLost(this.name, lease)
    return items ?? []
  }

  async #moveOne(asked: AskedMove): Promise<void> {
    this.#assertUsable()
    const move = checkMove(asked, this.#maxBytes)
    const pending = this.#backend.settle([move], NO_OPTIONS)
    const [refusal] = pending instanceof Promise ? await pending : pending
    if (refusal !== undefined) throw moveRefused(this.name, move, refusal)
  }

  async #sweep(run: (options: SweepOptions) => MaybePromise<SweepReport>, options: SweepOptions) {
    this.#assertUsable()
    assertSignal(options)
    checkRetention(options)
    return until(run(options), options)
  }
}
