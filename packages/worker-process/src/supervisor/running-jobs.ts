import { spawn, type ChildProcess } from 'node:child_process'
import { accessSync, appendFileSync, closeSync, constants, lstatSync, openSync, readdirSync } from 'node:fs'
import { once } from 'node:events'
import { constants as system } from 'node:os'
import type { Runtime } from '@sluice/core'
import { startTimer, type Timer } from '@sluice/core/backend'
import type { JobPlace, Layout } from '../disk/layout.js'
import {
  absentAsUndefinedSync,
  hasRecordSync,
  linkOnceSync,
  readRecordSync,
  removeIfThereSync,
  writeOnceSync,
  type FileRecord,
} from '../disk/record.js'
import { isSystemError } from '../process-errors.js'
import type { ObservedEnd, SupervisedJob, SupervisorConfig } from './messages.js'

/** While there is no room for the record of an end, it is tried again after this time, in ms. */
const RECORD_AGAIN_MS = 1_000

/** A process could not be started, and nothing ran: its job has no claim. */
export class NotStarted extends Error {
  override readonly name = 'NotStarted'
}

interface RunningParts {
  readonly layout: Layout
  readonly config: SupervisorConfig
  readonly runtime: Pick<Runtime, 'sleep'>
  /** The text of the claims of this process. */
  readonly claimText: string
  /** Without the end where it could not be recorded, as the folder of the queue was removed. */
  readonly onEnd: (end: ObservedEnd | undefined) => void
}

/** A command that runs, or waits for the record of its end. */
interface RunningJob {
  readonly place: JobPlace
  readonly group: number
  readonly claim: FileRecord
  readonly killAfterMs: number
  timeout?: Timer
  grace?: Timer
  isTold: boolean
  isTimedOut: boolean
}

interface JobParts {
  readonly place: JobPlace
  readonly streams: readonly number[]
  readonly environment: NodeJS.ProcessEnv
}

/** The commands of one supervisor, from their claim to the record of their end. */
export class RunningJobs {
  readonly #parts: RunningParts
  readonly #jobs = new Map<string, RunningJob>()

  constructor(parts: RunningParts) {
    this.#parts = parts
  }

  get size(): number {
    return this.#jobs.size
  }

  has(key: string): boolean {
    return this.#jobs.has(key)
  }

  /**
   * Claims a job and starts its command, in a session and process group of its own. All that can fail for
   * want of room or files comes before the claim: what fails there leaves a job that no process has claimed,
   * and that a poll starts again. Only one process can make the claim. Then comes the check that the job has
   * not been archived: a record in a home that was made in place of the removed one would be a second claim.
   * In this order, since the record of the removal is made before the home goes [W-SEND-1].
   *
   * @returns the claim; `undefined` when another process has claimed it, or it has not begun and can be
   * started again
   * @throws NotStarted when no process can be started, and the job has no claim
   */
  async launch(job: SupervisedJob, environment: NodeJS.ProcessEnv): Promise<FileRecord | undefined> {
    const place = this.#parts.layout.placeOf(job.key)
    const streams = this.#openStreams(place)
    try {
      if (!writeOnceSync(place.claim, this.#parts.claimText)) return undefined
      if (hasRecordSync(place.gone)) return undefined
      const claim = readRecordSync(place.claim)
      if (claim === undefined) return undefined
      const killAfterMs = job.file.killAfterMs ?? this.#parts.config.killAfterMs
      const child = await this.#spawn(job, { place, streams, environment })
      const running = { place, claim, killAfterMs, group: child.pid, isTold: false, isTimedOut: false }
      this.#jobs.set(place.key, running)
      if ('exitCode' in child) this.#conclude(running, child.exitCode)
      else this.#follow(running, child.process)
      return claim
    } finally {
      for (const stream of streams) closeSync(stream)
    }
  }

  /** Ends those of the jobs for which a canceller has recorded that they are to end. */
  checkStops(): void {
    const { layout } = this.#parts
    for (const key of absentAsUndefinedSync(() => readdirSync(layout.stopping)) ?? []) {
      const job = this.#jobs.get(key)
      if (job !== undefined) this.#tell(job)
    }
  }

  /** To append, since of several supervisors of one job only one may write. */
  #openStreams(place: JobPlace): readonly number[] {
    const opened: number[] = []
    try {
      opened.push(openSync(this.#parts.config.stdin ? place.stdin : '/dev/null', 'r'))
      for (const output of [place.stdout, place.stderr]) opened.push(openSync(output, 'a', 0o600))
      return opened
    } catch (error) {
      for (const stream of opened) closeSync(stream)
      throw error
    }
  }

  /** A command that is there and can't be run ends as in a shell. */
  async #spawn(
    { program, file }: SupervisedJob,
    { place, streams, environment }: JobParts,
  ): Promise<{ process: ChildProcess; pid: number } | { exitCode: number; pid: 0 }> {
    const { cwd } = this.#parts.config
    try {
      const stdio = [...streams]
      const process = spawn(program, file.args, { detached: true, cwd, env: environment, stdio })
      // Where there is no process, the error comes as an event, and this rejects.
      if (process.pid === undefined) await once(process, 'spawn')
      return { process, pid: process.pid ?? 0 }
    } catch (error) {
      if (isOfCommand(error, cwd)) return { exitCode: noteUnrunnable(place, program, error), pid: 0 }
      removeIfThereSync(place.claim)
      throw new NotStarted('no process', { cause: error })
    }
  }

  /** The group is recorded before a canceller's record is looked for: one of the two sees the other. */
  #follow(job: RunningJob, child: ChildProcess): void {
    const { config, runtime } = this.#parts
    const { place } = job
    child.once('exit', (code, signal) => this.#onExit(job, code, signal))
    // Without room for it another process finds the group by the variables of its members.
    ifRoom(() => linkOnceSync(place.jobFile, `${place.group}${job.group}`))
    if (config.timeoutMs !== undefined) {
      job.timeout = startTimer(runtime, { ms: config.timeoutMs }, () => {
        job.isTimedOut = !job.isTold
        if (job.isTimedOut) ifRoom(() => writeOnceSync(place.stopping, 'timeout'))
        this.#tell(job)
      })
    }
    if (hasRecordSync(place.stopping)) this.#tell(job)
  }

  /** One that was suspended must continue to be able to end. */
  #tell(job: RunningJob): void {
    if (job.isTold) return
    job.isTold = true
    signalGroup(job.group, 'SIGTERM')
    signalGroup(job.group, 'SIGCONT')
    job.grace = startTimer(this.#parts.runtime, { ms: job.killAfterMs }, () =>
      signalGroup(job.group, 'SIGKILL'),
    )
  }

  #onExit(job: RunningJob, code: number | null, signal: NodeJS.Signals | null): void {
    job.timeout?.cancel()
    job.grace?.cancel()
    const exitCode = signal === null ? (code ?? 0) : 128 + system.signals[signal]
    this.#conclude(job, exitCode)
  }

