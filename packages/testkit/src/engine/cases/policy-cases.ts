import type { Queue } from '@sluice/core'
import { check, same } from '../../check.js'
import { wrapQueue } from '../../queue/queue-wrapping.js'
import type { EngineCase, EngineHarness } from '../engine-harness.js'
import { EngineScene } from '../engine-scene.js'

/** E-LIMIT, E-RATE, E-BUDGET, E-KEY, E-WINDOW and E-MACHINE. */
export const policyCases: readonly EngineCase[] = [
  {
    id: 'E-LIMIT-1',
    title: 'a live limit below what runs ends no job, and none starts before fewer run',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(8)
      const engine = scene.engine({ limit: 5 })
      await scene.ended(engine.tick())
      await scene.queue.control.setLimits({ maxProcessing: 2 })
      await scene.ticks(engine, 3, () => same(scene.running().length, 5, 'the five jobs that run go on'))
      for (const id of ['i000', 'i001', 'i002']) scene.worker.settleJob(id, { stage: 'SUCCESS' })
      await scene.ended(engine.tick())
      same(scene.running(), ['i003 1', 'i004 1'], 'three have ended, and none has started')
      scene.worker.settleJob('i003', { stage: 'SUCCESS' })
      await scene.ended(engine.tick())
      same(scene.running(), ['i004 1', 'i005 1'], 'there is room for one')
    },
  },
  {
    id: 'E-RATE-1',
    title: 'no window has more claims than the rate, and once it is over as many are claimed again',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(20)
      const { openQueue, claimedAt } = watched(harness)
      const engine = scene.engine({ queue: openQueue(), limit: 100, rate: RATE })
      await scene.ticks(engine, 30, () => assertRate(claimedAt))
      same(claimedAt.length, 15, 'five times as many as the rate were claimed in five windows')
      const tick = await scene.ended(engine.tick())
      await scene.heldBack(tick, 'rate', 'items wait')
    },
  },
  {
    id: 'E-RATE-1/b',
    title: 'nor has one across restarts and changes of dispatcher, clean ones and others',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(40)
      const { openQueue, claimedAt } = watched(harness)
      for (let restart = 0; restart < 5; restart++) {
        const engine = scene.engine({ queue: openQueue(), limit: 100, rate: RATE, leaseTtlMs: 1_000 })
        await scene.ticks(engine, 1, () => assertRate(claimedAt))
        if (restart % 2 === 0) await scene.ended(engine.stop())
        await harness.runtime.advance(100)
      }
      assertRate(claimedAt)
      const last = scene.engine({ queue: openQueue(), limit: 100, rate: RATE, leaseTtlMs: 1_000 })
      await scene.drain(last, () => assertRate(claimedAt))
      await scene.sizesAre({ SUCCESS: 40 }, 'every item is done in the end')
    },
  },
  {
    id: 'E-BUDGET-1',
    title:
      'jobs never use more of a resource than there is, restarts included, and no item is passed too often',
    async run(harness) {
      const scene = new EngineScene(harness)
      const needs = [3, 4, 9, 1, 2, 1, 1, 3, 1, 1, 4, 2]
      const items = needs.map((gpu, at) => ({ id: `g${at}`, body: at, resources: { gpu } }))
      await scene.queue.putMany(items)
      const needOf = (job: string): number => needs[Number(/^g(\d+) /u.exec(job)?.[1])] ?? 0
      const resources = { limits: { gpu: 4 }, maxPassed: 2 }
      const started: string[] = []
      for (let turn = 0; turn < 40; turn++) {
        const engine = scene.engine({ limit: 100, resources, leaseTtlMs: 1_000 })
        await scene.ended(engine.tick())
        const running = scene.running()
        const used = running.reduce((sum, job) => sum + needOf(job), 0)
        check(used <= 4, 'no more than four of the resource are in use', running)
        started.push(...running.filter((job) => !started.includes(job)))
        const [first] = running
        if (first !== undefined)
          scene.worker.settleJob(first.slice(0, first.indexOf(' ')), { stage: 'SUCCESS' })
        if (turn % 3 === 0) await scene.ended(engine.stop())
        await harness.runtime.advance(1_000)
      }
      await scene.sizesAre({ SUCCESS: needs.length - 1, FAIL: 1 }, 'all but the one that needs nine is done')
      same((await scene.queue.lookup('g2'))?.failureClass, 'rejected', 'that one was never started')
      check(!started.some((job) => job.startsWith('g2 ')), 'not even once', started)
    },
  },
  {
    id: 'E-BUDGET-1/b',
    title: 'an item that later ones have passed as often as allowed is next',
    async run(harness) {
      const scene = new EngineScene(harness)
      const needs = [1, 4, 1, 1, 1, 1, 1, 1]
      await scene.queue.putMany(needs.map((gpu, at) => ({ id: `g${at}`, body: at, resources: { gpu } })))
      const engine = scene.engine({ limit: 2, resources: { limits: { gpu: 4 }, maxPassed: 3 } })
      const passed = new Set<string>()
      for (let turn = 0; turn < 12 && !scene.running().includes('g1 1'); turn++) {
        await scene.ended(engine.tick())
        for (const job of scene.running()) if (job !== 'g0 1' && job !== 'g1 1') passed.add(job)
        const first = scene.running().find((job) => job !== 'g1 1')
        if (first !== undefined)
          scene.worker.settleJob(first.slice(0, first.indexOf(' ')), { stage: 'SUCCESS' })
        await harness.runtime.advance(1_000)
      }
      same(passed.size, 3, 'three later items have started before it')
    },
  },
  {
    id: 'E-KEY-1',
    title: 'no more jobs of one key run than allowed, and those of others start past them',
    async run(harness) {
      const scene = new EngineScene(harness)
      const keys = ['a', 'a', 'a', 'b', undefined, 'b', 'b']
      await scene.queue.putMany(
        keys.map((key, at) => ({ id: `k${at}`, body: at, ...(key === undefined ? {} : { limitKey: key }) })),
      )
      const engine = scene.engine({ limit: 100, perKey: 2 })
      await scene.ended(engine.tick())
      same(scene.running(), ['k0 1', 'k1 1', 'k3 1', 'k4 1', 'k5 1'], 'two of each key, and the one without')
      scene.worker.settleJob('k1', { stage: 'SUCCESS' })
      await scene.ended(engine.tick())
      same(scene.running(), ['k0 1', 'k2 1', 'k3 1', 'k4 1', 'k5 1'], 'the next of the key that has room')
    },
  },
  {
    id: 'E-WINDOW-1',
    title: 'outside of a window nothing starts, jobs that run go on, and the holdup says when it opens',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(9)
      await toNext(harness, OPENS_OF_DAY_MS - 10_000)
      const engine = scene.engine({ limit: 3, windows: [WINDOW], graceMs: 7_200_000, leaseTtlMs: 7_200_000 })
      // A live limit opens no window.
      await scene.queue.control.setLimits({ maxProcessing: 4 })
      const before = await scene.ended(engine.tick())
      same(scene.running(), [], 'the window is closed')
      await scene.heldBack(before, 'outside-window', 'the queue is held back')
      const opensAt = before.holdups.find(({ code }) => code === 'outside-window')?.untilAt
      same(opensAt, harness.runtime.now() + 10_000, 'and it says when the window opens')
      await harness.runtime.advance(10_000)
      await scene.ended(engine.tick())
      same(scene.running().length, 4, 'it is open')
      await toNext(harness, CLOSES_OF_DAY_MS)
      scene.worker.settleJob('i000', { stage: 'SUCCESS' })
      await scene.ended(engine.tick())
      same(scene.running(), ['i001 1', 'i002 1', 'i003 1'], 'it is closed: jobs go on, and none starts')
      await scene.sizesAre({ SUCCESS: 1, WAITING: 5 }, 'what has ended is settled')
    },
  },
  {
    id: 'E-MACHINE-1',
    title: 'while the machine is over a bound no new job starts, and those that run go on',
    async run(harness) {
      const scene = new EngineScene(harness)
      await scene.put(9)
      const now = { load: 0, bytes: 1_000 }
      const machine = {
        load: 0.8,
        freeMemory: 500,
        loadPerCore: () => now.load,
        availableBytes: () => now.bytes,
      }
      const engine = scene.engine({ limit: 3, machine })
      await scene.ended(engine.tick())
      for (const over of [{ load: 0.9 }, { load: 0, bytes: 400 }]) {
        Object.assign(now, over)
        await harness.runtime.advance(1_000)
        scene.endAll()
        await scene.ticks(engine, 2, () => undefined)
        await scene.heldBack(await scene.ended(engine.tick()), 'machine', 'the queue is held back')
        same(scene.running(), [], 'what has ended leaves its place empty')
      }
      Object.assign(now, { load: 0, bytes: 1_000 })
      await harness.runtime.advance(1_000)
      await scene.ended(engine.tick())
      same(scene.running().length, 3, 'the machine has room again')
      now.load = 5
      await harness.runtime.advance(1_000)
      await scene.ticks(engine, 3, () => same(scene.running().length, 3, 'jobs that run go on'))
    },
  },
]

