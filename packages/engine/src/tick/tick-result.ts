import type { SluiceError } from '@sluice/core'
import type { OpenBreaker } from '../guards/open-breaker.js'
import type { Holdup } from '../holdups/holdup.js'

/** What one tick did, as plain data. */
export interface TickResult {
  /** `standby`: another engine has the lease, and this one did nothing. */
  readonly role: 'dispatcher' | 'standby'
  readonly paused: boolean
  /** Why Sluice itself has paused the queue; absent otherwise, and of a standby. */
  readonly openBreaker?: OpenBreaker
  /** Whether all reports of the worker were read and settled: `false` in an outage, and of a standby. */
  readonly reconciled: boolean
  /** The poll that was read; absent in an outage of the worker, and of a standby. */
  readonly poll?: TickPoll
  /** Items in PROCESSING at the end of the tick; of a standby, 0. */
  readonly processing: number
  /** Those of them whose jobs are pending, as far as the worker reports it. */
  readonly pending: number
  /**
   * Jobs that were cancelled in this tick: pending for too long, past a deadline, stragglers, of cancelled
   * items, or created too late for their attempts.
   */
  readonly cancelled: number
  /**
   * Places of the cap that jobs take besides the items in PROCESSING: jobs that run, by their latest reports,
   * without an item in PROCESSING, such as those of earlier attempts. An item that waits for its earlier job
   * and that job take one place, which `processing` counts.
   */
  readonly orphans: number
  /** Items moved out of PROCESSING, by the stage they came to. */
  readonly settled: { readonly success: number; readonly fail: number; readonly waiting: number }
  /** Of the settled ones, those whose job was lost. */
  readonly lost: number
  /** Items that failed since the worker can never accept them. */
  readonly rejected: number
  /** Items claimed in this tick. */
  readonly claimed: number
  /** Jobs that the worker confirmed in this tick. */
  readonly sent: number
  /** Of the sent ones, those claimed in an earlier tick or by an earlier process. */
  readonly resent: number
  /** What keeps items from starting or jobs from ending, except a configured limit that is reached. */
  readonly holdups: readonly Holdup[]
  /** The outage of the queue or the worker that kept the tick from completing; no item failed for it. */
  readonly unavailable?: SluiceError
  /** The delay to the next tick: 0 while there is more to do at once, longer after a `Retry-After`. */
  readonly nextDelayMs?: number
}

/** The poll of one tick. */
export interface TickPoll {
  /** `false`: the poll is incomplete. Missing jobs are as last known, and no grace passes for them. */
  readonly complete: boolean
  /** Why it is incomplete, in the worker's words. */
  readonly reason?: string
  /** Whether jobs may start: a complete poll was read since this engine became the dispatcher. */
  readonly mayStart: boolean
  /** Jobs that were looked up. */
  readonly asked: number
  /** Jobs that were not looked up for lack of budget or in an outage: they are next. */
  readonly unasked: number
}

/** The tick's result while it is being made. */
export type Tally = {
  -readonly [Key in keyof Omit<TickResult, 'settled' | 'holdups'>]: TickResult[Key]
} & {
  readonly settled: { success: number; fail: number; waiting: number }
  readonly holdups: Holdup[]
}

export function newTally(): Tally {
  return {
    role: 'standby',
    paused: false,
    reconciled: false,
    processing: 0,
    pending: 0,
    cancelled: 0,
    orphans: 0,
    settled: { success: 0, fail: 0, waiting: 0 },
    lost: 0,
    rejected: 0,
    claimed: 0,
    sent: 0,
    resent: 0,
    holdups: [],
  }
}

/** Whether the tick completed, and there is nothing more to do at once. */
export function isAtLeisure({ role, reconciled, unavailable, nextDelayMs }: TickResult): boolean {
  return role === 'dispatcher' && reconciled && unavailable === undefined && nextDelayMs !== 0
}
