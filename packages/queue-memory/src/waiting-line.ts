import TinyQueue from 'tinyqueue'
import type { StoredItem } from './stored-item.js'
import { TurnLine, type Turn } from './turn-line.js'

const FEW = 64

/**
 * One stay of an item that must not be given out yet: the item goes on to another stay, what the heap is
 * ordered by may not.
 */
interface Delay {
  readonly item: StoredItem
  readonly stay: number
  readonly untilAt: number
}

/** Where a look at what may be given out begins, and of which limit key. */
export interface Ahead {
  readonly after: Turn | undefined
  readonly limitKey: string | undefined
}

/**
 * WAITING items in the order in which `get` gives them out: priority, then since when they are available,
 * then who came first.
 *
 * Those that may be given out are in a line, and those of a limit key also in a line of that key. Their
 * places are given in the order in which they become available: the clock never goes back, and whatever has
 * become available meanwhile is let in before anything is added behind it. Items that must not be given out
 * yet wait in a heap by the instant from which they may [Q-TIME-1].
 */
export class WaitingLine {
  readonly #all = new TurnLine()
  readonly #ofKeys = new Map<string, TurnLine>()
  #delays = new TinyQueue<Delay>([], byInstant)
  #gone = 0
  #places = 0
  /** Up to this instant everything has been let in. */
  #admittedAt = -Infinity

  add(item: StoredItem, now: number): void {
    this.admit(now)
    const untilAt = item.notBeforeAt
    if (untilAt !== undefined && untilAt > now) this.#delays.push({ item, stay: item.stay, untilAt })
    else this.#append(item)
  }

  /** Puts an item that has a place back to it, or to the same place in another priority or limit key. */
  putBack(item: StoredItem): void {
    item.isReturned = true
    this.#all.putBack(item)
    if (item.limitKey !== undefined) this.#lineOf(item.limitKey).putBack(item)
  }

  /** The item whose turn it is. It stays until its claim calls `left`. */
  first(now: number): StoredItem | undefined {
    this.admit(now)
    return this.#all.first()
  }

  /** Up to `maxItems` items in turn; nothing changes. */
  peek(maxItems: number, now: number, ahead?: Ahead): StoredItem[] {
    this.admit(now)
    const line = ahead?.limitKey === undefined ? this.#all : this.#ofKeys.get(ahead.limitKey)
    return line?.peek(maxItems, ahead?.after) ?? []
  }

  /** Notes that an item left; call it when the number of its stay has changed. */
  left(item: StoredItem): void {
    if (!item.isReturned && (item.notBeforeAt ?? -Infinity) > this.#admittedAt) {
      this.#leftDelays()
      return
    }
    this.#all.left(item)
    if (item.limitKey !== undefined) this.#leftKey(item, item.limitKey)
    item.isReturned = false
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

  #append(item: StoredItem): void {
    item.place = ++this.#places
    this.#all.append(item)
    if (item.limitKey !== undefined) this.#lineOf(item.limitKey).append(item)
  }

  #lineOf(limitKey: string): TurnLine {
    const known = this.#ofKeys.get(limitKey)
    if (known !== undefined) return known
    const made = new TurnLine()
    this.#ofKeys.set(limitKey, made)
    return made
  }

  /** A key that no item has any more takes no room. */
  #leftKey(item: StoredItem, limitKey: string): void {
    const line = this.#ofKeys.get(limitKey)
    line?.left(item)
    if (line?.size === 0) this.#ofKeys.delete(limitKey)
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

function isOver({ item, stay }: Delay): boolean {
  return item.stay !== stay
}

function byInstant(a: Delay, b: Delay): number {
  return a.untilAt - b.untilAt || a.stay - b.stay
}
