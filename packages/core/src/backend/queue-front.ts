import {
  assertDocumentName,
  assertDocumentPrefix,
  assertIds,
  assertLease,
  assertLeaseName,
  assertPageLimit,
  checkChanges,
  checkRemovable,
  checkRequeue,
  checkRetention,
} from '../checks/call-input.js'
import { checkMove, checkSettlements, type AskedMove } from '../checks/checked-move.js'
import { assertCount, assertItemId, checkEach, checkPutMany } from '../checks/input.js'
import { isSluiceError, withStored } from '../errors.js'
import type { QueueControl } from '../items/control.js'
import type { QueueDocument } from '../items/document.js'
import type { ItemChange, ItemRecord, ItemSummary, NewItem, PutOptions, QueueItem } from '../items/item.js'
import type { Lease, LeaseView } from '../items/lease.js'
import type {
  CallOptions,
  FailOutcome,
  GetOptions,
  MoveReport,
  Page,
  PageOptions,
  ParsedBody,
  PutManyOptions,
  PutReport,
  Queue,
  QueueSupports,
  RefusedSettlement,
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
} from '../items/queue.js'
import { assertStage, type Stage } from '../items/stage.js'
import type { JsonValue } from '../json/json.js'
import type { StandardSchema } from '../json/standard-schema.js'
import { BodyParser } from './body-parser.js'
import { assertSignal, untilAborted } from './call-signal.js'
import { frontControl } from './front-control.js'
import { frontDocument } from './front-document.js'
import { getParsed } from './get-parsed.js'
import { firstMentions, skippedOf } from './mentions.js'
import type { MaybePromise, PutOrder, PutRefusal, QueueBackend } from './queue-backend.js'
import { itemExists, itemNotFound, leaseLost, moveRefused, queueClosed } from './queue-errors.js'

const PLAIN_PUT: PutOrder = { compare: false, stage: 'WAITING' }
const NO_OPTIONS: CallOptions = {}

export interface CreateQueueOptions {
  /** The queue's name in its store. */
  readonly name: string
  /** Checks and reads bodies. Default: every JSON value is a body. */
  readonly body?: StandardSchema | undefined
}

