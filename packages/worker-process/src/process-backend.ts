import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { join } from 'node:path'
import {
  SluiceError,
  type CheckUse,
  type JobRef,
  type JobReport,
  type JobReports,
  type Logger,
  type ProbeSample,
  type Runtime,
  type WorkerUse,
} from '@sluice/core'
import {
  encodeJson,
  startTimer,
  systemRuntime,
  type BackendSupports,
  type CheckedJob,
  type CheckedReadLog,
  type WorkerBackend,
} from '@sluice/core/backend'
import {
  WAITING_ADVICE,
  overrideNames,
  parseArgument,
  renderArguments,
  type ArgumentTemplate,
} from './command/command-template.js'
import { interpreterProblem, missingScript } from './command/interpreter.js'
import { FolderWatch } from './disk/folder-watch.js'
import { Layout } from './disk/layout.js'
import { FolderError, makeFolder } from './disk/make-folder.js'
import { absentAsUndefined, readRecord, writeOnce } from './disk/record.js'
import { Room, countText, freeRoom, freeText, needText, roomForJobs, roughFreeText } from './disk/room.js'
import { archiveJob, sweepPreparing } from './jobs/job-archive.js'
import { JobFollower } from './jobs/job-follower.js'
import { readJobLog } from './jobs/job-log.js'
import { FAILURES } from './jobs/job-report.js'
import { JobRunner, missingProgram, type NewJob } from './jobs/job-runner.js'
import { JobStopper } from './jobs/job-stopper.js'
import { withAbsolutePaths, type ProcessWorkerSettings } from './options.js'
import { assertArgumentsFit, fileError, isNoRoom } from './process-errors.js'
import { settleJournals } from './supervisor/journal.js'
import { OomKills } from './processes/oom-kills.js'
import { systemProcessTable, type ProcessTable } from './processes/process-table.js'

const SUPPORTS = {
  durable: true,
  incompletePolls: true,
  overrides: true,
  failures: FAILURES,
  // A local disk answers, and nothing here waits for a job.
  longestCallMs: 60_000,
} as const satisfies BackendSupports

/**
 * When processes were found to be left of a job that has ended, they are checked again after this time, in
 * ms.
 */
const LEFT_AGAIN_MS = 100
/** After so many jobs that were archived, other work has its turn. */
const ARCHIVED_AT_ONCE = 16

/** @throws SluiceError SLUICE_CONFIG_INVALID where there are no process groups and no `/bin/sh` */
export function assertPlatform(platform: NodeJS.Platform): void {
  if (platform !== 'win32') return
  const message =
    '@sluice/worker-process does not run on Windows: it needs process groups and /bin/sh. Use Linux, macOS or WSL.'
  throw new SluiceError('SLUICE_CONFIG_INVALID', message)
}

interface BackendParts {
  readonly settings: ProcessWorkerSettings & { readonly cwd: string }
  readonly runtime: Runtime
  readonly layout: Layout
  /** Of the folder of the queue's jobs, where it could be noted there. */
  readonly identity: string | undefined
  readonly bootId: string
  readonly table: ProcessTable
  readonly ends: FolderWatch
  readonly runner: JobRunner
  readonly stopper: JobStopper
  readonly follower: JobFollower
  readonly room: Room
  readonly logger: Logger | undefined
}

/** Makes the folders of the jobs. That the command is there is for `check` to say. */
export async function openBackend(given: ProcessWorkerSettings, use: WorkerUse): Promise<ProcessBackend> {
  const settings = withAbsolutePaths(given, use)
  const { runtime = systemRuntime } = settings
  const layout = new Layout({ dir: settings.dir, queue: settings.name, runtime })
  try {
    const identity = await prepareFolders(layout, { settings, runtime })
    return new ProcessBackend({ ...(await partsOf({ settings, runtime, layout }, use)), identity })
  } catch (error) {
    if (error instanceof FolderError) throw error.asMistake()
    throw fileError(error, `make or open the folder of the jobs ${layout.root}`)
  }
}

