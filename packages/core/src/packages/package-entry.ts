import type { Logger } from '../logger.js'
import type { OptionsSchema } from './options.js'
import type { Queue } from '../items/queue.js'
import type { Secrets } from '../secrets/secrets.js'
import type { DropOutcome, DropQueueUse, ListQueuesUse, StoredQueue } from './stored-queues.js'
import type { Worker } from '../worker.js'

/** What the service provides to a package beside its options. A package may ignore any of it. */
export interface PackageContext {
  /** For what an operator should know. */
  readonly logger?: Logger
  /**
   * The directory that relative paths in the options are relative to: that of the configuration file.
   * Default: the working directory.
   */
  readonly baseDir?: string
  /**
   * The same for one option, such as `['dir']`, where options come from several places: a path of a
   * configuration file is relative to that file, one of a flag or a variable to the working directory. Of an
   * option that is not set: `baseDir`.
   */
  readonly baseDirOf?: (option: readonly string[]) => string
  /**
   * Where an option comes from, for messages: `sluice.config.yaml:3`, `SLUICE_WORKER_TOKEN`, `--set
   * worker.token`.
   */
  readonly placeOf?: (option: readonly string[]) => string | undefined
  /**
   * Secrets that texts must not show. A package adds what it reads by itself, such as a token out of a file;
   * what its options hold is known already, by the marks of its schema. Texts are redacted by the caller that
   * opened the package too.
   */
  readonly secrets?: Secrets
  /**
   * Whether secrets of the configuration came from this environment variable: programs that a package starts
   * must not inherit it. Asked when a program is started.
   */
  readonly isSecretVariable?: (name: string) => boolean
}

/**
 * The directory that a relative path in an option is relative to, by what the context says of this option, or
 * of all.
 *
 * @param option such as `'dir'`, or `'tls', 'caFile'` for one of several levels
 * @returns `undefined`: the working directory
 */
export function baseDirOf(context: PackageContext, ...option: readonly string[]): string | undefined {
  return context.baseDirOf?.(option) ?? context.baseDir
}

/**
 * How a queue is going to be used. A package may ignore any of it.
 */
export interface QueueUse extends PackageContext {
  /**
   * Nothing will be moved, put or set: permissions and properties of the storage that only writing needs are
   * not to be tried, which may be slow, or refused to a role that may only read.
   */
  readonly reading?: boolean
  /**
   * A short, interactive command opens it: only short trials of the storage are made, and what counts is how
   * often a call waits for the storage. A caller that keeps the queue open makes all trials.
   */
  readonly brief?: boolean
}

/** What a check of a storage has found that is fit for a queue. */
export interface StorageFinding {
  /**
   * What opening the queue would change for good, and for other processes too, such as an upgrade of its
   * tables: described in a sentence. A check does not open it then.
   */
  readonly upgrade?: string
}

/** How a store is copied. */
export interface BackupUse extends PackageContext {
  /** The absolute path of the file to be made; it must not exist. */
  readonly target: string
  readonly onProgress?: (progress: BackupProgress) => void
  /** Its abort ends the copying: nothing is left then, and it rejects with the signal's reason. */
  readonly signal?: AbortSignal
}

/** How far a copy has come. */
export interface BackupProgress {
  readonly doneBytes: number
  readonly totalBytes: number
}

/** What was copied. */
export interface BackupOutcome {
  readonly bytes: number
  /** Of all queues of the store. */
  readonly items: number
}

