import type { Queue, QueueSupports } from '@sluice/core'

/** A queue whose process dies at a given point. */
export interface CrashingQueue {
  readonly queue: Queue
  /**
   * Whether it has died; `false` at the end means that there were fewer storage operations than the point
   * asked for.
   */
  crashed(): boolean
}

/**
 * What goes wrong with one operation of the storage. `fails`: it is refused, and nothing of it happens ·
 * `hangs`: it never answers, and nothing of it happens · `answer-lost`: it happens, and its answer doesn't
 * arrive.
 */
export type StorageTrouble = 'fails' | 'hangs' | 'answer-lost'

export interface TroubledQueue {
  readonly queue: Queue
  /**
   * Whether an operation went wrong; `false` at the end means that there were fewer operations than the point
   * asked for.
   */
  readonly reached: () => boolean
  /**
   * The longest that one call with a few small items may take by the backend's documentation and the options
   * of this object, in ms.
   */
  readonly callMs: number
}

export interface TroubleOptions {
  readonly trouble: StorageTrouble
  /** The number of the operation that goes wrong, counted from 0 from when the queue was opened. */
  readonly point: number
  /** Every operation from there on goes so, too. */
  readonly lasting: boolean
}

/** A connection between a process and the storage. */
export interface LinkOptions {
  /** In each direction, shared by all connections of the process. */
  readonly bytesPerSecond: number
  /** Each way. Default 0. */
  readonly latencyMs?: number
}

/** What a call moves. */
export interface CallSize {
  readonly items: number
  /** Of bodies, results and details, both ways. */
  readonly bytes: number
}

export interface SlowQueue {
  readonly queue: Queue
  /**
   * The longest that one such call may take by the backend's documentation and the options of this object, in
   * ms.
   */
  readonly timeMs: (call: CallSize) => number
  /** What has gone over the link so far, to the storage and back. */
  readonly passedBytes: () => { readonly up: number; readonly down: number }
}

/**
 * What the contract needs of a backend: one fresh, empty store, and ways into it. A new one is made for each
 * case.
 */
export interface QueueHarness {
  /**
   * A Queue object on that store, as one more process would open it. The same name shows the same items.
   * Default name `contract`.
   */
  open(name?: string): Promise<Queue>
  /** Resolves when the storage's clock is at least this many ms further: by a manual clock, or by waiting. */
  passTime(ms: number): Promise<void>
  /**
   * A Queue object, of the default name, whose process dies at its storage operation number `point`, counted
   * from 0: from there on every call rejects and nothing more reaches the store. `crashAtCalls` makes one of
   * a queue whose calls are each one operation.
   */
  openCrashing?(point: number): Promise<CrashingQueue>
  /** A Queue object of the default name whose storage can't be reached [Q-DOWN-1]. */
  openUnreachable?(): Promise<Queue>
  /**
   * A Queue object of the default name, with short timeouts, with whose storage operations something goes
   * wrong [Q-END-1].
   */
  openTroubled?(options: TroubleOptions): Promise<TroubledQueue>
  /**
   * How many troubled Queue objects may be at work at once on the store without one holding up another, by a
   * lock for instance: the cases of Q-END-1 are over so much sooner. Default 1.
   */
  readonly troublesAtOnce?: number
  /**
   * Marks the store as upgraded by a release that is newer than the queue under test, as that release's
   * migration would, and changes nothing else [Q-VERSION-1]. A store that no other release can ever open
   * needs none.
   *
   * @returns takes the mark away again
   */
  upgrade?(): Promise<() => Promise<void>>
  /**
   * Sets the storage's clock back by this many ms, as an operator or NTP does. Spans are not concerned, nor
   * are the clocks of the processes.
   */
  setClockBack?(ms: number): Promise<void>
  /**
   * A Queue object of the default name, with its default timeouts, behind a link of its own [Q-END-1]. Not of
   * a storage in the same process or on its disk.
   */
  openSlow?(link: LinkOptions): Promise<SlowQueue>
  /** Closes what it opened and drops the store. */
  close(): Promise<void>
}

/** One check of one promise. */
export interface QueueCase {
  /** The promise, such as `Q-GET-2`, and a suffix if it has several cases: `Q-GET-2/b`. */
  readonly id: string
  /** What holds when it passes, in one sentence. */
  readonly title: string
  /** Why it can't be run here, from what the queue supports and the harness offers; `undefined` to run it. */
  readonly needs?: (supports: QueueSupports, harness: QueueHarness) => string | undefined
  /**
   * Rejects with a message for people when the promise is broken. It leaves the closing of the harness to its
   * caller.
   */
  run(harness: QueueHarness): Promise<void>
}
