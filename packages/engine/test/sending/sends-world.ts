import type { JsonValue, Worker } from '@sluice/core'
import type { DummyWorker, DummyWorkerOptions } from '@sluice/worker-dummy'
import { wrapWorker } from '@sluice/testkit'
import { type TickResult, type WorkQueue } from '../../src/index.js'
import { World } from '../world.js'

/** A send that began. */
export interface BegunSend {
  readonly id: string
  readonly attempt: number
  readonly atMs: number
}

/** A {@link World} of which it is known when sends begin, and how many items are in PROCESSING at most. */
export class SendsWorld extends World {
  readonly sends: BegunSend[] = []
  readonly ticks: { readonly atMs: number; readonly result: TickResult }[] = []

  /** A worker whose sends take so long, on the world's clock, and whose jobs end by a rule. */
  slowWorker(sendMs: () => number, options: Partial<DummyWorkerOptions> = {}): DummyWorker & Worker {
    const dummy = this.jobs.worker({ name: 'q', runtime: this.runtime, ...options })
    const send = dummy.sendJob.bind(dummy)
    dummy.sendJob = async (id, body, job) => {
      this.sends.push({ id, attempt: job.attempt, atMs: this.runtime.monotonicMs() })
      if (sendMs() > 0) await this.runtime.sleep(sendMs())
      await send(id, body, job)
    }
    return dummy
  }

  sendsOf(id: string): BegunSend[] {
    return this.sends.filter((send) => send.id === id)
  }

  /** Runs the loop of an engine for so long. */
  async run(engine: WorkQueue, ms: number): Promise<void> {
    const stop = this.start(engine)
    await this.runtime.advance(ms)
    await stop()
  }

  /** @returns what ends it, once the tick under way has ended */
  start(engine: WorkQueue, intervalMs = 1_000): () => Promise<void> {
    const end = new AbortController()
    const onTick = (result: TickResult): void => {
      this.ticks.push({ atMs: this.runtime.monotonicMs(), result })
    }
    const loop = engine.run({ intervalMs, signal: end.signal, onTick })
    return async () => {
      end.abort()
      for (let ended = false; !ended;) {
        ended = await Promise.race([loop.then(() => true), this.runtime.advance(100).then(() => false)])
      }
    }
  }

  /** The ids in the order in which they would be claimed. */
  async waiting(): Promise<string[]> {
    return (await this.queue.peek(10_000)).map(({ id }) => id)
  }
}

/** Without what the options name. */
export function without(worker: Worker, ...lacking: ('lookupJob' | 'probeSend')[]): Worker {
  const supports = { ...worker.supports, ...Object.fromEntries(lacking.map((name) => [name, false])) }
  return wrapWorker(worker, { supports })
}

/** Ids `i0` to … in the order in which they were put. */
export function idsFrom(first: number, end: number): string[] {
  return Array.from({ length: end - first }, (_, index) => `i${first + index}`)
}

export function isObject(value: JsonValue | undefined): value is Readonly<Record<string, JsonValue>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