const RATE = { count: 3, perMs: 5_000 }

const WINDOW = '20:00-21:00 UTC'
const DAY_MS = 86_400_000
const OPENS_OF_DAY_MS = 20 * 3_600_000
const CLOSES_OF_DAY_MS = 21 * 3_600_000

/** Lets time go by to the next such time of a day. */
async function toNext({ runtime }: EngineHarness, ofDayMs: number): Promise<void> {
  await runtime.advance((DAY_MS + ofDayMs - (runtime.now() % DAY_MS)) % DAY_MS)
}

/** Queues of which it is noted when they claim. */
function watched(harness: EngineHarness): { openQueue: () => Queue; claimedAt: number[] } {
  const claimedAt: number[] = []
  const openQueue = (): Queue => {
    const queue = harness.openQueue()
    return wrapQueue(queue, {
      get: async (...args) => {
        const items = await queue.get(...args)
        claimedAt.push(...items.map(() => harness.runtime.now()))
        return items
      },
    })
  }
  return { openQueue, claimedAt }
}

function assertRate(claimedAt: readonly number[]): void {
  const { count, perMs } = RATE
  const late = claimedAt.findIndex((at, index) => at - (claimedAt[index - count] ?? -Infinity) <= perMs)
  check(late === -1, `no window of ${perMs} ms has more than ${count} claims`, claimedAt)
}
