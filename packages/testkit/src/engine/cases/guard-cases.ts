import { SluiceError, type Worker } from '@sluice/core'
import { check, same } from '../../check.js'
import type { EngineCase, EngineSettings, TestedEngine } from '../engine-harness.js'
import { EngineScene } from '../engine-scene.js'
import { wrapWorker } from '../../worker/worker-wrapping.js'

/** So many refusals for the same reason, with no success in between, pause the queue. */
const ROW = 20

/** A place whose worker can be told to reject items. */
class GuardScene extends EngineScene {
  /** What the worker says of an item that it never takes; `undefined`: it takes it. */
  refusalOf: (id: string) => string | undefined = () => undefined
  readonly rejecting: Worker = wrapWorker(this.worker, {
    sendJob: async (id, body, job) => {
      const message = this.refusalOf(id)
      if (message !== undefined) throw new SluiceError('SLUICE_JOB_REJECTED', message, { itemId: id })
      await this.worker.sendJob(id, body, job)
    },
  })

  rejectingEngine(settings: Partial<EngineSettings> = {}): TestedEngine {
    return this.engine({ worker: this.rejecting, sendConcurrency: 2, ...settings })
  }

  async isPaused(): Promise<boolean> {
    return (await this.queue.control.read()).paused
  }

  async untilPaused(engine: TestedEngine): Promise<void> {
    const tick = await this.tickUntil(engine, () => this.isPaused(), 'the queue is paused')
    check(tick.holdups.some(isBreakerOpen), 'the engine says that Sluice paused it', tick.holdups)
    const after = await this.ended(engine.tick())
    check(after.holdups.some(isBreakerOpen), 'and says so as long as it is', after.holdups)
  }

  /**
   * All that run fail now, as a cluster that refuses pods lets them: in the same words, but for the pod's
   * name.
   */
  refuseStarts(): void {
    for (const { id, attempt } of this.worker.running()) {
      const message = `pods "${id}-${attempt}" is forbidden: maximum cpu usage per Container is 1, but limit is 2`
      this.worker.settleJob(id, { stage: 'FAIL', failureClass: 'error', message })
    }
  }
}

const isBreakerOpen = ({ code }: { readonly code: string }): boolean => code === 'breaker-open'

/** Nothing but refusals pauses the queue. */
const NO_LIMIT = { failures: 1_000, window: 10_000 }

const MISSING = (id: string): string => `Cannot start a job for item ${JSON.stringify(id)}: $.path is missing`

