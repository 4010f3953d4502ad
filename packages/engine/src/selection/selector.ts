import type { ItemSummary, Lease, QueueItem, Runtime } from '@sluice/core'
import type { DispatchPolicy } from '../policies/dispatch-policy.js'
import type { AnyQueue } from '../work-queue-options.js'
import { isSameJson } from '@sluice/core/backend'
import {
  choose,
  type ItemSelection,
  type Misfit,
  type SelectionHoldup,
  type SelectionPass,
} from './item-selection.js'

/** Summaries read from the front of the line at each claim: what has come there is never overlooked. */
const MAX_AHEAD = 1_000
/** In pages that grow: these are enough for the most ahead, unless the backend gives short ones. */
const MAX_FIRST_PAGES = 16
/** Further ones, from where the last claim stopped: more only while nothing is found that fits. */
const MAX_PAGES_BEYOND = 10
/** The first read is smaller: where most items fit, it is enough. */
const LEAST_READ = 64
/** After a claim that found too few, the line is read again once a job has ended, or after this time. */
const LOOK_AGAIN_MS = 1_000
/** Keys of skipped items that are remembered. */
const MAX_KEYS = 10_000
/** The most items that are failed in one claim since they can never start. */
const MAX_MISFITS = 20

/**
 * What claims the items of a policy that chooses; `undefined` for one that takes them in their order.
 *
 * @throws TypeError for a queue that can't give out chosen items
 */
export function selectorOf(
  { selection }: DispatchPolicy,
  queue: AnyQueue,
  runtime: SelectorOptions['runtime'],
): Selector | undefined {
  if (selection === undefined) return undefined
  return new Selector({ queue: asSelectable(queue), selection, runtime })
}

function asSelectable(queue: AnyQueue): SelectorOptions['queue'] {
  if (isSelectable(queue)) return queue
  throw new TypeError('the policy chooses among the waiting items, and this queue has no getItems')
}

function isSelectable(queue: AnyQueue): queue is SelectorOptions['queue'] {
  return (
    queue.peekSummaries !== undefined &&
    queue.getItems !== undefined &&
    queue.supports.selection !== undefined
  )
}

/** What one claim has got. */
export interface SelectedItems {
  readonly items: readonly QueueItem<unknown>[]
  /** Of the items, those that can never start: they fail. */
  readonly misfits: readonly Misfit[]
  /** Of the items, those that were changed after they had been chosen: they go back. */
  readonly changed: readonly ItemSummary[]
}

export const NOTHING_SELECTED: SelectedItems = { items: [], misfits: [], changed: [] }

export interface SelectorOptions {
  readonly queue: AnyQueue & Required<Pick<AnyQueue, 'peekSummaries' | 'getItems'>>
  readonly selection: ItemSelection
  readonly runtime: Pick<Runtime, 'monotonicMs' | 'now'>
}

/** What a claim is for. */
export interface Selecting {
  readonly room: number
  readonly limits: Readonly<Record<string, number>>
  readonly lease?: Lease
}

/**
 * Claims the items that the policy's selections choose, skipping those that do not fit. It reads the first
 * {@link MAX_AHEAD} waiting items, then goes on from where the last claim stopped; items of a limit key that
 * were skipped are found again by their key. The cost of a claim does not grow with what waits.
 */
export class Selector {
  readonly #options: SelectorOptions
  /** Behind what was read last; `undefined`: the next read begins behind the first ones. */
  #cursor: string | undefined
  /** Limit keys of skipped items, and how many items of them ran then. */
  readonly #skippedKeys = new Map<string, number>()
  #lastLook: { readonly atMonotonic: number; readonly ended: number } | undefined
  #running = new Map<string, ItemSummary>()
  #ended = 0
  #holdup: SelectionHoldup | undefined

  constructor(options: SelectorOptions) {
    this.#options = options
  }

  /** What held items at the last claim. */
  get holdup(): SelectionHoldup | undefined {
    return this.#holdup
  }

