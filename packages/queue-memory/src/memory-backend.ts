import {
  SluiceError,
  type ItemRecord,
  type ItemRef,
  type ItemSummary,
  type Lease,
  type Page,
  type PageOptions,
  type PeekSummariesOptions,
  type QueueItem,
  type QueueSupports,
  type Stage,
  type SweepOptions,
  type SweepReport,
} from '@sluice/core'
import {
  copyNewItem,
  isLeaseHeld,
  isSameJson,
  transactedParts,
  type CheckedChange,
  type CheckedMove,
  type CopiedItem,
  type MoveRefusal,
  type PutOrder,
  type PutRefusal,
  type QueueBackend,
  type RemoveOrder,
  type RequeueOrder,
  type SelectionBackend,
} from '@sluice/core/backend'
import type { QueueTables } from './queue-tables.js'
import type { Turn } from './turn-line.js'
import { claimedItemOf, recordOf, summaryOf, peekedItemOf, type StoredItem } from './stored-item.js'

const SUPPORTS: QueueSupports = {
  durable: false,
  sharedBy: 'process',
  maxBodyBytes: 1_048_576,
  orderPrecisionMs: 0,
  sweep: true,
  fencedClaims: true,
  selection: { limitKeys: 'indexed' },
}

const NO_REFUSALS: ReadonlyMap<string, never> = new Map<string, never>()

/**
 * The reference {@link QueueBackend}. Each call does its work in one piece and answers at once, so calls of
 * one process never interleave and none can be half done.
 *
 * `put`, `claim` and every move cost O(log n) for each item at most; only a page of `list` costs its length,
 * and what left since from among it.
 */
export class MemoryBackend implements QueueBackend<CopiedItem> {
  readonly supports = SUPPORTS
  readonly checkItem = copyNewItem
  readonly selection: SelectionBackend = {
    peek: (maxItems, options) => this.#peekSummaries(maxItems, options),
    claim: (refs, lease) => this.#claimNamed(refs, lease),
  }
  readonly leases
  readonly documents
  readonly control
  readonly #name: string
  readonly #tables: QueueTables
  readonly #now: () => number

  constructor(name: string, tables: QueueTables, now: () => number) {
    this.#name = name
    this.#tables = tables
    this.#now = now
    const parts = transactedParts((act) => {
      // A lease outlives the check of the front: its calls come here alone.
      this.assertUsable()
      return act(tables)
    }, now)
    this.leases = parts.leases
    this.documents = parts.documents
    this.control = parts.control
  }

