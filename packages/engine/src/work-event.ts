import type { FailureClass, JobRef, Settlement, SluiceError, SweepReport } from '@sluice/core'
import type { LostPolicy } from './reconcile/decide.js'
import type { SelfPause } from './guards/self-pause.js'

/** What a {@link WorkQueue} tells of what it did, as it does it. Told after the fact; it may be told twice after a crash. */
export type WorkEvent =
  /** `again`: the same attempt had been claimed before, by a process that died or through an outage. */
  | { readonly kind: 'item-sent'; readonly job: JobRef; readonly again: boolean }
  | {
      readonly kind: 'item-settled'
      readonly job: JobRef
      readonly stage: Settlement['stage']
      readonly reason?: string
      readonly failureClass?: FailureClass
      /** Why something of the job's outcome, such as its result, is not stored; absent where all of it is. */
      readonly leftOut?: readonly string[]
    }
  /** The job of an item was there and is gone; `policy` is what follows. `hold` is told once. */
  | { readonly kind: 'item-lost'; readonly job: JobRef; readonly policy: LostPolicy }
  /** A job runs whose item isn't in PROCESSING at that attempt, and nothing says that it should not; it is left alone. Told once. */
  | { readonly kind: 'orphan'; readonly job: JobRef }
  /**
   * Jobs have been pending for longer than `pendingWarnMs`, all held up by what reads alike. `jobs` is how many; `alike` counts those
   * too that are held up by the same and not yet for so long, which are not told of again for this. `message` and `example` are of one.
   */
  | {
      readonly kind: 'jobs-pending'
      readonly message: string
      readonly jobs: number
      readonly alike: number
      readonly example: JobRef
      readonly longestMs: number
    }
  /**
   * A job was told to end, for the reason that is given: it was pending for longer than `pendingTimeoutMs`, and its item waits for the end; its item
   * was cancelled; or it was made too late for its attempt.
   */
  | { readonly kind: 'job-cancelled'; readonly job: JobRef; readonly reason: string }
  /** A spell of polls begins that could not ask for everything. Told once for each spell. */
  | { readonly kind: 'poll-incomplete'; readonly reason?: string }
  /** It is over. */
  | { readonly kind: 'poll-complete' }
  /** This engine has the lease: it dispatches and reconciles from now on. */
  | { readonly kind: 'dispatcher'; readonly fencingToken: number }
  /** Another engine has the lease. */
  | { readonly kind: 'standby' }
  | { readonly kind: 'paused'; readonly reason?: string }
  | { readonly kind: 'resumed' }
  /** Sluice itself has paused the queue, and an operator is to resume it. Told again by each engine that finds it so. */
  | { readonly kind: 'self-paused'; readonly pause: SelfPause }
  /** The queue's storage was tidied. Told when there was something to tidy. */
  | { readonly kind: 'swept'; readonly report: SweepReport }
  /** A call never ended: this engine has given it up, and its lease; it is a standby until that is out. `forMs`: how long it had lasted. */
  | { readonly kind: 'stalled'; readonly call: string; readonly forMs: number }
  /** The queue or the worker can't be used; nothing fails for it. Told once for each outage and code. */
  | { readonly kind: 'outage'; readonly of: 'queue' | 'worker'; readonly error: SluiceError }
  | { readonly kind: 'outage-over'; readonly of: 'queue' | 'worker' }
  /** The worker takes no more jobs for now, and no item fails for it: sends slow down to what it takes. Told once for each spell. */
  | { readonly kind: 'capacity'; readonly message: string }
  | { readonly kind: 'capacity-over' }
