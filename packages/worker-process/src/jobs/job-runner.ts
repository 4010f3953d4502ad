import { SluiceError } from '@sluice/core'
import { parseClaim, type Claim } from './claim.js'
import { readJobFile, type JobFile } from './job-file.js'
import { interpreterProblem } from '../command/interpreter.js'
import { enterIndex, isArchived } from './job-index.js'
import type { JobPlace } from '../disk/layout.js'
import type { ProcessWorkerSettings } from '../options.js'
import { findProgram, isExecutable, type ProgramSearch } from '../command/program.js'
import { hasRecord } from '../disk/record.js'
import { Supervisor, SupervisorLost, lostError } from '../processes/supervisor.js'
import type { ObservedEnd, RequestKind, SupervisorReply } from '../supervisor/messages.js'

/** A job to be accepted, and what is to be on its stdin. */
export interface NewJob {
  readonly file: JobFile
  readonly stdin: string | undefined
}

/** What a runner is made of. */
export interface RunnerParts {
  readonly settings: ProcessWorkerSettings & { readonly cwd: string }
  readonly bootId: string
  /** Whether the configuration read a secret from this variable. */
  readonly isSecretVariable: ((name: string) => boolean) | undefined
  /** Called when a job of this process has ended, and when its supervisor was killed. */
  readonly onChange: () => void
}

/** A job that the supervisor of this process runs or has run. */
export interface OwnJob {
  readonly file: JobFile
  readonly claim: Claim
  end?: ObservedEnd
}

/** Starts jobs, each once, by a supervisor of its own, and knows how they are. */
export class JobRunner {
  readonly #parts: RunnerParts
  readonly #supervisor: Supervisor
  /** Those that the supervisor runs, or that have ended and are not acknowledged. */
  readonly #own = new Map<string, OwnJob>()
  readonly #sending = new Map<string, Promise<void>>()
  /** Ends that came before the reply that says who started the job. */
  readonly #early = new Map<string, ObservedEnd>()
  #program: string | undefined

  constructor(parts: RunnerParts) {
    this.#parts = parts
    const { settings } = parts
    this.#supervisor = new Supervisor({
      config: {
        dir: settings.dir,
        queue: settings.name,
        cwd: settings.cwd,
        bootId: parts.bootId,
        fsync: settings.fsync,
        killAfterMs: settings.killAfterMs,
        timeoutMs: settings.timeoutMs,
        stdin: settings.stdin === 'json',
      },
      environment: () => jobEnvironment(settings, parts.isSecretVariable),
      onEnd: (end) => this.#onEnd(end),
      onLost: () => this.#onLost(),
    })
  }

  /**
   * Accepts a job and starts it: the supervisor does both, so that a job that was handed over runs whether or
   * not this process lives. What it does in which order stands there.
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
   * @returns whether it was tried; it is not when it is being sent
   */
  async resume(place: JobPlace, file: JobFile): Promise<boolean> {
    if (this.#own.has(place.key) || this.#sending.has(place.key)) return false
    await this.#start(place, file)
    return true
  }

  /**
   * Does what a send does before it accepts a job, and leaves no trace: the program is there, a process can
   * be started, and the disk has room for all that a job needs.
   */
  async probe(place: JobPlace, job: NewJob): Promise<void> {
    try {
      await this.#request('probe', place, job)
    } catch (error) {
      throw error instanceof SupervisorLost ? lostError(job.file.id) : error
    }
  }

  /** What is known of a job that the supervisor of this process has started. */
  own(key: string): OwnJob | undefined {
    return this.#own.get(key)
  }

  /** Whether the claim is that of the supervisor of this process, which runs. */
  isOwnClaim({ isShared, pid }: Claim): boolean {
    return isShared && pid === this.#supervisor.pid
  }

  /** The queue has the outcome. */
  forget(key: string): void {
    this.#own.delete(key)
  }

  close(): void {
    this.#supervisor.close()
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
    return { cwd, path: env?.PATH ?? process.env.PATH ?? '/usr/bin:/bin' }
  }

  async #sendOnce(place: JobPlace, job: NewJob): Promise<void> {
    if (this.#own.has(place.key)) return
    try {
      const { accepted, claim } = await this.#request('send', place, job)
      if (accepted === false) await this.#goOn(place, job.file.id)
      else this.#take(place, job.file, claim)
    } catch (error) {
      if (!(error instanceof SupervisorLost)) throw error
      // Of what it had accepted a poll says how it is.
      if ((await readJobFile(place)) === undefined) throw lostError(job.file.id)
      await enterIndex(place)
    }
  }

  /** Of a job that was accepted before. */
  async #goOn(place: JobPlace, itemId: string): Promise<void> {
    if ((await hasRecord(place.claim)) || (await isArchived(place))) return
    const file = await readJobFile(place)
    if (file === undefined) return
    if (file === 'damaged') throw damaged(itemId)
    await enterIndex(place)
    // Whether one that was accepted before the machine went down had begun is unknown: the next poll says
    // that it failed.
    if (file.bootId === this.#parts.bootId) await this.#start(place, file).catch(leftToPoll)
  }

  async #start(place: JobPlace, file: JobFile): Promise<void> {
    const { claim } = await this.#request('start', place, { file, stdin: undefined })
    this.#take(place, file, claim)
  }

  async #request(kind: RequestKind, { key }: JobPlace, { file, stdin }: NewJob): Promise<SupervisorReply> {
    const program = await this.program()
    if (program === undefined) throw this.#withoutProgram(file.id)
    return this.#supervisor.request(kind, { key, program, file, ...(stdin === undefined ? {} : { stdin }) })
  }

  #take({ key }: JobPlace, file: JobFile, claim: SupervisorReply['claim']): void {
    const end = this.#early.get(key)
    this.#early.delete(key)
    if (claim === undefined) return
    this.#own.set(key, { file, claim: parseClaim(claim), ...(end === undefined ? {} : { end }) })
    if (end !== undefined) this.#parts.onChange()
  }

  #onEnd(end: ObservedEnd): void {
    const own = this.#own.get(end.key)
    if (own === undefined) this.#early.set(end.key, end)
    else own.end = end
    this.#parts.onChange()
  }

  #onLost(): void {
    this.#own.clear()
    this.#early.clear()
    this.#parts.onChange()
  }

  #withoutProgram(itemId: string): SluiceError {
    const message =
      `Could not start item ${JSON.stringify(itemId)}: ${missingProgram(this.#parts.settings, this.search())} ` +
      'No item fails for it; jobs start as soon as it is there.'
    return new SluiceError('SLUICE_WORKER_UNAVAILABLE', message, { itemId, concerns: 'worker' })
  }
}

function leftToPoll(): void {
  // It was accepted and stays so: the next poll tries again, and says why it can't begin.
}

/**
 * The service's own environment, less what configures Sluice itself and the variables that secrets of the
 * configuration came from; then what the options say.
 */
function jobEnvironment(
  settings: ProcessWorkerSettings,
  isSecretVariable: (name: string) => boolean = () => false,
): Readonly<Record<string, string | undefined>> {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('SLUICE_') && !isSecretVariable(name),
  )
  return { ...Object.fromEntries(inherited), ...settings.env }
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
