import type { Runtime } from '@sluice/core'

/** An instant by which something must have ended. It may be moved while it stands. */
export interface Deadline {
  dueAtMonotonic: number
  /** Called once, when it is over. Must not throw. */
  readonly onOver: () => void
}

export type DeadlineRuntime = Pick<Runtime, 'monotonicMs' | 'sleep'>

/** So that no error with a stack is made for it. */
const SLEPT_ENOUGH = 'no deadline stands'

/**
 * Deadlines on one timer: nearly all of them are ended long before they are over, and a timer for each is a
 * large part of what a request costs.
 */
export class Deadlines {
  readonly #runtime: DeadlineRuntime
  readonly #checkEveryMs: number
  readonly #standing = new Set<Deadline>()
  #sleep: AbortController | undefined
  #wakesAtMonotonic = Number.POSITIVE_INFINITY

  /** @param checkEveryMs how late one may be over that was moved to an earlier instant, in ms */
  constructor(runtime: DeadlineRuntime, checkEveryMs = Number.POSITIVE_INFINITY) {
    this.#runtime = runtime
    this.#checkEveryMs = checkEveryMs
  }

  /** @param ms from now on */
  start(ms: number, onOver: () => void): Deadline {
    const deadline = { dueAtMonotonic: this.#runtime.monotonicMs() + ms, onOver }
    this.#standing.add(deadline)
    if (deadline.dueAtMonotonic < this.#wakesAtMonotonic) this.#wakeAt(deadline.dueAtMonotonic)
    return deadline
  }

  end(deadline: Deadline): void {
    this.#standing.delete(deadline)
    // Where none stands, no timer keeps the process alive.
    if (this.#standing.size === 0) this.#rest()
  }

  #rest(): void {
    this.#sleep?.abort(SLEPT_ENOUGH)
    this.#sleep = undefined
    this.#wakesAtMonotonic = Number.POSITIVE_INFINITY
  }

  #wakeAt(atMonotonic: number): void {
    this.#rest()
    const nowMonotonic = this.#runtime.monotonicMs()
    const ms = Math.min(Math.max(0, atMonotonic - nowMonotonic), this.#checkEveryMs)
    this.#wakesAtMonotonic = nowMonotonic + ms
    this.#sleep = new AbortController()
    void this.#check(ms, this.#sleep.signal)
  }

  /** Never rejects. */
  async #check(ms: number, signal: AbortSignal): Promise<void> {
    await this.#runtime.sleep(ms, signal)
    if (signal.aborted) return
    this.#rest()
    const nowMonotonic = this.#runtime.monotonicMs()
    let nextAtMonotonic = Number.POSITIVE_INFINITY
    for (const deadline of this.#standing) {
      if (deadline.dueAtMonotonic > nowMonotonic) {
        nextAtMonotonic = Math.min(nextAtMonotonic, deadline.dueAtMonotonic)
        continue
      }
      this.#standing.delete(deadline)
      deadline.onOver()
    }
    // What was called may have started one itself.
    if (this.#standing.size > 0 && nextAtMonotonic < this.#wakesAtMonotonic) this.#wakeAt(nextAtMonotonic)
  }
}
