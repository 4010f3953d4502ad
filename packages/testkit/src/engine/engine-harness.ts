import type { JobRef, JobReport, JsonValue, Queue, SluiceError, TroubleConcerns, Worker } from '@sluice/core'
import type { ManualRuntime } from '../manual-runtime.js'

/** A worker whose jobs are ended manually, and which can be told to fail, as `@sluice/worker-dummy`. */
export interface ControlledWorker extends Worker {
  running(): readonly JobRef[]
  settleJob(id: string, end: { stage: 'SUCCESS' | 'FAIL' } & Partial<JobReport>): void
  loseJob(id: string): void
  troubleItem(id: string, trouble?: { concerns?: TroubleConcerns; message?: string }): void
  limitJobs(maxJobs: number): void
  unavailableNext(times?: number, retryAfterMs?: number, options?: { concerns?: TroubleConcerns }): void
  incompleteNext(times?: number): void
  loseAnswer(times?: number): void
  hang(call: 'sendJob' | 'pollAllStatus' | 'lookupJob'): void
  endTrouble(): void
}

export interface EngineRetryRule {
  readonly classes?: readonly string[]
  readonly exitCodes?: readonly (number | string)[]
  readonly maxAttempts: number
  readonly escalate?: { readonly parameter: string; readonly values: readonly string[] }
}

/** When too many failures pause the queue. */
export interface EngineBreaker {
  readonly failures?: number | `${number}%`
  readonly window?: number
  readonly groupFailures?: number
  readonly halfOpenMs?: number
  readonly halfOpenItems?: number
}

export interface EngineSettings {
  readonly queue: Queue
  readonly worker: Worker
  /** Most unfinished jobs. */
  readonly limit: number
  /** Most claims in any window. */
  readonly rate?: { readonly count: number; readonly perMs: number }
  /** The most of each resource in use, and how many later items may pass one that waits for some. */
  readonly resources?: { readonly limits: Readonly<Record<string, number>>; readonly maxPassed: number }
  /** The most unfinished jobs of each limit key. */
  readonly perKey?: number
  /** In the notation of `timeWindow`: outside nothing starts. */
  readonly windows?: readonly string[]
  /** The bounds of the machine, and what is read of it. */
  readonly machine?: EngineMachine
  readonly maxAttempts?: number
  /** Instead of `maxAttempts`: the first that matches decides. */
  readonly retryRules?: readonly EngineRetryRule[]
  readonly lost?: 'fail' | 'resend' | 'hold'
  readonly graceMs?: number
  readonly leaseTtlMs?: number
  readonly sendConcurrency?: number
  readonly maxTries?: number
  readonly maxRetryAfterMs?: number
  readonly stallMs?: number
  /** Default: on, with the engine's defaults. */
  readonly backpressure?: 'off'
  /** The first so many items start alone; absent: 20 in flight until the first success, or for a minute. */
  readonly canary?: number
  /** Absent: the first 20 ends pause the queue if all are failures of one group. */
  readonly breaker?: EngineBreaker | 'off'
  readonly deadlines?: { readonly attemptMs?: number; readonly itemMs?: number }
  readonly stragglers?: {
    readonly factor: number
    readonly minSamples: number
    readonly action: 'mark' | 'retry'
  }
}

/** A machine with a load and memory as a case sets them, and their bounds. */
export interface EngineMachine {
  readonly load: number
  /** In bytes. */
  readonly freeMemory: number
  loadPerCore(): number
  availableBytes(): number
}

/** What the contract reads of a tick. */
export interface EngineTick {
  readonly role: 'dispatcher' | 'standby'
  readonly sent: number
  readonly processing: number
  readonly unavailable?: SluiceError
  readonly holdups: readonly {
    readonly code: string
    readonly message: string
    readonly untilAt?: number
  }[]
}

export interface TestedEngine {
  tick(): Promise<EngineTick>
  /** No send begins any more; what was begun ends, and the lease is given back. */
  stop(): Promise<void>
  /** Ticks every 100 ms until the signal aborts. */
  run(signal: AbortSignal): Promise<void>
}

/**
 * What the contract needs of an engine: a fresh place for each case, in which everything goes by one clock.
 */
export interface EngineHarness {
  readonly runtime: ManualRuntime
  /** A Queue object on the one queue of the place, named `contract`. */
  openQueue(): Queue
  /** A worker on the one cluster of the place: each sees the jobs of all, its troubles are its own. */
  openWorker(): ControlledWorker
  /**
   * One more engine, as one more process would start it. Its random numbers are all 0.5, backoffs are from 1
   * s on.
   */
  openEngine(settings: EngineSettings): TestedEngine
  /** How often this job was really started. */
  starts(job: Pick<JobRef, 'uid' | 'attempt'>): number
  close(): Promise<void>
}

/** One check of one promise. */
export interface EngineCase {
  /** The promise, such as `E-CAP-1`, and a suffix if it has several cases: `E-CAP-1/b`. */
  readonly id: string
  /** What holds when it passes, in one sentence. */
  readonly title: string
  /** Rejects with a message for people when the promise is broken. */
  run(harness: EngineHarness): Promise<void>
}

/** The body of an item of the contract; it is not read. */
export const ENGINE_BODY: JsonValue = { n: 1 }
