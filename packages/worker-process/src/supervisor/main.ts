/**
 * The supervisor of the jobs of one service: a program of its own, which outlives the service. It puts jobs
 * on the disk, starts their commands, ends those that are to end, and records how each ended. The service
 * asks for jobs by messages, and by their replies and the disk it learns the rest. When the service has gone
 * the supervisor stays until its last job has ended; timeouts and cancellations hold meanwhile.
 */
import { rmSync } from 'node:fs'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { systemRuntime } from '@sluice/core/backend'
import { Layout } from '../disk/layout.js'
import { hasRecordSync, writeOnceSync } from '../disk/record.js'
import { isSystemError } from '../process-errors.js'
import { MARKER } from '../processes/job-signals.js'
import { systemProcessTable } from '../processes/process-table.js'
import { acceptJob, enterNewJob, prepareJob, withdrawJob } from './job-acceptance.js'
import { Journal } from './journal.js'
import type {
  ObservedEnd,
  SupervisedJob,
  SupervisorConfig,
  SupervisorReply,
  SupervisorRequest,
  SystemFailure,
  ToSupervisor,
} from './messages.js'
import { NotStarted, RunningJobs } from './running-jobs.js'

type Answer = Omit<SupervisorReply, 'number'>

class Supervisor {
  readonly #config: SupervisorConfig
  readonly #layout: Layout
  readonly #jobs: RunningJobs
  readonly #journal: Journal
  /** Jobs that are being accepted or started. */
  readonly #busy = new Set<string>()
  #environment: NodeJS.ProcessEnv = {}
  #replies: SupervisorReply[] = []
  #ends: ObservedEnd[] = []
  #isClosing = false

