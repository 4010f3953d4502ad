import type { FileRecord } from '../disk/record.js'

/** What a supervisor is told first. */
export interface SupervisorConfig {
  readonly dir: string
  readonly queue: string
  readonly cwd: string
  readonly bootId: string
  readonly fsync: boolean
  readonly killAfterMs: number
  readonly timeoutMs?: number | undefined
  /** Whether the body is on the command's stdin. */
  readonly stdin: boolean
}

/** What is written of a job before it starts; the service reads it with its own schema. */
export interface AcceptedFile {
  readonly id: string
  readonly uid: string
  readonly attempt: number
  readonly queue: string
  readonly args: readonly string[]
  readonly bootId: string
  readonly acceptedAt: number
  readonly jobUid?: string | undefined
  readonly killAfterMs?: number | undefined
  readonly overrides?: Readonly<Record<string, string>> | undefined
}

/** A job and the program that runs it. */
export interface SupervisedJob {
  readonly key: string
  readonly program: string
  readonly file: AcceptedFile
  readonly stdin?: string | undefined
}

/**
 * - `send`: accept the job and start it.
 * - `start`: start a job that was accepted.
 * - `probe`: do what `send` does up to the acceptance, and leave no trace.
 */
export type RequestKind = 'send' | 'start' | 'probe'

export interface SupervisorRequest {
  readonly number: number
  readonly kind: RequestKind
  readonly job: SupervisedJob
}

/** From the service to its supervisor. */
export interface ToSupervisor {
  readonly config?: SupervisorConfig
  /** The variables that every later job gets. Handed over as a message, and written nowhere. */
  readonly environment?: Readonly<Record<string, string | undefined>>
  readonly requests?: readonly SupervisorRequest[]
}

/** An error of the system as it can be handed over. */
export interface SystemFailure {
  readonly code?: string | undefined
  readonly syscall?: string | undefined
  readonly path?: string | undefined
  readonly message: string
  /** Whether the process could not be started; otherwise a file could not be made. */
  readonly ofProcess: boolean
}

export interface SupervisorReply {
  readonly number: number
  /** `false`: the job was accepted before, or is archived. */
  readonly accepted?: boolean
  /** The claim, where this supervisor started the job. */
  readonly claim?: FileRecord | undefined
  readonly failure?: SystemFailure
}

/** How a job ended, as it stands on the disk. */
export interface ObservedEnd {
  readonly key: string
  readonly ended: FileRecord
  readonly claim: FileRecord
  readonly stop?: FileRecord | undefined
  readonly stdoutBytes: number
  readonly stderrBytes: number
  /** Whether processes of its group may still live. */
  readonly isLeft: boolean
}

/** From a supervisor to the service that started it. */
export interface FromSupervisor {
  readonly replies: readonly SupervisorReply[]
  readonly ends: readonly ObservedEnd[]
}
