import { SluiceError } from '@sluice/core'
import { check, same } from '../../check.js'
import { wrapQueue } from '../../queue/queue-wrapping.js'
import type { EngineCase, TestedEngine } from '../engine-harness.js'
import { EngineScene } from '../engine-scene.js'

/**
 * So many failures of one group, and none that succeeds, pause the queue; so many are in flight until then.
 */
const FIRST = 20
const LEASE_MS = 5_000

/** A place whose jobs fail by their numbers. */
class BreakerScene extends EngineScene {
  /** Why the job of an item fails; `undefined`: it succeeds. */
  failureOf: (number: number) => string | undefined = () => undefined

  endThem(): void {
    for (const { id } of this.worker.running()) {
      const message = this.failureOf(Number(id.slice(1)))
      if (message === undefined) this.worker.settleJob(id, { stage: 'SUCCESS' })
      else this.worker.settleJob(id, { stage: 'FAIL', failureClass: 'failed', message: `${message} ${id}` })
    }
  }

  async isPaused(): Promise<boolean> {
    return (await this.queue.control.read()).paused
  }

  /** Every job ends after ten seconds. */
  async untilPaused(engine: TestedEngine): Promise<void> {
    await this.tickUntil(
      engine,
      async () => {
        await this.harness.runtime.advance(9_000)
        this.endThem()
        return this.isPaused()
      },
      'the queue is paused',
    )
    const tick = await this.ended(engine.tick())
    await this.heldBack(tick, 'breaker-open', 'and the engine says so')
  }

  async untilDone(engine: TestedEngine): Promise<void> {
    const isDone = async (): Promise<boolean> => {
      this.endThem()
      const { WAITING, PROCESSING } = await this.stages()
      return (await this.isPaused()) || WAITING + PROCESSING === 0
    }
    await this.tickUntil(engine, isDone, 'all end, or the queue is paused')
  }

  /** The first four run alone, and then ten. */
  async canaryRuns(engine: TestedEngine): Promise<void> {
    const tick = await this.ended(engine.tick())
    same(this.running().length, 4, 'four run')
    await this.heldBack(tick, 'canary', 'the tick says so')
    for (let left = 4; left > 0; left--) {
      await this.ticks(engine, 2, () => same(this.running().length, left, 'no other starts'))
      const [first] = this.worker.running()
      if (first !== undefined) this.worker.settleJob(first.id, { stage: 'SUCCESS' })
    }
    await this.tickUntil(engine, () => this.running().length === 10, 'then the cap is full')
  }

  /** Items that have ended, or are in flight. */
  async spent(): Promise<number> {
    const { WAITING, PROCESSING, SUCCESS, FAIL } = await this.stages()
    check(WAITING >= 0, 'items wait', WAITING)
    return PROCESSING + SUCCESS + FAIL
  }
}

async function unavailable(): Promise<never> {
  throw new SluiceError('SLUICE_QUEUE_UNAVAILABLE', 'as the case wants it')
}

const ALIKE = (): string => 'no such template parameter'