  /**
   * The exit code is recorded before anything else of the group is ended: a supervisor that dies here loses
   * no outcome. A full disk only delays the record, and what the command no longer reads makes room for it.
   * Then nothing that the command left behind goes on.
   */
  #conclude(job: RunningJob, exitCode: number): void {
    const { place, group } = job
    try {
      if (job.isTimedOut) writeOnceSync(place.stopping, 'timeout')
      const isStopped = job.isTold || hasRecordSync(place.stopping)
      writeOnceSync(place.ended, isStopped ? `${exitCode} stopped` : String(exitCode))
    } catch (error) {
      if (!isSystemError(error, 'ENOENT', 'ENOTDIR')) {
        removeIfThereSync(place.stdin)
        startTimer(this.#parts.runtime, { ms: RECORD_AGAIN_MS }, () => this.#conclude(job, exitCode))
        return
      }
      // The folder of the queue was removed: there is nothing to record it in.
    }
    // The second says whether the first has met any.
    const isLeft = signalGroup(group, 'SIGKILL') && signalGroup(group, 0)
    this.#jobs.delete(place.key)
    this.#report(job, isLeft)
  }

  #report({ place, claim }: RunningJob, isLeft: boolean): void {
    const ended = readRecordSync(place.ended)
    if (ended === undefined) {
      this.#parts.onEnd(undefined)
      return
    }
    this.#parts.onEnd({
      key: place.key,
      ended,
      claim,
      stop: readRecordSync(place.stopping),
      stdoutBytes: bytesOf(place.stdout),
      stderrBytes: bytesOf(place.stderr),
      isLeft,
    })
  }
}

const LACKING = ['EAGAIN', 'ENOMEM', 'EMFILE', 'ENFILE', 'E2BIG']

/**
 * Whether no process came to be for what the command is, such as a script whose interpreter is not there, and
 * not for want of processes or of the folder that it starts in.
 */
function isOfCommand(error: unknown, cwd: string): boolean {
  if (!isSystemError(error) || isSystemError(error, ...LACKING)) return false
  try {
    accessSync(cwd, constants.X_OK)
    return true
  } catch {
    // The error is that of the folder.
    return false
  }
}

/** @returns the exit code by which a shell would report it */
function noteUnrunnable(place: JobPlace, program: string, error: unknown): number {
  const code = isSystemError(error) ? error.code : undefined
  try {
    appendFileSync(place.stderr, `${program}: could not be started (${code})\n`)
  } catch {
    // There is no room to say why; the exit code says that it was not.
  }
  return code === 'ENOENT' ? 127 : 126
}

function ifRoom(record: () => boolean): void {
  try {
    record()
  } catch {
    // What the record would say is in effect without it.
  }
}

/** @returns whether the group has members */
function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  // 0 would be the group of the supervisor.
  if (group <= 1) return false
  try {
    return process.kill(-group, signal)
  } catch (error) {
    // Those of another user can't be signalled.
    return isSystemError(error, 'EPERM')
  }
}

function bytesOf(path: string): number {
  return lstatSync(path, { throwIfNoEntry: false })?.size ?? 0
}
