import type { Runtime, Queue, Worker } from '@sluice/core'
import type { ManualRuntime } from '@sluice/testkit'
import type { Choices } from './choices.js'
import { outage, type Faults, type Side } from './faults.js'

const SYNCHRONOUS = new Set(['watch', 'document'])
const NEVER = new Promise<never>(() => {})

interface Call {
  readonly side: Side
  readonly method: string
  /** How many it starts. */
  readonly jobs: number
}

export interface ProcessOptions {
  readonly runtime: ManualRuntime
  readonly choices: Choices
  readonly faults: Faults
  /** The index of the service. */
  readonly service: number
  readonly maxSendMs: number
  readonly maxCallMs: number
}

/**
 * A simulated process: all that its code waits for goes through it, so that it can be killed, suspended, or
 * left without an answer. While it is suspended its clock goes on, and its requests under way take effect.
 */
export class SimulatedProcess {
  readonly #options: ProcessOptions
  #isDead = false
  #resumed: PromiseWithResolvers<void> | undefined
  readonly #hanging = new Set<Side>()
  /** Jobs whose sends have begun and not ended. */
  sendsInFlight = 0

  constructor(options: ProcessOptions) {
    this.#options = options
  }

  get isDead(): boolean {
    return this.#isDead
  }

  get isSuspended(): boolean {
    return this.#resumed !== undefined
  }

  /** SIGKILL: it does nothing more, and requests that it has not made never happen. */
  kill(): void {
    this.#isDead = true
  }

  /** SIGSTOP. */
  suspend(): void {
    this.#resumed ??= Promise.withResolvers()
  }

  /** SIGCONT. */
  resume(): void {
    this.#resumed?.resolve()
    this.#resumed = undefined
  }

  /** Calls of this side that begin from now on never answer. */
  hang(side: Side): void {
    this.#hanging.add(side)
  }

  unhang(): void {
    this.#hanging.clear()
  }

  /** The clock of this process: it goes on while the process doesn't. */
  runtime(): Runtime {
    const { runtime, choices } = this.#options
    const random = choices.fork()
    return {
      now: () => runtime.now(),
      monotonicMs: () => runtime.monotonicMs(),
      sleep: async (ms, signal) => {
        await runtime.sleep(ms, signal)
        await this.#alive()
      },
      yield: async () => {
        await runtime.yield()
        await this.#alive()
      },
      random: () => random.unit(),
      newId: () => runtime.newId(),
    }
  }

  queue(inner: Queue): Queue {
    return this.#wrap(inner, 'queue')
  }

  worker(inner: Worker): Worker {
    return this.#wrap(inner, 'worker')
  }

  #wrap<T extends object>(inner: T, side: Side, prefix = ''): T {
    return new Proxy(inner, {
      get: (target, key) => {
        const name = String(key)
        const value: unknown = Reflect.get(target, key, target)
        if (name === 'control' && isObject(value)) return this.#wrap(value, side, 'control.')
        if (typeof value !== 'function') return value
        if (name === 'document')
          return (...args: unknown[]) =>
            this.#wrap(asObject(Reflect.apply(value, target, args)), side, 'document.')
        if (SYNCHRONOUS.has(name)) return (...args: unknown[]): unknown => Reflect.apply(value, target, args)
        return async (...args: unknown[]) => {
          const jobs = jobsOf(name, args)
          const answer = await this.#call({ side, method: `${prefix}${name}`, jobs }, async () => {
            const called: unknown = await Reflect.apply(value, target, args)
            return called
          })
          return name === 'lease' && isObject(answer) ? this.#lease(answer) : answer
        }
      },
    })
  }

  /**
   * Only the calls of the lease go through the process: writes under a lease compare its fields, which stay
   * as they are.
   */
  #lease(lease: object): object {
    return this.#wrap(lease, 'queue', 'lease.')
  }

  async #call({ side, method, jobs }: Call, run: () => Promise<unknown>): Promise<unknown> {
    const { faults, service, choices, maxSendMs, maxCallMs, runtime } = this.#options
    await this.#alive()
    if (this.#hanging.has(side)) return NEVER
    const maxMs = jobs > 0 ? maxSendMs : maxCallMs
    const fate = faults.of(side, service)
    const [thereMs, backMs] = [choices.between(0, maxMs), choices.between(0, maxMs)]
    this.sendsInFlight += jobs
    try {
      if (thereMs > 0) await runtime.sleep(thereMs)
      // The requests of a killed process may arrive, or not.
      if (this.#isDead && choices.chance(0.5)) return await NEVER
      if (fate === 'refused') throw outage(side, method)
      const answer = await run()
      if (fate === 'answer-lost') throw outage(side, method)
      return answer
    } finally {
      this.sendsInFlight -= jobs
      if (backMs > 0) await runtime.sleep(backMs)
      await this.#alive()
    }
  }

  /** Resolves once the process runs; never for a dead one. */
  async #alive(): Promise<void> {
    if (this.#isDead) await NEVER
    while (this.#resumed !== undefined) await this.#resumed.promise
    if (this.#isDead) await NEVER
  }
}

/** How many jobs a call starts. */
function jobsOf(method: string, [first]: readonly unknown[]): number {
  if (method === 'sendJob') return 1
  return method === 'sendMany' && Array.isArray(first) ? first.length : 0
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function asObject(value: unknown): object {
  if (!isObject(value)) throw new Error('a document is an object')
  return value
}
