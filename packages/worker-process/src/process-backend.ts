import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import {
  SluiceError,
  assertCount,
  assertItemId,
  checkOptions,
  encodeJson,
  type Logger,
  type JobRef,
  type JobReport,
  type JobReports,
  type JobSpec,
  type JsonValue,
  type ProbeSample,
  type ReadLogOptions,
  type CallOptions,
  type Worker,
  type WorkerSupports,
  type WorkerUse,
} from '@sluice/core'
import pMap from 'p-map'
import { withAbsolutePaths } from './absolute-paths.js'
import {
  WAITING_ADVICE,
  parseArgument,
  renderArguments,
  type ArgumentTemplate,
  type TemplateItem,
} from './command/command-template.js'
import { Doorbell } from './disk/folder-watch.js'
import { interpreterProblem, missingScript } from './command/interpreter.js'
import { archiveJob, sweepPreparing } from './jobs/job-archive.js'
import type { NewJob } from './jobs/job-file.js'
import { JobFollower } from './jobs/job-follower.js'
import { readJobLog } from './jobs/job-log.js'
import { FAILURES } from './jobs/job-report.js'
import { JobRunner, missingProgram } from './jobs/job-runner.js'
import { JobStopper } from './jobs/job-stopper.js'
import { Layout, type JobPlace } from './disk/layout.js'
import { FolderError, makeFolder } from './disk/make-folder.js'
import { OomKills } from './processes/oom-kills.js'
import { optionsSchema, type ProcessWorkerSettings } from './options.js'
import { assertArgumentsFit, fileError, isNoRoom } from './process-errors.js'
import { systemProcessTable, type ProcessTable } from './processes/process-table.js'
import { absentAsUndefined, readRecord, writeOnce } from './disk/record.js'
import { Room, freeRoom, freeText, needText, roomForJobs } from './disk/room.js'

const SUPPORTS: WorkerSupports = {
  durable: true,
  lookupJob: true,
  cancelJob: true,
  watch: true,
  probeSend: true,
  checkItem: true,
  incompletePolls: true,
  readLog: true,
  failures: FAILURES,
  // A local disk answers, and nothing here waits for a job.
  longestCallMs: 60_000,
}
/** From when processes were found to be left of a job that has ended to the next look, in ms. */
const LEFT_AGAIN_MS = 100

/**
 * Opens a worker that runs a command on this machine for each item. It makes its folders under `dir`; that the command is
 * there is for `check` to say.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID for wrong options, a `dir` that can be no folder, and on Windows; SLUICE_WORKER_DENIED or
 * SLUICE_WORKER_UNAVAILABLE when the folders can't be made
 */
export async function openWorker(options: unknown, use: WorkerUse = {}): Promise<ProcessWorker> {
  assertPlatform(process.platform)
  const settings = await checkOptions(optionsSchema, options, '@sluice/worker-process')
  return ProcessWorker.open(settings, use)
}

/** @throws SluiceError SLUICE_CONFIG_INVALID where there are no process groups and no `/bin/sh` */
export function assertPlatform(platform: NodeJS.Platform): void {
  if (platform !== 'win32') return
  const message =
    '@sluice/worker-process does not run on Windows: it needs process groups and /bin/sh. Use Linux, macOS or WSL.'
  throw new SluiceError('SLUICE_CONFIG_INVALID', message)
}

interface WorkerParts {
  /** Of the folder of the queue's jobs, where it could be noted there. */
  readonly identity: string | undefined
  readonly settings: ProcessWorkerSettings
  readonly layout: Layout
  readonly bootId: string
  readonly table: ProcessTable
  readonly doorbell: Doorbell
  readonly runner: JobRunner
  readonly stopper: JobStopper
  readonly follower: JobFollower
  readonly room: Room
  readonly logger: Logger | undefined
}

/**
 * A {@link Worker} that runs a local command for each item, under a supervisor that outlives this process. Jobs, exit codes and
 * outputs are on the disk; any number of these objects on one machine may share a `dir`.
 */
