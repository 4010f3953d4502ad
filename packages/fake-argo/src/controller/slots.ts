/** What runs, and what waits for a free slot. */
export class Slots<T> {
  readonly #running = new Set<T>()
  readonly #waiting = new Set<T>()

  /** How many run. */
  get taken(): number {
    return this.#running.size
  }

  /** It runs. */
  take(one: T): void {
    this.#waiting.delete(one)
    this.#running.add(one)
  }

  /** It waits, after those that wait already. */
  wait(one: T): void {
    this.#waiting.add(one)
  }

  /** It does neither. */
  leave(one: T): void {
    this.#waiting.delete(one)
    this.#running.delete(one)
  }

  /** The waiting one of the highest priority, the first of those. */
  next(priorityOf: (one: T) => number): T | undefined {
    let best: T | undefined
    let highest = Number.NEGATIVE_INFINITY
    for (const one of this.#waiting) {
      const priority = priorityOf(one)
      if (priority <= highest) continue
      best = one
      highest = priority
    }
    return best
  }
}
