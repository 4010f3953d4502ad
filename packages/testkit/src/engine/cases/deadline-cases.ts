import { check, same } from '../../check.js'
import type { EngineCase } from '../engine-harness.js'
import { EngineScene } from '../engine-scene.js'

const TIMEOUTS = [{ classes: ['timeout'], maxAttempts: 2 }]

/** E-DEADLINE-1, E-DEADLINE-2 and E-STRAGGLER-1. */
export const deadlineCases: readonly EngineCase[] = [
  {
    id: 'E-DEADLINE-1',
    title: 'a job that runs for longer than an attempt may is cancelled, and retried as a timeout',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(1)
      const engine = scene.engine({ deadlines: { attemptMs: 10_000 }, retryRules: TIMEOUTS })
      await scene.ticks(engine, 9, () => same(scene.running(), ['i000 1'], 'before it the job runs'))
      await failsFor(scene, engine)
      const { attempt, failureClass, reason = '' } = await scene.item('i000')
      same([attempt, failureClass], [2, 'timeout'], 'at its second attempt')
      check(reason.includes('deadlines.attemptMs'), 'the reason says why', reason)
    },
  },
  {
    id: 'E-DEADLINE-1/b',
    title: 'with a new engine every few seconds the time goes on, and a cancel stays known',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(1)
      for (let life = 0; life < 6; life++) {
        const engine = scene.engine({ deadlines: { attemptMs: 10_000 }, leaseTtlMs: 1_000 })
        await scene.ticks(engine, 3, () => undefined)
      }
      const { stage, failureClass } = await scene.item('i000')
      same([stage, failureClass], ['FAIL', 'timeout'], 'it failed for the deadline')
    },
  },
  {
    id: 'E-DEADLINE-1/c',
    title: 'a cancel of an engine that dies before it sees the end is known to the next one',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(1)
      const settings = { deadlines: { attemptMs: 5_000 }, leaseTtlMs: 1_000 }
      const engine = scene.engine(settings)
      await scene.tickUntil(engine, () => scene.running().length === 0, 'its job is cancelled')
      same((await scene.item('i000')).stage, 'PROCESSING', 'its end is not seen yet')
      await harness.runtime.advance(2_000)
      await failsFor(scene, scene.engine(settings))
      same((await scene.item('i000')).failureClass, 'timeout', 'the class says why')
    },
  },
  {
    id: 'E-DEADLINE-2',
    title: 'an item that is not done by its deadline fails, its running job cancelled',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(1)
      const engine = scene.engine({ deadlines: { itemMs: 20_000 }, maxAttempts: 9 })
      await scene.ended(engine.tick())
      await harness.runtime.advance(5_000)
      await scene.ended(engine.tick())
      scene.endAll('FAIL')
      await scene.tickUntil(engine, () => scene.running().includes('i000 2'), 'its second attempt runs')
      await failsFor(scene, engine)
      const { attempt, failureClass, reason = '' } = await scene.item('i000')
      same([attempt, failureClass], [2, 'timeout'], 'within its second attempt')
      check(reason.includes('deadlines.itemMs'), 'the reason says why', reason)
    },
  },
  {
    id: 'E-DEADLINE-2/b',
    title: 'no attempt starts after the deadline, and a requeue begins a new one',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(1)
      const engine = scene.engine({ deadlines: { itemMs: 30_000 }, maxAttempts: 9, limit: 1 })
      await scene.ended(engine.tick())
      scene.endAll('FAIL')
      await scene.ended(engine.tick())
      same((await scene.item('i000')).stage, 'WAITING', 'it waits for its second attempt')
      await scene.queue.control.pause('for the case')
      await harness.runtime.advance(60_000)
      await scene.queue.control.resume()
      await failsFor(scene, engine)
      const item = await scene.item('i000')
      same([item.failureClass, scene.startsOf({ ...item, attempt: 2 })], ['timeout', 0], 'and no job started')
      await scene.queue.requeue(['i000'])
      await scene.tickUntil(engine, () => scene.running().length === 1, 'after the requeue a job starts')
    },
  },
  {
    id: 'E-STRAGGLER-1',
    title: 'a straggler is cancelled and retried once, uncounted, over restarts',
    async run(harness) {
      const scene = new EngineScene(harness)
      const stragglers = { factor: 3, minSamples: 5, action: 'retry' } as const
      const settings = { stragglers, limit: 20, leaseTtlMs: 1_000 }
      const engine = scene.engine(settings)
      await scene.put(5)
      await scene.ended(engine.tick())
      await harness.runtime.advance(2_000)
      scene.endAll()
      await scene.put(1, 5)
      await scene.ticks(engine, 4, () => undefined)
      same(scene.running(), ['i005 1'], 'within the multiple it runs')
      await scene.tickUntil(engine, () => scene.running().includes('i005 2'), 'beyond it is retried')
      same((await scene.item('i005')).uncounted, 1, 'uncounted')
      const other = scene.engine(settings)
      await engine.stop()
      await scene.put(5, 6)
      await scene.ended(other.tick())
      await harness.runtime.advance(1_000)
      for (const { id } of scene.worker.running())
        if (id !== 'i005') scene.worker.settleJob(id, { stage: 'SUCCESS' })
      await scene.ticks(other, 30, () => undefined)
      same(scene.running(), ['i005 2'], 'its second attempt is left alone')
    },
  },
  {
    id: 'E-STRAGGLER-1/b',
    title: 'a straggler that is only to be marked runs on',
    async run(harness) {
      const scene = new EngineScene(harness)
      const engine = scene.engine({ stragglers: { factor: 3, minSamples: 5, action: 'mark' }, limit: 20 })
      await scene.put(5)
      await scene.ended(engine.tick())
      await harness.runtime.advance(2_000)
      scene.endAll()
      await scene.put(1, 5)
      await scene.ticks(engine, 60, () => undefined)
      same(scene.running(), ['i005 1'], 'it runs')
    },
  },
]

async function failsFor(scene: EngineScene, engine: ReturnType<EngineScene['engine']>): Promise<void> {
  await scene.tickUntil(engine, async () => (await scene.item('i000')).stage === 'FAIL', 'the item fails')
}
