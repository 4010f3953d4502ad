import type { JsonValue } from './json.js'

/** Names one job for ever. */
export interface JobRef {
  readonly id: string
  readonly uid: string
  readonly attempt: number
}

/** What a worker is told of the job beside the item's id and body. */
export interface JobSpec {
  readonly attempt: number
  readonly uid: string
  /** The queue's name. */
  readonly queue: string
  readonly priority?: number
}

/** Why a job failed, for the retry policy to decide by. A worker may add words of its own. */
export type FailureClass = KnownFailureClass | (string & Record<never, never>)

/**
 * `failed`: the work itself said no · `error`: what runs the work broke · `timeout`: it took too long · `killed`: somebody or
 * something ended it · `evicted`: the machine under it went · `rejected`: the worker can never accept it · `lost`: it was seen and is gone ·
 * `unschedulable`: it was accepted and nothing of it could begin within the time that was given.
 */
export type KnownFailureClass =
  | 'failed'
  | 'error'
  | 'timeout'
  | 'killed'
  | 'evicted'
  | 'rejected'
  | 'lost'
  | 'unschedulable'

/** What a worker says of a job. */
export interface JobReport {
  readonly stage: 'PROCESSING' | 'SUCCESS' | 'FAIL'
  readonly attempt: number
  readonly uid: string
  /**
   * Of a job in PROCESSING: `true` where the worker knows that it was accepted and that nothing of it runs yet (no place, no image, a lock);
   * `message` then says what holds it up. `false` where something of it runs, or has run: it is never pending again. Absent: not known
   * [W-PEND-1].
   */
  readonly pending?: boolean
  /** One or a few lines for people; of a failure it becomes the item's reason. */
  readonly message?: string
  /** Of a success. */
  readonly result?: JsonValue
  /** Evidence to keep with the item. */
  readonly details?: JsonValue
  /** Where a person can look at the job. */
  readonly url?: string
  /** Epoch ms of the worker's clock. */
  readonly startedAt?: number
  readonly finishedAt?: number
  readonly failureClass?: FailureClass
}

/**
 * What a poll says, by item id. A plain `Map` is one that is complete.
 *
 * A poll that could not ask for everything gives what it knows, each job that it could not ask for as last known, and says so: it is then no
 * ground to start anything new on, since a job that runs may be missing in it [W-POLL-2].
 */
export interface JobReports extends ReadonlyMap<string, JobReport> {
  /** `false`: something could not be asked for. Absent: it is complete. */
  readonly complete?: boolean
  /** Of one that isn't complete: what could not be asked for, and why. For people. */
  readonly incompleteReason?: string
}

/** What an implementation can do. */
export interface WorkerSupports {
  /** Jobs and their outcomes outlive this process and are found again by the next. */
  readonly durable: boolean
  readonly lookupJob: boolean
  readonly cancelJob: boolean
  readonly watch: boolean
  /** Reports say which jobs are pending, by {@link JobReport.pending} [W-PEND-1]. Default false. */
  readonly pending?: boolean
  /** A poll may be incomplete, and says so, by {@link JobReports.complete} [W-POLL-2]. Default false: it asks for everything, or rejects. */
  readonly incompletePolls?: boolean
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
export interface Worker {
  /** The name of the queue that it works for: two workers of different names never see each other's jobs [W-POLL-3]. */
  readonly name: string
  readonly supports: WorkerSupports

  /**
   * Starts a job from an item. Of the same (queue, uid, attempt) twice, concurrently, after a crash or a lost answer, it makes
   * one job [W-SEND-1]. An unknown outcome is resolved inside, by asking, before it answers [W-SEND-2].
   *
   * @throws SluiceError SLUICE_JOB_REJECTED only when this item can never be accepted; SLUICE_WORKER_UNAVAILABLE, with
   * `retryAfterMs` if known, when the trouble is the worker's; SLUICE_WORKER_DENIED for credentials [W-SEND-2]
   */
  sendJob(id: string, body: JsonValue, job: JobSpec): Promise<void>

  /**
   * Every job of this queue that isn't finished and every finished one not yet forgotten, by item id; of two attempts of one
   * item, the later one. The cost does not grow with jobs forgotten long ago [W-POLL-1]. Absence is never a failure [W-POLL-2].
   *
   * @param awaited the jobs that the queue waits for, where the caller knows them. A worker that can't tell cheaply which of the jobs
   * that have ended are settled may then leave it at these, and report one that ended out of its sight by `lookupJob` alone
   * @returns with `complete: false` where something could not be asked for: what it has is then as last known [W-POLL-2]
   * @throws SluiceError SLUICE_WORKER_UNAVAILABLE, SLUICE_WORKER_DENIED
   */
  pollAllStatus(awaited?: readonly JobRef[]): Promise<JobReports>

  /** The one authoritative answer, when a list isn't enough: `undefined` means that the worker is sure it has no such job [W-LOOK-1]. */
  lookupJob?(job: JobRef): Promise<JobReport | undefined>

  /**
   * Ends a job that runs, or that was accepted and hasn't begun; it then reports an end: FAIL, or, where its program ended well all the same, SUCCESS with a note in the details.
   * Of a job that has ended or is unknown: nothing happens [W-STOP-1].
   */
  cancelJob?(job: JobRef, reason: string): Promise<void>

  /**
   * Tells that these jobs' outcomes are stored, so that they need not be reported again. A hint: it may be repeated, and
   * it may be lost in a crash, after which they are reported and forgotten again [W-POLL-1].
   */
  forgetJobs?(jobs: readonly JobRef[]): Promise<void>

  /** A doorbell: each value says that polling now may be worth it. It may wake the loop early, it is never the truth. */
  watch?(signal: AbortSignal): AsyncIterable<JobReport | undefined>

  /** Credentials, reachability, permissions: a clear error at start-up instead of at the first item. */
  check?(): Promise<void>

  /** Ends the use of this object; jobs that run go on. Twice is fine. Every later call rejects with SLUICE_WORKER_CLOSED [W-CLOSE-1]. */
  close(): Promise<void>
}
