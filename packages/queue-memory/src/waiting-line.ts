import TinyQueue from 'tinyqueue'
import { StayList } from './stay-list.js'
import type { StoredItem } from './stored-item.js'

const FEW = 64

/** The items of one priority that may be given out, first come first. */
interface Bucket {
  readonly priority: number
  readonly items: StayList
}

/**
 * One stay of an item that must not be given out yet: the item goes on to another stay, what the heap is
 * ordered by may not.
 */
interface Delay {
  readonly item: StoredItem
  readonly stay: number
  readonly untilAt: number
}

/** One stay of an item that came back to the place that it had. */
interface Returned {
  readonly item: StoredItem
  readonly stay: number
  readonly priority: number
  readonly place: number
}

/**
 * WAITING items in the order in which `get` gives them out: priority, then since when they are available,
 * then who came first.
 *
 * Those that may be given out are in a list for each priority. It needs no sorting: the clock never goes
 * back, and whatever has become available meanwhile is let in before anything is added behind it. Items that
 * must not be given out yet wait in a heap by the instant from which they may [Q-TIME-1]. The few that come
 * back to the place that they had [Q-MOVE-5] are in a heap of their own.
 */
export class WaitingLine {
  readonly #buckets = new Map<number, Bucket>()
  #order = new TinyQueue<Bucket>([], byPriority)
  #emptied = 0
  #delays = new TinyQueue<Delay>([], byInstant)
  #gone = 0
  readonly #returned = new TinyQueue<Returned>([], byPlace)
  #places = 0
  /** Up to this instant everything has been let in. */
  #admittedAt = -Infinity

  add(item: StoredItem, now: number): void {
    this.admit(now)
    const untilAt = item.notBeforeAt
    if (untilAt !== undefined && untilAt > now) this.#delays.push({ item, stay: item.stay, untilAt })
    else this.#append(item)
  }

  /** Puts an item that has a place back to it, or to the same place in another priority. */
  putBack(item: StoredItem): void {
    item.isReturned = true
    const { stay, priority, place } = item
    this.#returned.push({ item, stay, priority, place })
  }

  /** The item whose turn it is. It stays until its claim calls `left`. */
  first(now: number): StoredItem | undefined {
    this.admit(now)
    const next = this.#topBucket()?.items.first()
    const returned = this.#topReturned()
    if (next === undefined || returned === undefined) return next ?? returned?.item
    return byPlace(returned, next) < 0 ? returned.item : next
  }

  /** Up to `maxItems` items in turn; nothing changes. */
  peek(maxItems: number, now: number): StoredItem[] {
    this.admit(now)
    const passed: Bucket[] = []
    let found: StoredItem[] = []
    while (found.length < maxItems) {
      const bucket = this.#topBucket()
      if (bucket === undefined) break
      found = found.concat(bucket.items.after(0, maxItems - found.length).items)
      passed.push(bucket)
      this.#order.pop()
    }
    for (const bucket of passed) this.#order.push(bucket)
    if (this.#topReturned() === undefined) return found
    return [...found, ...this.#peekReturned(maxItems)].toSorted(byPlace).slice(0, maxItems)
  }

  #peekReturned(maxItems: number): StoredItem[] {
    const passed: Returned[] = []
    for (let next = this.#topReturned(); next !== undefined; next = this.#topReturned()) {
      if (passed.length === maxItems) break
      passed.push(next)
      this.#returned.pop()
    }
    for (const returned of passed) this.#returned.push(returned)
    return passed.map(({ item }) => item)
  }

  /** Notes that an item left; call it when the number of its stay has changed. */
  left(item: StoredItem): void {
    if (item.isReturned) item.isReturned = false
    else if ((item.notBeforeAt ?? -Infinity) > this.#admittedAt) this.#leftDelays()
    else this.#leftBucket(item.priority)
  }

  /** Lets in what has become available by now. */
  admit(now: number): void {
    this.#admittedAt = now
    for (let delay = this.#delays.peek(); delay !== undefined; delay = this.#delays.peek()) {
      if (delay.untilAt > now) return
      this.#delays.pop()
      if (isOver(delay)) this.#gone -= 1
      else this.#append(delay.item)
    }
  }

  #topReturned(): Returned | undefined {
    for (let returned = this.#returned.peek(); returned !== undefined; returned = this.#returned.peek()) {
      if (!isOver(returned)) return returned
      this.#returned.pop()
    }
    return undefined
  }

  #append(item: StoredItem): void {
    item.place = ++this.#places
    const known = this.#buckets.get(item.priority)
    const bucket = known ?? this.#newBucket(item.priority)
    if (known?.items.size === 0) this.#emptied -= 1
    bucket.items.add(item)
  }

  #newBucket(priority: number): Bucket {
    const bucket = { priority, items: new StayList() }
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

  /**
   * The heap is rebuilt once most of what it holds is gone, so that putting and removing for ever does not
   * grow it.
   */
  #leftDelays(): void {
    this.#gone += 1
    if (this.#gone < FEW || this.#gone * 2 < this.#delays.length) return
    this.#delays = new TinyQueue(
      this.#delays.data.filter((delay) => !isOver(delay)),
      byInstant,
    )
    this.#gone = 0
  }
}

function isOver({ item, stay }: Pick<Delay, 'item' | 'stay'>): boolean {
  return item.stay !== stay
}

function byPriority(a: Bucket, b: Bucket): number {
  return b.priority - a.priority
}

type Placed = Pick<StoredItem, 'priority' | 'place'>

function byPlace(a: Placed, b: Placed): number {
  return b.priority - a.priority || a.place - b.place
}

function byInstant(a: Delay, b: Delay): number {
  return a.untilAt - b.untilAt || a.stay - b.stay
}
