import type { ItemSummary } from '@sluice/core'
import { assertCount } from '@sluice/core/backend'
import type { ItemSelection, SelectionPass, SelectionSnapshot, Verdict } from './item-selection.js'

/** The live limit that {@link keySelection} obeys. */
export const KEY_LIMIT = 'perKey'

/**
 * Of the items with one `limitKey`, at most `max` have unfinished jobs; an item without a key has no such
 * limit. A live limit `perKey` replaces the number.
 *
 * @param max whole number, 0 or more; a live limit replaces it
 * @throws TypeError for any other number
 */
export function keySelection(max: number): ItemSelection {
  assertCount(max, 'limitPer.max')
  return { begin: (snapshot) => new KeyPass(max, snapshot) }
}

class KeyPass implements SelectionPass {
  readonly #max: number
  readonly #running = new Map<string, number>()
  readonly #waiting = new Map<string, number>()

  constructor(max: number, { running, limits }: SelectionSnapshot) {
    this.#max = limits[KEY_LIMIT] ?? max
    for (const item of running) this.noteStart(item)
  }

  judge({ limitKey }: ItemSummary): Verdict {
    return limitKey === undefined || this.#runningOf(limitKey) < this.#max ? 'start' : 'wait'
  }

  noteStart({ limitKey }: ItemSummary): void {
    if (limitKey !== undefined) this.#running.set(limitKey, this.#runningOf(limitKey) + 1)
  }

  noteWait({ limitKey = '' }: ItemSummary): void {
    this.#waiting.set(limitKey, (this.#waiting.get(limitKey) ?? 0) + 1)
  }

  holdup(): ReturnType<SelectionPass['holdup']> {
    const [first] = this.#waiting
    if (first === undefined) return undefined
    const [key, items] = first
    const others = this.#waiting.size === 1 ? '' : ` and ${this.#waiting.size - 1} others`
    const message = `at most ${this.#max} jobs run for each limit key, and so many run for ${JSON.stringify(key)}${others}`
    return { code: 'budget', message, items }
  }

  #runningOf(key: string): number {
    return this.#running.get(key) ?? 0
  }
}
