import type { SluiceError } from './errors.js'
import type { CallOptions } from './items/queue.js'
import type { JsonValue } from './json/json.js'

/** Names one job for ever. */
export interface JobRef {
  readonly id: string
  readonly uid: string
  readonly attempt: number
}

/** Which job an item becomes: what a send says beside the item's id and body. */
export interface JobSpec {
  readonly attempt: number
  readonly uid: string
  /** The queue's name. */
  readonly queue: string
  readonly priority?: number
  /**
   * What this attempt is given in place of what the worker is configured with, such as `{ memory: '8Gi' }`:
   * at most {@link MAX_OVERRIDES} values by their names, in printable ASCII. Only to a worker with
   * `supports.overrides` [W-OVERRIDE-1].
   */
  readonly overrides?: JobOverrides
}

/** Values of one attempt by their names. A name is a letter and then letters, digits, `-` or `_`. */
export type JobOverrides = Readonly<Record<string, string>>

/** How many overrides one job has at most. */
export const MAX_OVERRIDES = 4
/** Longest name of an override, and longest value. */
export const MAX_OVERRIDE_CHARS = 64

/** One job of {@link Worker.sendMany}. */
export interface NewJob<Body = JsonValue> {
  readonly id: string
  readonly body: Body
  readonly job: JobSpec
}

/** Why a job failed, for the retry policy to decide by. A worker may add words of its own. */
export type FailureClass = KnownFailureClass | (string & Record<never, never>)

/**
 * `failed`: the work itself failed · `error`: what runs the work failed · `timeout`: it took too long ·
 * `killed`: it was ended from outside · `evicted`: the machine under it went · `rejected`: the worker can
 * never accept it · `lost`: it was seen and is missing · `unschedulable`: it was accepted and nothing of it
 * could begin within the time that was given · `oom`: it used more memory than it was given · `unsendable`:
 * the worker refused it again and again while it took others · `invalid-body`: the body isn't what the work
 * needs. `rejected`, `unsendable` and `invalid-body` are never retried.
 */
export const FAILURE_CLASSES = [
  'failed',
  'error',
  'timeout',
  'killed',
  'evicted',
  'rejected',
  'lost',
  'unschedulable',
  'oom',
  'unsendable',
  'invalid-body',
] as const

/** One of {@link FAILURE_CLASSES}. */
export type KnownFailureClass = (typeof FAILURE_CLASSES)[number]

/** A way in which jobs fail. */
export interface FailureKind {
  readonly failureClass: FailureClass
  /** The only exit codes that can come with it. It may come without one, too. Absent: any. */
  readonly exitCodes?: readonly number[]
}

/** What a worker says of a job. */
export interface JobReport {
  readonly stage: 'PROCESSING' | 'SUCCESS' | 'FAIL'
  readonly attempt: number
  readonly uid: string
  /**
   * Of a job in PROCESSING: `true` where the worker knows that it was accepted and that nothing of it runs
   * yet (no place, no image, a lock); `message` then says what holds it up. `false` where something of it
   * runs, or has run: it is never pending again. Absent: not known [W-PEND-1].
   */
  readonly pending?: boolean
  /** One or a few lines; of a failure it becomes the item's reason. */
  readonly message?: string
  /** Of a success. */
  readonly result?: JsonValue
  /** Evidence to keep with the item. */
  readonly details?: JsonValue
  /**
   * Why something that the job gave as its outcome is not in the report, such as a result that is too large
   * or is not JSON; one text each, without any of its content. It becomes part of the item's details, as
   * `leftOut`.
   */
  readonly leftOut?: readonly string[]
  /** A page about the job. */
  readonly url?: string
  /** Epoch ms of the worker's clock. */
  readonly startedAt?: number
  readonly finishedAt?: number
  readonly failureClass?: FailureClass
  /** Of the program, where the worker knows it. */
  readonly exitCode?: number
  /**
   * The job's own id in the outside system, such as a workflow's uid. Of two jobs of one name, the first
   * deleted and the second made afterwards, it differs; of one job that was retried there it doesn't.
   */
  readonly jobUid?: string
  /** Those that the job was started with; absent where there are none, or it is not known [W-OVERRIDE-1]. */
  readonly overrides?: JobOverrides
  /**
   * The unfinished jobs of the same item id beside this one, of any earlier attempt, or of the uid that the
   * id had before it was removed and put again. Of a poll alone: a poll has one report for each id
   * [W-POLL-1].
   */
  readonly earlier?: readonly JobReport[]
}

/**
 * What a poll says, by item id. A plain `Map` is one that is complete.
 *
 * A poll that could not ask for everything gives what it knows, each job that it could not ask for as last
 * known, and says so: it is then no ground to start anything new on, since a job that runs may be missing in
 * it [W-POLL-2].
 */
export interface JobReports extends ReadonlyMap<string, JobReport> {
  /** `false`: something could not be asked for. Absent: it is complete. */
  readonly complete?: boolean
  /** Of one that isn't complete: what could not be asked for, and why. */
  readonly incompleteReason?: string
}

