import {
  isSluiceError,
  type ItemRecord,
  type JobRef,
  type Queue,
  type SluiceError,
  type Stage,
  type Worker,
} from '@sluice/core'
import { check, same } from '../check.js'
import {
  ENGINE_BODY,
  type ControlledWorker,
  type EngineHarness,
  type EngineSettings,
  type EngineTick,
  type TestedEngine,
} from './engine-harness.js'
import { wrapWorker } from '../worker/worker-wrapping.js'

/** The ids of each call that starts jobs. */
export type ManyCalls = (readonly string[])[]

/** Longer than any backoff and grace of a case. */
const MAX_WAIT_MS = 900_000

/** A place with items, and what a case does in it again and again. */
export class EngineScene {
  readonly harness: EngineHarness
  readonly queue: Queue
  readonly worker: ControlledWorker

  constructor(harness: EngineHarness) {
    this.harness = harness
    this.queue = harness.openQueue()
    this.worker = harness.openWorker()
  }

  engine(settings: Partial<EngineSettings> = {}): TestedEngine {
    const { harness } = this
    return harness.openEngine({ queue: harness.openQueue(), worker: this.worker, limit: 3, ...settings })
  }

  async put(count: number, first = 0): Promise<string[]> {
    const ids = Array.from({ length: count }, (_, index) => `i${String(first + index).padStart(3, '0')}`)
    await this.queue.putMany(ids.map((id) => ({ id, body: ENGINE_BODY })))
    return ids
  }

  async item(id: string): Promise<ItemRecord> {
    const item = await this.queue.lookup(id)
    if (item === undefined) throw new Error(`there is no item ${id}`)
    return item
  }

  async stages(): Promise<Record<Stage, number>> {
    return this.queue.sizes()
  }

  running(): readonly string[] {
    return this.worker
      .running()
      .map(({ id, attempt }) => `${id} ${attempt}`)
      .toSorted()
  }

  endAll(stage: 'SUCCESS' | 'FAIL' = 'SUCCESS'): void {
    for (const { id } of this.worker.running()) this.worker.settleJob(id, { stage })
  }

  startsOf({ uid, attempt }: Pick<JobRef, 'uid' | 'attempt'>): number {
    return this.harness.starts({ uid, attempt })
  }

  /** Lets time go by until it has ended. */
  async ended<T>(work: Promise<T>, stepMs = 50): Promise<T> {
    let isOver = false
    const noted = work.finally(() => {
      isOver = true
    })
    // It is awaited below; until then it must not count as unhandled.
    noted.catch(() => undefined)
    for (let passedMs = 0; passedMs < MAX_WAIT_MS; passedMs += stepMs) {
      await this.harness.runtime.advance(0)
      if (isOver) return noted
      await this.harness.runtime.advance(stepMs)
    }
    throw new Error(`it had not ended after ${MAX_WAIT_MS} ms of the runtime`)
  }

  /** So many ticks, a second apart, after each of which something must hold. */
  async ticks(engine: TestedEngine, count: number, afterEach: () => void | Promise<void>): Promise<void> {
    for (let tick = 0; tick < count; tick++) {
      await this.ended(engine.tick())
      await afterEach()
      await this.harness.runtime.advance(1_000)
    }
  }

  /** Ticks, a second apart, until it holds. */
  async tickUntil(
    engine: TestedEngine,
    holds: () => boolean | Promise<boolean>,
    what: string,
  ): Promise<EngineTick> {
    for (let passedMs = 0; passedMs < MAX_WAIT_MS; passedMs += 1_000) {
      const tick = await this.ended(engine.tick())
      if (await holds()) return tick
      await this.harness.runtime.advance(1_000)
    }
    check(false, `${what}: not within ${MAX_WAIT_MS} ms`, {
      stages: await this.stages(),
      running: this.running(),
    })
    return engine.tick()
  }

  /** Ticks until nothing waits and nothing runs, each running job ending well after every tick. */
  async drain(engine: TestedEngine, eachTick: () => void | Promise<void> = () => undefined): Promise<void> {
    const isDone = async () => {
      await eachTick()
      this.endAll()
      const { WAITING, PROCESSING } = await this.stages()
      return WAITING + PROCESSING === 0
    }
    await this.tickUntil(engine, isDone, 'every item comes to its end')
  }

  /**
   * The worker, each of its sends taking so long before it has any effect; `begun` are the instants at which
   * they began.
   */
  slowSends(ms: number, begun: number[] = []): Worker {
    const { worker, harness } = this
    return wrapWorker(worker, {
      sendJob: async (...args) => {
        begun.push(harness.runtime.monotonicMs())
        await harness.runtime.sleep(ms)
        await worker.sendJob(...args)
      },
    })
  }

  /** The worker with a `sendMany` for so many jobs: it sends each as `sendJob` does. */
  manyWorker(maxJobs: number, calls: ManyCalls = []): Worker {
    const { worker } = this
    return wrapWorker(worker, {
      supports: { ...worker.supports, sendMany: { maxJobs } },
      sendJob: async (id, body, job) => {
        calls.push([id])
        await worker.sendJob(id, body, job)
      },
      sendMany: async (jobs) => {
        calls.push(jobs.map(({ id }) => id))
        return Promise.all(jobs.map(({ id, body, job }) => errorOf(worker.sendJob(id, body, job))))
      },
    })
  }

  async heldBack(tick: EngineTick, code: string, what: string): Promise<void> {
    check(
      tick.holdups.some((holdup) => holdup.code === code),
      `${what}: the holdup ${code}`,
      tick.holdups,
    )
  }

  async sizesAre(expected: Partial<Record<Stage, number>>, what: string): Promise<void> {
    const sizes = await this.stages()
    const shown = Object.fromEntries(Object.keys(expected).map((stage) => [stage, Reflect.get(sizes, stage)]))
    same(shown, expected, what)
  }
}

/** The outcome of one send of many. */
async function errorOf(send: Promise<void>): Promise<SluiceError | undefined> {
  try {
    await send
    return undefined
  } catch (error) {
    if (isSluiceError(error)) return error
    throw error
  }
}