/** E-GUARD-1 to E-GUARD-3. */
export const guardCases: readonly EngineCase[] = [
  {
    id: 'E-GUARD-1',
    title:
      'a worker that rejects every item for the same reason costs 20 items and the sends in flight, and pauses the queue',
    async run(harness) {
      const scene = new GuardScene(harness)
      await scene.put(200)
      scene.refusalOf = MISSING
      const engine = scene.rejectingEngine({ limit: 50 })
      await scene.untilPaused(engine)
      await scene.ticks(engine, 3, () => undefined)
      const { FAIL, WAITING, PROCESSING } = await scene.stages()
      check(FAIL >= ROW && FAIL <= ROW + 2, 'so many have failed', FAIL)
      same([WAITING, PROCESSING], [200 - FAIL, 0], 'all others wait again')
      const { reason = '' } = await scene.queue.control.read()
      check(reason.includes('is missing'), 'the reason of the pause is that of the rejections', reason)
      for (const { id } of await scene.queue.peek(200)) {
        const { attempt, uncounted } = await scene.item(id)
        same(attempt, uncounted, `no attempt of ${id} counts`)
      }
    },
  },
  {
    id: 'E-GUARD-1/b',
    title: 'so does one that begins to reject them during a run, and running jobs are followed to their ends',
    async run(harness) {
      const scene = new GuardScene(harness)
      await scene.put(100)
      const engine = scene.rejectingEngine({ limit: 10 })
      await scene.ended(engine.tick())
      same(scene.running().length, 10, 'ten run')
      scene.refusalOf = MISSING
      scene.endAll()
      await scene.ended(engine.tick())
      await scene.put(5, 500)
      await scene.untilPaused(engine)
      const { SUCCESS, FAIL } = await scene.stages()
      same(SUCCESS, 10, 'what ran has ended well')
      check(FAIL >= ROW && FAIL <= ROW + 2, 'so many have failed', FAIL)
    },
  },
  {
    id: 'E-GUARD-1/c',
    title: 'one successful send in between ends the row, and so do different reasons',
    async run(harness) {
      const scene = new GuardScene(harness)
      await scene.put(120)
      // Every twentieth is taken: nineteen in a row are rejected.
      scene.refusalOf = (id) => (Number(id.slice(1)) % ROW === ROW - 1 ? undefined : MISSING(id))
      const engine = scene.rejectingEngine({ limit: 1, sendConcurrency: 1 })
      await scene.drain(engine)
      same(await scene.isPaused(), false, 'nothing pauses the queue')
      await scene.sizesAre({ SUCCESS: 6, FAIL: 114 }, 'and every item comes to its end')
      await scene.put(30, 200)
      scene.refusalOf = (id) => `the ${REASONS[Number(id.slice(1)) % REASONS.length]} is wrong`
      await scene.drain(engine)
      same(await scene.isPaused(), false, 'nor do reasons of which none comes twenty times')
    },
  },
  {
    id: 'E-GUARD-1/d',
    title:
      'the count continues across restarts and failovers, and an attempt that is rejected again after a crash counts once',
    async run(harness) {
      const scene = new GuardScene(harness)
      await scene.put(60)
      scene.refusalOf = MISSING
      for (let life = 0; life < 6; life++) {
        const engine = scene.rejectingEngine({ limit: 3, leaseTtlMs: 5_000 })
        await scene.ended(engine.tick())
        // Every other one is stopped, the others die.
        if (life % 2 === 0) await scene.ended(engine.stop())
        else await harness.runtime.advance(5_001)
      }
      await scene.sizesAre({ FAIL: 18 }, 'six lives of three rejections each')
      same(await scene.isPaused(), false, 'are not enough')
      const last = scene.rejectingEngine({ limit: 3, leaseTtlMs: 5_000 })
      await scene.untilPaused(last)
      check((await scene.stages()).FAIL <= ROW + 3, 'the next one meets the row', await scene.stages())
    },
  },
  {
    id: 'E-GUARD-2',
    title: 'twenty jobs that end in an error at their start, with the same message, pause the queue',
    async run(harness) {
      const scene = new GuardScene(harness)
      await scene.put(100)
      const engine = scene.rejectingEngine({ limit: 4 })
      await scene.tickUntil(
        engine,
        async () => {
          scene.refuseStarts()
          return scene.isPaused()
        },
        'the queue is paused',
      )
      await scene.ended(engine.tick())
      const { FAIL, WAITING } = await scene.stages()
      check(FAIL >= ROW && FAIL <= ROW + 4, 'so many have failed, and those that were sent by then', FAIL)
      same(WAITING, 100 - FAIL, 'all others wait')
    },
  },
  {
    id: 'E-GUARD-2/b',
    title: 'jobs that fail later do not, nor do those with a success among them',
    async run(harness) {
      const scene = new GuardScene(harness)
      await scene.put(30)
      const engine = scene.rejectingEngine({ limit: 5, breaker: NO_LIMIT })
      await scene.tickUntil(
        engine,
        async () => {
          await harness.runtime.advance(30_000)
          scene.refuseStarts()
          return (await scene.stages()).FAIL === 30
        },
        'all fail, each half a minute after its start',
      )
      same(await scene.isPaused(), false, 'which pauses nothing')
      await scene.put(40, 100)
      await scene.tickUntil(
        engine,
        async () => {
          const [first] = scene.worker.running()
          if (first !== undefined) scene.worker.settleJob(first.id, { stage: 'SUCCESS' })
          scene.refuseStarts()
          return (await scene.stages()).WAITING + (await scene.stages()).PROCESSING === 0
        },
        'of five, one ends well',
      )
      same(await scene.isPaused(), false, 'which pauses nothing either')
    },
  },
  {
    id: 'E-GUARD-3',
    title: 'later engines know who paused the queue too; a resume ends the pause, and the count starts again',
    async run(harness) {
      const scene = new GuardScene(harness)
      await scene.put(100)
      await scene.queue.control.pause('not now')
      const operators = await scene.ended(scene.rejectingEngine({ limit: 3, leaseTtlMs: 5_000 }).tick())
      check(
        !operators.holdups.some(isBreakerOpen),
        'the pause of an operator is none of its own',
        operators.holdups,
      )
      await scene.queue.control.resume()
      await harness.runtime.advance(5_001)
      scene.refusalOf = MISSING
      const first = scene.rejectingEngine({ limit: 3, leaseTtlMs: 5_000 })
      await scene.untilPaused(first)
      await harness.runtime.advance(5_001)
      const second = scene.rejectingEngine({ limit: 3, leaseTtlMs: 5_000 })
      const tick = await scene.ended(second.tick())
      check(tick.holdups.some(isBreakerOpen), 'the next engine knows it too', tick.holdups)
      same(tick.sent, 0, 'and sends nothing')
      const before = (await scene.stages()).FAIL
      await scene.queue.control.resume()
      await scene.tickUntil(
        second,
        async () => (await scene.stages()).FAIL >= before + ROW - 2,
        'eighteen more fail',
      )
      same(await scene.isPaused(), false, 'the row has started again')
      await scene.untilPaused(second)
    },
  },
]

const REASONS = ['colour', 'shape', 'size', 'weight', 'name', 'place', 'owner', 'kind', 'age', 'scale']