/**
 * Makes a {@link Queue} of a backend. See {@link QueueBackend} for what is whose part.
 *
 * A backend that answers without a promise has done its work when the call returns its own promise, so calls of one process never interleave.
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
  readonly parseBody?: (body: JsonValue) => Promise<ParsedBody<JsonValue>>
  readonly #backend: QueueBackend<Item>
  readonly #maxBytes: number
  readonly #parser: BodyParser | undefined
  #closing: Promise<void> | undefined

  constructor({ name, body }: CreateQueueOptions, backend: QueueBackend<Item>) {
    this.name = name
    this.supports = backend.supports
    this.#backend = backend
    this.#maxBytes = backend.supports.maxBodyBytes
    this.control = frontControl(backend.control, () => this.#assertUsable())
    const sweep = backend.sweep?.bind(backend)
    if (sweep !== undefined) this.sweep = (options = {}) => this.#sweep(sweep, options)
    if (body === undefined) return
    const parser = new BodyParser(body)
    this.#parser = parser
    this.parseBody = (stored) => parser.parse(stored)
  }

  async put(id: string, body: JsonValue, options: PutOptions = {}): Promise<void> {
    this.#assertUsable()
    const item = this.#backend.checkItem({ ...options, id, body }, this.#maxBytes)
    if (this.#parser !== undefined) await this.#parser.assertAll([body], () => 'body')
    const pending = this.#backend.put([item], PLAIN_PUT)
    const refusals = pending instanceof Promise ? await pending : pending
    const refusal = refusals.get(id)
    if (refusal !== undefined) throw itemExists(this.name, id, refusal)
  }

  async putMany(items: readonly NewItem[], options: PutManyOptions = {}): Promise<PutReport> {
    this.#assertUsable()
    assertSignal(options)
    const checked = checkEach(items, this.#maxBytes, this.#backend.checkItem)
    const order = { ...checkPutMany(options, items), ...signalOf(options) }
    if (this.#parser !== undefined) {
      const bodies = items.map(({ body }) => body)
      await this.#parser.assertAll(bodies, (index) => `items[${index}]: body`)
    }
    const firsts = firstMentions(checked)
    const refusals = await this.#until(this.#putAll(firsts, order, checked.length - firsts.length), options)
    const skipped = skippedOf(checked, firsts, reasonsOf(refusals))
    return { added: checked.length - skipped.length, skipped }
  }

  async update(changes: readonly ItemChange[], options: CallOptions = {}): Promise<UpdateReport> {
    this.#assertUsable()
    assertSignal(options)
    const checked = checkChanges(changes, this.#maxBytes)
    if (this.#parser !== undefined) {
      const bodies = changes.flatMap(({ body }, index) => (body === undefined ? [] : [{ body, index }]))
      const what = (at: number) => `changes[${bodies[at]?.index ?? at}]: body`
      await this.#parser.assertAll(bodies.map(({ body }) => body), what)
    }
    const firsts = firstMentions(checked)
    const refusals = await this.#until(this.#backend.update(firsts, options), options)
    const skipped = skippedOf(checked, firsts, refusals)
    return { updated: checked.length - skipped.length, skipped }
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
    return this.#until(this.#backend.peek(maxItems, options), options)
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

  async settle(outcomes: readonly Settlement[], options: CallOptions = {}): Promise<SettleReport> {
    this.#assertUsable()
    assertSignal(options)
    const moves = checkSettlements(outcomes, this.#maxBytes)
    const refusals = await this.#until(this.#backend.settle(moves, options), options)
    const refused: RefusedSettlement[] = []
    for (const [index, refusal] of refusals.entries()) {
      const move = moves[index]
      if (refusal === undefined || move === undefined) continue
      refused.push({ id: move.id, attempt: move.attempt, reason: refusal.reason })
    }
    return { settled: moves.length - refused.length, refused }
  }

  async requeue(ids: readonly string[], options: RequeueOptions = {}): Promise<MoveReport> {
    this.#assertUsable()
    assertSignal(options)
    assertIds(ids)
    const order = { ...checkRequeue(options), ...signalOf(options) }
    const skipped = await this.#eachId(ids, options, (firsts) => this.#backend.requeue(firsts, order))
    return { moved: ids.length - skipped.length, skipped }
  }

  async remove(ids: readonly string[], options: RemoveOptions = {}): Promise<RemoveReport> {
    this.#assertUsable()
    assertSignal(options)
    assertIds(ids)
    const order = { stages: checkRemovable(options), ...signalOf(options) }
    const skipped = await this.#eachId(ids, options, (firsts) => this.#backend.remove(firsts, order))
    return { removed: ids.length - skipped.length, skipped }
  }

  async size(stage: Stage, options: CallOptions = {}): Promise<number> {
    this.#assertUsable()
    assertSignal(options)
    assertStage(stage)
    return this.#until(this.#backend.size(stage, options), options)
  }

  async sizes(options: CallOptions = {}): Promise<Record<Stage, number>> {
    this.#assertUsable()
    assertSignal(options)
    return this.#until(this.#backend.sizes(options), options)
  }

  async lookupStatus(id: string, options: CallOptions = {}): Promise<Stage> {
    this.#assertUsable()
    assertSignal(options)
    assertItemId(id)
    const stage = await this.#until(this.#backend.lookupStage(id, options), options)
    if (stage === undefined) throw itemNotFound(this.name, id, 'look up')
    return stage
  }

  async lookup(id: string, options: CallOptions = {}): Promise<ItemRecord | undefined> {
    this.#assertUsable()
    assertSignal(options)
    assertItemId(id)
    return this.#until(this.#backend.lookup(id, options), options)
  }

  async list(stage: Stage, page: PageOptions): Promise<Page<ItemRecord>> {
    this.#assertPage(stage, page)
    return this.#until(this.#backend.list(stage, page), page)
  }

  async listSummaries(stage: Stage, page: PageOptions): Promise<Page<ItemSummary>> {
    this.#assertPage(stage, page)
    return this.#until(this.#backend.listSummaries(stage, page), page)
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
    this.#closing ??= Promise.resolve(this.#backend.close())
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #assertUsable(): void {
    if (this.#closing !== undefined) throw queueClosed(this.name)
    this.#backend.assertUsable?.()
  }

  #assertPage(stage: Stage, page: PageOptions): void {
    this.#assertUsable()
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

  /** The items of a call that failed are counted by the backend, those that were repeated in it here [Q-PUT-3]. */
  async #putAll(
    firsts: readonly Item[],
    order: PutOrder,
    repeated: number,
  ): Promise<ReadonlyMap<string, PutRefusal>> {
    try {
      return await this.#backend.put(firsts, order)
    } catch (error) {
      if (repeated === 0 || !isSluiceError(error) || error.stored === undefined) throw error
      const { stored } = error
      throw withStored(error, { ...stored, skipped: stored.skipped + repeated })
    }
  }

  async #eachId<Reason extends 'not-found' | 'wrong-stage'>(
    ids: readonly string[],
    options: CallOptions,
    run: (firsts: readonly string[]) => MaybePromise<ReadonlyMap<string, Reason>>,
  ) {
    const mentions = ids.map((id) => ({ id }))
    const firsts = firstMentions(mentions)
    const distinct = firsts === mentions ? ids : firsts.map(({ id }) => id)
    return skippedOf(mentions, firsts, await this.#until(run(distinct), options))
  }

  async #sweep(run: (options: SweepOptions) => MaybePromise<SweepReport>, options: SweepOptions) {
    this.#assertUsable()
    assertSignal(options)
    checkRetention(options)
    return this.#until(run(options), options)
  }

  #until<T>(pending: MaybePromise<T>, { signal }: CallOptions): MaybePromise<T> {
    return signal !== undefined && pending instanceof Promise ? untilAborted(pending, signal) : pending
  }
}

function signalOf({ signal }: CallOptions): CallOptions {
  return signal === undefined ? NO_OPTIONS : { signal }
}

function reasonsOf(refusals: ReadonlyMap<string, PutRefusal>): ReadonlyMap<string, PutRefusal['reason']> {
  return new Map([...refusals].map(([id, { reason }]) => [id, reason]))
}
