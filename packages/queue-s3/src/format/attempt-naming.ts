import type { PutManyOptions, Runtime } from '@sluice/core'
import type { CheckedChange, CheckedItem } from '@sluice/core/backend'
import { encodeKey, shardOf } from './key-encoding.js'
import { entryText } from './object-texts.js'
import type { NewEntry } from '../protocol/put-item.js'
import { attemptKeyText, type AttemptKey } from './attempt-key.js'
import { has } from './item-state.js'
import { tagFor, taggedAdditions, type Selection } from './selection.js'

/** The attempt that a move to WAITING leads to. */
export interface NextAttempt {
  readonly name: string
  /** Absent: the item keeps its place, and its value. */
  readonly notBeforeAt?: number
}

/** How an item returns to WAITING, as far as its name says. */
export interface Returning {
  readonly delayMs: number
  readonly uncounted: boolean
  readonly keepPlace: boolean
  readonly hasRetryState: boolean
}

/** Creates the names of new attempts, from the store's clock and the turns of this process. */
export class AttemptNaming {
  readonly #runtime: Pick<Runtime, 'newId'>
  readonly #now: () => number
  readonly #shards: number
  #turn = 0

  /** @param now the store's clock */
  constructor(runtime: Pick<Runtime, 'newId'>, now: () => number, shards: number) {
    this.#runtime = runtime
    this.#now = now
    this.#shards = shards
  }

  now(): number {
    return this.#now()
  }

  /** What a put into a stage stores of an item, for each generation of its id. Its turn is taken now. */
  entryOf(
    item: CheckedItem,
    stage: PutManyOptions['stage'] = 'WAITING',
  ): { readonly key: string; readonly of: (generation: number) => NewEntry } {
    const { id, bodyText, priority, delayMs, resources, limitKey } = item
    const key = encodeKey(id)
    const putAt = this.#now()
    const notBeforeAt = delayMs === undefined ? item.notBeforeAt : putAt + delayMs
    const availableAt = Math.max(putAt, notBeforeAt ?? 0)
    const delayed = availableAt > putAt
    const uid = this.#runtime.newId()
    const turn = this.#nextTurn()
    const shard = shardOf(key, this.#shards)
    const place = { shard, priority, availableAt, delayed, turn }
    const attempt = stage === 'SUCCESS' ? 0 : 1
    const fixed = {
      ...place,
      attempt,
      updates: 0,
      uncounted: 0,
      hasRetryState: false,
      uid,
      additions: taggedAdditions('', tagFor(item)) ?? '',
      key,
    }
    const of = (generation: number) => {
      const first = attemptKeyText({ ...fixed, generation })
      const seldom = has({ notBeforeAt, resources, limitKey })
      const entry = { id, uid, first, priority, putAt, ...seldom }
      return { ...entry, text: entryText(entry, bodyText) }
    }
    return { key, of }
  }

  /**
   * The attempt after a `release`. One that keeps its place has the same instant and turn, and no
   * `notBeforeAt` of its own.
   */
  released(attemptKey: AttemptKey, { delayMs, uncounted, keepPlace, hasRetryState }: Returning): NextAttempt {
    const next = { ...attemptKey, uncounted: attemptKey.uncounted + (uncounted ? 1 : 0), hasRetryState }
    if (keepPlace) return { name: attemptKeyText({ ...next, attempt: attemptKey.attempt + 1 }) }
    return this.#after(next, delayMs)
  }

  /** The attempt after a `requeue`: the attempts so far no longer count. */
  requeued(attemptKey: AttemptKey, delayMs: number, priority = attemptKey.priority): NextAttempt {
    return this.#after(
      { ...attemptKey, uncounted: attemptKey.attempt, priority, hasRetryState: false },
      delayMs,
    )
  }

  /**
   * The attempt after an update. With a new instant the item's place is that of one put now; else it keeps
   * its place within its priority.
   *
   * @param selection that it has from then on; absent: the same as before
   * @returns `undefined` where the name has no room for it beside the additions of another version
   */
  updated(
    attemptKey: AttemptKey,
    { priority = attemptKey.priority, notBeforeAt }: Pick<CheckedChange, 'priority' | 'notBeforeAt'>,
    selection?: Selection,
  ): string | undefined {
    const additions =
      selection === undefined
        ? attemptKey.additions
        : taggedAdditions(attemptKey.additions, tagFor(selection))
    if (additions === undefined) return undefined
    const next = { ...attemptKey, additions, priority, updates: attemptKey.updates + 1 }
    if (notBeforeAt === undefined) return attemptKeyText(next)
    const now = this.#now()
    const place = { availableAt: Math.max(now, notBeforeAt), delayed: notBeforeAt > now }
    return attemptKeyText({ ...next, ...place, turn: this.#nextTurn() })
  }

  #after(attemptKey: AttemptKey, delayMs: number): NextAttempt {
    const availableAt = this.#now() + delayMs
    const next = {
      ...attemptKey,
      availableAt,
      delayed: delayMs > 0,
      turn: this.#nextTurn(),
      attempt: attemptKey.attempt + 1,
    }
    return { name: attemptKeyText(next), notBeforeAt: availableAt }
  }

  #nextTurn(): number {
    return this.#turn++
  }
}