  constructor(config: SupervisorConfig, start: string) {
    this.#config = config
    this.#layout = new Layout({ dir: config.dir, queue: config.queue, runtime: systemRuntime })
    this.#journal = new Journal({
      layout: this.#layout,
      bootId: config.bootId,
      owner: { pid: process.pid, start },
    })
    this.#jobs = new RunningJobs({
      config,
      layout: this.#layout,
      runtime: systemRuntime,
      claimText: `supervisor ${process.pid} ${start}`,
      onEnd: (end) => {
        if (end !== undefined) this.#ends.push(end)
        this.#flushSoon()
      },
    })
  }

  receive({ environment, requests = [] }: ToSupervisor): void {
    if (environment !== undefined) this.#environment = environment
    for (const request of requests) void this.#answer(request)
  }

  checkStops(): void {
    this.#jobs.checkStops()
  }

  endIfIdle(): void {
    if (process.connected || this.#jobs.size > 0 || this.#busy.size > 0 || this.#isClosing) return
    this.#isClosing = true
    void this.#end()
  }

  async #end(): Promise<void> {
    await this.#journal.close().catch(() => {
      // The journal stays, and the next service settles it.
    })
    process.exit(0)
  }

  async #answer({ number, kind, job }: SupervisorRequest): Promise<void> {
    const reply = await this.#handle(kind, job, this.#environmentOf(job)).catch(failed)
    this.#replies.push({ number, ...reply })
    this.#flushSoon()
  }

  #environmentOf({ key, file }: SupervisedJob): NodeJS.ProcessEnv {
    return {
      ...this.#environment,
      SLUICE_ITEM_ID: file.id,
      SLUICE_ATTEMPT: String(file.attempt),
      SLUICE_QUEUE: this.#config.queue,
      SLUICE_OUTPUT_DIR: this.#layout.placeOf(key).output,
      ...overrideVariables(file),
      [MARKER]: key,
    }
  }

  async #handle(
    kind: SupervisorRequest['kind'],
    job: SupervisedJob,
    environment: NodeJS.ProcessEnv,
  ): Promise<Answer> {
    if (kind === 'probe') return this.#probe(job, environment)
    if (this.#jobs.has(job.key) || this.#busy.has(job.key)) return { accepted: true }
    this.#busy.add(job.key)
    try {
      return kind === 'send' ? await this.#send(job, environment) : await this.#start(job, environment)
    } finally {
      this.#busy.delete(job.key)
    }
  }

  /**
   * The order is the design: (1) the job is put on the disk, which accepts it; (2) the journal holds it for
   * good; (3) its index entry makes it visible to `pollAllStatus`; (4) it is claimed and its command started.
   * Killed before 1, nothing was accepted; between 1 and 3, the next send or look-up of the job goes on with
   * 3; after 3, a poll does. Where no process can be started the job is taken back.
   */
  async #send(job: SupervisedJob, environment: NodeJS.ProcessEnv): Promise<Answer> {
    const { key, file } = job
    const place = this.#layout.placeOf(key)
    // Of one that was accepted or archived no files are made, which may lack room.
    const isKnown = hasRecordSync(place.home) || hasRecordSync(place.gone)
    if (isKnown || !acceptJob(this.#layout, place, job)) return { accepted: false }
    try {
      if (this.#config.fsync) await this.#journal.add({ key, bootId: this.#config.bootId, file })
    } catch (error) {
      withdrawJob(this.#layout, place)
      throw error
    }
    if (!enterNewJob(place)) return { accepted: true }
    try {
      return await this.#start(job, environment)
    } catch (error) {
      withdrawJob(this.#layout, place)
      if (this.#config.fsync) this.#journal.note({ key, bootId: this.#config.bootId })
      throw error
    }
  }

  /** What can't begin for want of room or files stays accepted, and a poll starts it again. */
  async #start(job: SupervisedJob, environment: NodeJS.ProcessEnv): Promise<Answer> {
    try {
      return { accepted: true, claim: await this.#jobs.launch(job, environment) }
    } catch (error) {
      if (error instanceof NotStarted) throw error
      return { accepted: true }
    }
  }

  async #probe(job: SupervisedJob, environment: NodeJS.ProcessEnv): Promise<Answer> {
    await tryProcess(job, { cwd: this.#config.cwd, environment })
    const prepared = prepareJob(this.#layout, this.#layout.placeOf(job.key), job)
    try {
      // As when a job begins and ends.
      for (const record of ['claim', 'ended']) writeOnceSync(join(prepared, record), 'probe')
    } finally {
      rmSync(prepared, { recursive: true, force: true })
    }
    return { accepted: true }
  }

  /** All of one turn go in one message. */
  #flushSoon(): void {
    if (this.#replies.length + this.#ends.length > 1) return
    void this.#flush()
  }

  async #flush(): Promise<void> {
    await systemRuntime.yield()
    const message = { replies: this.#replies, ends: this.#ends }
    this.#replies = []
    this.#ends = []
    // Without a service, the next one reads the disk.
    if (process.connected) process.send?.(message, undefined, {}, () => {})
    this.endIfIdle()
  }
}

/** Such as `SLUICE_OVERRIDE_MEMORY` for `memory`: capitals, and `_` in place of `-`. */
function overrideVariables({ overrides = {} }: SupervisedJob['file']): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(overrides).map(([name, value]) => [
      `SLUICE_OVERRIDE_${name.toUpperCase().replaceAll('-', '_')}`,
      value,
    ]),
  )
}

/** The shell stands for the program: it takes the same arguments, and does nothing. */
async function tryProcess(
  { program, file }: SupervisedJob,
  { cwd, environment }: { readonly cwd: string; readonly environment: NodeJS.ProcessEnv },
): Promise<void> {
  try {
    const args = ['-c', ':', 'sluice-probe', program, ...file.args]
    const child = spawn('/bin/sh', args, { cwd, env: environment, stdio: 'ignore' })
    await once(child, 'exit')
  } catch (error) {
    throw new NotStarted('no process', { cause: error })
  }
}

function failed(error: unknown): Answer {
  const ofProcess = error instanceof NotStarted
  const cause: unknown = ofProcess ? error.cause : error
  const message = cause instanceof Error ? cause.message : String(cause)
  const failure: SystemFailure = isSystemError(cause)
    ? { code: cause.code, syscall: cause.syscall, path: cause.path, message, ofProcess }
    : { message, ofProcess }
  return { failure }
}

async function main(): Promise<void> {
  let supervisor: Supervisor | undefined
  // A system that shuts down sends these to every process; how the commands end is still to be recorded.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {})
  process.on('SIGUSR2', () => supervisor?.checkStops())
  // An error of one job must not end the others: what is on the disk of it decides.
  process.on('uncaughtException', () => {})
  const early: ToSupervisor[] = []
  process.on('message', (message: ToSupervisor) => {
    if (supervisor === undefined) early.push(message)
    else supervisor.receive(message)
  })
  process.on('disconnect', () => supervisor?.endIfIdle())
  const starts = await systemProcessTable().starts([process.pid])
  if (early.length === 0 && process.connected) await once(process, 'message')
  const config = early[0]?.config
  if (config === undefined) return
  supervisor = new Supervisor(config, starts.get(process.pid) ?? '')
  for (const message of early) supervisor.receive(message)
  supervisor.endIfIdle()
}

await main()
