import type { QueueContext } from '../queue-context.js'
import { jitteredMs } from '../store/sending/patience.js'
import type { ClaimResult } from '../protocol/claim-attempt.js'
import type { RunResult } from '../store/protocol-run.js'
import { claimsLost } from '../store/s3-errors.js'

/** Rounds without an item that are not waited for, as other processes claim from the same end. */
const FREE_ROUNDS = 4
const KIND = 'claim'
/** The longest pause after a round that others won. */
const CONTENTION_MS = 50
/** How many times `timeoutMs` others may win; after that the listing counts as late. */
const MAX_CONTENDED = 8
/** An older claim of another process is no current rival: the listing of its name is late. */
const RIVAL_MS = 10_000

/** Whether another process claimed one of the items just now. */
export function isContended(results: readonly RunResult<ClaimResult>[], { names }: QueueContext): boolean {
  const sinceAt = names.now() - RIVAL_MS
  return results.some(
    (result) => 'value' in result && result.value.is === 'lost' && (result.value.rivalAt ?? 0) > sinceAt,
  )
}

/**
 * Ends a `get` or `peek` whose consecutive rounds find no item, because all listed attempts were claimed by
 * others long ago or are over: when that has gone on for `timeoutMs`, or its rounds took three times that
 * together.
 */
export class ClaimRounds {
  readonly #context: QueueContext
  readonly #patience
  readonly #startedAtMonotonic: number
  #beganAtMonotonic: number
  #lost = 0

  constructor(context: QueueContext) {
    this.#context = context
    this.#patience = context.store.patience()
    this.#startedAtMonotonic = this.#beganAtMonotonic = context.store.sender.monotonicMs()
  }

  /** Whether the last round was followed by a pause, in which others went on. */
  get hasPaused(): boolean {
    return this.#lost > FREE_ROUNDS
  }

  /**
   * After a round that yielded `given` items: a pause if it yielded none. Returns the error that ends the
   * call, if it is to end.
   *
   * @param contended other processes claimed its items just now: they make progress, and so will this call.
   * It only must not collide with them repeatedly
   */
  async after(given: number, contended = false): Promise<{ readonly error: unknown } | undefined> {
    const { store, layout } = this.#context
    if (given === 0 && contended && !this.#isOutrun) return this.#afterContention()
    const beganAtMonotonic = this.#beganAtMonotonic
    this.#lost = given > 0 ? 0 : this.#lost + 1
    if (given > 0) this.#patience.answered(KIND)
    else this.#patience.spend(store.sender.monotonicMs() - beganAtMonotonic)
    const on = layout.folder('WAITING')
    const errorOf = () => claimsLost(store.place, on)
    if (this.#patience.isSpent) return { error: errorOf() }
    try {
      const work = { kind: KIND, on }
      const limits = { errorOf, freeTries: FREE_ROUNDS }
      if (given === 0) await store.sender.waitOrThrow(work, this.#patience, limits)
    } catch (error) {
      return { error }
    }
    this.#beganAtMonotonic = store.sender.monotonicMs()
    return undefined
  }

  get #isOutrun(): boolean {
    const { sender } = this.#context.store
    return sender.monotonicMs() - this.#startedAtMonotonic > MAX_CONTENDED * sender.timeoutMs
  }

  async #afterContention(): Promise<undefined> {
    this.#lost += 1
    this.#patience.answered(KIND)
    const { runtime } = this.#context
    const waitMs = jitteredMs(runtime, 1, { baseMs: CONTENTION_MS / 2, maxMs: CONTENTION_MS })
    if (this.hasPaused) await runtime.sleep(waitMs)
    this.#beganAtMonotonic = this.#context.store.sender.monotonicMs()
  }
}