/** E-GUARD-4 to E-GUARD-9. */
export const breakerCases: readonly EngineCase[] = [
  {
    id: 'E-GUARD-4',
    title:
      'with nothing configured, the first 20 ends that all fail alike pause the queue: at most 50 items are spent',
    async run(harness) {
      const scene = new BreakerScene(harness)
      await scene.put(200)
      scene.failureOf = ALIKE
      await scene.untilPaused(scene.engine({ limit: 150 }))
      const spent = await scene.spent()
      check(spent >= FIRST && spent <= 50, 'so many are spent', spent)
      const { reason = '' } = await scene.queue.control.read()
      check(reason.includes('no such template parameter'), 'the pause says why', reason)
    },
  },
  {
    id: 'E-GUARD-4/b',
    title: 'one success among them does not, and ends the limit of 20 in flight',
    async run(harness) {
      const scene = new BreakerScene(harness)
      await scene.put(200)
      scene.failureOf = (number) => (number === FIRST - 2 ? undefined : ALIKE())
      const engine = scene.engine({ limit: 60 })
      await scene.ended(engine.tick())
      same(scene.running().length, FIRST, 'twenty run')
      scene.endThem()
      await scene.tickUntil(
        engine,
        () => scene.running().length === 60,
        'after the first success the cap is full',
      )
      await scene.untilDone(engine)
      same(await scene.isPaused(), false, 'nothing pauses the queue')
    },
  },
  {
    id: 'E-GUARD-4/c',
    title: 'no more than 20 are in flight until the first success, or until a minute has passed',
    async run(harness) {
      const scene = new BreakerScene(harness)
      await scene.put(100)
      const engine = scene.engine({ limit: 60 })
      for (let passedMs = 0; passedMs < 59_000; passedMs += 1_000) {
        const tick = await scene.ended(engine.tick())
        same(scene.running().length, FIRST, 'twenty run')
        await scene.heldBack(tick, 'canary', 'the tick says so')
        await harness.runtime.advance(1_000 - (harness.runtime.monotonicMs() % 1_000))
      }
      await harness.runtime.advance(5_000)
      await scene.tickUntil(engine, () => scene.running().length === 60, 'then the cap is full')
    },
  },
  {
    id: 'E-GUARD-5',
    title:
      'no more than the canary starts until as many have ended, at the start and after a resume; then the cap',
    async run(harness) {
      const scene = new BreakerScene(harness)
      await scene.put(60)
      const engine = scene.engine({ limit: 10, canary: 4 })
      await scene.canaryRuns(engine)
      await scene.queue.control.pause('for a while')
      await scene.ended(engine.tick())
      scene.endThem()
      await scene.ended(engine.tick())
      await scene.queue.control.resume()
      await scene.canaryRuns(engine)
    },
  },
  {
    id: 'E-GUARD-6',
    title: 'a share of failures in the window pauses the queue: canary and window are spent at most',
    async run(harness) {
      const scene = new BreakerScene(harness)
      await scene.put(200)
      scene.failureOf = (number) => (number % 10 < 3 ? `reason ${LETTERS[number % 7]}` : undefined)
      const [canary, window] = [5, 30]
      const engine = scene.engine({ limit: 100, canary, breaker: { failures: '20%', window } })
      await scene.untilDone(engine)
      same(await scene.isPaused(), true, 'the queue is paused')
      const spent = await scene.spent()
      check(spent <= canary + window, 'so many are spent', spent)
    },
  },
  {
    id: 'E-GUARD-6/b',
    title: 'a smaller share does not',
    async run(harness) {
      const scene = new BreakerScene(harness)
      await scene.put(200)
      scene.failureOf = (number) => (number % 10 === 5 ? ALIKE() : undefined)
      await scene.untilDone(scene.engine({ limit: 20, canary: 10, breaker: { failures: '20%', window: 30 } }))
      await scene.sizesAre({ SUCCESS: 180, FAIL: 20, WAITING: 0 }, 'all come to their ends')
      same(await scene.isPaused(), false, 'nothing pauses the queue')
    },
  },
  {
    id: 'E-GUARD-7',
    title: 'so many failures of a new group pause the queue; after a resume and a restart the group is known',
    async run(harness) {
      const scene = new BreakerScene(harness)
      await scene.put(100)
      scene.failureOf = (number) => (number % 2 === 0 ? 'no space left' : undefined)
      const settings = { limit: 4, leaseTtlMs: LEASE_MS, breaker: { groupFailures: 5 } }
      await scene.untilDone(scene.engine(settings))
      same(await scene.isPaused(), true, 'a new group pauses the queue')
      const { FAIL } = await scene.stages()
      check(FAIL >= 5 && FAIL <= 9, 'so many have failed', FAIL)
      await scene.queue.control.resume()
      await harness.runtime.advance(LEASE_MS + 1)
      const second = scene.engine(settings)
      await scene.untilDone(second)
      same(await scene.isPaused(), false, 'a known one does not')
      await scene.put(40, 200)
      scene.failureOf = (number) => (number % 2 === 0 ? 'out of memory' : undefined)
      await scene.untilDone(second)
      same(await scene.isPaused(), true, 'another one does')
    },
  },
  {
    id: 'E-GUARD-8',
    title:
      'a few items are tried after the configured time: the first failure opens the breaker again, successes close it',
    async run(harness) {
      const scene = new BreakerScene(harness)
      await scene.put(200)
      scene.failureOf = ALIKE
      const breaker = { failures: 10, window: 20, halfOpenMs: 60_000, halfOpenItems: 2 }
      const engine = scene.engine({ limit: 30, canary: 0, breaker })
      await scene.untilPaused(engine)
      const first = await scene.spent()
      await harness.runtime.advance(61_000)
      await scene.tickUntil(engine, () => scene.running().length > 0, 'some are tried')
      await scene.ticks(engine, 3, () => same(scene.running().length, 2, 'so many are tried'))
      scene.endThem()
      await scene.tickUntil(engine, () => scene.isPaused(), 'their failure pauses the queue again')
      same((await scene.spent()) - first, 2, 'so many were spent')
      scene.failureOf = () => undefined
      await harness.runtime.advance(61_000)
      await scene.tickUntil(engine, () => scene.running().length === 2, 'two are tried again')
      scene.endThem()
      await scene.untilDone(engine)
      same(await scene.isPaused(), false, 'their success closes it')
      await scene.sizesAre({ WAITING: 0, PROCESSING: 0 }, 'and all come to their ends')
    },
  },
  {
    id: 'E-GUARD-9',
    title: 'the counts go on after a crash between counting and settling, and each end counts once',
    async run(harness) {
      const scene = new BreakerScene(harness)
      await scene.put(60)
      const settings = { limit: 20, canary: 6, leaseTtlMs: LEASE_MS }
      const queue = wrapQueue(scene.queue, { settle: unavailable })
      const dies = scene.engine({ ...settings, queue })
      await scene.ended(dies.tick())
      same(scene.running().length, 6, 'the canary runs')
      const ended = scene.worker.running().slice(0, 3)
      for (const { id } of ended) scene.worker.settleJob(id, { stage: 'SUCCESS' })
      // It can't settle what it has counted, and dies.
      await scene.ended(dies.tick())
      await harness.runtime.advance(LEASE_MS + 1)
      const second = scene.engine(settings)
      await scene.ticks(second, 3, () => undefined)
      same(scene.running().length, 3, 'no more start before the whole canary has ended')
      scene.endThem()
      await scene.tickUntil(second, () => scene.running().length === 20, 'then the cap is full')
    },
  },
  {
    id: 'E-GUARD-9/b',
    title: 'the next engine continues with what an earlier one has counted and settled',
    async run(harness) {
      const scene = new BreakerScene(harness)
      await scene.put(60)
      const settings = { limit: 20, canary: 6, leaseTtlMs: LEASE_MS }
      const first = scene.engine(settings)
      await scene.ended(first.tick())
      for (const { id } of scene.worker.running().slice(0, 3))
        scene.worker.settleJob(id, { stage: 'SUCCESS' })
      await scene.ended(first.tick())
      await harness.runtime.advance(LEASE_MS + 1)
      const second = scene.engine(settings)
      await scene.ticks(second, 3, () =>
        same(scene.running().length, 3, 'no more start before the rest has ended'),
      )
      scene.endThem()
      await scene.tickUntil(second, () => scene.running().length === 20, 'then the cap is full')
    },
  },
]

const LETTERS = 'abcdefg'