  assertUsable(): void {
    if (!this.#tables.isDropped) return
    throw new SluiceError(
      'SLUICE_QUEUE_CORRUPT',
      `Queue ${JSON.stringify(this.#name)} was dropped while this object had it open. Nothing was changed. Open it again to make a new queue of this name`,
    )
  }

  /** To compare costs a look at the body that is there [Q-PUT-4]. */
  put(items: readonly CopiedItem[], { compare, stage }: PutOrder): ReadonlyMap<string, PutRefusal> {
    const now = this.#now()
    let refusals: Map<string, PutRefusal> | undefined
    for (const item of items) {
      const known = this.#tables.items.insert(item, now, stage)
      if (known === undefined) continue
      const reason = compare ? compared(known, item) : 'exists'
      refusals ??= new Map<string, never>()
      refusals.set(item.id, { reason, stage: known.stage })
    }
    return refusals ?? NO_REFUSALS
  }

  update(changes: readonly CheckedChange[]) {
    const now = this.#now()
    const { items } = this.#tables
    return this.#each(changes, (change) => {
      const item = items.find(change.id)
      return item === undefined ? 'not-found' : items.update(item, change, now)
    })
  }

  claim(maxItems: number, lease: Lease | undefined): QueueItem[] | undefined {
    const now = this.#now()
    if (lease !== undefined && !isLeaseHeld(this.#tables, lease, now)) return undefined
    return this.#tables.items.claim(maxItems, now).map((item) => claimedItemOf(item, now))
  }

  peek(maxItems: number): QueueItem[] {
    return this.#tables.items.peek(maxItems, this.#now()).map(peekedItemOf)
  }

  settle(moves: readonly CheckedMove[]): (MoveRefusal | undefined)[] {
    const now = this.#now()
    return moves.map((move) => this.#move(move, now))
  }

  requeue(ids: readonly string[], order: RequeueOrder) {
    const now = this.#now()
    const { items } = this.#tables
    return this.#each(ids.map(asMention), ({ id }) => {
      const item = items.find(id)
      if (item === undefined) return 'not-found'
      return items.requeue(item, order, now) ? undefined : 'wrong-stage'
    })
  }

  remove(ids: readonly string[], { stages }: RemoveOrder) {
    const { items } = this.#tables
    return this.#each(ids.map(asMention), ({ id }) => {
      const item = items.find(id)
      if (item === undefined) return 'not-found'
      if (!stages.includes(item.stage)) return 'wrong-stage'
      items.remove(item)
      return undefined
    })
  }

  size(stage: Stage): number {
    return this.#tables.items.size(stage)
  }

  sizes(): Record<Stage, number> {
    return this.#tables.items.sizes()
  }

  lookupStage(id: string): Stage | undefined {
    return this.#tables.items.find(id)?.stage
  }

  lookup(id: string): ItemRecord | undefined {
    const item = this.#tables.items.find(id)
    return item && recordOf(item)
  }

  list(stage: Stage, page: PageOptions): Page<ItemRecord> {
    return this.#page(stage, page, recordOf)
  }

  listSummaries(stage: Stage, page: PageOptions): Page<ItemSummary> {
    return this.#page(stage, page, summaryOf)
  }

  now(): number {
    return this.#now()
  }

  /**
   * No move is ever half done here, and nothing is left over: only the age of finished items counts
   * [Q-SWEEP-1].
   */
  sweep({ retentionMs }: SweepOptions): SweepReport {
    const removed = retentionMs === undefined ? 0 : this.#tables.items.expire(this.#now() - retentionMs)
    return { repaired: 0, leftovers: 0, removed }
  }

  close(): void {
    // Nothing is open: the store goes with what refers to it.
  }

  #peekSummaries(maxItems: number, { after, limitKey }: PeekSummariesOptions): Page<ItemSummary> {
    const ahead = { after: after === undefined ? undefined : turnOf(after), limitKey }
    const found = this.#tables.items.peek(maxItems + 1, this.#now(), ahead)
    const items = found.slice(0, maxItems)
    const last = items.at(-1)
    const cursor = found.length > maxItems && last !== undefined ? { cursor: cursorOf(last) } : {}
    return { items: items.map(summaryOf), ...cursor }
  }

  #claimNamed(refs: readonly ItemRef[], lease: Lease | undefined): QueueItem[] | undefined {
    const now = this.#now()
    if (lease !== undefined && !isLeaseHeld(this.#tables, lease, now)) return undefined
    return this.#tables.items.claimNamed(refs, now).map((item) => claimedItemOf(item, now))
  }

  #move(move: CheckedMove, now: number): MoveRefusal | undefined {
    const item = this.#tables.items.find(move.id)
    if (item === undefined) return { reason: 'not-found' }
    const verdict = this.#tables.items.move(item, move, now)
    if (verdict === 'move' || verdict === 'repeat') return undefined
    const { stage, attempt, uid } = item
    return { reason: verdict, item: { stage, attempt, uid } }
  }

  #each<T extends { readonly id: string }, Reason extends string>(
    mentions: readonly T[],
    change: (mention: T) => Reason | undefined,
  ): ReadonlyMap<string, Reason> {
    const refusals = new Map<string, Reason>()
    for (const mention of mentions) {
      const reason = change(mention)
      if (reason !== undefined) refusals.set(mention.id, reason)
    }
    return refusals
  }

  #page<T>(stage: Stage, options: PageOptions, view: (item: StoredItem) => T): Page<T> {
    const page = this.#tables.items.page(stage, options)
    return { ...page, items: page.items.map(view) }
  }
}

function compared(known: StoredItem, { body }: CopiedItem): PutRefusal['reason'] {
  return isSameJson(known.body, body) ? 'exists-same' : 'exists-changed'
}

function cursorOf({ priority, place }: Turn): string {
  return `${priority},${place}`
}

function turnOf(cursor: string): Turn {
  const [, priority, place] = /^(-?\d{1,10}),(\d{1,15})$/.exec(cursor) ?? []
  if (place === undefined) throw new TypeError('after must be the cursor of an earlier page of this queue')
  return { priority: Number(priority), place: Number(place) }
}

function asMention(id: string): { readonly id: string } {
  return { id }
}
