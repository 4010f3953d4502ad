/** What is to be done when, the earliest first; of one instant what was set first. */
export class Agenda<T> {
  readonly #heap: { readonly at: number; readonly order: number; readonly what: T }[] = []
  #order = 0

  /** When the next is due. */
  get nextAt(): number | undefined {
    return this.#heap[0]?.at
  }

  add(at: number, what: T): void {
    const heap = this.#heap
    heap.push({ at, order: this.#order++, what })
    let index = heap.length - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!this.#swapIfLater(parent, index)) return
      index = parent
    }
  }

  /** Takes the next one out. */
  take(): { readonly at: number; readonly what: T } | undefined {
    const heap = this.#heap
    const [first] = heap
    const last = heap.pop()
    if (first === undefined || last === undefined || first === last) return first
    heap[0] = last
    for (let index = 0; ;) {
      const left = 2 * index + 1
      const child = left + 1 < heap.length && this.#isLater(left, left + 1) ? left + 1 : left
      if (child >= heap.length || !this.#swapIfLater(index, child)) return first
      index = child
    }
  }

  #swapIfLater(a: number, b: number): boolean {
    const [first, second] = [this.#heap[a], this.#heap[b]]
    if (first === undefined || second === undefined || !this.#isLater(a, b)) return false
    this.#heap[a] = second
    this.#heap[b] = first
    return true
  }

  #isLater(a: number, b: number): boolean {
    const [first, second] = [this.#heap[a], this.#heap[b]]
    if (first === undefined || second === undefined) return false
    return first.at === second.at ? first.order > second.order : first.at > second.at
  }
}
