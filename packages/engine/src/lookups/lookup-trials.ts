import { isSluiceError, type ItemSummary } from '@sluice/core'
import type { Tick } from '../tick/tick.js'
import { callWorker } from '../engine-errors.js'
import { refOf } from '../settling/settle.js'
import { Patience } from './open-lookups.js'

/**
 * How long one tick waits for look-ups, but no longer than a third of the lease's ttl; and for those that
 * failed or were late before.
 */
const PATIENCE_MS = 2_000
const SHORT_PATIENCE_MS = 100

/**
 * The look-ups of one tick: how long they are waited for, and whose trouble a failure is. The first failure
 * counts as its item's. When a second one fails and none was answered, a job that the poll has just reported
 * is looked up: if that fails too, it is an outage of the worker, and look-ups end.
 */
export class LookupTrials {
  readonly #patience: Patience
  readonly #shortPatience: Patience
  readonly #tick: Tick
  /** An item whose job the worker knows. */
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

  /** A look-up that may hang again must not cost the others the time of a tick. */
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
    this.#tick.logger.debug({ ...refOf(item), err: error }, 'a job could not be looked up; it is tried again')
    this.#failed += 1
    if (await this.#isWorkers(error)) {
      if (isSluiceError(error)) this.#tick.tally.unavailable ??= error
    }
  }

  async #isWorkers(error: Error): Promise<boolean> {
    if (isWorkerTrouble(error)) return true
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
      // Only whether it is answered matters.
      return false
    }
  }
}

export function newPatience({ runtime, leaseTtlMs }: Tick): Patience {
  return new Patience(runtime, Math.min(PATIENCE_MS, leaseTtlMs / 3))
}

/** An error about the worker itself, or a `Retry-After`. */
function isWorkerTrouble(error: Error): boolean {
  if (!isSluiceError(error)) return false
  if (error.code === 'SLUICE_WORKER_DENIED' || error.concerns === 'worker') return true
  return error.retryAfterMs !== undefined && error.concerns !== 'item'
}
