import { randomUUID } from 'node:crypto'
import type { CheckedChange, CheckedItem, PutManyOptions } from '@sluice/core'
import { encodeKey, laneOf } from './key-encoding.js'
import { entryText } from './object-texts.js'
import type { NewEntry } from './protocol/put-item.js'
import { stintName, type Stint } from './stint-name.js'
import { has } from './item-state.js'

/** The stint that a move to WAITING leads to. */
export interface NextStint {
  readonly name: string
  /** Absent: the item keeps its place, and what it has of it. */
  readonly notBeforeAt?: number
}

/** How an item comes back to WAITING, as far as its name says. */
export interface Returning {
  readonly delayMs: number
  readonly uncounted: boolean
  readonly keepPlace: boolean
  readonly hasRetryState: boolean
}

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

  /** What a put into a stage stores of an item, for each generation of its id. Its turn is taken now. */
  entryOf(
    item: CheckedItem,
    stage: PutManyOptions['stage'] = 'WAITING',
  ): { readonly key: string; readonly of: (generation: number) => NewEntry } {
    const { id, bodyText, priority, delayMs } = item
    const key = encodeKey(id)
    const putAt = this.#now()
    const notBeforeAt = delayMs === undefined ? item.notBeforeAt : putAt + delayMs
    const availableAt = Math.max(putAt, notBeforeAt ?? 0)
    const delayed = availableAt > putAt
    const uid = randomUUID()
    const turn = this.#nextTurn()
    const lane = laneOf(key, this.#lanes)
    const place = { lane, priority, availableAt, delayed, turn }
    const attempt = stage === 'SUCCESS' ? 0 : 1
    const fixed = { ...place, attempt, updates: 0, uncounted: 0, hasRetryState: false, uid, key }
    const of = (generation: number) => {
      const first = stintName({ ...fixed, generation })
      const entry = { id, uid, first, priority, putAt, ...has({ notBeforeAt }) }
      return { ...entry, text: entryText(entry, bodyText) }
    }
    return { key, of }
  }

  /** The stint after a `release`. One that keeps its place has the same instant and turn, and no instant that it may not be given out before. */
  released(stint: Stint, { delayMs, uncounted, keepPlace, hasRetryState }: Returning): NextStint {
    const next = { ...stint, uncounted: stint.uncounted + (uncounted ? 1 : 0), hasRetryState }
    if (keepPlace) return { name: stintName({ ...next, attempt: stint.attempt + 1 }) }
    return this.#after(next, delayMs)
  }

  /** The stint after a `requeue`: the attempts so far no longer count. */
  requeued(stint: Stint, delayMs: number, priority = stint.priority): NextStint {
    return this.#after({ ...stint, uncounted: stint.attempt, priority, hasRetryState: false }, delayMs)
  }

  /** The one that an update leads to. Its instant given anew, the item stands where one would that is put now; else where it stood, in its priority. */
  updated(
    stint: Stint,
    { priority = stint.priority, notBeforeAt }: Pick<CheckedChange, 'priority' | 'notBeforeAt'>,
  ): string {
    const next = { ...stint, priority, updates: stint.updates + 1 }
    if (notBeforeAt === undefined) return stintName(next)
    const now = this.#now()
    const place = { availableAt: Math.max(now, notBeforeAt), delayed: notBeforeAt > now }
    return stintName({ ...next, ...place, turn: this.#nextTurn() })
  }

  #after(stint: Stint, delayMs: number): NextStint {
    const availableAt = this.#now() + delayMs
    const next = {
      ...stint,
      availableAt,
      delayed: delayMs > 0,
      turn: this.#nextTurn(),
      attempt: stint.attempt + 1,
    }
    return { name: stintName(next), notBeforeAt: availableAt }
  }

  #nextTurn(): number {
    return this.#turn++
  }
}
