import { randomUUID } from 'node:crypto'
import type { CheckedItem } from '@sluice/core'
import { encodeKey, laneOf } from './key-encoding.js'
import { entryText } from './object-texts.js'
import type { NewEntry } from './protocol/put-item.js'
import { stintName, type Stint } from './stint-name.js'
import { has } from './item-state.js'

/** Makes the names of new stints: the instants, and the turns of this process. */
export class StintNames {
  readonly #now: () => number
  readonly #lanes: number
  #turn = 0

  constructor(now: () => number, lanes: number) {
    this.#now = now
    this.#lanes = lanes
  }

  now(): number {
    return this.#now()
  }

  /** What `put` stores of an item, for each generation of its id. Its turn is taken now. */
  entryOf(item: CheckedItem): { readonly key: string; readonly of: (generation: number) => NewEntry } {
    const { id, bodyText, priority, delayMs } = item
    const key = encodeKey(id)
    const putAt = this.#now()
    const notBeforeAt = delayMs === undefined ? item.notBeforeAt : putAt + delayMs
    const availableAt = Math.max(putAt, notBeforeAt ?? 0)
    const delayed = availableAt > putAt
    const uid = randomUUID()
    const turn = this.#nextTurn()
    const lane = laneOf(key, this.#lanes)
    const fixed = { lane, priority, availableAt, delayed, turn, attempt: 1, refunds: 0, uid, key }
    const of = (generation: number) => {
      const first = stintName({ ...fixed, generation })
      const entry = { id, uid, first, priority, putAt, ...has({ notBeforeAt }) }
      return { ...entry, text: entryText(entry, bodyText) }
    }
    return { key, of }
  }

  /** The stint after a `release`. */
  released(stint: Stint, delayMs: number, refund: boolean): { name: string; availableAt: number } {
    return this.#after({ ...stint, refunds: stint.refunds + (refund ? 1 : 0) }, delayMs)
  }

  /** The stint after a `requeue`: the attempts so far no longer count. */
  requeued(
    stint: Stint,
    delayMs: number,
    priority: number | undefined,
  ): { name: string; availableAt: number } {
    return this.#after({ ...stint, refunds: stint.attempt, priority: priority ?? stint.priority }, delayMs)
  }

  #after(stint: Stint, delayMs: number): { name: string; availableAt: number } {
    const availableAt = this.#now() + delayMs
    const next = {
      ...stint,
      availableAt,
      delayed: delayMs > 0,
      turn: this.#nextTurn(),
      attempt: stint.attempt + 1,
    }
    return { name: stintName(next), availableAt }
  }

  #nextTurn(): number {
    return this.#turn++
  }
}
