import { SluiceError } from '@sluice/core'
import { check, same } from '../../check.js'
import { wrapWorker } from '../../worker/worker-wrapping.js'
import type { EngineCase } from '../engine-harness.js'
import { EngineScene, type ManyCalls } from '../engine-scene.js'

const MAX_JOBS = 10

/** E-MANY-1. */
export const manyCases: readonly EngineCase[] = [
  {
    id: 'E-MANY-1',
    title:
      'many jobs are started by few calls, none of them for more than the worker takes, and each starts once',
    async run(harness) {
      const scene = new EngineScene(harness)
      const ids = await scene.put(60)
      const calls: ManyCalls = []
      const engine = scene.engine({ worker: scene.manyWorker(MAX_JOBS, calls), limit: 60 })
      await scene.tickUntil(engine, () => scene.running().length === 60, 'all jobs run')
      const sizes = calls.map((jobs) => jobs.length)
      check(calls.length <= 20, 'a third of the calls that single sends would take', sizes)
      check(Math.max(...sizes) <= MAX_JOBS, 'no call has more jobs than the worker takes', sizes)
      same(calls.flat().toSorted(), ids, 'each was sent once')
      await scene.drain(engine)
      await scene.sizesAre({ SUCCESS: 60 }, 'all are done')
    },
  },
  {
    id: 'E-MANY-1/b',
    title: 'an error at one place of a call is the trouble of that item alone',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(30)
      scene.worker.troubleItem('i007', { concerns: 'item', message: 'no such file' })
      const settings = { worker: scene.manyWorker(MAX_JOBS), limit: 30, maxTries: 2, canary: 0 }
      const engine = scene.engine(settings)
      await scene.tickUntil(engine, () => scene.running().length === 29, 'the others run')
      const { stage, reason } = await scene.item('i007')
      same({ stage, reason }, { stage: 'WAITING', reason: 'no such file' }, 'the refused one is set aside')
      await scene.sizesAre({ FAIL: 0, PROCESSING: 29 }, 'no item fails for it')
    },
  },
  {
    id: 'E-MANY-1/c',
    title: 'a call whose answer is lost is made again, and each of its jobs starts once',
    async run(harness) {
      const scene = new EngineScene(harness)
      const ids = await scene.put(30)
      const many = scene.manyWorker(MAX_JOBS)
      let lost = 0
      const worker = wrapWorker(many, {
        sendMany: async (jobs) => {
          const outcomes = await many.sendMany?.(jobs)
          if (lost++ < 2) throw new SluiceError('SLUICE_WORKER_UNAVAILABLE', 'reset', { concerns: 'worker' })
          return outcomes ?? []
        },
      })
      const engine = scene.engine({ worker, limit: 30, graceMs: 5_000 })
      await scene.drain(engine)
      await scene.sizesAre({ SUCCESS: 30 }, 'all are done')
      for (const id of ids) same(scene.startsOf(await scene.item(id)), 1, `${id} started once`)
    },
  },
  {
    id: 'E-MANY-1/d',
    title: 'a call that is rejected as a whole for one of its items fails none of the others',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(30)
      scene.worker.troubleItem('i007', { message: 'unknown words' })
      const many = scene.manyWorker(MAX_JOBS)
      const worker = wrapWorker(many, {
        sendMany: async (jobs) => {
          if (jobs.some(({ id }) => id === 'i007'))
            throw new SluiceError('SLUICE_WORKER_UNAVAILABLE', 'unknown words')
          return (await many.sendMany?.(jobs)) ?? []
        },
      })
      const engine = scene.engine({ worker, limit: 30, maxTries: 2 })
      await scene.tickUntil(
        engine,
        async () => {
          scene.endAll()
          return (await scene.stages()).SUCCESS === 29
        },
        'the others are done',
      )
      const { stage } = await scene.item('i007')
      check(stage !== 'PROCESSING' && stage !== 'SUCCESS', 'the one is set aside, or has failed', stage)
    },
  },
]
