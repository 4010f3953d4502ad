import { isSluiceError, type ItemSummary } from '@sluice/core'
import type { Tick } from '../tick/tick.js'
import { callWorker } from '../engine-errors.js'
import { refOf } from '../settling/settle.js'
import { Patience } from './open-lookups.js'

/** Look-ups are waited for so long in one tick, or a third of the lease's life if that is less; those that failed or were late before, so long. */
const PATIENCE_MS = 2_000
const SHORT_PATIENCE_MS = 100

/**
 * The look-ups of one tick: how long they are waited for, and whose trouble those are that fail. One that fails is taken for its item's. When a second one fails and none was
 * answered, a job that the poll has just reported is asked for: if that is not answered either, the worker is in trouble, and no more is asked.
 */
export class LookupTrials {
  readonly #patience: Patience
  readonly #shortPatience: Patience
  readonly #tick: Tick
  /** A job that the worker surely knows. */
  readonly #witness: ItemSummary | undefined
  #failed = 0
  #isAnswered = false
  #testimony: Promise<boolean> | undefined

  constructor(tick: Tick, witness: ItemSummary | undefined) {
    this.#patience = newPatience(tick)
    this.#shortPatience = new Patience(tick.runtime, SHORT_PATIENCE_MS)
    this.#tick = tick
    this.#witness = witness
  }

  /** What may hang again must not cost the others the time of a tick. */
  patienceFor(item: ItemSummary): Patience {
    return this.#tick.memory.isTroubled(item) ? this.#shortPatience : this.#patience
  }

  /** No timer goes on after this. */
  end(): void {
    this.#patience.end()
    this.#shortPatience.end()
  }

  noteAnswer(): void {
    this.#isAnswered = true
  }

  /** A look-up failed; where it is the worker's trouble, the tick is an outage. */
  async noteFailure(item: ItemSummary, error: Error): Promise<void> {
    this.#tick.logger.debug(
      { ...refOf(item), err: error },
      'the worker could not be asked for a job; tried again',
    )
    this.#failed += 1
    if (await this.#isWorkers(error)) {
      if (isSluiceError(error)) this.#tick.tally.unavailable ??= error
    }
  }

  async #isWorkers(error: Error): Promise<boolean> {
    if (isEverybodys(error)) return true
    if (this.#isAnswered || this.#failed < 2) return false
    this.#testimony ??= this.#isWitnessKnown()
    return !(await this.#testimony)
  }

  async #isWitnessKnown(): Promise<boolean> {
    const { lookups, runtime, worker } = this.#tick
    const witness = this.#witness
    if (witness === undefined || !lookups.take(runtime.monotonicMs())) return false
    try {
      await callWorker('lookupJob', async () => worker.lookupJob?.(refOf(witness)))
      return true
    } catch {
      // That it is not answered is all that is asked.
      return false
    }
  }
}

export function newPatience({ runtime, leaseTtlMs }: Tick): Patience {
  return new Patience(runtime, Math.min(PATIENCE_MS, leaseTtlMs / 3))
}

/** What the worker says of itself, or of its wish to be left alone. */
function isEverybodys(error: Error): boolean {
  if (!isSluiceError(error)) return false
  if (error.code === 'SLUICE_WORKER_DENIED' || error.concerns === 'worker') return true
  return error.retryAfterMs !== undefined && error.concerns !== 'item'
}
