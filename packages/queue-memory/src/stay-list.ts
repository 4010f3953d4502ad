import type { StoredItem } from './stored-item.js'

const FEW = 64

/**
 * Items in the order in which they came, for as long as each stays. Items are only ever appended, the numbers
 * of their stays growing, or of their places, so a cursor is found by bisection whatever was added or left
 * since [Q-LIST-1, Q-PEEK-2]. An
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
  /** What cursors refer to. */
  readonly #ranks: 'stays' | 'places'
  /** Before it there are only gaps. */
  #front = 0
  #size = 0

  constructor(ranks: 'stays' | 'places' = 'stays') {
    this.#ranks = ranks
  }

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
    this.#sweep()
  }

  #sweep(): void {
    const items: StoredItem[] = []
    const stays: number[] = []
    for (let index = this.#front; index < this.#items.length; index++) {
      const item = this.#at(index)
      if (item === undefined) continue
      items.push(item)
      stays.push(item.stay)
    }
    this.#items = items
    this.#stays = stays
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

  /** Up to `limit` items that came after a stay, or after a place, and whether there are more. */
  after(rank: number, limit: number): { items: StoredItem[]; more: boolean } {
    const items: StoredItem[] = []
    for (let index = this.#full(this.#firstAfter(rank)); index < this.#items.length;) {
      const item = this.#at(index)
      if (items.length === limit) return { items, more: true }
      if (item !== undefined) items.push(item)
      index = this.#full(index + 1)
    }
    return { items, more: false }
  }

  /**
   * The index of an item, from this one on. Where cursors refer to places, the number of the stay of a gap is
   * of no more use: it keeps where the gaps end, below zero, so that no walk passes the same gaps again. They
   * may be many behind an item that is skipped at each claim.
   */
  #full(from: number): number {
    let index = from
    while (index < this.#items.length && this.#at(index) === undefined) {
      const stay = this.#stays[index] ?? 0
      index = stay < 0 ? -stay : index + 1
    }
    if (this.#ranks === 'places' && index > from + 1) this.#stays[from] = -index
    return index
  }

  /** The item at an index, unless it went. */
  #at(index: number): StoredItem | undefined {
    const item = this.#items[index]
    return item !== undefined && item.stay === this.#stays[index] ? item : undefined
  }

  #firstAfter(rank: number): number {
    return this.#ranks === 'stays' ? this.#firstAfterStay(rank) : this.#firstAfterPlace(rank)
  }

  #firstAfterStay(stay: number): number {
    let low = this.#front
    let high = this.#stays.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#stays[middle] ?? Infinity) > stay) high = middle
      else low = middle + 1
    }
    return low
  }

  /** A gap says nothing of its place: the next item does. */
  #firstAfterPlace(place: number): number {
    let low = this.#front
    let high = this.#items.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const full = this.#full(middle)
      if (full >= high || (this.#items[full]?.place ?? Infinity) > place) high = middle
      else low = full + 1
    }
    return low
  }
}
