import type { FailureClass, ItemHead, KnownFailureClass } from '@sluice/core'
import { assertBackoff, backoffMs, type Backoff, type Random } from './backoff.js'

/** What becomes of an item whose job failed. */
export interface RetryOptions {
  /** How many attempts an item gets, 1 or more; refunded ones don't count. Default 1: no second try. */
  readonly maxAttempts?: number
  /** The delay before the next attempt. Default 1 s, doubling up to 5 min, half of it left to chance. */
  readonly backoff?: Partial<Backoff>
  /**
   * Only failures of these classes are tried again. Default: of any class. `rejected`, `unsendable` and
   * `invalid-body` never are.
   */
  readonly on?: readonly FailureClass[]
}

/** The {@link RetryOptions} with their defaults filled in. */
export interface RetryPolicy {
  readonly maxAttempts: number
  readonly backoff: Backoff
  readonly on: ReadonlySet<FailureClass> | 'any'
}

/** Another attempt would end like this one: the worker can't take the item, or the item is not what the work needs. */
const NEVER_RETRIED: ReadonlySet<FailureClass> = new Set<KnownFailureClass>([
  'rejected',
  'unsendable',
  'invalid-body',
])

const BACKOFF: Backoff = { baseMs: 1_000, factor: 2, maxMs: 300_000, jitter: 0.5 }

/** @throws TypeError that names the field that is wrong */
export function retryPolicy(options: RetryOptions): RetryPolicy {
  const { maxAttempts = 1, on } = options
  if (!Number.isSafeInteger(maxAttempts) || maxAttempts < 1) {
    throw new TypeError(`retry.maxAttempts must be a whole number of 1 or more; got ${maxAttempts}`)
  }
  const backoff = { ...BACKOFF, ...options.backoff }
  assertBackoff(backoff, 'retry.backoff')
  return { maxAttempts, backoff, on: on === undefined ? 'any' : new Set(on) }
}

/** Attempts that count against a limit: those that were refunded, or made before a person requeued the item, do not. */
export function countedAttempts(item: Pick<ItemHead, 'attempt' | 'refunds'>): number {
  return item.attempt - item.refunds
}

/** The delay before the next attempt in ms, or `undefined`: this was the last one. */
export function retryDelayMs(
  policy: RetryPolicy,
  failed: { readonly item: Pick<ItemHead, 'attempt' | 'refunds'>; readonly failureClass: FailureClass },
  random: Random,
): number | undefined {
  const counted = countedAttempts(failed.item)
  if (NEVER_RETRIED.has(failed.failureClass)) return undefined
  const again = policy.on === 'any' || policy.on.has(failed.failureClass)
  if (!again || counted >= policy.maxAttempts) return undefined
  return backoffMs(policy.backoff, counted, random)
}