export class ProcessWorker implements Worker {
  readonly name: string
  readonly supports: WorkerSupports
  /** A random id that is kept in `dir`, beside the jobs: it goes with them where the folder is moved, and is gone with them [W-ID-1]. */
  readonly identity: string | undefined
  readonly #parts: WorkerParts
  readonly #arguments: readonly ArgumentTemplate[]
  readonly #closing = new AbortController()

  private constructor(parts: WorkerParts) {
    this.#parts = parts
    this.name = parts.settings.name
    this.identity = parts.identity
    this.supports = { ...SUPPORTS, identity: parts.identity !== undefined }
    this.#arguments = parts.settings.command.slice(1).map(parseArgument)
  }

  /** As {@link openWorker}, with options that were checked. */
  static async open(given: ProcessWorkerSettings, use: WorkerUse = {}): Promise<ProcessWorker> {
    const { logger, reading = false, isSecretVariable } = use
    const settings = withAbsolutePaths(given, use)
    const table = systemProcessTable()
    const layout = new Layout(settings.dir, settings.name)
    try {
      // The first one that can't be made is told by the name that people know.
      for (const folder of [settings.dir, layout.active, layout.stopping, layout.ended, layout.preparing]) {
        await makeFolder(folder)
      }
      await writeOnce(join(layout.root, 'queue'), settings.name)
      const identity = await identityOf(layout)
      await sweepPreparing(layout)
      const shared = { settings, layout, bootId: await table.bootId() }
      const doorbell = new Doorbell(layout.ended)
      const runner = new JobRunner({ ...shared, isSecretVariable, onVanished: doorbell.ring })
      const stopper = new JobStopper({ table, killAfterMs: settings.killAfterMs })
      const room = new Room({ layout, ...(logger === undefined ? {} : { logger }) })
      const oomKills = await OomKills.open()
      const onLeft = (): void => void setTimeout(doorbell.ring, LEFT_AGAIN_MS).unref()
      const follower = new JobFollower({ ...shared, table, runner, stopper, room, oomKills, reading, onLeft })
      return new ProcessWorker({
        ...shared,
        table,
        identity,
        doorbell,
        runner,
        stopper,
        follower,
        room,
        logger,
      })
    } catch (error) {
      if (error instanceof FolderError) throw error.asMistake()
      throw fileError(error, `make or open the folder of the jobs ${layout.root}`)
    }
  }