/** What an implementation can do. */
export interface WorkerSupports {
  /** Jobs and their outcomes outlive this process and are found again by the next. */
  readonly durable: boolean
  readonly lookupJob: boolean
  readonly cancelJob: boolean
  readonly watch: boolean
  /** It has a `sendMany` [W-SEND-3]. Absent: it has none. */
  readonly sendMany?: SendManySupport
  /** Reports say which jobs are pending, by {@link JobReport.pending} [W-PEND-1]. Default false. */
  readonly pending?: boolean
  /**
   * A poll may be incomplete, and says so, by {@link JobReports.complete} [W-POLL-2]. Default false: it asks
   * for everything, or rejects.
   */
  readonly incompletePolls?: boolean
  /** It has a `probeSend` [W-PROBE-1]. Default false. */
  readonly probeSend?: boolean
  /** It has a `checkItem` [W-CHECK-1]. Default false. */
  readonly checkItem?: boolean
  /** It has an `identity` [W-ID-1]. Default false. */
  readonly identity?: boolean
  /** It has a `readLog` [W-LOG-1]. Default false. */
  readonly readLog?: boolean
  /** It starts jobs with {@link JobSpec.overrides} [W-OVERRIDE-1]. Default false. */
  readonly overrides?: boolean
  /**
   * All the ways in which its jobs end in FAIL, so that a retry rule about anything else is found to be a
   * mistake. Absent: not known.
   */
  readonly failures?: readonly FailureKind[]
  /**
   * The longest that one call may take by its documentation, in ms; the engine's watchdog waits for at least
   * twice that.
   */
  readonly longestCallMs?: number
}

/** How much one `sendMany` takes. */
export interface SendManySupport {
  /**
   * The most jobs that one call takes, 1 or more. It is no more than the worker sends in a second, so that a
   * pause or a cancel takes effect between two calls.
   */
  readonly maxJobs: number
}

/** How a job's log is read. */
export interface ReadLogOptions {
  /**
   * Ends the reading, which then rejects with the signal's reason, as Node's own streams and iterators do: a
   * log that was cut off never seems whole. Nothing stays open after it.
   */
  readonly signal?: AbortSignal
  /**
   * The most bytes to read, 0 or more: the last ones of what is there when the reading begins. Default: all
   * that is there.
   */
  readonly tailBytes?: number
  /**
   * Goes on with what the job writes afterwards, until it has ended and all of it was given. Default: it ends
   * with what is there.
   */
  readonly follow?: boolean
}

/** What a worker is to be used for, as far as the caller knows. */
export interface CheckUse {
  /** The names of the overrides that every send will have. */
  readonly overrides?: readonly string[]
}

/** An item that was sent without trouble. */
export interface ProbeSample<Body = JsonValue> {
  readonly id: string
  readonly body: Body
}

/**
 * Runs a job for an item, elsewhere, and says how it is going. It never touches the queue.
 *
 * @example
 * ```ts
 * import { openWorker } from '@sluice/worker-dummy'
 *
 * const worker = await openWorker({ name: 'tiles' })
 * await worker.sendJob('tile-1', { url: 's3://maps/1.tif' }, { attempt: 1, uid: 'u1', queue: 'tiles' })
 * const report = (await worker.pollAllStatus()).get('tile-1')
 * ```
 */
export interface Worker<Body = JsonValue> {
  /**
   * The name of the queue that it works for: two workers of different names never see each other's jobs
   * [W-POLL-3].
   */
  readonly name: string
  readonly supports: WorkerSupports

  /**
   * Names the place where the jobs of this worker run, so that a configuration of another place can be told
   * from one of the same. All objects on one place have the same, across restarts; one on another place has
   * another one [W-ID-1]. Known from the first answered `check` or `pollAllStatus` on, and `undefined`
   * before, and where it can't be found out. No secret: it is stored in the queue, and logged.
   */
  readonly identity?: string | undefined

  /**
   * Starts a job from an item. Of the same (queue, uid, attempt) twice, concurrently, after a crash or a lost
   * answer, it makes one job [W-SEND-1], with the overrides of the send that made it [W-OVERRIDE-1]. An
   * unknown outcome is resolved inside, by asking, before it answers [W-SEND-2].
   *
   * @throws SluiceError SLUICE_JOB_REJECTED only when this item can never be accepted;
   * SLUICE_WORKER_UNAVAILABLE, with `retryAfterMs` if known, when it can't be sent now; SLUICE_WORKER_DENIED
   * for credentials. `concerns` says whose trouble it is: the item's, the worker's, or that the worker has no
   * room; absent where the worker's words are unknown [W-SEND-2]
   */
  sendJob(id: string, body: Body, job: JobSpec): Promise<void>

  /**
   * Starts many jobs, in one request where the outside system has one for it. Each of them is sent as
   * `sendJob` sends it: of the same (queue, uid, attempt), in any mixture of the two, in one call or in
   * several, concurrently, after a crash or a lost answer, there is one job [W-SEND-1].
   *
   * @param jobs at most `supports.sendMany.maxJobs`; of an empty list nothing is sent
   * @returns the outcomes in the order of `jobs`: `undefined` where the job was sent, else the error that
   * `sendJob` would reject with. An error at one place says nothing about the others [W-SEND-3]
   * @throws SluiceError as `sendJob`, and only if no job is known to have been sent: each of them may then be
   * sent again. TypeError for a wrong argument or too many jobs: nothing was sent
   */
  sendMany?(jobs: readonly NewJob<Body>[]): Promise<readonly (SluiceError | undefined)[]>

