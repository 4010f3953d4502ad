import type { Ground } from './ground.js'
import { claimsLost } from './s3-errors.js'

/** Rounds without an item that are not waited for, as other processes claim from the same end. */
const FREE_ROUNDS = 4
const KIND = 'claim'

/**
 * Ends a `get` or `peek` that finds no item in one round after the other, because all the attempts that are listed were claimed by others or are over:
 * when that has gone on for `timeoutMs`, or its rounds took three times that together.
 */
export class ClaimRounds {
  readonly #ground: Ground
  readonly #patience
  #beganMs: number
  #lost = 0

  constructor(ground: Ground) {
    this.#ground = ground
    this.#patience = ground.store.patience()
    this.#beganMs = ground.store.sender.nowMs()
  }

  /** Whether the last round was followed by a pause, in which others went on. */
  get hasPaused(): boolean {
    return this.#lost > FREE_ROUNDS
  }

  /** After a round that gave so many items: a pause if it gave none. Gives the error that ends the call, if it is to end. */
  async after(given: number): Promise<{ readonly error: unknown } | undefined> {
    const { store, layout } = this.#ground
    const beganMs = this.#beganMs
    this.#lost = given > 0 ? 0 : this.#lost + 1
    if (given > 0) this.#patience.answered(KIND)
    else this.#patience.spend(store.sender.nowMs() - beganMs)
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
    this.#beganMs = store.sender.nowMs()
    return undefined
  }
}
