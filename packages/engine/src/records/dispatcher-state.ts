import type { Holdup } from '../holdups/holdup.js'

/**
 * What the engine that holds the lease says of itself, for `status` and for other commands in other processes. It is written at the end of a tick,
 * at most once in each, and only when it changed.
 */
export interface DispatcherState {
  /** Of the engine, as the lease has it. */
  readonly holder: string
  /** The fencing token of its lease. */
  readonly fencingToken: number
  /** `stopped`: it gave the lease back in good order · `stalled`: a call of it never ended, and it gave up. */
  readonly is: 'working' | 'stopped' | 'stalled'
  /** Epoch ms of the storage's clock: since when it holds the lease. */
  readonly since: number
  readonly leaseTtlMs: number
  /** Every send that had begun when `control.syncs` was this has ended [Q-CTRL-2]. */
  readonly syncedTo: number
  /** The most unfinished jobs that its policy and the live limits allow; absent where that is not known yet, and where nothing limits them. */
  readonly atMost?: number
  readonly holdups: readonly Holdup[]
  /** An item that was sent well, for `probeSend`; renewed seldom. */
  readonly sentWell?: { readonly id: string; readonly uid: string }
}
