import type { JobRef, JsonValue, TroubleConcerns, Worker, WorkerSupports } from '@sluice/core'

/**
 * What the contract needs of a worker: one fresh place where no job runs, and ways into it. A new one is made
 * for each case.
 */
export interface WorkerHarness {
  /**
   * A Worker object on that place. Of a durable worker a second one sees the jobs of the first. Default name
   * `contract`.
   */
  open(name?: string): Promise<Worker>
  /**
   * A Worker object of the default name on another place, where no job of this one can be. Of a worker whose
   * `supports.identity` is true it must be there [W-ID-1].
   */
  openElsewhere?(): Promise<Worker>
  /** A body with which a job runs until `finish` ends it. */
  body(): JsonValue
  /** Makes a running job end so; resolves when a poll can see it. */
  finish(job: JobRef, how: 'SUCCESS' | 'FAIL'): Promise<void>
  /** How many times this job was really started: 1 in a good worker, however often it was sent. */
  starts(job: JobRef): Promise<number>
  /** An item that this worker can never accept [W-SEND-2]. */
  refusedItem?(): { readonly id: string; readonly body: JsonValue }
  /** A Worker object of the default name whose other side can't be reached [W-SEND-2]. */
  openUnreachable?(): Promise<Worker>
  /** A Worker object of the default name whose credentials are refused [W-SEND-2]. */
  openDenied?(): Promise<Worker>
  /**
   * A Worker object of the default name whose process dies at its outward operation number `point`, counted
   * from 0.
   */
  openCrashing?(point: number): Promise<{ readonly worker: Worker; crashed(): boolean }>
  /** How long a job that is cancelled may take to end, in ms. Default 10,000. */
  readonly endsWithinMs?: number
  /**
   * Sends a job that can't begin before {@link WorkerHarness.begin}, and lets the worker's side say what
   * holds it up, in words that hold `message`. Of a worker whose `supports.pending` is true it must be there
   * [W-PEND-1].
   */
  sendPending?(worker: Worker, job: JobRef, message: string): Promise<void>
  /** Lets a job begin that was sent so: it then runs until `finish`. */
  begin?(job: JobRef): Promise<void>
  /**
   * A Worker object of the default name whose polls can't ask for everything from `obstruct` to `restore`;
   * its look-ups by name may work. Of a worker whose `supports.incompletePolls` is true it must be there
   * [W-POLL-2].
   */
  openObstructed?(): Promise<ObstructedWorker>
  /**
   * A Worker object of the default name whose sends meet trouble of this kind from `obstruct` to `restore`;
   * `undefined` where this worker never meets it [W-SEND-2, W-PROBE-1].
   */
  openTroubledSends?(concerns: TroubleConcerns): Promise<TroubledSends | undefined>
  /**
   * Removes a job on the worker's side without a trace, as an operator does who deletes it there. Absent:
   * that is not possible.
   */
  loseJob?(job: JobRef): Promise<void>
  /**
   * Lets the program of a job that runs write whole lines of UTF-8 to its stdout, or, where `exactLogs` says
   * so, any bytes; resolves when a read sees them. Of a worker whose `supports.readLog` is true it must be
   * there [W-LOG-1].
   */
  writeLog?(job: JobRef, bytes: Uint8Array): Promise<void>
  /**
   * Why no job of this place ever writes anything, where that is so: the cases of logs are skipped for it.
   * Absent: {@link WorkerHarness.writeLog} is there.
   */
  readonly writesNothing?: string
  /**
   * Removes the log of a job that has ended, and leaves the job known. Absent: that is not possible
   * [W-LOG-1].
   */
  loseLog?(job: JobRef): Promise<void>
  /** Logs are given byte by byte, whatever they hold. Absent: as lines of text [W-LOG-1]. */
  readonly exactLogs?: boolean
  /**
   * What a job was really started with, read where it runs: its value of `overrideName`; `undefined` where it
   * has none. Of a worker whose `supports.overrides` is true it must be there [W-OVERRIDE-1].
   */
  startedWith?(job: JobRef): Promise<string | undefined>
  /** The name of an override that this place has a use for. Default `memory`. */
  readonly overrideName?: string
  /** Its reports have a `jobUid` [W-POLL-1]. */
  readonly hasJobUids?: boolean
  /** The exit codes of the programs that `finish` ends. Absent: its reports have none [W-POLL-1]. */
  readonly exitCodes?: Readonly<Record<'SUCCESS' | 'FAIL', number>>
  /** Ends all jobs, closes what it opened, and cleans up. */
  close(): Promise<void>
}

/** A worker, and what stands between it and its other side. */
export interface ObstructedWorker {
  readonly worker: Worker
  readonly obstruct: () => Promise<void>
  readonly restore: () => Promise<void>
}

/** A worker whose sends can be made to fail. */
export interface TroubledSends extends ObstructedWorker {
  /**
   * Of trouble that concerns one item: the body that meets it, while others are taken. Default that of the
   * harness.
   */
  readonly troubledBody?: JsonValue
  /** Of trouble that goes by the item's id: that id. Default `troubled`. */
  readonly troubledId?: string
}

/** One check of one promise. */
export interface WorkerCase {
  /** The promise, such as `W-SEND-1`, and a suffix if it has several cases: `W-SEND-1/b`. */
  readonly id: string
  /** What holds when it passes, in one sentence. */
  readonly title: string
  /**
   * Why it can't be run here, from what the worker supports and the harness offers; `undefined` to run it.
   */
  readonly needs?: (
    supports: WorkerSupports,
    harness: WorkerHarness,
  ) => string | undefined | Promise<string | undefined>
  /** Rejects with a message when the promise is broken. Its caller closes the harness. */
  run(harness: WorkerHarness): Promise<void>
}
