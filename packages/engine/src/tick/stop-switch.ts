import type { Engine } from './tick.js'
import type { Tally } from './tick-result.js'
import { giveBackUnsent } from '../dispatch/unsent-claims.js'

export interface ObeyedTick {
  readonly tally: Tally
  readonly signal: AbortSignal | undefined
}

/** Stops the sending of an engine: for good, and by the signal of one tick. */
export class StopSwitch {
  /** So many calls of `stop` are under way. */
  #stops = 0
  #halt: (() => void) | undefined

  /** From now on no send and no claim begins. Claims that were not sent go back at once, whatever the tick under way waits for. */
  press(engine: Engine): void {
    this.#stops += 1
    engine.stop.requested = true
    if (this.#halt !== undefined) this.#halt()
    else void giveBackUnsent(engine)
  }

  /** A later tick sends again. */
  release(): void {
    this.#stops -= 1
  }

  /** Does the pass of a tick, which looks at `engine.stop`; what it has claimed and not sent when a stop has come goes back. */
  async obey(engine: Engine, { tally, signal }: ObeyedTick, pass: () => Promise<void>): Promise<void> {
    engine.stop.requested = this.#stops > 0 || signal?.aborted === true
    let givingBack = Promise.resolve()
    const halt = (): void => {
      engine.stop.requested = true
      givingBack = givingBack.then(() => giveBackUnsent(engine, tally))
    }
    this.#halt = halt
    signal?.addEventListener('abort', halt)
    try {
      await pass()
    } finally {
      signal?.removeEventListener('abort', halt)
      this.#halt = undefined
      await givingBack
      // A claim may have been on its way when the stop came.
      if (engine.stop.requested) await giveBackUnsent(engine, tally)
    }
  }
}