type Base = Pick<BackendParts, 'settings' | 'runtime' | 'layout'>

async function partsOf(base: Base, use: WorkerUse): Promise<Omit<BackendParts, 'identity'>> {
  const { settings, runtime, layout } = base
  const { logger, reading = false, isSecretVariable } = use
  const table = systemProcessTable()
  const bootId = await table.bootId()
  const shared = { ...base, table, bootId }
  if (!reading) await settleJournals(layout, { bootId, table })
  const ends: FolderWatch = new FolderWatch(layout.ended, runtime, (key) => runner.own(key) !== undefined)
  const runner: JobRunner = new JobRunner({ ...shared, isSecretVariable, onChange: () => ends.notify() })
  const stopper = new JobStopper({ table, runtime, killAfterMs: settings.killAfterMs })
  const room = new Room({ layout, runtime, ...(logger === undefined ? {} : { logger }) })
  const oomKills = await OomKills.open({ runtime })
  const onLeft = (): void => {
    startTimer(runtime, { ms: LEFT_AGAIN_MS, background: true }, () => ends.notify())
  }
  const follower = new JobFollower({ ...shared, runner, stopper, room, oomKills, reading, onLeft })
  return { ...shared, ends, runner, stopper, follower, room, logger }
}

/** @returns the identity of the folder */
async function prepareFolders(
  layout: Layout,
  { settings, runtime }: Pick<Base, 'settings' | 'runtime'>,
): Promise<string | undefined> {
  // The folder of the options comes first: an error names the first one that can't be made.
  for (const folder of [settings.dir, layout.active, layout.stopping, layout.ended, layout.preparing]) {
    await makeFolder(folder)
  }
  await writeOnce(join(layout.root, 'queue'), settings.name)
  const identity = await identityOf(layout, runtime)
  await sweepPreparing(layout, runtime.now())
  return identity
}

/** Of many that open a new folder at once the first one names it. */
async function identityOf(layout: Layout, runtime: Runtime): Promise<string | undefined> {
  const path = join(layout.root, 'identity')
  try {
    await writeOnce(path, runtime.newId())
  } catch (error) {
    // What runs must be followed on a full disk too: the identity can be noted when there is room again.
    if (!isNoRoom(error)) throw error
  }
  const record = await readRecord(path)
  return record === undefined ? undefined : `process:${record.text}`
}

/**
 * Runs a local command for each item, under a supervisor that outlives this process. Jobs, exit codes and
 * outputs are on the disk; any number of workers on one machine may share a `dir`.
 */
export class ProcessBackend implements WorkerBackend {
  readonly supports: BackendSupports
  /** A random id that is kept in `dir`, beside the jobs: it moves and goes with the folder [W-ID-1]. */
  readonly identity: string | undefined
  readonly #parts: BackendParts
  readonly #arguments: readonly ArgumentTemplate[]

  constructor(parts: BackendParts) {
    this.#parts = parts
    this.identity = parts.identity
    this.supports = { ...SUPPORTS, identity: parts.identity !== undefined }
    this.#arguments = parts.settings.command.slice(1).map(parseArgument)
  }

