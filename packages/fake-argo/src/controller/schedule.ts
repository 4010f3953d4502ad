import type { Runtime } from '@sluice/core'

/** Performs steps when they are due: at the next call of `catchUp`, or by a timer. */
export class Schedule<T> {
  readonly #runtime: Runtime
  readonly #act: (what: T, at: number) => void
  readonly #agenda = new Agenda<T>()
  readonly #alarm: Alarm
  #paused = false
  #notBeforeAt = Number.NEGATIVE_INFINITY

  /** @param act performs one step; `at` is the instant it was due, however late it is */
  constructor(runtime: Runtime, act: (what: T, at: number) => void) {
    this.#runtime = runtime
    this.#act = act
    this.#alarm = new Alarm(runtime, () => this.catchUp())
  }

  get paused(): boolean {
    return this.#paused
  }

  /** Plans a step; at `Infinity` it is never due. */
  add(what: T, at: number): void {
    if (at === Number.POSITIVE_INFINITY) return
    this.#agenda.add(at, what)
    this.#arm()
  }

  /** Performs all steps that are due. */
  catchUp(): void {
    const now = this.#runtime.now()
    while (!this.#paused && (this.#agenda.nextAt ?? now + 1) <= now) {
      const due = this.#agenda.take()
      if (due !== undefined) this.#act(due.what, Math.max(due.at, this.#notBeforeAt))
    }
    this.#arm()
  }

  /** Performs nothing until `resume`. */
  pause(): void {
    this.#paused = true
    this.#alarm.silence()
  }

  /** Performs what became due meanwhile, as of now. */
  resume(): void {
    this.#paused = false
    this.#notBeforeAt = this.#runtime.now()
    this.catchUp()
  }

  #arm(): void {
    const next = this.#agenda.nextAt
    if (!this.#paused && next !== undefined) this.#alarm.set(next)
  }
}

/** Steps by their instants, the earliest first; of one instant in the order of adding. */
class Agenda<T> {
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

  /** Removes and returns the next one. */
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

/** Calls back once at an instant; another setting counts only when it is earlier. */
class Alarm {
  readonly #runtime: Runtime
  readonly #ring: () => void
  #abort: AbortController | undefined
  #at = Number.POSITIVE_INFINITY

  constructor(runtime: Runtime, ring: () => void) {
    this.#runtime = runtime
    this.#ring = ring
  }

  /** Calls back at an instant, unless it is set to an earlier one. */
  set(at: number): void {
    if (at >= this.#at) return
    this.silence()
    const abort = new AbortController()
    this.#abort = abort
    this.#at = at
    void this.#wait(at, abort.signal)
  }

  /** Cancels the call. */
  silence(): void {
    this.#abort?.abort()
    this.#abort = undefined
    this.#at = Number.POSITIVE_INFINITY
  }

  async #wait(at: number, signal: AbortSignal): Promise<void> {
    await this.#runtime.sleep(Math.max(0, at - this.#runtime.now()), signal)
    if (signal.aborted) return
    this.#at = Number.POSITIVE_INFINITY
    this.#ring()
  }
}
