import { SluiceError, type Worker } from '@sluice/core'
import { check, same } from '../../check.js'
import type { EngineCase, EngineSettings, EngineTick, TestedEngine } from '../engine-harness.js'
import { EngineScene } from '../engine-scene.js'
import { wrapWorker } from '../../worker/worker-wrapping.js'

/** A place whose worker can be overloaded. */
class PressureScene extends EngineScene {
  /** From so many running jobs on it refuses more. */
  takes = Number.POSITIVE_INFINITY
  /** How long a send takes. */
  sendMs = 20
  /** Jobs beyond so many do not start. */
  starts = Number.POSITIVE_INFINITY
  readonly pressed: Worker = wrapWorker(this.worker, {
    sendJob: async (id, body, job) => {
      await this.harness.runtime.sleep(this.sendMs)
      if (this.worker.running().length >= this.takes) {
        const options = { concerns: 'capacity' as const, retryAfterMs: 1_000 }
        throw new SluiceError('SLUICE_WORKER_UNAVAILABLE', '429 Too Many Requests', options)
      }
      await this.worker.sendJob(id, body, job)
    },
    pollAllStatus: async (...args) => {
      const started = new Set(
        this.worker
          .running()
          .slice(0, this.starts)
          .map(({ uid }) => uid),
      )
      const reports = await this.worker.pollAllStatus(...args)
      return new Map(
        [...reports].map(([id, report]) => [
          id,
          report.stage === 'PROCESSING' ? { ...report, pending: !started.has(report.uid) } : report,
        ]),
      )
    },
  })

  pressedEngine(settings: Partial<EngineSettings> = {}): TestedEngine {
    // More start at once than the first items of a run would.
    return this.engine({ worker: this.pressed, limit: 60, sendConcurrency: 4, canary: 0, ...settings })
  }

  endSome(count: number): void {
    for (const { id } of this.worker.running().slice(0, count))
      this.worker.settleJob(id, { stage: 'SUCCESS' })
  }

  /** So many ticks, a second apart. @returns the last */
  async after(engine: TestedEngine, ticks: number): Promise<EngineTick> {
    let last = await this.ended(engine.tick())
    for (let tick = 1; tick < ticks; tick++) {
      await this.harness.runtime.advance(1_000)
      last = await this.ended(engine.tick())
    }
    await this.harness.runtime.advance(1_000)
    return last
  }

  /** Forty run, and the worker takes no more: then ten end. */
  async refused(settings: Partial<EngineSettings> = {}): Promise<TestedEngine> {
    await this.put(300)
    this.takes = 40
    const engine = this.pressedEngine(settings)
    await this.after(engine, 4)
    same(this.worker.running().length, 40, 'as many run as the worker takes')
    this.endSome(10)
    return engine
  }
}

/** E-PRESS-1 to E-PRESS-3. */
export const pressureCases: readonly EngineCase[] = [
  {
    id: 'E-PRESS-1',
    title: 'a worker that refuses sends lowers the limit, which returns to the cap within a minute',
    async run(harness) {
      const scene = new PressureScene(harness)
      const engine = await scene.refused()
      await scene.after(engine, 3)
      const running = scene.worker.running().length
      check(running < 40, 'fewer run than it took', running)
      check(running >= 30, 'and not much fewer', running)
      scene.takes = Number.POSITIVE_INFINITY
      await scene.after(engine, 60)
      same(scene.worker.running().length, 60, 'a minute later as many run as the limit allows')
      await scene.after(engine, 10)
      same(scene.worker.running().length, 60, 'and never more')
    },
  },
  {
    id: 'E-PRESS-1/b',
    title: 'so do jobs that it accepts and does not start',
    async run(harness) {
      const scene = new PressureScene(harness)
      await scene.put(300)
      scene.starts = 20
      const engine = scene.pressedEngine()
      await scene.after(engine, 60)
      scene.endSome(15)
      await scene.after(engine, 5)
      check(scene.worker.running().length < 50, 'what has ended is not replaced', scene.running().length)
      scene.starts = Number.POSITIVE_INFINITY
      await scene.after(engine, 65)
      same(scene.worker.running().length, 60, 'a minute after they start as many run as the limit allows')
    },
  },
  {
    id: 'E-PRESS-1/c',
    title: 'so do sends that take many times as long as before',
    async run(harness) {
      const scene = new PressureScene(harness)
      await scene.put(900)
      const engine = scene.pressedEngine()
      await scene.after(engine, 3)
      scene.sendMs = 2_000
      scene.endSome(20)
      await scene.after(engine, 2)
      scene.endSome(20)
      await scene.after(engine, 3)
      check(scene.worker.running().length < 60, 'fewer run', scene.running().length)
      scene.sendMs = 20
      await scene.after(engine, 60)
      same(scene.worker.running().length, 60, 'a minute later as many run as the limit allows')
    },
  },
  {
    id: 'E-PRESS-2',
    title: 'the holdup says what lowered the limit, from what and to what',
    async run(harness) {
      const scene = new PressureScene(harness)
      const engine = await scene.refused()
      const { holdups } = await scene.after(engine, 3)
      const messages = holdups.filter(({ code }) => code === 'backpressure').map(({ message }) => message)
      check(
        messages.some((message) => /^limit 60 lowered to 3\d: 429 Too Many Requests/u.test(message)),
        'the holdup `backpressure` has the numbers and the reason',
        holdups,
      )
    },
  },
  {
    id: 'E-PRESS-3',
    title: 'the next engine begins with the lowered limit',
    async run(harness) {
      const scene = new PressureScene(harness)
      const engine = await scene.refused({ leaseTtlMs: 5_000 })
      await scene.after(engine, 3)
      scene.takes = Number.POSITIVE_INFINITY
      await harness.runtime.advance(5_001)
      const next = scene.pressedEngine({ leaseTtlMs: 5_000 })
      await scene.after(next, 5)
      check(scene.worker.running().length < 45, 'it does not fill all places', scene.running().length)
      await scene.after(next, 60)
      same(scene.worker.running().length, 60, 'but within a minute')
    },
  },
]
