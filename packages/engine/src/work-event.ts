import type { FailureClass, JobRef, Settlement, SluiceError, SweepReport } from '@sluice/core'
import type { LostPolicy } from './reconcile/decide.js'
import type { OpenBreaker } from './guards/open-breaker.js'

/** What a {@link WorkQueue} has done. Events come after the fact, and may come again after a crash. */
export type WorkEvent =
  /** `again`: the same attempt had been claimed before, by a process that died or in an outage. */
  | { readonly kind: 'item-sent'; readonly job: JobRef; readonly again: boolean }
  | {
      readonly kind: 'item-settled'
      readonly job: JobRef
      readonly stage: Settlement['stage']
      readonly reason?: string
      readonly failureClass?: FailureClass
      /** Why a part of the job's outcome, such as its result, is not stored; absent where all of it is. */
      readonly leftOut?: readonly string[]
    }
  /** The job of an item has disappeared; `policy` is what follows. `hold` comes once. */
  | { readonly kind: 'item-lost'; readonly job: JobRef; readonly policy: LostPolicy }
  /**
   * A job runs without its item in PROCESSING at that attempt, and is left alone. Comes once for each job.
   */
  | { readonly kind: 'orphan'; readonly job: JobRef }
  /**
   * Jobs have been pending for longer than `pendingWarnMs`, with alike messages. `jobs` is how many; `alike`
   * includes those with the same message that are pending for less, which are not reported again for it.
   * `message` and `example` are of one.
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
   * A job was cancelled, for the given reason: it was pending for longer than `pendingTimeoutMs`, ran past a
   * deadline, or was a straggler, and its item waits for the end; its item was cancelled; or it was created
   * too late for its attempt.
   */
  | { readonly kind: 'job-cancelled'; readonly job: JobRef; readonly reason: string }
  /**
   * A job has run for longer than the configured multiple of the 95th percentile of this queue's successful
   * attempts. Comes once for each job.
   */
  | {
      readonly kind: 'straggler'
      readonly job: JobRef
      readonly runningMs: number
      readonly p95Ms: number
    }
  /** Polls are incomplete from now on. */
  | { readonly kind: 'poll-incomplete'; readonly reason?: string }
  /** Polls are complete again. */
  | { readonly kind: 'poll-complete' }
  /** This engine has the lease: it dispatches and reconciles from now on. */
  | { readonly kind: 'dispatcher'; readonly fencingToken: number }
  /** Another engine has the lease. */
  | { readonly kind: 'standby' }
  | { readonly kind: 'paused'; readonly reason?: string }
  | { readonly kind: 'resumed' }
  /**
   * Sluice itself has paused the queue, until an operator resumes it or a probe does. Comes from each engine
   * that finds it paused.
   */
  | { readonly kind: 'breaker-open'; readonly breaker: OpenBreaker }
  /** So many items are tried: if all of them succeed the breaker closes. */
  | { readonly kind: 'breaker-half-open'; readonly items: number }
  /** Those that were tried have succeeded: a new run begins. */
  | { readonly kind: 'breaker-closed' }
  /** A sweep of the queue's storage removed or repaired something. */
  | { readonly kind: 'swept'; readonly report: SweepReport }
  /**
   * A call never ended: this engine has given it up, and its lease; it is a standby until that has expired.
   * `forMs`: how long the call had lasted.
   */
  | { readonly kind: 'stalled'; readonly call: string; readonly forMs: number }
  /** The queue or the worker can't be used; no item fails for it. Comes once for each outage and code. */
  | { readonly kind: 'outage'; readonly of: 'queue' | 'worker'; readonly error: SluiceError }
  | { readonly kind: 'outage-over'; readonly of: 'queue' | 'worker' }
  /** The worker accepts no more jobs for now, and no item fails for it: sends slow down to its rate. */
  | { readonly kind: 'capacity'; readonly message: string }
  | { readonly kind: 'capacity-over' }
  /**
   * The effective limit on unfinished jobs has changed, since the worker pushes back or does so less; small
   * changes are not reported, and at most one in five seconds.
   */
  | {
      readonly kind: 'backpressure'
      readonly limit: number
      /** The effective limit before; absent: that of the policy. */
      readonly before?: number
      /** What policy and live limits allow; absent without a limit. */
      readonly atMost?: number
      /** Of the latest pushback. `refused`: sends were · `slow`: sends are · `pending`: jobs stay pending. */
      readonly cause: 'refused' | 'slow' | 'pending'
      /** In one line, with numbers. */
      readonly reason: string
    }
  /** Nothing but policy and live limits limits any more. */
  | { readonly kind: 'backpressure-over' }
