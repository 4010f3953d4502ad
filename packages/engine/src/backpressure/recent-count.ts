interface Counted {
  readonly count: number
  readonly atMonotonic: number
}

/** How many there were within a span. */
export class RecentCount {
  readonly #spanMs: number
  #counted: Counted[] = []

  constructor(spanMs: number) {
    this.#spanMs = spanMs
  }

  note(count: number, atMonotonic: number): void {
    const last = this.#counted.at(-1)
    // One entry for about each thirtieth of the span.
    if (last === undefined || atMonotonic - last.atMonotonic > this.#spanMs / 30) {
      this.#drop(atMonotonic)
      this.#counted.push({ count, atMonotonic })
    } else this.#counted[this.#counted.length - 1] = { ...last, count: last.count + count }
  }

  read(nowMonotonic: number): number {
    this.#drop(nowMonotonic)
    return this.#counted.reduce((sum, { count }) => sum + count, 0)
  }

  #drop(nowMonotonic: number): void {
    this.#counted = this.#counted.filter(({ atMonotonic }) => nowMonotonic - atMonotonic <= this.#spanMs)
  }
}
