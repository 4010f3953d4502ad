import { SluiceError } from '@sluice/core'
import { check, same } from '../../check.js'
import type { EngineCase } from '../engine-harness.js'
import { EngineScene } from '../engine-scene.js'
import { wrapQueue } from '../../queue/queue-wrapping.js'
import { wrapWorker } from '../../worker/worker-wrapping.js'

/** E-OUT-1, E-ITEM-1 to E-ITEM-3, E-ROOM-1 and E-TIME-1. */
export const troubleCases: readonly EngineCase[] = [
  {
    id: 'E-OUT-1',
    title: 'an outage of the worker, in whatever words, fails no item, and all is done once it is over',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(12)
      let sends = 0
      const down = wrapWorker(scene.worker, {
        sendJob: async () => {
          sends += 1
          throw new SluiceError('SLUICE_WORKER_UNAVAILABLE', 'unknown words')
        },
      })
      const first = scene.engine({ worker: down, limit: 6, maxTries: 1 })
      for (let tick = 0; tick < 60; tick++) {
        await scene.ended(first.tick())
        await harness.runtime.advance(10_000)
      }
      await scene.sizesAre({ FAIL: 0 }, 'ten minutes of it, and no item has failed')
      check(sends <= 60 * 10, 'a few sends a tick, not one for every item', sends)
      await scene.ended(first.stop())
      await scene.drain(scene.engine({ limit: 6 }))
      await scene.sizesAre({ SUCCESS: 12 }, 'all are done')
    },
  },
  {
    id: 'E-OUT-1/b',
    title: 'an outage of the queue fails no item, and the engine goes on by itself',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(3)
      let isDown = true
      const queue = harness.openQueue()
      const outOfReach = async <T>(call: () => Promise<T>): Promise<T> => {
        if (isDown) throw new SluiceError('SLUICE_QUEUE_UNAVAILABLE', 'out of reach')
        return call()
      }
      const troubled = wrapQueue(queue, {
        get: (...args) => outOfReach(() => queue.get(...args)),
        settle: (...args) => outOfReach(() => queue.settle(...args)),
      })
      const engine = scene.engine({ queue: troubled })
      for (let tick = 0; tick < 5; tick++) {
        await scene.ended(engine.tick())
        await harness.runtime.advance(5_000)
      }
      isDown = false
      await scene.drain(engine)
      await scene.sizesAre({ SUCCESS: 3 }, 'all are done')
    },
  },
  {
    id: 'E-ITEM-1',
    title:
      'an item that the worker refuses while it accepts others holds none of them up, and fails with the worker’s message',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(20)
      scene.worker.troubleItem('i001', { message: 'unknown words' })
      const engine = scene.engine({ limit: 2, maxTries: 3 })
      let ticks = 0
      await scene.tickUntil(
        engine,
        async () => {
          ticks += 1
          scene.endAll()
          return (await scene.stages()).SUCCESS === 19
        },
        'the others are done',
      )
      check(ticks <= 40, 'within a few ticks, at two in each', ticks)
      await scene.put(40, 100)
      await scene.drain(engine)
      const { stage, failureClass, reason } = await scene.item('i001')
      same([stage, failureClass], ['FAIL', 'unsendable'], 'it fails')
      check(reason?.includes('unknown words') === true, 'with the words of the worker', reason)
      await scene.sizesAre({ SUCCESS: 59, FAIL: 1 }, 'and nothing else does')
    },
  },
  {
    id: 'E-ITEM-2',
    title: 'its tries outlive a restart',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(1)
      scene.worker.troubleItem('i000', { concerns: 'item' })
      let tries = 0
      const counting = wrapWorker(scene.worker, {
        sendJob: async (id, ...rest) => {
          if (id === 'i000') tries += 1
          await scene.worker.sendJob(id, ...rest)
        },
      })
      let first = 100
      for (let life = 0; life < 40 && (await scene.item('i000')).stage !== 'FAIL'; life++) {
        const engine = scene.engine({ worker: counting, maxTries: 4 })
        await scene.put(1, first++)
        for (let tick = 0; tick < 2; tick++) {
          await scene.ended(engine.tick())
          scene.endAll()
          await harness.runtime.advance(70_000)
        }
        await scene.ended(engine.stop())
      }
      same(
        (await scene.item('i000')).stage,
        'FAIL',
        'it fails although every engine lives for two ticks only',
      )
      check(tries >= 4 && tries <= 12, 'after about as many tries as are allowed', tries)
    },
  },
  {
    id: 'E-ITEM-3',
    title: 'with nothing else to send a probe replaces the others',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(2)
      scene.worker.troubleItem('i001', { concerns: 'item' })
      const engine = scene.engine({ limit: 5, maxTries: 3 })
      await scene.tickUntil(
        engine,
        async () => {
          scene.endAll()
          return (await scene.item('i001')).stage === 'FAIL'
        },
        'it fails, though no other item is sent after the first tick',
      )
      same((await scene.item('i001')).failureClass, 'unsendable', 'as one that can’t be sent')
    },
  },
  {
    id: 'E-ROOM-1',
    title: 'a full worker is no outage: jobs are followed and settled, and each free place is used again',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(60)
      scene.worker.limitJobs(2)
      const stop = new AbortController()
      const running = scene.engine({ limit: 3 }).run(stop.signal)
      let passedMs = 0
      for (; passedMs < 60_000 && (await scene.stages()).SUCCESS < 60; passedMs += 100) {
        await harness.runtime.advance(100)
        check(scene.running().length <= 2, 'the worker takes two at once', scene.running())
        scene.endAll()
      }
      check(
        passedMs <= 15_000,
        'at two jobs of 100 ms each at once, sixty take little more than 3 s',
        passedMs,
      )
      await scene.sizesAre({ SUCCESS: 60 }, 'all are done, and none failed')
      stop.abort()
      await scene.ended(running)
    },
  },
  {
    id: 'E-TIME-1',
    title: 'a worker gets no send before its `Retry-After` is over, up to a bound; the control is still read',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(3)
      const begun: number[] = []
      let refusals = 1
      const busy = wrapWorker(scene.worker, {
        sendJob: async (...args) => {
          begun.push(harness.runtime.monotonicMs())
          if (refusals-- > 0) {
            const options = { retryAfterMs: 3_600_000, concerns: 'worker' as const }
            throw new SluiceError('SLUICE_WORKER_UNAVAILABLE', 'come back later', options)
          }
          await scene.worker.sendJob(...args)
        },
      })
      const stop = new AbortController()
      const engine = scene.engine({ worker: busy, limit: 1, maxRetryAfterMs: 120_000 })
      const running = engine.run(stop.signal)
      await harness.runtime.advance(100_000)
      same(begun.length, 1, 'it is left alone')
      await harness.runtime.advance(60_000)
      check(begun.length >= 2, 'and not for longer than the bound', begun)
      stop.abort()
      await scene.ended(running)
    },
  },
]