  /** What is in PROCESSING, as a tick has read it. */
  noteProcessing(items: Iterable<ItemSummary>): void {
    const before = this.#running.size
    const known = [...items].map((item) => [item.uid, item] as const)
    this.#running = new Map(known)
    if (this.#running.size < before) this.#ended += 1
  }

  /** An item has left PROCESSING. */
  noteEnded({ uid }: Pick<ItemSummary, 'uid'>): void {
    if (this.#running.delete(uid)) this.#ended += 1
  }

  /** Those of the items that could not even start alone. */
  misfitsOf(items: readonly ItemSummary[], limits: Selecting['limits']): Misfit[] {
    const pass = this.#begin([], limits)
    return items.flatMap((item) => {
      const verdict = pass.judge(item)
      return typeof verdict === 'object' ? [{ item, reason: verdict.never }] : []
    })
  }

  /** @throws SluiceError of the queue */
  async claim({ room, limits, lease }: Selecting): Promise<SelectedItems> {
    if (this.#isTooEarly()) return NOTHING_SELECTED
    const running = [...this.#running.values()]
    const pass = this.#begin(running, limits)
    const search = new Search(pass, room)
    await this.#readKeys(search, running)
    const first = await this.#readFirst(search)
    if (first.isLong) await this.#readBeyond(search, first.cursor)
    this.#noteSearched(search, { pass, running })
    // They take places until they have failed, and come first: else they would stay as long as others wait.
    const misfits = search.misfits.slice(0, Math.min(room, MAX_MISFITS))
    const wanted = [...misfits.map(({ item }) => item), ...search.starts].slice(0, room)
    if (wanted.length === 0) return NOTHING_SELECTED
    const refs = wanted.map(({ id, uid }) => ({ id, uid }))
    const items = await this.#options.queue.getItems(refs, lease === undefined ? {} : { lease })
    const claimed = new Map(items.map((item) => [item.uid, item]))
    for (const item of items) this.#running.set(item.uid, item)
    // Some were left out for the sake of their size, or went elsewhere: what is left is looked at again at
    // once.
    if (items.length > 0 && items.length < wanted.length) this.#lastLook = undefined
    const chosen = new Map(wanted.map((item) => [item.uid, item]))
    return {
      items,
      changed: items.filter((item) => !isSameUse(item, chosen.get(item.uid))),
      misfits: misfits.flatMap(({ item, reason }) => {
        const own = claimed.get(item.uid)
        return own === undefined ? [] : [{ item: own, reason }]
      }),
    }
  }

  #begin(running: readonly ItemSummary[], limits: Selecting['limits']): SelectionPass {
    const { selection, runtime } = this.#options
    return selection.begin({ running, limits, nowAt: runtime.now() })
  }

  #isTooEarly(): boolean {
    if (this.#lastLook === undefined) return false
    const sinceMs = this.#options.runtime.monotonicMs() - this.#lastLook.atMonotonic
    return sinceMs < LOOK_AGAIN_MS && this.#lastLook.ended === this.#ended
  }

  /** A job of a key whose items were skipped has ended: the first of them may start. */
  async #readKeys(search: Search, running: readonly ItemSummary[]): Promise<void> {
    const { queue } = this.#options
    if (this.#skippedKeys.size === 0) return
    const now = keysOf(running)
    for (const [key, ran] of this.#skippedKeys) {
      const runs = now.get(key) ?? 0
      if (runs >= ran || search.isDone) continue
      this.#skippedKeys.delete(key)
      search.judge((await queue.peekSummaries(ran - runs, { limitKey: key })).items)
    }
  }

  /** The first {@link MAX_AHEAD}, in steps that grow. */
  async #readFirst(search: Search): Promise<{ isLong: boolean; cursor: string | undefined }> {
    const { queue } = this.#options
    let cursor: string | undefined
    let read = 0
    // A page may be short, or empty, and not the last: their number is bounded too.
    for (let pages = 0; pages < MAX_FIRST_PAGES && read < MAX_AHEAD && !search.isDone; pages++) {
      const size = Math.max(LEAST_READ, 2 * search.room) * 2 ** pages
      const page = await queue.peekSummaries(Math.min(size, MAX_AHEAD - read), after(cursor))
      search.judge(page.items)
      read += page.items.length
      cursor = page.cursor
      if (cursor === undefined) break
    }
    return { isLong: cursor !== undefined && !search.isDone, cursor }
  }

  /**
   * Goes on behind the first items, where the backend finds items by their limit key. It continues from there
   * at the next claim if all that was skipped has a key: the others have no way to be found again.
   */
  async #readBeyond(search: Search, first: string | undefined): Promise<void> {
    const { queue } = this.#options
    search.isPartial = true
    if (queue.supports.selection?.limitKeys !== 'indexed') return
    for (let pages = 0; pages < MAX_PAGES_BEYOND && !search.isDone; pages++) {
      const page = await queue.peekSummaries(MAX_AHEAD, after(this.#cursor ?? first))
      search.judge(page.items)
      this.#cursor = page.cursor
      search.isPartial = page.cursor !== undefined
      if (page.cursor === undefined || search.starts.length > 0) break
    }
    if (search.hasSkippedOthers) this.#cursor = undefined
  }

  #noteSearched(
    search: Search,
    { pass, running }: { pass: SelectionPass; running: readonly ItemSummary[] },
  ): void {
    const { runtime } = this.#options
    this.#lastLook = search.isDone ? undefined : { atMonotonic: runtime.monotonicMs(), ended: this.#ended }
    const runs = keysOf([...running, ...search.starts])
    for (const key of search.skippedKeys)
      if (this.#skippedKeys.has(key) || this.#skippedKeys.size < MAX_KEYS)
        this.#skippedKeys.set(key, runs.get(key) ?? 0)
    this.#holdup = search.isDone ? undefined : holdupOf(pass, search)
  }
}

function holdupOf(pass: SelectionPass, search: Search): SelectionHoldup | undefined {
  const holdup = pass.holdup()
  if (holdup === undefined || !search.isPartial || search.starts.length > 0) return holdup
  return { ...holdup, message: `${holdup.message}; nothing that was read of those behind it fits either` }
}

function isSameUse(item: ItemSummary, chosen: ItemSummary | undefined): boolean {
  return item.limitKey === chosen?.limitKey && isSameJson(item.resources ?? {}, chosen?.resources ?? {})
}

function after(cursor: string | undefined): { after?: string } {
  return cursor === undefined ? {} : { after: cursor }
}

function keysOf(items: readonly ItemSummary[]): ReadonlyMap<string, number> {
  const keys = new Map<string, number>()
  for (const { limitKey } of items)
    if (limitKey !== undefined) keys.set(limitKey, (keys.get(limitKey) ?? 0) + 1)
  return keys
}

/** The candidates of one claim, judged page by page. */
class Search {
  readonly room: number
  readonly starts: ItemSummary[] = []
  readonly misfits: Misfit[] = []
  readonly skippedKeys = new Set<string>()
  /** Items without a limit key were skipped. */
  hasSkippedOthers = false
  /** Not all that waits was read. */
  isPartial = false
  readonly #pass: SelectionPass
  readonly #judged = new Set<string>()

  constructor(pass: SelectionPass, room: number) {
    this.#pass = pass
    this.room = room
  }

  get isDone(): boolean {
    return this.starts.length >= this.room
  }

  judge(items: readonly ItemSummary[]): void {
    const unseen = items.filter(({ uid }) => !this.#judged.has(uid))
    for (const { uid } of unseen) this.#judged.add(uid)
    const choice = choose(unseen, { pass: this.#pass, room: this.room - this.starts.length })
    this.starts.push(...choice.starts)
    this.misfits.push(...choice.misfits)
    const chosen = new Set(choice.starts)
    for (const item of unseen) {
      if (chosen.has(item)) continue
      if (item.limitKey === undefined) this.hasSkippedOthers = true
      else this.skippedKeys.add(item.limitKey)
    }
  }
}
