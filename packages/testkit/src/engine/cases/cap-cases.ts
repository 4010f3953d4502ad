import { check, same } from '../../check.js'
import type { EngineCase } from '../engine-harness.js'
import { EngineScene } from '../engine-scene.js'

/** E-CAP-1 and E-CAP-2. */
export const capCases: readonly EngineCase[] = [
  {
    id: 'E-CAP-1',
    title:
      'with more items than the limit allows, exactly the limit of jobs run, and each end makes room for one',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(10)
      const engine = scene.engine({ limit: 3 })
      await scene.ended(engine.tick())
      same(scene.running(), ['i000 1', 'i001 1', 'i002 1'], 'three jobs run, the first three')
      scene.worker.settleJob('i001', { stage: 'SUCCESS' })
      await scene.ended(engine.tick())
      same(scene.running(), ['i000 1', 'i002 1', 'i003 1'], 'one has ended, and the fourth runs')
    },
  },
  {
    id: 'E-CAP-1/b',
    title: 'items that an operator releases while their jobs run take their places until those end',
    async run(harness) {
      const scene = new EngineScene(harness)
      const ids = await scene.put(8)
      const engine = scene.engine({ limit: 4 })
      await scene.ended(engine.tick())
      for (const id of ids.slice(0, 4)) await scene.queue.release(id)
      await scene.ticks(engine, 5, () =>
        check(scene.running().length <= 4, 'no more than four jobs run', scene.running()),
      )
      await scene.drain(engine, () => check(scene.running().length <= 4, 'nor later', scene.running()))
      await scene.sizesAre({ SUCCESS: 8 }, 'and every item is done in the end')
    },
  },
  {
    id: 'E-CAP-1/c',
    title: 'a live limit holds from the next tick on; with 0 nothing starts',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(8)
      const engine = scene.engine({ limit: 4 })
      await scene.queue.control.setLimits({ maxProcessing: 0 })
      await scene.ended(engine.tick())
      same(scene.running(), [], 'nothing starts at a limit of 0')
      await scene.queue.control.setLimits({ maxProcessing: 2 })
      await scene.ended(engine.tick())
      same(scene.running().length, 2, 'two run at a limit of 2')
      await scene.queue.control.setLimits({ maxProcessing: null })
      await scene.ended(engine.tick())
      same(scene.running().length, 4, 'without it the configured limit holds')
    },
  },
  {
    id: 'E-CAP-1/d',
    title: 'an engine that takes over counts the jobs of the one before it',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(9)
      const first = scene.engine({ limit: 3 })
      await scene.ended(first.tick())
      await scene.ended(first.stop())
      const second = scene.engine({ limit: 3 })
      for (let tick = 0; tick < 3; tick++) {
        await scene.ended(second.tick())
        same(scene.running(), ['i000 1', 'i001 1', 'i002 1'], 'the same three jobs run')
      }
      await scene.drain(second)
      await scene.sizesAre({ SUCCESS: 9 }, 'all are done')
    },
  },
  {
    id: 'E-CAP-2',
    title: 'an item that was released while its job runs is sent again only once that job has ended',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(1)
      const engine = scene.engine({ limit: 4 })
      await scene.ended(engine.tick())
      await scene.queue.release('i000')
      await scene.ticks(engine, 4, () =>
        same(scene.running(), ['i000 1'], 'the second attempt does not start beside the first'),
      )
      scene.endAll()
      await scene.tickUntil(engine, () => scene.running().length > 0, 'the second attempt starts')
      same(scene.running(), ['i000 2'], 'once the first has ended')
    },
  },
  {
    id: 'E-CAP-2/b',
    title: 'nor does it after a cancel and a requeue, nor in an engine that has just taken over',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(1)
      const first = scene.engine({ limit: 4 })
      await scene.ended(first.tick())
      await scene.queue.fail('i000')
      await scene.queue.requeue(['i000'])
      await scene.ended(first.stop())
      const second = scene.engine({ limit: 4 })
      await scene.ticks(second, 4, () =>
        same(scene.running(), ['i000 1'], 'the job of the first attempt runs alone'),
      )
      await scene.drain(second)
      same((await scene.item('i000')).stage, 'SUCCESS', 'and the second attempt brings it to its end')
    },
  },
]
