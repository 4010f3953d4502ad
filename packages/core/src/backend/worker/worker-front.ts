import { SluiceError } from '../../errors.js'
import type { CallOptions } from '../../items/queue.js'
import type { JsonValue } from '../../json/json.js'
import type { JobRef, JobReport, NewJob, ReadLogOptions, Worker, WorkerSupports } from '../../worker.js'
import { assertSignal, untilAborted } from '../runtime/call-signal.js'
import type { WorkerBackend } from './worker-backend.js'
import { assertJobRef, checkJob, checkJobs, checkReadLog, checkSample } from './worker-input.js'

const NO_OPTIONS: CallOptions = {}

/**
 * A `Worker` on a backend: it checks arguments before the backend sees them, refuses calls after `close`, and
 * ends calls by their signals. It has the optional methods that the backend has, and adds no await to a call
 * without a signal.
 *
 * @param name of the queue that it works for
 *
 * @example
 * ```ts
 * import { createWorker } from '@sluice/core/backend'
 *
 * const started = new Set<string>()
 * const worker = createWorker('tiles', {
 *   supports: { durable: false },
 *   sendJob: async ({ uid, attempt }) => void started.add(`${uid}@${attempt}`),
 *   pollAllStatus: async () => new Map(),
 * })
 * ```
 */
export function createWorker<Body = JsonValue>(name: string, backend: WorkerBackend): Worker<Body> {
  const gate = new Gate(name, backend)
  return {
    name,
    supports: supportsOf(backend),
    get identity() {
      return backend.identity
    },
    ...sends<Body>(gate, backend),
    ...questions(gate, backend),
    ...orders(gate, backend),
    ...streams(gate, backend),
    close: () => gate.close(),
    [Symbol.asyncDispose]: () => gate.close(),
  }
}

function supportsOf(backend: WorkerBackend): WorkerSupports {
  const { supports, sendMany } = backend
  return {
    ...supports,
    lookupJob: backend.lookupJob !== undefined,
    cancelJob: backend.cancelJob !== undefined,
    watch: backend.watch !== undefined,
    probeSend: backend.probeSend !== undefined,
    checkItem: backend.checkItem !== undefined,
    readLog: backend.readLog !== undefined,
    ...(sendMany && { sendMany: { maxJobs: sendMany.maxJobs } }),
  }
}

type Sends<Body> = Pick<Worker<Body>, 'sendJob' | 'sendMany' | 'probeSend' | 'checkItem'>

function sends<Body>(gate: Gate, backend: WorkerBackend): Sends<Body> {
  const { sendMany } = backend
  const takes = { queue: gate.queue, overrides: backend.supports.overrides === true }
  const probeSend = backend.probeSend?.bind(backend)
  const checkItem = backend.checkItem?.bind(backend)
  return {
    sendJob: (id, body, job) => gate.call(() => backend.sendJob(checkJob({ id, body, job }, takes))),
    ...(sendMany && {
      sendMany: (jobs: readonly NewJob<Body>[]) =>
        gate.call<Awaited<ReturnType<typeof sendMany.send>>>(() => {
          const checked = checkJobs(jobs, { ...takes, ...sendMany })
          return checked.length === 0 ? Promise.resolve([]) : sendMany.send(checked)
        }),
    }),
    ...(probeSend && {
      probeSend: (sample) => gate.call(() => probeSend(sample && checkSample(sample))),
    }),
    ...(checkItem && {
      checkItem: (id, body) =>
        gate.call(() => {
          const item = checkSample({ id, body })
          return checkItem(item.id, item.body)
        }),
    }),
  }
}

function questions(
  gate: Gate,
  backend: WorkerBackend,
): Pick<Worker, 'pollAllStatus' | 'lookupJob' | 'check'> {
  const lookupJob = backend.lookupJob?.bind(backend)
  const check = backend.check?.bind(backend)
  return {
    pollAllStatus: (awaited, options = NO_OPTIONS) =>
      gate.until(options, () => {
        for (const job of awaited ?? []) assertJobRef(job)
        return backend.pollAllStatus(awaited, options)
      }),
    ...(lookupJob && {
      lookupJob: (job: JobRef, options: CallOptions = NO_OPTIONS) =>
        gate.until(options, () => {
          assertJobRef(job)
          return lookupJob(job, options)
        }),
    }),
    ...(check && { check: (use = {}) => gate.call(() => check(use)) }),
  }
}

