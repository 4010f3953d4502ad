import type { SluiceError } from '@sluice/core'
import type { AnyQueue } from '../work-queue-options.js'
import type { Random } from '../policies/backoff.js'
import type { SendsOptions } from '../work-queue-options.js'
import type { DecidedSettlement } from '../settling/settle.js'
import { CapacityGate } from './capacity-gate.js'
import { Flights, type Flight } from './flights.js'
import { RetryAfter } from './retry-after.js'
import { RefusedItems } from './refused-items.js'
import type { SendPass } from '../dispatch/send-pass.js'
import { SentWell } from './sent-well.js'
import { WorkRate } from './work-rate.js'
import { FEW_FAILURES, WorkerTrust } from './worker-trust.js'

/** Fewer than 20 items that no worker accepts are expected in a row: after as many passes it is an outage. */
const LASTING_PUZZLES = 20

export interface SendStateOptions {
  readonly queue: AnyQueue
  readonly sends: Required<SendsOptions>
  readonly sendConcurrency: number
  readonly maxJobsPerSend: number
  readonly random: Random
}

/** A send is a straggler after this time, and after this multiple of what the others take. */
const STRAGGLER_MS = 1_000
const STRAGGLER_FACTOR = 4
/** Claims or settles of this many items in one call are a sample of the rate. */
const ENOUGH_MOVES = 16

/** What an engine knows of its sends from tick to tick. */
export class SendState {
  readonly trust = new WorkerTrust()
  readonly refused: RefusedItems
  readonly capacity: CapacityGate
  readonly retryAfter: RetryAfter
  readonly sentWell: SentWell
  readonly flights = new Flights()
  /** The latest, which may be over: outcomes of sends are noted with it. */
  pass: SendPass | undefined
  #sendMs: number | undefined
  #sentAtMonotonic = Number.NEGATIVE_INFINITY
  readonly rates: { readonly sends: WorkRate; readonly claims: WorkRate; readonly settles: WorkRate }
  /** Consecutive passes that ended in an outage in unknown words. */
  #puzzles = 0
  /** The outage of the latest pass with sends. */
  outage: SluiceError | undefined

  constructor({ queue, sends, sendConcurrency, maxJobsPerSend, random }: SendStateOptions) {
    this.rates = {
      sends: new WorkRate(sendConcurrency),
      claims: new WorkRate(ENOUGH_MOVES),
      settles: new WorkRate(ENOUGH_MOVES),
    }
    this.refused = new RefusedItems({ rule: sends, trust: this.trust, random })
    this.capacity = new CapacityGate(sendConcurrency * maxJobsPerSend)
    this.retryAfter = new RetryAfter(sends.maxRetryAfterMs)
    this.sentWell = new SentWell(queue)
  }

  /** A send that began then has succeeded. */
  noteDuration(beganAtMonotonic: number, nowMonotonic: number): void {
    this.#sentAtMonotonic = nowMonotonic
    this.#sendMs =
      this.#sendMs === undefined
        ? nowMonotonic - beganAtMonotonic
        : (this.#sendMs + nowMonotonic - beganAtMonotonic) / 2
  }

  /**
   * Sends that take far longer than others. Where no send succeeded in the pass or since they began, the
   * worker hangs, and there are none.
   */
  stragglers(nowMonotonic: number): Flight[] {
    const patienceMs = Math.max(STRAGGLER_MS, STRAGGLER_FACTOR * (this.#sendMs ?? 0))
    const isOne = ({ beganAtMonotonic }: Flight): boolean =>
      this.trust.wasWell || this.#sentAtMonotonic > beganAtMonotonic
    return this.flights.olderThan(patienceMs, nowMonotonic).filter(isOne)
  }

  /**
   * How many failed items go back in a pass of such an outage, so that others are tried in their places:
   * fewer when it lasts.
   */
  get exchanges(): number {
    if (this.#puzzles === 0) return 0
    return this.#puzzles < LASTING_PUZZLES ? FEW_FAILURES : 1
  }

  /** At the end of a pass. One without sends changes nothing. */
  noteOutage({ outage, isPuzzling }: { outage: SluiceError | undefined; isPuzzling: boolean }): void {
    if (outage === undefined && !this.trust.wasWell) return
    this.outage = outage
    this.#puzzles = isPuzzling ? this.#puzzles + 1 : 0
  }

  /** It left PROCESSING. */
  noteSettled(job: Claim, why: DecidedSettlement['why']): void {
    if (why !== 'unsent') this.refused.drop(job)
    if (why === 'reported') this.capacity.noteEnded(1)
  }

  /** Another engine has dispatched in between. */
  noteNewDispatcher(): void {
    this.pass?.dropOutcomes()
    this.refused.noteNewDispatcher()
    this.trust.noteNewDispatcher()
  }
}

interface Claim {
  readonly uid: string
  readonly attempt: number
}
