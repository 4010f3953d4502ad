import { CANCELLED } from './cancelled.js'
import { check, same } from '../../check.js'
import type { EngineCase } from '../engine-harness.js'
import { EngineScene } from '../engine-scene.js'
import { wrapQueue } from '../../queue/queue-wrapping.js'

/** E-ONE-1, E-ONCE-1 to E-ONCE-3, and E-ORPHAN-1. */
export const onceCases: readonly EngineCase[] = [
  {
    id: 'E-ONE-1',
    title:
      'of two engines one dispatches; the other takes over within the ttl of the lease, and at once after a stop',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(2)
      const [first, second] = [scene.engine({ leaseTtlMs: 5_000 }), scene.engine({ leaseTtlMs: 5_000 })]
      same((await scene.ended(first.tick())).role, 'dispatcher', 'the first dispatches')
      await scene.put(4, 2)
      const standby = await scene.ended(second.tick())
      same([standby.role, standby.sent], ['standby', 0], 'the second stands by')
      // The first dies: nothing of it is heard any more.
      await harness.runtime.advance(5_001)
      same((await scene.ended(second.tick())).role, 'dispatcher', 'it takes over once the lease has run out')
      await scene.ended(second.stop())
      same((await scene.ended(first.tick())).role, 'dispatcher', 'after a stop there is nothing to wait for')
    },
  },
  {
    id: 'E-ONCE-1',
    title: 'a send whose answer was lost, and one that another engine repeats, make one job',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(3)
      scene.worker.loseAnswer(3)
      const first = scene.engine()
      await scene.ended(first.tick())
      await harness.runtime.advance(60_000)
      const second = scene.engine()
      const started = new Set<string>()
      await scene.drain(second, () => {
        for (const job of scene.worker.running()) {
          same(scene.startsOf(job), 1, `job ${job.id} at attempt ${job.attempt} started once`)
          started.add(job.id)
        }
      })
      await scene.sizesAre({ SUCCESS: 3 }, 'all are done')
    },
  },
  {
    id: 'E-ONCE-1/b',
    title: 'items that a dead engine claimed and did not send are sent, at the same attempt, by the next',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(2)
      await scene.queue.get(2)
      const engine = scene.engine()
      await scene.tickUntil(engine, () => scene.running().length === 2, 'both are sent')
      same(scene.running(), ['i000 1', 'i001 1'], 'at the attempt that the dead one claimed')
    },
  },
  {
    id: 'E-ONCE-2',
    title:
      'a job that was seen and has disappeared is lost, and never sent again at that attempt, also after a takeover',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(1)
      const first = scene.engine({ graceMs: 10_000 })
      await scene.ended(first.tick())
      await harness.runtime.advance(1_000)
      await scene.ended(first.tick())
      const job = await scene.item('i000')
      scene.worker.loseJob('i000')
      await harness.runtime.advance(60_000)
      const second = scene.engine({ graceMs: 10_000 })
      await scene.tickUntil(
        second,
        async () => (await scene.item('i000')).stage === 'FAIL',
        'it fails as lost',
      )
      same((await scene.item('i000')).failureClass, 'lost', 'its class says so')
      same(scene.startsOf(job), 1, 'the job was started once')
    },
  },
  {
    id: 'E-ONCE-3',
    title: 'an engine that stalled in a claim for longer than its lease starts nothing when it continues',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(6)
      const gate = Promise.withResolvers<void>()
      const queue = harness.openQueue()
      const stalling = wrapQueue(queue, {
        get: async (...args) => {
          await gate.promise
          return queue.get(...args)
        },
      })
      const stale = scene.engine({ queue: stalling, limit: 3, leaseTtlMs: 5_000, stallMs: 10_000 })
      const ticking = stale.tick()
      // Its claim has no answer for so long that it gives up, and the other takes over.
      await harness.runtime.advance(20_000)
      const live = scene.engine({ limit: 3, leaseTtlMs: 5_000 })
      await scene.tickUntil(live, () => scene.running().length === 3, 'the live one starts three jobs')
      gate.resolve()
      await scene.ended(ticking)
      same(scene.running().length, 3, 'the stale one starts none')
      await scene.sizesAre({ PROCESSING: 3, WAITING: 3 }, 'and claims none')
    },
  },
  {
    id: 'E-ORPHAN-1',
    title: 'a job that runs without an item is left alone, and takes a place',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.worker.sendJob('foreign', 1, { uid: 'foreign', attempt: 1, queue: 'contract' })
      await scene.put(5)
      const engine = scene.engine({ limit: 3 })
      for (let tick = 0; tick < 3; tick++) {
        await scene.ended(engine.tick())
        await harness.runtime.advance(1_000)
      }
      same(scene.running(), ['foreign 1', 'i000 1', 'i001 1'], 'it runs on, and two beside it')
    },
  },
  {
    id: 'E-ORPHAN-1/b',
    title: 'one whose item an operator cancelled is cancelled',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(1)
      const engine = scene.engine({ limit: 3 })
      await scene.ended(engine.tick())
      await scene.queue.fail('i000', CANCELLED)
      await scene.tickUntil(engine, () => scene.running().length === 0, 'its job is told to end')
      same((await scene.item('i000')).reason, CANCELLED.reason, 'the item stays as the operator left it')
    },
  },
  {
    id: 'E-ORPHAN-1/c',
    title:
      'one that was created after the attempt had ended, under the name of the job that ended it, is cancelled',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(1)
      const engine = scene.engine({ limit: 3 })
      await scene.ended(engine.tick())
      scene.endAll()
      await scene.tickUntil(
        engine,
        async () => (await scene.item('i000')).stage === 'SUCCESS',
        'it is settled',
      )
      const { uid, attempt, jobUid } = await scene.item('i000')
      check(jobUid !== undefined, 'the outcome keeps the uid of its job', jobUid)
      // The name is free again, and a request that was held up somewhere makes the job once more.
      scene.worker.loseJob('i000')
      await scene.worker.sendJob('i000', 1, { uid, attempt, queue: 'contract' })
      same(scene.running(), ['i000 1'], 'it runs again')
      await scene.tickUntil(engine, () => scene.running().length === 0, 'it is told to end')
      same((await scene.item('i000')).stage, 'SUCCESS', 'the outcome stays')
    },
  },
]
