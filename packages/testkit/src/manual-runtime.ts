import { randomUUID } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import type { Runtime } from '@sluice/core'
import { seededRandom } from './random.js'

interface Sleeper {
  wakeAt: number
  readonly wake: () => void
}

/** A runtime whose time is advanced manually, with random numbers that are the same in every run. */
export class ManualRuntime implements Runtime {
  #startAt: number
  #now: number
  #sleepers: Sleeper[] = []
  readonly #random: () => number
  readonly #newId: () => string

  /**
   * @param startAt epoch ms that it shows at first; default an instant in November 2026
   * @param seed of the random numbers, and then of the ids too. Default 1, and ids that are unique also among
   * processes: tests of several share a storage
   */
  constructor(startAt = 1_795_500_000_000, seed?: number) {
    this.#random = seededRandom(seed ?? 1)
    this.#newId = seed === undefined ? randomUUID : seededIds(seed)
    this.#startAt = startAt
    this.#now = startAt
  }

  /** How many sleeps are under way. */
  get sleeping(): number {
    return this.#sleepers.length
  }

  now(): number {
    return this.#now
  }

  monotonicMs(): number {
    return this.#now - this.#startAt
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return
    const { promise, resolve } = Promise.withResolvers<void>()
    // Whole ms, as timers have them: at an instant of so many digits a smaller part is lost, and no time
    // would go by.
    const sleeper = { wakeAt: this.#now + Math.max(0, Math.ceil(ms)), wake: resolve }
    this.#sleepers.push(sleeper)
    const leave = () => {
      this.#sleepers = this.#sleepers.filter((other) => other !== sleeper)
      resolve()
    }
    signal?.addEventListener('abort', leave, { once: true })
    await promise
    signal?.removeEventListener('abort', leave)
  }

  yield(): Promise<void> {
    return settled()
  }

  random(): number {
    return this.#random()
  }

  newId(): string {
    return this.#newId()
  }

  /**
   * Advances time by `ms`. Sleepers wake in the order of their instants, each at its own, and what they do
   * then, promise jobs and immediates, runs before the next one wakes: a sleeper that goes to sleep again
   * within the span wakes again within the call.
   */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    await settled()
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      const sleeper = next
      this.#now = Math.max(this.#now, sleeper.wakeAt)
      this.#sleepers = this.#sleepers.filter((other) => other !== sleeper)
      sleeper.wake()
      await settled()
    }
    this.#now = end
  }

  /** Sets what `now` shows back, as an operator or NTP does. Spans go on: no sleep gets longer. */
  setBack(ms: number): void {
    this.#now -= ms
    this.#startAt -= ms
    for (const sleeper of this.#sleepers) sleeper.wakeAt -= ms
  }

  #next(end: number): Sleeper | undefined {
    return this.#sleepers
      .filter((sleeper) => sleeper.wakeAt <= end)
      .toSorted((a, b) => a.wakeAt - b.wakeAt)[0]
  }
}

/** UUIDs of version 4 in form, the same for the same seed. */
function seededIds(seed: number): () => string {
  const random = seededRandom(seed ^ 0x1d5)
  const digits = (count: number) =>
    Array.from({ length: count }, () => Math.floor(random() * 16).toString(16)).join('')
  return () => `${digits(8)}-${digits(4)}-4${digits(3)}-8${digits(3)}-${digits(12)}`
}

/** One turn of the event loop: all promise jobs that are due have run by then. */
async function settled(): Promise<void> {
  await setImmediate()
}
