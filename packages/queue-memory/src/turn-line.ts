import TinyQueue from 'tinyqueue'
import { StayList } from './stay-list.js'
import type { StoredItem } from './stored-item.js'

const FEW = 64

/** A place in the order of `get`. */
export type Turn = Pick<StoredItem, 'priority' | 'place'>

/** The items of one priority that may be given out, first come first. */
interface Bucket {
  readonly priority: number
  readonly items: StayList
}

/** One stay of an item that came back to the place that it had. */
interface Returned extends Turn {
  readonly item: StoredItem
  readonly stay: number
}

/**
 * Items that may be given out, in the order of `get`: priority, then place. Those whose place is behind all
 * others of their priority are in a list for each priority, which needs no sorting; the few that come back to
 * the place that they had [Q-MOVE-5] are in a heap of their own.
 */
export class TurnLine {
  readonly #buckets = new Map<number, Bucket>()
  #order = new TinyQueue<Bucket>([], byPriority)
  #emptied = 0
  readonly #returned = new TinyQueue<Returned>([], byTurn)
  #size = 0

  /** How many items there are. */
  get size(): number {
    return this.#size
  }

  /** Adds an item whose place is behind all of its priority. */
  append(item: StoredItem): void {
    this.#size += 1
    const known = this.#buckets.get(item.priority)
    const bucket = known ?? this.#newBucket(item.priority)
    if (known?.items.size === 0) this.#emptied -= 1
    bucket.items.add(item)
  }

  /** Adds an item by the place that it has. */
  putBack(item: StoredItem): void {
    this.#size += 1
    const { stay, priority, place } = item
    this.#returned.push({ item, stay, priority, place })
  }

  /** Notes that an item left; call it when the number of its stay has changed. */
  left(item: StoredItem): void {
    this.#size -= 1
    if (!item.isReturned) this.#leftBucket(item.priority)
  }

  first(): StoredItem | undefined {
    const next = this.#topBucket()?.items.first()
    const returned = this.#topReturned()
    if (next === undefined || returned === undefined) return next ?? returned?.item
    return byTurn(returned, next) < 0 ? returned.item : next
  }

  /** Up to `maxItems` items in turn, from the first, or from the one behind a place; nothing changes. */
  peek(maxItems: number, after?: Turn): StoredItem[] {
    const found = this.#peekBuckets(maxItems, after)
    if (this.#topReturned() === undefined) return found
    return [...found, ...this.#peekReturned(maxItems, after)].toSorted(byTurn).slice(0, maxItems)
  }

  #peekBuckets(maxItems: number, after: Turn | undefined): StoredItem[] {
    const passed: Bucket[] = []
    let found: StoredItem[] = []
    while (found.length < maxItems) {
      const bucket = this.#topBucket()
      if (bucket === undefined) break
      found = found.concat(bucket.items.after(rankIn(bucket, after), maxItems - found.length).items)
      passed.push(bucket)
      this.#order.pop()
    }
    for (const bucket of passed) this.#order.push(bucket)
    return found
  }

  #peekReturned(maxItems: number, after: Turn | undefined): StoredItem[] {
    const passed: Returned[] = []
    const found: StoredItem[] = []
    for (let next = this.#topReturned(); next !== undefined; next = this.#topReturned()) {
      if (found.length === maxItems) break
      passed.push(next)
      this.#returned.pop()
      if (after === undefined || byTurn(after, next) < 0) found.push(next.item)
    }
    for (const returned of passed) this.#returned.push(returned)
    return found
  }

  #topReturned(): Returned | undefined {
    for (let returned = this.#returned.peek(); returned !== undefined; returned = this.#returned.peek()) {
      if (returned.item.stay === returned.stay) return returned
      this.#returned.pop()
    }
    return undefined
  }

  #newBucket(priority: number): Bucket {
    const bucket = { priority, items: new StayList('places') }
    this.#buckets.set(priority, bucket)
    this.#order.push(bucket)
    return bucket
  }

  /** The highest bucket that has an item; those above it that have none are dropped. */
  #topBucket(): Bucket | undefined {
    for (let bucket = this.#order.peek(); bucket !== undefined; bucket = this.#order.peek()) {
      if (bucket.items.size > 0) return bucket
      this.#order.pop()
      this.#buckets.delete(bucket.priority)
      this.#emptied -= 1
    }
    return undefined
  }

  /**
   * Buckets that are empty under a full one are swept once they are the most: priorities without end do not
   * pile up.
   */
  #leftBucket(priority: number): void {
    const items = this.#buckets.get(priority)?.items
    items?.left()
    if (items?.size !== 0) return
    this.#emptied += 1
    if (this.#emptied < FEW || this.#emptied * 2 < this.#order.length) return
    for (const bucket of this.#order.data) if (bucket.items.size === 0) this.#buckets.delete(bucket.priority)
    this.#order = new TinyQueue([...this.#buckets.values()], byPriority)
    this.#emptied = 0
  }
}

/** Behind which place a bucket is read: it is passed whole where its priority is above. */
function rankIn({ priority }: Bucket, after: Turn | undefined): number {
  if (after === undefined || priority < after.priority) return 0
  return priority > after.priority ? Infinity : after.place
}

function byPriority(a: Bucket, b: Bucket): number {
  return b.priority - a.priority
}

function byTurn(a: Turn, b: Turn): number {
  return b.priority - a.priority || a.place - b.place
}
