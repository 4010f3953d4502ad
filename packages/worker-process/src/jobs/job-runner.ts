import type { ChildProcess } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { SluiceError } from '@sluice/core'
import { readClaim, type Claim } from './claim.js'
import { acceptJob, prepareJob, readJobFile, type NewJob } from './job-file.js'
import { interpreterProblem } from '../command/interpreter.js'
import { enterIndex, enterNew, isArchived } from './job-index.js'
import type { JobPlace, Layout } from '../disk/layout.js'
import type { ProcessWorkerSettings } from '../options.js'
import { findProgram, isExecutable, type ProgramSearch } from '../command/program.js'
import { hasRecord, writeOnce } from '../disk/record.js'
import { startSupervisor, type Supervisor } from '../processes/supervisor.js'

/** What a runner is made of. */
export interface RunnerParts {
  readonly layout: Layout
  readonly settings: ProcessWorkerSettings
  readonly bootId: string
  /** Whether the configuration read a secret from this variable. */
  readonly isSecretVariable: ((name: string) => boolean) | undefined
  /** Called when a supervisor of this process that had claimed its job ended and left no record. */
  readonly onVanished: () => void
}

/** Starts jobs, each once, and knows which of them are children of this process. */
export class JobRunner {
  readonly #parts: RunnerParts
  /** Supervisors that were told to go and have not ended. */
  readonly #children = new Map<string, ChildProcess>()
  readonly #sending = new Map<string, Promise<void>>()
  #program: string | undefined

  constructor(parts: RunnerParts) {
    this.#parts = parts
  }

  /**
   * Accepts a job and starts it. The order is the design: (1) a supervisor is started, since only that can
   * fail for want of processes or for too long a command line, and then nothing was accepted; (2) the job is
   * put on the disk, which accepts it; (3) its index entry makes it visible to `pollAllStatus`; (4) the
   * supervisor is told to go, and claims it. Killed between 1 and 2, the supervisor ends by itself; between 2
   * and 3, the next send or look-up of the job goes on with 3; after 3, a poll does.
   */
  async send(place: JobPlace, job: NewJob): Promise<void> {
    const sending = this.#sending.get(place.key) ?? this.#sendOnce(place, job)
    this.#sending.set(place.key, sending)
    try {
      await sending
    } finally {
      this.#sending.delete(place.key)
    }
  }

