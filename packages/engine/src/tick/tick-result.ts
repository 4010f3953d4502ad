import type { SluiceError } from '@sluice/core'
import type { SelfPause } from '../guards/self-pause.js'
import type { Holdup } from '../holdups/holdup.js'

/** What one tick did: plain data. */
export interface TickResult {
  /** `standby`: another engine has the lease, and this one did nothing. */
  readonly role: 'dispatcher' | 'standby'
  readonly paused: boolean
  /** Why the queue is paused by Sluice itself; absent where it is not, and of a standby. */
  readonly selfPause?: SelfPause
  /** Whether all reports of the worker were read and settled: `false` in an outage, and of a standby. */
  readonly reconciled: boolean
  /** The poll that was read; absent in an outage of the worker, and of a standby. */
  readonly poll?: TickPoll
  /** Items in PROCESSING at the end of the tick; of a standby, 0. */
  readonly processing: number
  /** Of them, those whose jobs were accepted and have not begun, as far as the worker says. */
  readonly pending: number
  /**
   * Jobs that were told to end in this tick, since they were pending for too long, or their items were cancelled, or they were made too late for
   * their attempts.
   */
  readonly cancelled: number
  /**
   * Places of the cap that jobs take beside the items in PROCESSING: jobs that run, or ran when they were last heard of, and that no item waits for,
   * such as those of earlier attempts. An item that waits for its earlier job to end and that job take one place, which `processing` counts.
   */
  readonly orphans: number
  /** Items moved out of PROCESSING, by the stage they came to. */
  readonly settled: { readonly success: number; readonly fail: number; readonly waiting: number }
  /** Of the settled ones, those whose job was lost. */
  readonly lost: number
  /** Of those that failed, the ones that the worker can never accept. */
  readonly rejected: number
  /** Items claimed in this tick. */
  readonly claimed: number
  /** Jobs that the worker confirmed in this tick. */
  readonly sent: number
  /** Of the sent ones, those claimed in an earlier tick or by an earlier process. */
  readonly resent: number
  /** What keeps items from starting, or jobs from ending, other than the limit that is reached; empty when nothing does. */
  readonly holdups: readonly Holdup[]
  /** Why the tick could not do all of its work: an outage of the queue or the worker, for which no item failed. */
  readonly unavailable?: SluiceError
  /** When the next tick is worth it: 0 while there is more to do at once, longer when the other side asked to be left alone. */
  readonly nextDelayMs?: number
}

/** What one poll was worth. */
export interface TickPoll {
  /** `false`: the worker could not ask for everything. What it lacks is as last known, and no grace passes for what is absent from it. */
  readonly complete: boolean
  /** Of one that isn't complete: why, in the worker's words. */
  readonly reason?: string
  /** Whether jobs may start: a complete poll was read since this engine became the dispatcher. */
  readonly mayStart: boolean
  /** Jobs that were asked for one by one. */
  readonly asked: number
  /** Jobs that should have been asked for, and weren't, for lack of budget or in an outage: they are next. */
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

/** A tick that did all it wanted to: the storage answers, and there is nothing to hurry for. */
export function isAtLeisure({ role, reconciled, unavailable, nextDelayMs }: TickResult): boolean {
  return role === 'dispatcher' && reconciled && unavailable === undefined && nextDelayMs !== 0
}
