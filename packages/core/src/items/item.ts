import type { JsonValue } from '../json/json.js'
import type { FinalStage, Stage } from './stage.js'
import type { FailureClass } from '../worker.js'

/** What a producer hands in. */
export interface NewItem<Body = JsonValue> {
  /** Any non-empty string of at most {@link MAX_ID_BYTES} bytes of UTF-8, without NUL. */
  readonly id: string
  /** Any JSON value up to the queue's `supports.maxBodyBytes`. */
  readonly body: Body
  /** Integer, higher first. Default 0. */
  readonly priority?: number
  /** Epoch ms of the storage's clock: not given out earlier. Excludes `delayMs`. */
  readonly notBeforeAt?: number
  /** The same as a span from now, in ms. Excludes `notBeforeAt`. */
  readonly delayMs?: number
  /**
   * What a job of the item uses, by name, such as `{ gpu: 1, memoryGiB: 4 }`: for a dispatch policy to choose
   * by. Only where `supports.selection` is there [Q-PUT-6].
   */
  readonly resources?: Resources
  /**
   * What a limit per key counts the item under, such as a user: 1 to {@link MAX_LIMIT_KEY_BYTES} bytes of
   * UTF-8, without NUL. Only where `supports.selection` is there [Q-PUT-6].
   */
  readonly limitKey?: string
}

/**
 * Amounts by name: at most {@link MAX_RESOURCES} names of 1 to {@link MAX_RESOURCE_NAME_CHARS} characters (a
 * letter, then letters, digits, `_`, `.`, `-`), each amount a finite number of 0 or more. Without a name it
 * is as if it were absent.
 */
export type Resources = Readonly<Record<string, number>>

/** The options of a single `put`: a {@link NewItem} without its id and body. */
export type PutOptions = Omit<NewItem, 'id' | 'body'>

/** A change to an item that is WAITING. What is left out stays as it is; one field to change is there. */
export interface ItemChange<Body = JsonValue> {
  readonly id: string
  /** Only if the item is of this uid: not one that was put again under the same id. */
  readonly uid?: string
  /** Any JSON value up to the queue's `supports.maxBodyBytes`. */
  readonly body?: Body
  /** Integer, higher first. */
  readonly priority?: number
  /**
   * Epoch ms of the storage's clock: not given out earlier. 0: now. The item then stands behind all that
   * became available before it.
   */
  readonly notBeforeAt?: number
  /** `null` takes them away [Q-UPDATE-5]. */
  readonly resources?: Resources | null
  /** `null` takes it away [Q-UPDATE-5]. */
  readonly limitKey?: string | null
}

/** One item of a queue, and no other one that was put again under the same id. */
export interface ItemRef {
  readonly id: string
  readonly uid: string
}

/** The part of an item that is cheap to read in every backend: no body, no result, no history. */
export interface ItemSummary {
  readonly id: string
  /** Given at put, unique for ever: an id that was removed and put again is another item. */
  readonly uid: string
  readonly stage: Stage
  /** 0 when put; each `get` makes it one more, nothing ever makes it less. */
  readonly attempt: number
  /**
   * How many of the attempts don't count against a limit of attempts. `attempt - uncounted` is what a retry
   * policy counts.
   */
  readonly uncounted: number
  readonly priority: number
  /** As the latest release gave it [Q-MOVE-6]. */
  readonly retryState?: JsonValue
  /** As `put`, or the latest `update` that changed them, gave them [Q-PUT-6]. */
  readonly resources?: Resources
  /** As `put`, or the latest `update` that changed it, gave it [Q-PUT-6]. */
  readonly limitKey?: string
}

/** An item as `get` gives it out. */
export interface QueueItem<Body = JsonValue> extends ItemSummary {
  readonly body: Body
  /** Epoch ms of the storage's clock. */
  readonly putAt: number
  /** Epoch ms of the storage's clock; absent from `peek`, since nothing was claimed. */
  readonly claimedAt?: number
}

/** How one attempt went. `outcome` is absent while it runs. */
export interface AttemptRecord {
  readonly attempt: number
  readonly claimedAt: number
  readonly endedAt?: number
  readonly outcome?: FinalStage | 'WAITING'
  readonly reason?: string
  readonly details?: JsonValue
  readonly failureClass?: FailureClass
  readonly exitCode?: number
  readonly jobUid?: string
  /** `true`: no job was started for it. */
  readonly unsent?: boolean
}

/** All that the queue knows of an item. */
export interface ItemRecord<Body = JsonValue, Result = JsonValue> extends ItemSummary {
  readonly body: Body
  readonly putAt: number
  /** Epoch ms before which a WAITING item isn't given out. */
  readonly notBeforeAt?: number
  /** Of the latest claim. */
  readonly claimedAt?: number
  /** When it came to SUCCESS or FAIL; absent in the other stages. */
  readonly finishedAt?: number
  /** Of the latest `fail`, `release` or `requeue`. */
  readonly reason?: string
  /** Of `success`. */
  readonly result?: Result
  /** Of the latest `success` or `fail`: evidence, such as a link to the job. */
  readonly details?: JsonValue
  /** Of the latest `fail` or `release`; of an item in SUCCESS absent, after a `requeue` too. */
  readonly failureClass?: FailureClass
  /** Of the latest move out of PROCESSING; absent after a `requeue`. */
  readonly exitCode?: number
  /** Of the latest move out of PROCESSING; absent after a `requeue`. */
  readonly jobUid?: string
  /** Oldest first, the running attempt last; the newest {@link MAX_HISTORY} of them. */
  readonly history: readonly AttemptRecord[]
}

export const MAX_ID_BYTES = 1_024
export const MAX_LIMIT_KEY_BYTES = 128
/** How many resources an item can name. */
export const MAX_RESOURCES = 16
export const MAX_RESOURCE_NAME_CHARS = 64
/** How many attempts of an item its history keeps: an item released for ever must not grow for ever. */
export const MAX_HISTORY = 50
/** A reason longer than this is cut in its middle: it is read and grouped by. */
export const MAX_REASON_CHARS = 2_000
/** Largest `retryState`, in bytes of JSON text in UTF-8. */
export const MAX_RETRY_STATE_BYTES = 1_024
export const MAX_FAILURE_CLASS_CHARS = 64
/** Longest `jobUid`: that of any system known, with room. */
export const MAX_JOB_UID_CHARS = 256