  /**
   * Starts the command for an item. Returned, the job is on the disk and will run, once, whatever is killed
   * [W-SEND-1].
   *
   * @throws SluiceError SLUICE_JOB_REJECTED when the body lacks a field that the command names or has null
   * there, a value has a NUL character or the command line is too large; SLUICE_WORKER_UNAVAILABLE when the
   * program is missing or the machine is out of processes, files or disk; SLUICE_WORKER_DENIED when a
   * permission is missing. Nothing runs after any of them [W-SEND-2]
   */
  async sendJob(job: CheckedJob): Promise<void> {
    const place = this.#parts.layout.place(job)
    this.#assertOverridden(job)
    const newJob = this.#newJob(job)
    await this.#onDisk(`start a job for item ${JSON.stringify(job.id)}`, () =>
      this.#parts.room.inTurn(() => this.#parts.runner.send(place, newJob)),
    )
  }

  /**
   * Does all that a send does before it accepts a job: a process is started and ended, and the files of a job
   * are made and removed. What a sample adds is whether its body fits the command [W-PROBE-1].
   */
  async probeSend(sample?: ProbeSample): Promise<void> {
    const { layout, runner, runtime, settings } = this.#parts
    const job = { id: sample?.id ?? 'probe', uid: `probe of ${runtime.newId()}`, attempt: 1 }
    const args = sample === undefined ? [] : undefined
    const probe = this.#newJob({ ...job, queue: settings.name, body: sample?.body ?? null }, args)
    await this.#onDisk(`try whether a job could be started in ${layout.root}`, () =>
      runner.probe(layout.place(job), probe),
    )
  }

  /**
   * Makes the arguments of an item, and nothing of them [W-CHECK-1].
   *
   * @throws SluiceError SLUICE_JOB_REJECTED when the body lacks a field that the command names or has null
   * there, or makes an argument that no command can have
   */
  async checkItem(id: string, body: CheckedJob['body']): Promise<void> {
    const job = { id, uid: 'check', attempt: 1, queue: this.#parts.settings.name, body }
    assertArgumentsFit(renderArguments(this.#arguments, job, WAITING_ADVICE), id)
  }

  /** Every job whose outcome is not acknowledged, those of earlier processes included [W-POLL-1]. */
  pollAllStatus(): Promise<JobReports> {
    return this.#onDisk('read the jobs', () => this.#parts.follower.poll())
  }

  /** How the job is, acknowledged or not; `undefined` when none was ever accepted under this `dir`. */
  lookupJob(job: JobRef): Promise<JobReport | undefined> {
    const place = this.#parts.layout.place(job)
    return this.#onDisk('read a job', () => this.#parts.follower.lookup(place, job))
  }

  /**
   * SIGTERM to the whole process group of the job, SIGKILL after `killAfterMs`. It then reports FAIL of class
   * `killed`.
   */
  cancelJob(job: JobRef, reason: string): Promise<void> {
    const { layout, follower, stopper } = this.#parts
    const place = layout.place(job)
    return this.#onDisk('cancel a job', async () => {
      const report = await follower.lookup(place, job)
      if (report?.stage === 'PROCESSING') await stopper.cancel(place, reason)
    })
  }

  /**
   * Takes jobs that have ended out of what is polled, and keeps or removes their outputs as `keepOutputs`
   * says.
   */
  async acknowledgeJobs(jobs: readonly JobRef[]): Promise<void> {
    await this.#onDisk('archive jobs', () => this.#archive(jobs))
  }

  async #archive(jobs: readonly JobRef[]): Promise<void> {
    const { layout, settings, runtime, runner } = this.#parts
    for (const [index, job] of jobs.entries()) {
      if (index > 0 && index % ARCHIVED_AT_ONCE === 0) await runtime.yield()
      const place = layout.place(job)
      archiveJob(layout, place, settings.keepOutputs)
      runner.forget(place.key)
    }
  }

  /**
   * All of the job's stdout, then all of its stderr, byte by byte, as the supervisor keeps them in `dir`;
   * nothing tells how the two were interleaved. With `follow` each as it grows. `tailBytes` counts from the
   * end of stderr back into stdout. They are kept as `keepOutputs` says [W-LOG-1].
   *
   * @throws SluiceError SLUICE_ITEM_NOT_FOUND for a job that is not under this `dir`, such as one of another
   * machine, and once its outputs are removed
   */
  readLog(job: JobRef, options: CheckedReadLog): AsyncIterable<Uint8Array> {
    const place = this.#parts.layout.place(job)
    return readJobLog({ job, place }, options, {
      ...this.#parts,
      onDisk: (act) => this.#onDisk('read the log of a job', act),
    })
  }

  /** Yields when some job of the queue ends, whichever process started it. */
  watch(signal: AbortSignal): AsyncIterable<undefined> {
    return this.#parts.ends.listen(signal)
  }

  /**
   * @throws SluiceError SLUICE_CONFIG_INVALID when the program, the interpreter that its first line names,
   * the script that it runs, or `cwd` is missing; SLUICE_WORKER_DENIED or SLUICE_WORKER_UNAVAILABLE when
   * `dir` can't be written, or has no room for a job; how many it has room for is logged.
   * SLUICE_CONFIG_INVALID too for a placeholder of an override that no send will have
   */
  async check({ overrides }: CheckUse = {}): Promise<void> {
    if (overrides !== undefined) this.#checkOverrides(overrides)
    const { layout } = this.#parts
    await this.#onDisk(`use the folder of the jobs ${layout.root}`, async () => {
      await this.#checkCommand()
      await access('/bin/sh', constants.X_OK)
      await this.#checkRoom()
    })
    await this.probeSend()
  }

  /** Jobs go on, and are found again by the next worker on the same `dir`. */
  async close(): Promise<void> {
    this.#parts.stopper.close()
    this.#parts.runner.close()
  }

  async #checkCommand(): Promise<void> {
    const { runner, settings, logger } = this.#parts
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
  }

  /** No item is to blame for a placeholder that only the configuration can fill. */
  #assertOverridden({ id, overrides = {} }: CheckedJob): void {
    const missing = overrideNames(this.#arguments).find((name) => overrides[name] === undefined)
    if (missing === undefined) return
    const message = `Could not start item ${JSON.stringify(id)}: the command has the placeholder {override.${missing}}, and the send has no override ${missing}. Let a retry rule escalate it, or take the placeholder out.`
    throw new SluiceError('SLUICE_WORKER_UNAVAILABLE', message, { itemId: id, concerns: 'worker' })
  }

  #checkOverrides(given: readonly string[]): void {
    const [missing] = overrideNames(this.#arguments).filter((name) => !given.includes(name))
    if (missing === undefined) return
    throw invalid(
      `it has the placeholder {override.${missing}}, and no retry rule escalates ${missing}: add \`escalate\` to a rule of \`retry.rules\`, or take the placeholder out.`,
    )
  }

  async #checkRoom(): Promise<void> {
    const { layout, logger } = this.#parts
    const free = await freeRoom(layout.root)
    const jobs = roomForJobs(free)
    if (jobs < 1) {
      const message = `@sluice/worker-process has no room to start a job: ${freeText(free)} under ${layout.root}, and ${needText(free)}. Make room there.`
      throw new SluiceError('SLUICE_WORKER_UNAVAILABLE', message, { concerns: 'worker' })
    }
    logger?.info({}, `${roughFreeText(free)} under ${layout.root}: room for about ${countText(jobs)} jobs`)
  }

  #newJob(
    { id, uid, attempt, queue, body, overrides }: CheckedJob,
    args = renderArguments(this.#arguments, {
      id,
      uid,
      attempt,
      queue,
      body,
      ...(overrides === undefined ? {} : { overrides }),
    }),
  ): NewJob {
    const { settings, bootId, runtime } = this.#parts
    const stdin = encodeJson(body, Number.MAX_SAFE_INTEGER)
    const file = {
      id,
      uid,
      attempt,
      queue,
      args,
      bootId,
      acceptedAt: runtime.now(),
      jobUid: runtime.newId(),
      killAfterMs: settings.killAfterMs,
      ...(overrides === undefined ? {} : { overrides }),
    }
    return { file, stdin: settings.stdin === 'json' ? stdin : undefined }
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
    // What is free may be unknown; that a write was refused for want of room is not.
    const free = await freeRoom(layout.root).catch(() => undefined)
    const text = free === undefined ? 'what is free is not known' : freeText(free)
    return fileError(cause, doing, `; ${text} under ${layout.root}, make room there`)
  }
}

function invalid(why: string): SluiceError {
  return new SluiceError('SLUICE_CONFIG_INVALID', `@sluice/worker-process can't run the command: ${why}`)
}
