import type { SluiceError } from '../../errors.js'
import type { CallOptions } from '../../items/queue.js'
import type { JsonValue } from '../../json/json.js'
import type {
  CheckUse,
  JobOverrides,
  JobRef,
  JobReport,
  JobReports,
  ProbeSample,
  SendManySupport,
  WorkerSupports,
} from '../../worker.js'

/** A job to send. It is of the worker's own queue. */
export interface CheckedJob extends JobRef {
  readonly queue: string
  readonly priority?: number
  /** Absent where there are none. */
  readonly overrides?: JobOverrides
  readonly body: JsonValue
}

/** How a log is read. */
export interface CheckedReadLog {
  /**
   * Aborts when the caller's signal aborts or the worker is closed; its reason is what the reading rejects
   * with. Waits must end with it.
   */
  readonly signal: AbortSignal
  readonly tailBytes?: number
  readonly follow: boolean
}

/**
 * What a backend can do beyond having a method. That the methods are there is what `supports` says of the
 * others.
 */
export type BackendSupports = Pick<
  WorkerSupports,
  'durable' | 'pending' | 'incompletePolls' | 'identity' | 'failures' | 'longestCallMs' | 'overrides'
>

/** Many jobs in one call, and how many. */
export interface SendManyBackend extends SendManySupport {
  /** The list has 1 to `maxJobs` jobs. */
  send(jobs: readonly CheckedJob[]): Promise<readonly (SluiceError | undefined)[]>
}

/**
 * What `createWorker` makes a `Worker` of. Its methods are called with arguments that were checked, and never
 * after `close`; what they promise is what the method of the same name in `Worker` promises. A method may
 * throw or reject; what is thrown reaches the caller as a rejection.
 */
export interface WorkerBackend {
  readonly supports: BackendSupports
  /** As in `Worker`; it may become known later. */
  readonly identity?: string | undefined
  sendJob(job: CheckedJob): Promise<void>
  readonly sendMany?: SendManyBackend | undefined
  /** @param options a call whose signal aborts ends without the backend, which may stop early */
  pollAllStatus(awaited: readonly JobRef[] | undefined, options: CallOptions): Promise<JobReports>
  lookupJob?(job: JobRef, options: CallOptions): Promise<JobReport | undefined>
  cancelJob?(job: JobRef, reason: string): Promise<void>
  acknowledgeJobs?(jobs: readonly JobRef[]): Promise<void>
  probeSend?(sample: ProbeSample | undefined): Promise<void>
  checkItem?(id: string, body: JsonValue): Promise<void>
  /**
   * Called when the first value is asked for. What it yields and throws once its signal has aborted reaches
   * no caller.
   */
  readLog?(job: JobRef, options: CheckedReadLog): AsyncIterable<Uint8Array>
  /**
   * Called when the first value is asked for. It ends when the signal aborts: by the caller, or since the
   * worker is closed.
   */
  watch?(signal: AbortSignal): AsyncIterable<JobReport | undefined>
  check?(use: CheckUse): Promise<void>
  /** Called once. */
  close?(): Promise<void>
}