/** What a package that brings a queue exports, so that a service opens it by its name. */
export interface QueuePackage {
  readonly openQueue: (options: unknown, use?: QueueUse) => Promise<Queue>
  /**
   * Whether the queue that `openQueue` would open with these options is there already. It creates nothing, so
   * that a mistyped place can be told from an empty queue. Rejects as `openQueue` does when it can't know:
   * options that are wrong, storage that doesn't answer, refuses access, or is damaged.
   */
  readonly queueExists?: (options: unknown, use?: QueueUse) => Promise<boolean>
  /**
   * Opens the queue as `openQueue` does if it is there already, and creates nothing otherwise: `undefined`.
   * For a package that can do both in fewer requests than `queueExists` and `openQueue` one after the other,
   * which serve where this is missing. Rejects as they do.
   */
  readonly openIfExists?: (options: unknown, use?: QueueUse) => Promise<Queue | undefined>
  /**
   * Tries all that a service will do with the storage, whether the queue is there or not: writes, conditional
   * writes and deletions, with the permissions for them. It tries too what the options say is not to be tried
   * at each opening. It creates no queue, changes nothing of one, leaves nothing behind, and may run beside
   * services that are at work. Rejects as `openQueue` does.
   */
  readonly checkStorage?: (options: unknown, use?: QueueUse) => Promise<StorageFinding>
  /**
   * The queues of the store that these options name, by their names; `name` makes no difference. It changes
   * nothing, and where there is no store there are no queues. Rejects as `openQueue` does when it can't know.
   */
  readonly listQueues?: (options: unknown, use?: ListQueuesUse) => Promise<readonly StoredQueue[]>
  /**
   * Removes the queue that `openQueue` would open with these options, with all that belongs to it: items,
   * control state, leases, documents, and what is kept of removed items and past attempts. What it must hold
   * to:
   *
   * - It changes nothing while a lease of the queue is held, and, without `withRunning`, while items are in
   *   PROCESSING.
   * - Its first step is atomic: from then on the queue is gone, or can't be opened. Killed at any instruction
   *   and called again, it ends. No caller ever opens a queue of which a part is missing.
   * - A queue object that another process has open acknowledges nothing more once the first step is done:
   *   each move, put, document, lease and change of control rejects `SLUICE_QUEUE_CORRUPT`, or goes into the
   *   queue of this name that was made since. What a package can't hold to that it documents.
   * - It takes no memory that grows with the queue, and no lock for long.
   *
   * Rejects as `openQueue` does.
   */
  readonly dropQueue?: (options: unknown, use?: DropQueueUse) => Promise<DropOutcome>
  /**
   * Copies the store that these options name, with all its queues, into a file that opens as the store does,
   * as it is at one instant, while services are at work. The file is there whole and verified, or not at all.
   * Rejects SLUICE_CONFIG_INVALID where the store can't be copied so, with what to do instead, and else as
   * `openQueue` does.
   */
  readonly backupStore?: (options: unknown, use: BackupUse) => Promise<BackupOutcome>
  /**
   * Checks the options. Where it has a JSON Schema, by Standard JSON Schema, an option with the keyword
   * `secret: true` is a secret (zod: `.meta({ secret: true })`), and one with `secret: 'referenced'` where it
   * was given as `{ env: NAME }`.
   */
  readonly optionsSchema?: OptionsSchema<unknown>
  /**
   * Environment variables that the libraries beneath the package read credentials from by themselves, so that
   * no message shows their values.
   */
  readonly credentialVariables?: readonly string[]
}

/**
 * How a worker is going to be used. A package may ignore any of it.
 */
export interface WorkerUse extends PackageContext {
  /**
   * Polls and look-ups are to say how jobs are and to change nothing: what a service does beside them, such
   * as starting what waits, ending what is overdue or recording how a job ended, is left to one.
   */
  readonly reading?: boolean
}

/** What is to go through a worker. */
export interface RoomNeed {
  readonly items: number
}

/** What a package that brings a worker exports, so that a service opens it by its name. */
export interface WorkerPackage {
  readonly openWorker: (options: unknown, use?: WorkerUse) => Promise<Worker>
  /**
   * Of a worker that keeps something of each item on this machine: what there is too
   * little room for, `undefined` where there is enough. It makes nothing, and starts nothing.
   */
  readonly checkRoom?: (
    options: unknown,
    need: RoomNeed,
    context?: PackageContext,
  ) => Promise<string | undefined>
  /**
   * Checks the options. Where it has a JSON Schema, by Standard JSON Schema, an option with the keyword
   * `secret: true` is a secret (zod: `.meta({ secret: true })`), and one with `secret: 'referenced'` where it
   * was given as `{ env: NAME }`.
   */
  readonly optionsSchema?: OptionsSchema<unknown>
  /**
   * Environment variables that the libraries beneath the package read credentials from by themselves, so that
   * no message shows their values.
   */
  readonly credentialVariables?: readonly string[]
}
