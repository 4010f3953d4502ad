import { check, same } from '../../check.js'
import type { EngineCase } from '../engine-harness.js'
import { EngineScene } from '../engine-scene.js'

/** E-CTRL-1, E-CTRL-2, E-STOP-1 and E-STALL-1. */
export const engineControlCases: readonly EngineCase[] = [
  {
    id: 'E-CTRL-1',
    title:
      'a pause holds within a second while jobs are being sent, and what was claimed and not sent is WAITING again, uncounted, in its place',
    async run(harness) {
      const scene = new EngineScene(harness)
      const ids = await scene.put(60)
      const begun: number[] = []
      const engine = scene.engine({ worker: scene.slowSends(800, begun), limit: 60, sendConcurrency: 4 })
      const ticking = engine.tick()
      await harness.runtime.advance(2_000)
      await scene.queue.control.pause('not now')
      const pausedAtMonotonic = harness.runtime.monotonicMs()
      await scene.ended(ticking)
      const late = begun.filter((at) => at > pausedAtMonotonic + 1_000)
      same(late, [], 'no send begins a second after the pause')
      await scene.tickUntil(
        engine,
        async () => (await scene.stages()).PROCESSING === scene.running().length,
        'only running ones are in PROCESSING',
      )
      const before = scene.running().length
      check(before < 40, 'most of them were not sent', before)
      for (let tick = 0; tick < 3; tick++) await scene.ended(engine.tick())
      same(scene.running().length, before, 'and nothing starts later')
      const waiting = (await scene.queue.peek(60)).map(({ id }) => id)
      same(waiting, ids.slice(before), 'they stand where they stood')
      for (const { id } of await scene.queue.peek(60)) {
        const { attempt, uncounted } = await scene.item(id)
        same(attempt, uncounted, `no attempt of ${id} counts`)
      }
    },
  },
  {
    id: 'E-CTRL-1/b',
    title: 'so does a limit of 0',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(60)
      const begun: number[] = []
      const engine = scene.engine({ worker: scene.slowSends(800, begun), limit: 60, sendConcurrency: 4 })
      const ticking = engine.tick()
      await harness.runtime.advance(2_000)
      await scene.queue.control.setLimits({ maxProcessing: 0 })
      const setAtMonotonic = harness.runtime.monotonicMs()
      await scene.ended(ticking)
      same(
        begun.filter((at) => at > setAtMonotonic + 1_000),
        [],
        'no send begins a second after it',
      )
    },
  },
  {
    id: 'E-CTRL-2',
    title: 'the caller of a sync learns when every send that had begun before has ended',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(8)
      const engine = scene.engine({ worker: scene.slowSends(900), limit: 8, sendConcurrency: 2 })
      const stop = new AbortController()
      const running = engine.run(stop.signal)
      await harness.runtime.advance(1_000)
      await scene.queue.control.pause()
      const sync = await scene.queue.control.sync()
      let waitedMs = 0
      while ((await syncedTo(scene)) < sync && waitedMs < 30_000) {
        await harness.runtime.advance(100)
        waitedMs += 100
      }
      check(waitedMs < 10_000, 'it is answered within a few seconds', waitedMs)
      const before = scene.running().length
      await harness.runtime.advance(20_000)
      same(scene.running().length, before, 'and nothing starts after the answer')
      stop.abort()
      await scene.ended(running)
    },
  },
  {
    id: 'E-STOP-1',
    title:
      'after a stop no send begins, what was claimed and not sent is WAITING again, and the lease is free at once',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(60)
      const begun: number[] = []
      const engine = scene.engine({ worker: scene.slowSends(800, begun), limit: 60, sendConcurrency: 4 })
      const ticking = engine.tick()
      await harness.runtime.advance(2_000)
      const stoppedAtMonotonic = harness.runtime.monotonicMs()
      // What the tick that was broken off says is not what this is about.
      const brokenOff = ticking.catch(() => undefined)
      await scene.ended(Promise.all([engine.stop(), brokenOff]))
      same(
        begun.filter((at) => at > stoppedAtMonotonic),
        [],
        'no send begins after the stop',
      )
      await scene.sizesAre({ PROCESSING: scene.running().length }, 'the rest is WAITING')
      same(
        (await scene.ended(scene.engine().tick())).role,
        'dispatcher',
        'the next engine dispatches at once',
      )
    },
  },
  {
    id: 'E-STALL-1',
    title:
      'an engine with a call that never ends gives up, another takes over within the ttl of the lease, and a late answer changes nothing',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(4)
      const hanging = harness.openWorker()
      const stuck = scene.engine({ worker: hanging, limit: 2, leaseTtlMs: 5_000, stallMs: 20_000 })
      await scene.ended(stuck.tick())
      hanging.hang('pollAllStatus')
      const ticking = stuck.tick().catch((error: unknown) => error)
      const live = scene.engine({ limit: 2, leaseTtlMs: 5_000 })
      await harness.runtime.advance(15_000)
      same((await scene.ended(live.tick())).role, 'standby', 'while it may still answer, its lease holds')
      await harness.runtime.advance(11_000)
      same((await scene.ended(live.tick())).role, 'dispatcher', 'then another takes over')
      await scene.ended(ticking)
      hanging.endTrouble()
      await harness.runtime.advance(1_000)
      const jobs = scene.worker.running()
      for (const job of jobs) same(scene.startsOf(job), 1, `${job.id} was started once`)
      check(jobs.length <= 2, 'no more than two jobs run', jobs)
    },
  },
]

async function syncedTo(scene: EngineScene): Promise<number> {
  const found = await scene.queue.document('engine/dispatcher').read()
  const value = found?.value
  if (typeof value !== 'object' || value === null || !('syncedTo' in value)) return 0
  return Number(value.syncedTo)
}