function orders(gate: Gate, backend: WorkerBackend): Pick<Worker, 'cancelJob' | 'acknowledgeJobs'> {
  const cancelJob = backend.cancelJob?.bind(backend)
  const acknowledgeJobs = backend.acknowledgeJobs?.bind(backend)
  return {
    ...(cancelJob && {
      cancelJob: (job: JobRef, reason: string) =>
        gate.call(() => {
          assertJobRef(job)
          if (typeof reason !== 'string') throw new TypeError(`reason must be a string; got ${typeof reason}`)
          return cancelJob(job, reason)
        }),
    }),
    ...(acknowledgeJobs && {
      acknowledgeJobs: (jobs: readonly JobRef[]) =>
        gate.call(() => {
          for (const job of jobs) assertJobRef(job)
          return acknowledgeJobs(jobs)
        }),
    }),
  }
}

function streams(gate: Gate, backend: WorkerBackend): Pick<Worker, 'readLog' | 'watch'> {
  const readLog = backend.readLog?.bind(backend)
  const watch = backend.watch?.bind(backend)
  return {
    ...(readLog && {
      readLog: (job: JobRef, options: ReadLogOptions = {}) =>
        gate.readLog(options.signal, (signal) => {
          assertJobRef(job)
          return readLog(job, checkReadLog(options, signal))
        }),
    }),
    ...(watch && { watch: ({ signal }: CallOptions = {}) => gate.watch(signal, watch) }),
  }
}

/** Admits calls to the backend until the worker is closed, and ends them by their signals. */
class Gate {
  readonly queue: string
  readonly #backend: WorkerBackend
  readonly #closing = new AbortController()
  #closed: Promise<void> | undefined

  constructor(queue: string, backend: WorkerBackend) {
    this.queue = queue
    this.#backend = backend
  }

  call<T>(run: () => Promise<T>): Promise<T> {
    if (this.#closing.signal.aborted) return rejected(closedError(this.queue))
    try {
      return run()
    } catch (error) {
      return rejected(error)
    }
  }

  /** The same for a call that ends when its signal aborts; what was begun goes on unobserved. */
  until<T>(options: CallOptions, run: () => Promise<T>): Promise<T> {
    const { signal } = options
    if (signal === undefined) return this.call(run)
    return this.call(() => {
      assertSignal(options)
      return untilAborted(run(), signal)
    })
  }

  /**
   * A log that was cut off never looks whole: once the signal has aborted or the worker is closed it rejects
   * with the reason.
   */
  async *readLog(
    signal: AbortSignal | undefined,
    read: (ends: AbortSignal) => AsyncIterable<Uint8Array>,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const ends = this.#endsWith(signal)
    ends.throwIfAborted()
    try {
      for await (const chunk of read(ends)) {
        ends.throwIfAborted()
        yield chunk
        ends.throwIfAborted()
      }
    } catch (error) {
      // What breaks because it is to end has not failed.
      ends.throwIfAborted()
      throw error
    }
    ends.throwIfAborted()
  }

  async *watch(
    signal: AbortSignal | undefined,
    watch: (ends: AbortSignal) => AsyncIterable<JobReport | undefined>,
  ): AsyncGenerator<JobReport | undefined, void, undefined> {
    this.#closing.signal.throwIfAborted()
    const ends = this.#endsWith(signal)
    if (!ends.aborted) yield* watch(ends)
  }

  close(): Promise<void> {
    if (this.#closed === undefined) {
      this.#closing.abort(closedError(this.queue))
      this.#closed = this.#backend.close?.() ?? Promise.resolve()
    }
    return this.#closed
  }

  #endsWith(signal: AbortSignal | undefined): AbortSignal {
    return signal === undefined ? this.#closing.signal : AbortSignal.any([signal, this.#closing.signal])
  }
}

function closedError(queue: string): SluiceError {
  const message = `The worker of queue ${JSON.stringify(queue)} was closed; open another one.`
  return new SluiceError('SLUICE_WORKER_CLOSED', message)
}

/** What a caller is given instead of a throw. */
function rejected(error: unknown): Promise<never> {
  // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- a signal's reason may be anything
  return Promise.reject(error)
}
