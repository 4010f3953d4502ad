import { giveBackUnsent } from '../dispatch/unsent-claims.js'
import { newTally } from './tick-result.js'
import type { EngineParts, Tick } from './tick.js'

/** Stops the sending of an engine: for good, and by the signal of one tick. */
export class StopSwitch {
  /** Calls of `leave` that are under way. */
  #stops = 0
  #halt: (() => void) | undefined

  /**
   * From now on no send and no claim begins. Claims that were not sent go back at once, whatever the tick
   * under way waits for.
   */
  press(parts: EngineParts): void {
    this.#stops += 1
    parts.stop.requested = true
    if (this.#halt !== undefined) this.#halt()
    else void giveBackUnsent({ ...parts, tally: newTally() })
  }

  /** A later tick sends again. */
  release(): void {
    this.#stops -= 1
  }

  /**
   * Runs the pass of a tick, which checks `tick.stop`; what it has claimed and not sent at a stop goes back.
   */
  async obey(tick: Tick, signal: AbortSignal | undefined, pass: () => Promise<void>): Promise<void> {
    tick.stop.requested = this.#stops > 0 || signal?.aborted === true
    let givingBack = Promise.resolve()
    const halt = (): void => {
      tick.stop.requested = true
      givingBack = givingBack.then(() => giveBackUnsent(tick))
    }
    this.#halt = halt
    signal?.addEventListener('abort', halt)
    try {
      await pass()
    } finally {
      signal?.removeEventListener('abort', halt)
      this.#halt = undefined
      await givingBack
      // A claim may have been on its way at the stop.
      if (tick.stop.requested) await giveBackUnsent(tick)
    }
  }
}