  /**
   * Starts the command for an item. Returned, the job is on the disk and will run, once, whatever is killed [W-SEND-1].
   *
   * @throws SluiceError SLUICE_JOB_REJECTED when the body lacks a field that the command names or has null there, a value has a NUL character or the
   * command line is too large; SLUICE_WORKER_UNAVAILABLE when the program isn't there or the machine is out of processes,
   * files or disk; SLUICE_WORKER_DENIED when a permission is missing; SLUICE_WORKER_CLOSED. Nothing runs after any of
   * them. TypeError for a wrong argument [W-SEND-2]
   */
  async sendJob(id: string, body: JsonValue, job: JobSpec): Promise<void> {
    const { uid, attempt, queue } = job
    const place = this.#place({ id, uid, attempt })
    if (queue !== this.name) {
      throw new TypeError(
        `this worker is of queue ${JSON.stringify(this.name)}; the job is of ${JSON.stringify(queue)}`,
      )
    }
    const newJob = this.#newJob({ id, body, uid, attempt, queue })
    await this.#onDisk(`start a job for item ${JSON.stringify(id)}`, () =>
      this.#parts.room.inTurn(() => this.#parts.runner.send(place, newJob)),
    )
  }

  /**
   * Goes as far as a send before it accepts a job: a process is started and ended, and the files of a job are made and removed. What a sample adds is
   * whether its body fits the command [W-PROBE-1].
   *
   * @throws SluiceError as {@link ProcessWorker.sendJob}
   */
  async probeSend(sample?: ProbeSample): Promise<void> {
    const job = { id: sample?.id ?? 'probe', uid: `probe of ${randomUUID()}`, attempt: 1 }
    const place = this.#place(job)
    const args = sample === undefined ? [] : undefined
    const probe = this.#newJob({ ...job, queue: this.name, body: sample?.body ?? null }, args)
    await this.#onDisk(`try whether a job could be started in ${this.#parts.layout.root}`, () =>
      this.#parts.runner.probe(place, probe),
    )
  }

  /**
   * Makes the arguments of an item, and nothing of them [W-CHECK-1].
   *
   * @throws SluiceError SLUICE_JOB_REJECTED when the body lacks a field that the command names or has null there, or makes an argument that no command can have
   */
  async checkItem(id: string, body: JsonValue): Promise<void> {
    const job = { id, uid: 'check', attempt: 1 }
    this.#place(job)
    const args = renderArguments(this.#arguments, { ...job, queue: this.name, body }, WAITING_ADVICE)
    assertArgumentsFit(args, id)
  }

  /** Every job whose outcome has not been forgotten, those of earlier processes included [W-POLL-1]. */
  async pollAllStatus(): Promise<JobReports> {
    this.#assertOpen()
    return this.#onDisk('read the jobs', () => this.#parts.follower.poll())
  }

  /** How the job is, forgotten or not; `undefined` when none was ever accepted under this `dir`. */
  async lookupJob(job: JobRef): Promise<JobReport | undefined> {
    const place = this.#place(job)
    return this.#onDisk('read a job', () => this.#parts.follower.lookup(place, job))
  }

  /** SIGTERM to the whole process group of the job, SIGKILL after `killAfterMs`. It then reports FAIL of class `killed`. */
  async cancelJob(job: JobRef, reason: string): Promise<void> {
    const place = this.#place(job)
    await this.#onDisk('cancel a job', async () => {
      const report = await this.#parts.follower.lookup(place, job)
      if (report?.stage === 'PROCESSING') await this.#parts.stopper.cancel(place, reason)
    })
  }

  /** Takes jobs that have ended out of what is polled, and keeps or removes their outputs as `keepOutputs` says. */
  async acknowledgeJobs(jobs: readonly JobRef[]): Promise<void> {
    const places = jobs.map((job) => this.#place(job))
    const { layout, settings } = this.#parts
    await this.#onDisk('forget jobs', async () => {
      await pMap(places, (place) => archiveJob(layout, place, settings.keepOutputs), { concurrency: 16 })
    })
  }

  /**
   * All of the job's stdout, then all of its stderr, byte by byte, as the supervisor keeps them in `dir`; nothing tells how the two were interleaved. With
   * `follow` each as it grows. `tailBytes` counts from the end of stderr back into stdout. They are kept as `keepOutputs` says [W-LOG-1].
   *
   * @throws SluiceError SLUICE_ITEM_NOT_FOUND for a job that is not under this `dir`, such as one of another machine, and once its outputs are removed
   */
  async *readLog(job: JobRef, options: ReadLogOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
    const { layout, settings, bootId, table } = this.#parts
    const { signal } = options
    yield* readJobLog(options, {
      job,
      place: this.#place(job),
      layout,
      settings,
      bootId,
      table,
      ends: signal === undefined ? this.#closing.signal : AbortSignal.any([signal, this.#closing.signal]),
      assertGoing: () => {
        signal?.throwIfAborted()
        this.#assertOpen()
      },
      onDisk: (act) => this.#onDisk('read the log of a job', act),
    })
  }

  /** Yields when some job of the queue ends, whichever process started it. */
  watch({ signal }: CallOptions = {}): AsyncIterable<undefined> {
    this.#assertOpen()
    const ends = signal === undefined ? this.#closing.signal : AbortSignal.any([signal, this.#closing.signal])
    return this.#parts.doorbell.listen(ends)
  }

  /**
   * @throws SluiceError SLUICE_CONFIG_INVALID when the program, the interpreter that its first line names, the script that it runs, or `cwd` isn't there; SLUICE_WORKER_DENIED or
   * SLUICE_WORKER_UNAVAILABLE when `dir` can't be written, or has no room for a job; how many it has room for is logged
   */
  async check(): Promise<void> {
    this.#assertOpen()
    const { runner, settings, logger } = this.#parts
    await this.#onDisk(`use the folder of the jobs ${this.#parts.layout.root}`, async () => {
      const { cwd } = runner.search()
      const folder = await absentAsUndefined(() => stat(cwd))
      if (!folder?.isDirectory()) throw invalid(`cwd ${JSON.stringify(cwd)} is not a folder.`)
      const program = await runner.program()
      if (program === undefined) throw invalid(missingProgram(settings, runner.search()))
      const unstartable = await interpreterProblem(program, runner.search())
      if (unstartable !== undefined) throw invalid(`${unstartable}.`)
      const { wrong, doubtful } = await missingScript(settings.command, runner.search())
      if (wrong !== undefined) throw invalid(`${wrong}.`)
      if (doubtful !== undefined) logger?.warn({}, doubtful)
      await access('/bin/sh', constants.X_OK)
      await this.#checkRoom()
    })
    await this.probeSend()
  }

  async #checkRoom(): Promise<void> {
    const { layout, logger } = this.#parts
    const free = await freeRoom(layout.root)
    const jobs = roomForJobs(free)
    const text = `${freeText(free)} under ${layout.root}`
    if (jobs < 1) {
      const message = `@sluice/worker-process has no room to start a job: ${text}, and ${needText(free)}. Make room there.`
      throw new SluiceError('SLUICE_WORKER_UNAVAILABLE', message, { concerns: 'worker' })
    }
    logger?.info({ jobs }, `${text}; jobs that this has room for`)
  }

  /** Jobs go on, and are found again by the next worker on the same `dir`. */
  async close(): Promise<void> {
    this.#closing.abort()
    this.#parts.stopper.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #newJob(
    { body, ...item }: TemplateItem,
    args = renderArguments(this.#arguments, { ...item, body }),
  ): NewJob {
    const { settings, bootId } = this.#parts
    const stdin = encodeJson(body, Number.MAX_SAFE_INTEGER)
    const file = {
      ...item,
      args,
      bootId,
      acceptedAt: Date.now(),
      jobUid: randomUUID(),
      killAfterMs: settings.killAfterMs,
    }
    return { file, stdin: settings.stdin === 'json' ? stdin : undefined }
  }

  #place(job: JobRef): JobPlace {
    this.#assertOpen()
    assertItemId(job.id)
    if (typeof job.uid !== 'string' || job.uid === '')
      throw new TypeError('uid must be a string that is not empty')
    assertCount(job.attempt, 'attempt')
    return this.#parts.layout.place(job)
  }

  #assertOpen(): void {
    if (!this.#closing.signal.aborted) return
    const message = `The worker of queue ${JSON.stringify(this.name)} was closed; open another one.`
    throw new SluiceError('SLUICE_WORKER_CLOSED', message)
  }

  async #onDisk<T>(doing: string, act: () => Promise<T>): Promise<T> {
    try {
      return await act()
    } catch (error) {
      if (error instanceof TypeError) throw error
      throw await this.#diskError(error, doing)
    }
  }

  async #diskError(cause: unknown, doing: string): Promise<SluiceError> {
    const { layout, room } = this.#parts
    if (!isNoRoom(cause)) return fileError(cause, doing)
    room.noteRefused()
    // What is free may be unknown, and what failed is known.
    const free = await freeRoom(layout.root).catch(() => undefined)
    const text = free === undefined ? 'what is free is not known' : freeText(free)
    return fileError(cause, doing, `; ${text} under ${layout.root}, make room there`)
  }
}

/** Of many that open a new folder at once the first one names it. */
async function identityOf(layout: Layout): Promise<string | undefined> {
  const path = join(layout.root, 'identity')
  try {
    await writeOnce(path, randomUUID())
  } catch (error) {
    // What runs must be followed on a full disk too: which folder this is can be noted when there is room again.
    if (!isNoRoom(error)) throw error
  }
  const record = await readRecord(path)
  return record === undefined ? undefined : `process:${record.text}`
}

function invalid(why: string): SluiceError {
  return new SluiceError('SLUICE_CONFIG_INVALID', `@sluice/worker-process can't run the command: ${why}`)
}
