import { check, same } from '../../check.js'
import type { EngineCase } from '../engine-harness.js'
import { EngineScene } from '../engine-scene.js'

/** E-END-1, E-RETRY-1, E-RETRY-2, E-LOST-1 and E-POLL-1. */
export const outcomeCases: readonly EngineCase[] = [
  {
    id: 'E-END-1',
    title: 'an item ends as its job did, with its result or its reason, class, exit code and job uid',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(2)
      const engine = scene.engine()
      await scene.ended(engine.tick())
      scene.worker.settleJob('i000', { stage: 'SUCCESS', result: { bytes: 12 } })
      scene.worker.settleJob('i001', {
        stage: 'FAIL',
        message: 'no space left',
        failureClass: 'oom',
        exitCode: 137,
      })
      await scene.ended(engine.tick())
      const [good, bad] = [await scene.item('i000'), await scene.item('i001')]
      same([good.stage, good.result], ['SUCCESS', { bytes: 12 }], 'the one that ended well')
      same(
        [bad.stage, bad.reason, bad.failureClass, bad.exitCode],
        ['FAIL', 'no space left', 'oom', 137],
        'the one that failed',
      )
      check(good.jobUid !== undefined && bad.jobUid !== undefined, 'both keep the uid of their jobs', [
        good,
        bad,
      ])
    },
  },
  {
    id: 'E-RETRY-1',
    title: 'a failed item gets its maximum of attempts and no more, counted across restarts',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(1)
      const attempts = new Set<number>()
      for (let life = 0; life < 6; life++) {
        const engine = scene.engine({ maxAttempts: 3 })
        for (let tick = 0; tick < 4; tick++) {
          await scene.ended(engine.tick())
          for (const { attempt } of scene.worker.running()) attempts.add(attempt)
          scene.endAll('FAIL')
          await harness.runtime.advance(30_000)
        }
        await scene.ended(engine.stop())
      }
      same([...attempts], [1, 2, 3], 'three attempts were made')
      same((await scene.item('i000')).stage, 'FAIL', 'and the item has failed')
    },
  },
  {
    id: 'E-RETRY-1/b',
    title: 'an item that the worker can never accept fails at once, however many attempts are allowed',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(2)
      scene.worker.troubleItem('i000', { concerns: 'item', message: 'bad entrypoint' })
      const engine = scene.engine({ maxAttempts: 5, maxTries: 1 })
      await scene.drain(engine)
      const { stage, failureClass } = await scene.item('i000')
      same([stage, failureClass], ['FAIL', 'unsendable'], 'a class that is never retried')
      await harness.runtime.advance(60_000)
      await scene.ended(engine.tick())
      same((await scene.item('i000')).stage, 'FAIL', 'it stays there')
    },
  },
  {
    id: 'E-RETRY-2',
    title:
      'the first rule that matches its class and exit code decides about each failure; without a match it is not retried',
    async run(harness) {
      const scene = new EngineScene(harness)
      const endings = [
        { failureClass: 'evicted', exitCode: 143 },
        { failureClass: 'failed', exitCode: 75 },
        { failureClass: 'failed', exitCode: 140 },
        { failureClass: 'failed', exitCode: 1 },
        { failureClass: 'failed' },
      ]
      const ids = await scene.put(endings.length)
      const retryRules = [
        { classes: ['evicted'], maxAttempts: 4 },
        { exitCodes: [75, '130-145'], maxAttempts: 3 },
      ]
      const engine = scene.engine({ limit: 10, retryRules })
      await scene.tickUntil(
        engine,
        async () => {
          for (const { id } of scene.worker.running()) {
            const ending = endings[ids.indexOf(id)]
            scene.worker.settleJob(id, { stage: 'FAIL', ...ending })
          }
          return (await scene.stages()).FAIL === ids.length
        },
        'all have failed for good',
      )
      const attempts = await Promise.all(ids.map(async (id) => (await scene.item(id)).attempt))
      same(attempts, [4, 3, 3, 1, 1], 'after so many attempts')
    },
  },
  {
    id: 'E-RETRY-2/b',
    title: 'an attempt that was given back unsent does not count against a rule',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(1)
      await scene.queue.get(1)
      await scene.queue.release('i000', { countAttempt: false })
      const engine = scene.engine({ retryRules: [{ exitCodes: [75], maxAttempts: 2 }] })
      const isOver = async () => {
        for (const { id } of scene.worker.running())
          scene.worker.settleJob(id, { stage: 'FAIL', exitCode: 75 })
        return (await scene.stages()).FAIL === 1
      }
      await scene.tickUntil(engine, isOver, 'it has failed for good')
      same((await scene.item('i000')).attempt, 3, 'at its third attempt, the second that counts')
    },
  },
  {
    id: 'E-LOST-1',
    title: 'an item whose job has disappeared keeps its place for the grace, and then the policy applies',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(1)
      const engine = scene.engine({ lost: 'fail', graceMs: 30_000 })
      await scene.ended(engine.tick())
      await harness.runtime.advance(1_000)
      await scene.ended(engine.tick())
      scene.worker.loseJob('i000')
      await scene.ticks(engine, 25, async () =>
        same((await scene.item('i000')).stage, 'PROCESSING', 'within the grace nothing follows from it'),
      )
      await scene.tickUntil(engine, async () => (await scene.item('i000')).stage === 'FAIL', 'it fails')
      same((await scene.item('i000')).failureClass, 'lost', 'and its class says why')
    },
  },
  {
    id: 'E-POLL-1',
    title: 'with incomplete polls nothing starts before the first complete one',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(3)
      scene.worker.incompleteNext(3)
      const engine = scene.engine()
      await scene.ticks(engine, 3, () => same(scene.running(), [], 'nothing starts'))
      await scene.tickUntil(engine, () => scene.running().length === 3, 'and then all start')
      same(scene.running().length, 3, 'three')
    },
  },
]