  /**
   * Every job of this queue that isn't finished and every finished one not yet acknowledged, by item id; of
   * two attempts of one item, the later one. The cost does not grow with jobs acknowledged long ago
   * [W-POLL-1]. Absence is never a failure [W-POLL-2].
   *
   * @param awaited the jobs that the queue waits for, where the caller knows them. A worker that can't tell
   * cheaply which of the jobs that have ended are settled may then leave it at these, and report one that
   * ended out of its sight by `lookupJob` alone
   * @returns with `complete: false` where something could not be asked for: what it has is then as last known
   * [W-POLL-2]
   * @throws SluiceError SLUICE_WORKER_UNAVAILABLE, SLUICE_WORKER_DENIED
   */
  pollAllStatus(awaited?: readonly JobRef[], options?: CallOptions): Promise<JobReports>

  /**
   * The one authoritative answer, when a list isn't enough: `undefined` means that the worker is sure it has
   * no such job [W-LOOK-1].
   */
  lookupJob?(job: JobRef, options?: CallOptions): Promise<JobReport | undefined>

  /**
   * Ends a job that runs, or that was accepted and hasn't begun; it then reports an end: FAIL, or, where its
   * program ended well all the same, SUCCESS with a note in the details. Of a job that has ended or is
   * unknown: nothing happens [W-STOP-1].
   */
  cancelJob?(job: JobRef, reason: string): Promise<void>

  /**
   * Says that these jobs' outcomes are stored, so that they need not be reported again. A hint: it may be
   * repeated, and it may be lost in a crash, after which they are reported and acknowledged again [W-POLL-1].
   */
  acknowledgeJobs?(jobs: readonly JobRef[]): Promise<void>

  /**
   * Finds out whether a job could be sent now, without starting one: it succeeds only if a send of the sample
   * would get as far as any can, the permission to start included. Reading something is no probe [W-PROBE-1].
   *
   * @param sample an item that was sent without trouble, where the caller knows one; default what the worker
   * sent last itself
   * @throws SluiceError as `sendJob` does; SLUICE_WORKER_UNAVAILABLE also where there is nothing to probe
   * with
   */
  probeSend?(sample?: ProbeSample<Body>): Promise<void>

  /**
   * Checks an item against what the worker makes jobs of, such as a command or a template, and starts and
   * stores nothing. Resolved, a send may still meet trouble; rejected with SLUICE_JOB_REJECTED, it would be
   * rejected as things are now [W-CHECK-1].
   *
   * @throws SluiceError SLUICE_JOB_REJECTED as `sendJob` for an item that can never be accepted;
   * SLUICE_WORKER_UNAVAILABLE or SLUICE_WORKER_DENIED where it can't be found out; SLUICE_WORKER_CLOSED
   */
  checkItem?(id: string, body: Body): Promise<void>

  /**
   * The log of one job, running or ended: what its program wrote to stdout and stderr, as bytes, in chunks of
   * any size. Each stream's bytes come in the order in which they were written, none twice and none left out;
   * how the two stand to each other is the worker's to say. A log of any size takes a bounded amount of
   * memory, and is read only as fast as the caller takes it. What a worker can give as text alone, by lines,
   * its documentation says [W-LOG-1].
   *
   * Nothing happens before the first value is asked for, and every error comes as the rejection of that. A
   * caller that stops early, by `break` or `return()`, leaves nothing open. A job that has not begun, or has
   * written nothing, has an empty log: with `follow` it is waited for.
   *
   * @throws SluiceError SLUICE_ITEM_NOT_FOUND for a job that the worker does not know, and for one whose log
   * is gone: the message says where it was kept, or may still be; SLUICE_WORKER_UNAVAILABLE, also when the
   * log breaks off; SLUICE_WORKER_DENIED; SLUICE_WORKER_CLOSED, also when the worker is closed meanwhile.
   * TypeError for a wrong argument. With a signal that has aborted: its reason
   */
  readLog?(job: JobRef, options?: ReadLogOptions): AsyncIterable<Uint8Array>

  /**
   * A wake signal: each value says that a poll now may be worth it. Only polls and look-ups are evidence. It
   * ends when its signal aborts or the worker is closed [W-CLOSE-1].
   */
  watch?(options?: CallOptions): AsyncIterable<JobReport | undefined>

  /**
   * Credentials, reachability, permissions: a clear error at start-up instead of at the first item. Overrides
   * that the worker's configuration has no place for, such as a template without a parameter of that name,
   * are an error too.
   */
  check?(use?: CheckUse): Promise<void>

  /**
   * Ends the use of this object; jobs that run go on. Twice is fine. Every later call rejects with
   * SLUICE_WORKER_CLOSED [W-CLOSE-1].
   */
  close(): Promise<void>

  /** As {@link Worker.close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>
}
