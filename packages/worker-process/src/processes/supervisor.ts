import { spawn, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { SluiceError } from '@sluice/core'
import { spawnError } from '../process-errors.js'
import type {
  FromSupervisor,
  ObservedEnd,
  RequestKind,
  SupervisedJob,
  SupervisorConfig,
  SupervisorReply,
  SupervisorRequest,
  ToSupervisor,
} from '../supervisor/messages.js'

/** The sources run as they are in tests. */
const PROGRAM = fileURLToPath(
  import.meta.url.endsWith('.ts')
    ? new URL('../supervisor/main.ts', import.meta.url)
    : new URL('./supervisor.js', import.meta.url),
)

interface SupervisorParts {
  readonly config: SupervisorConfig
  /** The variables that a job gets beside its own, as they are when it is started. */
  readonly environment: () => Readonly<Record<string, string | undefined>>
  readonly onEnd: (end: ObservedEnd) => void
  /** Called when it has ended although this process still needs it. */
  readonly onLost: () => void
}

/** Its process ended before it replied: what is on the disk says how far it came. */
export class SupervisorLost extends Error {
  override readonly name = 'SupervisorLost'
}

interface Waiting {
  readonly resolve: (reply: SupervisorReply) => void
  readonly reject: (error: Error) => void
}

/**
 * The process that runs the jobs of this service: see `supervisor/main`. It is started when the first job is,
 * detached, in a session of its own, so that it outlives this process, and started again if it was killed.
 */
export class Supervisor {
  readonly #parts: SupervisorParts
  readonly #waiting = new Map<number, Waiting>()
  #child: ChildProcess | undefined
  #sentEnvironment = ''
  #outbox: SupervisorRequest[] = []
  #serial = 0

  constructor(parts: SupervisorParts) {
    this.#parts = parts
  }

  /** The pid of the process that runs; `undefined` while there is none. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  /**
   * @throws SupervisorLost; SluiceError SLUICE_JOB_REJECTED, SLUICE_WORKER_UNAVAILABLE or
   * SLUICE_WORKER_DENIED when no process can be started; errors of the file system as they are
   */
  async request(kind: RequestKind, job: SupervisedJob): Promise<SupervisorReply> {
    const child = (this.#child ??= this.#start(job.file.id))
    const reply = await new Promise<SupervisorReply>((resolve, reject) => {
      const number = this.#serial++
      this.#waiting.set(number, { resolve, reject })
      this.#outbox.push({ number, kind, job })
      if (this.#outbox.length === 1) void Promise.resolve().then(() => this.#flush())
      child.channel?.ref()
    })
    if (reply.failure === undefined) return reply
    const { ofProcess, message, ...more } = reply.failure
    const error = Object.assign(new Error(message), more)
    throw ofProcess ? spawnError(error, job.file.id) : error
  }

  /** Its jobs go on, and it ends with the last of them. */
  close(): void {
    if (this.#child?.connected === true) this.#child.disconnect()
  }

  #start(itemId: string): ChildProcess {
    try {
      const child = spawn(process.execPath, [PROGRAM], {
        detached: true,
        stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      })
      child.on('message', (message: FromSupervisor) => this.#receive(message))
      child.once('error', (error) => this.#lose(child, spawnError(error, itemId)))
      child.once('disconnect', () => this.#lose(child, new SupervisorLost('the supervisor has ended')))
      child.unref()
      child.channel?.unref()
      this.#sentEnvironment = ''
      child.send({ config: this.#parts.config } satisfies ToSupervisor, ignoreLoss)
      return child
    } catch (error) {
      throw spawnError(error, itemId)
    }
  }

  /** All requests of one turn go in one message. */
  #flush(): void {
    const child = this.#child
    // Those of a supervisor that was lost meanwhile were told so.
    const requests = this.#outbox.filter(({ number }) => this.#waiting.has(number))
    this.#outbox = []
    if (child === undefined || requests.length === 0) return
    const environment = this.#parts.environment()
    const text = JSON.stringify(environment)
    const isNew = text !== this.#sentEnvironment
    this.#sentEnvironment = text
    child.send({ requests, ...(isNew ? { environment } : {}) } satisfies ToSupervisor, ignoreLoss)
  }

  #receive({ replies, ends }: FromSupervisor): void {
    for (const end of ends) this.#parts.onEnd(end)
    for (const reply of replies) {
      this.#waiting.get(reply.number)?.resolve(reply)
      this.#waiting.delete(reply.number)
    }
    if (this.#waiting.size === 0) this.#child?.channel?.unref()
  }

  #lose(child: ChildProcess, error: Error): void {
    if (child !== this.#child) return
    this.#child = undefined
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const { reject } of waiting) reject(error)
    this.#parts.onLost()
  }
}

function ignoreLoss(): void {
  // The event that it is disconnected follows.
}

/** For a job of which a lost supervisor has left nothing. */
export function lostError(itemId: string): SluiceError {
  const message =
    `Could not start the job for item ${JSON.stringify(itemId)}: the process that runs the jobs ended, or could not be started. ` +
    'It is started again; see whether the machine lacks memory or processes.'
  return new SluiceError('SLUICE_WORKER_UNAVAILABLE', message, { itemId, concerns: 'capacity' })
}