  /**
   * Starts a job that was accepted and that no process has claimed: its sender was killed. It must be in the
   * index, else its end would go unreported. Harmless if another process does the same.
   *
   * @returns whether it was started; it is not when it is being sent
   */
  async resume(place: JobPlace, job: NewJob['file']): Promise<boolean> {
    if (this.#children.has(place.key) || this.#sending.has(place.key)) return false
    this.#go(place, await this.#launch(job, place))
    return true
  }

  /**
   * Does what a send does before it accepts a job, and leaves no trace: the program is there, a process can
   * be started, and the disk has room for all that a job needs.
   */
  async probe(place: JobPlace, job: NewJob): Promise<void> {
    const supervisor = await this.#launch(job.file, place)
    try {
      await this.#tryFiles(place, job)
    } finally {
      supervisor.dismiss()
    }
  }

  /**
   * Whether the claim is that of a child that still runs. Its pid can't be another's before its end was
   * noticed here.
   */
  isLiveChild(place: JobPlace, claim: Claim): boolean {
    return this.#children.get(place.key)?.pid === claim.pid
  }

  /** Where the program is now. */
  async program(): Promise<string | undefined> {
    const [name = ''] = this.#parts.settings.command
    if (this.#program === undefined || !(await isExecutable(this.#program))) {
      this.#program = await findProgram(name, this.search())
    }
    return this.#program
  }

  /** Why the program can't be started although it is there, as things are now. */
  async unstartable(): Promise<string | undefined> {
    const program = await this.program()
    return program === undefined ? undefined : interpreterProblem(program, this.search())
  }

  search(): ProgramSearch {
    const { cwd, env } = this.#parts.settings
    return { cwd: cwd ?? process.cwd(), path: env?.PATH ?? process.env.PATH ?? '/usr/bin:/bin' }
  }

  async #sendOnce(place: JobPlace, job: NewJob): Promise<void> {
    if (this.#children.has(place.key) || (await hasRecord(place.claim)) || (await isArchived(place))) return
    const supervisor = await this.#launch(job.file, place)
    try {
      if (await this.#accept(place, job)) this.#go(place, supervisor)
    } finally {
      // After `go` it says nothing more; before it, the supervisor ends without a trace.
      supervisor.dismiss()
    }
  }

  async #launch(job: NewJob['file'], place: JobPlace): Promise<Supervisor> {
    const program = await this.program()
    if (program === undefined) throw this.#withoutProgram(job.id)
    const { layout, settings, isSecretVariable } = this.#parts
    return startSupervisor(layout, settings, { ...job, place, program, isSecretVariable })
  }

  /**
   * Only of an accepted job. A supervisor that was killed meanwhile is no child to wait for: the next poll
   * starts another.
   */
  #go(place: JobPlace, supervisor: Supervisor): void {
    const child = supervisor.process
    if (child.exitCode === null && child.signalCode === null) {
      this.#children.set(place.key, child)
      child.once('exit', () => void this.#onExit(place, child))
    }
    supervisor.go()
  }

  /** @returns whether it may start */
  async #accept(place: JobPlace, job: NewJob): Promise<boolean> {
    const { layout, settings, bootId } = this.#parts
    const accepted = await acceptJob(layout, place, { ...job, fsync: settings.fsync })
    const file = accepted ? job.file : await readJobFile(place)
    if (file === undefined) return false
    if (file === 'damaged') throw damaged(job.file.id)
    const seen = accepted ? await enterNew(place) : await enterIndex(place).then(() => true)
    // Whether one that was accepted before the machine went down had begun is unknown: the next poll says
    // that it failed.
    return seen && file.bootId === bootId
  }

  async #tryFiles(place: JobPlace, job: NewJob): Promise<void> {
    const { layout, settings } = this.#parts
    const prepared = await prepareJob(layout, place, { ...job, fsync: settings.fsync })
    try {
      // As the supervisor does when the job begins and ends.
      for (const record of ['claim', 'ended']) await writeOnce(join(prepared, record), 'probe')
    } finally {
      await rm(prepared, { recursive: true, force: true })
    }
  }

  async #onExit(place: JobPlace, child: ChildProcess): Promise<void> {
    if (this.#children.get(place.key) === child) this.#children.delete(place.key)
    // What can't be read is read by the poll that this wakes, which says why.
    if (await this.#hasVanished(place, child).catch(() => true)) this.#parts.onVanished()
  }

  async #hasVanished(place: JobPlace, child: ChildProcess): Promise<boolean> {
    if (await hasRecord(place.ended)) return false
    // One that could not claim its job is started again by a later poll: to wake one for it would spin where
    // there is no room.
    return (await readClaim(place))?.pid === child.pid
  }

  #withoutProgram(itemId: string): SluiceError {
    const message =
      `Could not start item ${JSON.stringify(itemId)}: ${missingProgram(this.#parts.settings, this.search())} ` +
      'No item fails for it; jobs start as soon as it is there.'
    return new SluiceError('SLUICE_WORKER_UNAVAILABLE', message, { itemId, concerns: 'worker' })
  }
}

/** A sentence for the case that the program can't be found. */
export function missingProgram(settings: ProcessWorkerSettings, search: ProgramSearch): string {
  const [name = ''] = settings.command
  const where = name.includes('/') ? `from ${search.cwd}` : `in PATH ${search.path}`
  return `there is no executable program ${JSON.stringify(name)} ${where}.`
}

function damaged(itemId: string): SluiceError {
  const message =
    `The files of the job for item ${JSON.stringify(itemId)} are damaged, as after a power cut: whether it ran can't be known. ` +
    'Check its effects, then requeue it.'
  return new SluiceError('SLUICE_JOB_REJECTED', message, { itemId, concerns: 'item' })
}
