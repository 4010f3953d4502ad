import type { JsonValue, Runtime } from '@sluice/core'
import { has } from '../format/item-state.js'
import type { Selection } from '../format/selection.js'
import type { RunningAttempt } from '../protocol/end-attempt.js'
import type { Seen } from '../protocol/move-item.js'
import { recentMap } from '../recent-map.js'

const MAX_KNOWN = 100_000
/** Each is a kilobyte at most. */
const MAX_RETRY_STATES = 20_000
/** A hundred bytes each, as a rule; 2 KB at most. */
const MAX_SELECTIONS = 50_000
/**
 * How long `listSummaries` believes that an attempt it has checked has not ended, before it is due to be
 * checked again.
 */
const LIVE_MS = 30_000
/**
 * How long a move may rely on an attempt that was seen without an end. Far shorter than tombstones live: a
 * move would not find an end that was purged.
 */
const SURE_MS = 1_800_000

/**
 * What this process has seen under PROCESSING. It saves requests, and nothing relies on it: a move of an item
 * that has moved since fails at the store.
 */
export class AttemptCache {
  readonly #seen = recentMap<Seen>(MAX_KNOWN)
  readonly #live = recentMap<number>(MAX_KNOWN)
  readonly #ids = recentMap<string>(MAX_KNOWN)
  readonly #retryStates = recentMap<{ readonly value: JsonValue | undefined }>(MAX_RETRY_STATES)
  /** Resources and limit keys by their tags: a tag never gets others. */
  readonly selections = recentMap<Selection>(MAX_SELECTIONS)
  /** The names that items were last seen to wait under, by their uids. */
  readonly waiting = recentMap<string>(MAX_KNOWN)
  readonly #runtime: Pick<Runtime, 'monotonicMs'>

  constructor(runtime: Pick<Runtime, 'monotonicMs'>) {
    this.#runtime = runtime
  }

  /** The state of an updated item is not kept: its body may be large, and the caller has it. */
  claimed(running: RunningAttempt): void {
    const { name, attemptKey, state } = running
    this.#seen.set(attemptKey.key, {
      name,
      attemptKey,
      ...has({ running: state.body === undefined ? running : undefined }),
    })
    this.rememberRetryState(running.name, running.state.retryState)
    this.live(running.name)
  }

  /** Listed, and had no end. */
  listed(seen: Seen): void {
    if (this.#seen.peek(seen.attemptKey.key)?.name !== seen.name) this.#seen.set(seen.attemptKey.key, seen)
    this.live(seen.name)
  }

  live(name: string): void {
    this.#live.set(name, this.#runtime.monotonicMs())
  }

  /** When it was seen without an end: a short while ago, longer ago, or never. */
  seenLive(name: string): 'lately' | 'before' | 'never' {
    const atMonotonic = this.#live.get(name)
    if (atMonotonic === undefined) return 'never'
    return this.#runtime.monotonicMs() - atMonotonic < LIVE_MS ? 'lately' : 'before'
  }

  /** Where the item of a key was seen in PROCESSING, not too long ago. */
  find(key: string): Seen | undefined {
    const seen = this.#seen.get(key)
    const atMonotonic = seen && this.#live.get(seen.name)
    return atMonotonic !== undefined && this.#runtime.monotonicMs() - atMonotonic < SURE_MS ? seen : undefined
  }

  /** It was moved. */
  drop(key: string): void {
    const seen = this.#seen.get(key)
    if (seen !== undefined) this.#live.delete(seen.name)
    this.#seen.delete(key)
  }

  /**
   * The `retryState` in the objects of an attempt whose name announces one; it never changes. Absent: unknown
   * here.
   */
  retryStateOf(name: string): { readonly value: JsonValue | undefined } | undefined {
    return this.#retryStates.get(name)
  }

  rememberRetryState(name: string, value: JsonValue | undefined): void {
    if (value !== undefined) this.#retryStates.set(name, { value })
  }

  /** The id of a key that is a hash. */
  idOf(key: string): string | undefined {
    return this.#ids.get(key)
  }

  rememberId(key: string, id: string): void {
    this.#ids.set(key, id)
  }
}
