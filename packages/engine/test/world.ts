import { JobStore, type DummyWorker, type DummyWorkerOptions } from '@sluice/worker-dummy'
import { MemoryStore } from '@sluice/queue-memory'
import type { JobRef, Queue, Worker } from '@sluice/core'
import { WorkQueue, type WorkEvent } from '../src/index.js'
import { Ticker } from '../src/tick/ticker.js'
import { checkedOptions, type WorkQueueOptions } from '../src/work-queue-options.js'
import { ManualRuntime } from '@sluice/testkit'

export type Options = Partial<WorkQueueOptions<unknown>>

export type ManyWorker = DummyWorker & Required<Pick<Worker, 'sendMany'>>

function canSendMany(worker: DummyWorker): worker is ManyWorker {
  return worker.sendMany !== undefined
}

/** One store and one cluster, on one clock, and any number of engines on them. */
export class World {
  readonly runtime = new ManualRuntime()
  readonly started: JobRef[] = []
  readonly events: WorkEvent[] = []
  readonly logs: { level: string; fields: object; message: string }[] = []
  readonly jobs = new JobStore({ onStart: (job) => this.onStart(job) })
  readonly store = new MemoryStore({ runtime: this.runtime })
  readonly queue: Queue
  readonly worker: DummyWorker
  /** The most jobs that ever ran at once. */
  peak = 0
  /** What the runtime's `random` gives. */
  randomNumber = 0.5
  /** Of its engines, besides those of {@link World.engine}: few tests are about the first items of a run. */
  defaults: Options = { canary: 0 }
  readonly #name: string

  constructor(name = 'q') {
    this.#name = name
    this.runtime.random = () => this.randomNumber
    this.queue = this.openQueue()
    this.worker = this.openWorker()
  }

  openQueue(): Queue {
    return this.store.queue(this.#name)
  }

  openWorker(options: Partial<DummyWorkerOptions> = {}): DummyWorker {
    return this.jobs.worker({ name: this.#name, runtime: this.runtime, ...options })
  }

  /** A worker that starts up to so many jobs by one call. */
  openManyWorker(maxJobsPerSend: number): ManyWorker {
    const worker = this.openWorker({ maxJobsPerSend })
    if (!canSendMany(worker)) throw new Error('the worker has no sendMany')
    return worker
  }

  engine(options: Options = {}): WorkQueue<unknown> {
    return new WorkQueue(this.#options(options))
  }

  /** What an engine ticks with, for what only its insides show. */
  ticker(options: Options = {}): Ticker {
    return new Ticker(checkedOptions(this.#options(options)))
  }

  #options(options: Options): WorkQueueOptions<unknown> {
    const log =
      (level: string) =>
      (fields: object, message: string): void => {
        this.logs.push({ level, fields, message })
      }
    return {
      queue: this.openQueue(),
      worker: this.openWorker(),
      runtime: this.runtime,
      onEvent: (event) => this.events.push(event),
      logger: { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') },
      ...this.defaults,
      ...options,
    }
  }

  private onStart(job: JobRef): void {
    this.started.push(job)
    this.peak = Math.max(this.peak, this.openWorker().running().length)
  }

  async put(count: number, prefix = 'i'): Promise<string[]> {
    const ids = Array.from({ length: count }, (_, index) => `${prefix}${index}`)
    await this.queue.putMany(ids.map((id) => ({ id, body: { id } })))
    return ids
  }

  kinds(): string[] {
    return this.events.map(({ kind }) => kind)
  }

  /** How often each (uid, attempt) started. */
  startCounts(): Map<string, number> {
    const counts = new Map<string, number>()
    for (const { id, uid, attempt } of this.started) {
      const name = `${id} ${uid} ${attempt}`
      counts.set(name, (counts.get(name) ?? 0) + 1)
    }
    return counts
  }
}

type Method = (...args: unknown[]) => Promise<unknown>
/** @param document the name of the document, for its calls */
type Around = (
  side: 'queue' | 'worker',
  name: string,
  call: () => Promise<unknown>,
  document?: string,
) => Promise<unknown>

const SYNC = new Set(['watch', 'running', 'settleJob'])

function isMethod(value: unknown, name: string): value is Method {
  return typeof value === 'function' && !SYNC.has(name)
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function wrap<T extends object>(target: T, side: 'queue' | 'worker', around: Around): T {
  return new Proxy(target, {
    get(object, key) {
      const name = String(key)
      const value: unknown = Reflect.get(object, key, object)
      if (name === 'control' && isObject(value)) return wrap(value, side, around)
      // Opened without a call; its calls have names of their own: control has a `read` too.
      if (name === 'document' && typeof value === 'function')
        return (document: string) =>
          wrap<object>(Reflect.apply(value, object, [document]), side, (of, call, run) =>
            around(of, `${call} document`, run, document),
          )
      if (!isMethod(value, name)) return value
      return (...args: unknown[]) =>
        around(side, name, async () => {
          const answer = await value.apply(object, args)
          return name === 'lease' && isObject(answer) ? wrap(answer, side, around) : answer
        })
    },
  })
}

/** A queue and a worker each of whose calls goes through one function. */
export function wrapped(
  world: World,
  around: Around,
  options: Partial<DummyWorkerOptions> = {},
): { queue: Queue; worker: Worker } {
  return {
    queue: wrap<Queue>(world.openQueue(), 'queue', around),
    worker: wrap<Worker>(world.openWorker(options), 'worker', around),
  }
}

/** Everything that can go on without time passing has gone on. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
}
