import type { ItemSummary } from '@sluice/core'
import { backoffMs, type Random } from '../policies/backoff.js'
import type { SendsOptions } from '../work-queue-options.js'
import { retryStateOf } from '../settling/retry-state.js'
import type { WorkerTrust } from './worker-trust.js'

interface RefusedItem {
  readonly id: string
  /** The attempt that was tried last. */
  attempt: number
  /** The first failed try, and each later one that counted. */
  tries: number
  /** Every failed try, for the backoff. */
  failures: number
  /** {@link WorkerTrust.successes} at the latest failed try; absent: it failed only in outages. */
  successesThen?: number
  triedAtMonotonic: number
  sendAtMonotonic: number
  message: string
  /** It was refused, or may be why a call for many was rejected. */
  isAlone?: boolean
}

export interface RefusedItemsOptions {
  readonly rule: Required<SendsOptions>
  readonly trust: WorkerTrust
  readonly random: Random
}

/** One try that failed. */
export interface FailedTry {
  /** The worker's message. */
  readonly message: string
  /** {@link WorkerTrust.successes} at the failure: later successes count for the next try. */
  readonly successes: number
  readonly nowMonotonic: number
  /** It failed in an outage, and doesn't count. */
  readonly isInOutage: boolean
}

/** What follows from one failed try. */
export interface Refusal {
  /** To be passed on in the item's `retryState`. */
  readonly tries: number
  /** It has had all of its tries. */
  readonly isLast: boolean
  readonly delayMs: number
}

type Item = Pick<ItemSummary, 'id' | 'uid' | 'attempt' | 'retryState'>

/** Beyond it the oldest are dropped; their tries are in their `retryState`. */
const MAX_REFUSED = 10_000

/**
 * The items whose sends failed, both in WAITING and in PROCESSING. All of it may be lost: the number of
 * tries is in the item's `retryState` too.
 */
export class RefusedItems {
  readonly #items = new Map<string, RefusedItem>()
  readonly #options: RefusedItemsOptions

  constructor(options: RefusedItemsOptions) {
    this.#options = options
  }

  /** Whether a send of this item failed before, in any process. */
  has(item: Item): boolean {
    return this.#items.has(item.uid) || (retryStateOf(item).tries ?? 0) > 0
  }

  /** Whether this engine tried to send this attempt. */
  wasTried({ uid, attempt }: Item): boolean {
    return this.#items.get(uid)?.attempt === attempt
  }

  /**
   * Whether no send succeeded since the item's latest failed try, so that another failure would not count.
   */
  lacksSuccess(item: Item): boolean {
    return this.has(item) && this.#options.trust.successes <= this.#successesThen(item)
  }

  /**
   * Whether it is sent by a call of its own: it was refused, or a call for many with it was rejected as a
   * whole.
   */
  isAlone(item: Item): boolean {
    return this.#items.get(item.uid)?.isAlone === true || (retryStateOf(item).tries ?? 0) > 0
  }

  maySend({ uid }: Item, nowMonotonic: number): boolean {
    return (this.#items.get(uid)?.sendAtMonotonic ?? nowMonotonic) <= nowMonotonic
  }

  /** For the order of tries: the one that was tried longest ago is next. */
  triedAtMonotonic({ uid }: Item): number {
    return this.#items.get(uid)?.triedAtMonotonic ?? Number.NEGATIVE_INFINITY
  }

  /** A try failed in an outage: it doesn't count, and the item needs no delay of its own. */
  noteOutage(item: Item, nowMonotonic: number): void {
    const known = this.#of(item, nowMonotonic)
    known.attempt = item.attempt
    known.triedAtMonotonic = known.sendAtMonotonic = nowMonotonic
  }

  /** A call with it and others was rejected as a whole: whose trouble it is shows when each is sent alone. */
  noteRejectedTogether(item: Item, nowMonotonic: number): void {
    this.noteOutage(item, nowMonotonic)
    this.#of(item, nowMonotonic).isAlone = true
  }

  /** A try failed. It counts if another send succeeded since the one before; the first always does. */
  noteRefused(item: Item, failed: FailedTry): Refusal {
    const { rule, random } = this.#options
    const known = this.#of(item, failed.nowMonotonic)
    const isFirst = known.tries === 0
    const counts = !isFirst && !failed.isInOutage && failed.successes > this.#successesThen(item)
    if (counts || (isFirst && !failed.isInOutage)) known.tries += 1
    if (!failed.isInOutage) known.successesThen = failed.successes
    known.isAlone = true
    known.failures += 1
    known.attempt = item.attempt
    known.message = failed.message
    known.triedAtMonotonic = failed.nowMonotonic
    const delayMs = backoffMs({ ...rule, factor: 2, jitter: 0.5 }, known.failures, random)
    known.sendAtMonotonic = failed.nowMonotonic + delayMs
    return { tries: known.tries, isLast: counts && known.tries >= rule.maxTries, delayMs }
  }

  /** It was sent, or has failed. */
  drop({ uid }: Pick<Item, 'uid'>): void {
    this.#items.delete(uid)
  }

  /** Another engine may have tried them since. */
  noteNewDispatcher(): void {
    this.#items.clear()
  }

  /** Those that are still being tried, and the worker's message about the latest. */
  summary(nowMonotonic: number): { items: number; example: string; message: string } | undefined {
    // One that was moved by an operator is never tried again, and must not be shown for ever.
    const isCurrent = ({ sendAtMonotonic, successesThen }: RefusedItem): boolean =>
      successesThen !== undefined && nowMonotonic - sendAtMonotonic < 2 * this.#options.rule.maxMs
    const current = [...this.#items.values()].filter(isCurrent)
    const [first] = current
    if (first === undefined) return undefined
    const latest = current.reduce(
      (one, other) => (other.triedAtMonotonic >= one.triedAtMonotonic ? other : one),
      first,
    )
    return { items: current.length, example: latest.id, message: latest.message }
  }

  #successesThen({ uid }: Item): number {
    return this.#items.get(uid)?.successesThen ?? this.#options.trust.termBegan
  }

  #of(item: Item, nowMonotonic: number): RefusedItem {
    const known = this.#items.get(item.uid)
    if (known !== undefined) return known
    const tries = retryStateOf(item).tries ?? 0
    const { id, attempt } = item
    const fresh = {
      id,
      attempt,
      tries,
      failures: tries,
      triedAtMonotonic: nowMonotonic,
      sendAtMonotonic: nowMonotonic,
      message: '',
    }
    this.#items.set(item.uid, fresh)
    for (const oldest of this.#items.keys()) {
      if (this.#items.size <= MAX_REFUSED) break
      this.#items.delete(oldest)
    }
    return fresh
  }
}
