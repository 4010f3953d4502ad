import { assertIds, checkChanges, checkRemovable, checkRequeue } from '../../checks/call-input.js'
import { checkSettlements } from '../../checks/checked-move.js'
import { checkEach, checkPutMany } from '../../checks/input.js'
import { isSluiceError, withStored } from '../../errors.js'
import type { ItemChange, NewItem } from '../../items/item.js'
import type {
  CallOptions,
  MoveReport,
  PutManyOptions,
  PutReport,
  RefusedSettlement,
  RemoveOptions,
  RemoveReport,
  RequeueOptions,
  SettleReport,
  Settlement,
  UpdateReport,
} from '../../items/queue.js'
import type { BodyParser } from './body-parser.js'
import { NO_OPTIONS, assertSignal, until } from '../runtime/call-signal.js'
import { assertNoSelection } from './front-selection.js'
import { firstMentions, skippedOf } from './mentions.js'
import type { MaybePromise, PutOrder, PutRefusal, QueueBackend } from './queue-backend.js'

export interface BulkParts<Item extends { readonly id: string }> {
  readonly queue: string
  readonly backend: QueueBackend<Item>
  readonly parser: BodyParser | undefined
  readonly assertUsable: () => void
}

/**
 * The calls of a queue that are about many items: each mention is accounted for, in the order of the call
 * [Q-BULK-1].
 */
export class BulkCalls<Item extends { readonly id: string }> {
  readonly #parts: BulkParts<Item>
  readonly #maxBytes: number

  constructor(parts: BulkParts<Item>) {
    this.#parts = parts
    this.#maxBytes = parts.backend.supports.maxBodyBytes
  }

  async putMany(items: readonly NewItem[], options: PutManyOptions = {}): Promise<PutReport> {
    this.#parts.assertUsable()
    assertSignal(options)
    const checked = checkEach(items, this.#maxBytes, this.#parts.backend.checkItem)
    this.#assertKept(items, (index) => `items[${index}]: `)
    const order = { ...checkPutMany(options, items), ...signalOf(options) }
    if (this.#parts.parser !== undefined) {
      const bodies = items.map(({ body }) => body)
      await until(
        this.#parts.parser.assertAll(bodies, (index) => `items[${index}]: body`),
        options,
      )
      this.#assertStill(options)
    }
    const firsts = firstMentions(checked)
    const refusals = await until(this.#putAll(firsts, order, checked.length - firsts.length), options)
    const skipped = skippedOf(checked, firsts, reasonsOf(refusals))
    return { added: checked.length - skipped.length, skipped }
  }

  async update(changes: readonly ItemChange[], options: CallOptions = {}): Promise<UpdateReport> {
    this.#parts.assertUsable()
    assertSignal(options)
    const checked = checkChanges(changes, this.#maxBytes)
    this.#assertKept(changes, (index) => `changes[${index}]: `)
    if (this.#parts.parser !== undefined) {
      const bodies = changes.flatMap(({ body }, index) => (body === undefined ? [] : [{ body, index }]))
      const what = (at: number) => `changes[${bodies[at]?.index ?? at}]: body`
      const checking = this.#parts.parser.assertAll(
        bodies.map(({ body }) => body),
        what,
      )
      await until(checking, options)
      this.#assertStill(options)
    }
    const firsts = firstMentions(checked)
    const refusals = await until(this.#parts.backend.update(firsts, options), options)
    const skipped = skippedOf(checked, firsts, refusals)
    return { updated: checked.length - skipped.length, skipped }
  }

  async settle(outcomes: readonly Settlement[], options: CallOptions = {}): Promise<SettleReport> {
    this.#parts.assertUsable()
    assertSignal(options)
    const moves = checkSettlements(outcomes, this.#maxBytes)
    const refusals = await until(this.#parts.backend.settle(moves, options), options)
    const refused: RefusedSettlement[] = []
    for (const [index, refusal] of refusals.entries()) {
      const move = moves[index]
      if (refusal === undefined || move === undefined) continue
      refused.push({ id: move.id, attempt: move.attempt, reason: refusal.reason })
    }
    return { settled: moves.length - refused.length, refused }
  }

  async requeue(ids: readonly string[], options: RequeueOptions = {}): Promise<MoveReport> {
    this.#parts.assertUsable()
    assertSignal(options)
    assertIds(ids)
    const order = { ...checkRequeue(options), ...signalOf(options) }
    const skipped = await this.#eachId(ids, options, (firsts) => this.#parts.backend.requeue(firsts, order))
    return { moved: ids.length - skipped.length, skipped }
  }

  async remove(ids: readonly string[], options: RemoveOptions = {}): Promise<RemoveReport> {
    this.#parts.assertUsable()
    assertSignal(options)
    assertIds(ids)
    const order = { stages: checkRemovable(options), ...signalOf(options) }
    const skipped = await this.#eachId(ids, options, (firsts) => this.#parts.backend.remove(firsts, order))
    return { removed: ids.length - skipped.length, skipped }
  }

  #assertKept(items: readonly (NewItem | ItemChange)[], what: (index: number) => string): void {
    if (this.#parts.backend.selection === undefined) assertNoSelection(this.#parts.queue, items, what)
  }

  /** A schema may be slow: no call of the backend begins after `close`, nor once the signal has aborted. */
  #assertStill(options: CallOptions): void {
    this.#parts.assertUsable()
    assertSignal(options)
  }

  /**
   * The items of a call that failed are counted by the backend, those that were repeated in it here
   * [Q-PUT-3].
   */
  async #putAll(
    firsts: readonly Item[],
    order: PutOrder,
    repeated: number,
  ): Promise<ReadonlyMap<string, PutRefusal>> {
    try {
      return await this.#parts.backend.put(firsts, order)
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
    return skippedOf(mentions, firsts, await until(run(distinct), options))
  }
}

function signalOf({ signal }: CallOptions): CallOptions {
  return signal === undefined ? NO_OPTIONS : { signal }
}

function reasonsOf(refusals: ReadonlyMap<string, PutRefusal>): ReadonlyMap<string, PutRefusal['reason']> {
  return new Map([...refusals].map(([id, { reason }]) => [id, reason]))
}
