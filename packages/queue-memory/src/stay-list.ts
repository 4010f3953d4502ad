import type { StoredItem } from './stored-item.js'

const FEW = 64

/**
 * Items in the order in which they came, for as long as each stays. Items are only ever appended, the numbers
 * of their stays growing, so a cursor is found by bisection whatever was added or left since [Q-LIST-1]. An
 * item that went elsewhere has another number by then and stays behind as a gap, until gaps are the larger
 * half; sweeping them then costs each move a constant on average.
 */
export class StayList {
  #items: StoredItem[] = []
  /**
   * The number of each item's stay when it came; an array of its own, since an object for each stay is half
   * of what a move would cost.
   */
  #stays: number[] = []
  /** Before it there are only gaps. */
  #front = 0
  #size = 0

  /** How many items there are. */
  get size(): number {
    return this.#size
  }

  add(item: StoredItem): void {
    this.#items.push(item)
    this.#stays.push(item.stay)
    this.#size += 1
  }

  /** Notes that one item left; call it when the number of its stay has changed. */
  left(): void {
    this.#size -= 1
    if (this.#items.length < FEW || this.#size * 2 > this.#items.length) return
    this.#items = this.#items.filter((item, index) => item.stay === this.#stays[index])
    this.#stays = this.#items.map((item) => item.stay)
    this.#front = 0
  }

  /** The item that has been here longest. */
  first(): StoredItem | undefined {
    for (; this.#front < this.#items.length; this.#front++) {
      const item = this.#at(this.#front)
      if (item !== undefined) return item
    }
    return undefined
  }

  /** Up to `limit` items that came after a stay, and whether there are more. */
  after(stay: number, limit: number): { items: StoredItem[]; more: boolean } {
    const items: StoredItem[] = []
    for (let index = this.#firstAfter(stay); index < this.#items.length; index++) {
      const item = this.#at(index)
      if (item === undefined) continue
      if (items.length === limit) return { items, more: true }
      items.push(item)
    }
    return { items, more: false }
  }

  /** The item at an index, unless it went. */
  #at(index: number): StoredItem | undefined {
    const item = this.#items[index]
    return item !== undefined && item.stay === this.#stays[index] ? item : undefined
  }

  #firstAfter(stay: number): number {
    let low = this.#front
    let high = this.#stays.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#stays[middle] ?? Infinity) > stay) high = middle
      else low = middle + 1
    }
    return low
  }
}
