import type { Stage } from '@sluice/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CANCELLED_DETAILS, processingLimit } from '../src/index.js'
import type { Ticker } from '../src/tick/ticker.js'
import { World } from './world.js'

const MAX_LIMIT = 4

type Command =
  | { readonly do: 'put'; readonly count: number }
  | { readonly do: 'tick'; readonly engine: number }
  | { readonly do: 'restart'; readonly engine: number; readonly clean: boolean }
  | { readonly do: 'end'; readonly which: number; readonly stage: 'SUCCESS' | 'FAIL' }
  | { readonly do: 'fail manually' | 'cancel' | 'release manually' | 'put again'; readonly which: number }
  | { readonly do: 'requeue all' }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'pause' | 'resume' }
  | { readonly do: 'limit'; readonly limit: number | null }
  | {
      readonly do: 'trouble'
      readonly kind: 'denyNext' | 'unavailableNext' | 'loseAnswer' | 'incompleteNext'
      readonly times: number
    }
  | { readonly do: 'hold' | 'begin'; readonly which: number }
  | { readonly do: 'poison'; readonly which: number; readonly looksUp: boolean }
  | { readonly do: 'limit jobs'; readonly maxJobs: number }
  | { readonly do: 'sync' }

const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('tick'), engine: fc.nat(1) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('end'),
      which: fc.nat(5),
      stage: fc.constantFrom('SUCCESS', 'FAIL'),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('pass'), ms: fc.constantFrom(1, 400, 1_500, 20_000) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('put'), count: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('restart'), engine: fc.nat(1), clean: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('fail manually', 'cancel', 'release manually', 'put again'),
      which: fc.nat(5),
    }),
  },
  fc.record({ do: fc.constant('requeue all') }),
  fc.record({ do: fc.constantFrom('pause', 'resume') }),
  fc.record({ do: fc.constant('limit'), limit: fc.option(fc.nat(MAX_LIMIT)) }),
  fc.record({
    do: fc.constant('trouble'),
    kind: fc.constantFrom('denyNext', 'unavailableNext', 'loseAnswer', 'incompleteNext'),
    times: fc.integer({ min: 1, max: 3 }),
  }),
  fc.record({ do: fc.constantFrom('hold', 'begin'), which: fc.nat(5) }),
  fc.record({ do: fc.constant('poison'), which: fc.nat(5), looksUp: fc.boolean() }),
  fc.record({ do: fc.constant('limit jobs'), maxJobs: fc.nat(4) }),
  fc.record({ do: fc.constant('sync') }),
) as fc.Arbitrary<Command>

class Play {
  readonly world = new World()
  /** The second one starts up to two jobs by one call. */
  readonly workers = [this.world.openWorker(), this.world.openWorker({ maxJobsPerSend: 2 })] as const
  readonly engines: Ticker[] = [this.open(0), this.open(1)]
  puts = 0

  open(index: number): Ticker {
    const worker = this.workers[index]
    return this.world.ticker({
      ...(worker && { worker }),
      policy: processingLimit(3),
      retry: { maxAttempts: 2, backoff: { baseMs: 300 } },
      leaseTtlMs: 1_000,
      lost: { graceMs: 5_000 },
      jobs: { pendingWarnMs: 1_000, pendingTimeoutMs: 20_000 },
      maxLookupsPerSecond: 2,
      sendConcurrency: 2,
    })
  }

  async run(step: Command): Promise<void> {
    const { world } = this
    switch (step.do) {
      case 'put':
        await world.put(step.count, `${this.puts++}-`)
        return
      case 'tick':
        await this.engines[step.engine]?.tick()
        return
      case 'restart':
        if (step.clean) await this.engines[step.engine]?.leave(10_000)
        this.engines[step.engine] = this.open(step.engine)
        return
      case 'end': {
        const running = world.worker.running()
        const job = running[step.which % Math.max(running.length, 1)]
        if (job) world.worker.settleJob(job.id, { stage: step.stage })
        return
      }
      case 'fail manually':
      case 'cancel':
      case 'release manually':
      case 'put again':
        await this.manually(step.do, step.which)
        return
      case 'requeue all': {
        const { items } = await world.queue.listSummaries('FAIL', { limit: 100 })
        await world.queue.requeue(items.map(({ id }) => id))
        return
      }
      case 'pass':
        await world.runtime.advance(step.ms)
        return
      case 'pause':
      case 'resume':
        await world.queue.control[step.do]()
        return
      case 'limit':
        await world.queue.control.setLimits({ maxProcessing: step.limit })
        return
      case 'hold':
      case 'begin': {
        const running = world.worker.running()
        const job = running[step.which % Math.max(running.length, 1)]
        if (job && step.do === 'hold') world.worker.holdJob(job.id, 'held')
        else if (job) world.worker.beginJob(job.id)
        return
      }
      case 'poison': {
        const waiting = await world.queue.peek(6)
        const item = waiting[step.which % Math.max(waiting.length, 1)]
        const calls = step.looksUp ? (['sendJob', 'lookupJob'] as const) : (['sendJob'] as const)
        if (item) for (const worker of this.workers) worker.troubleItem(item.id, { calls })
        return
      }
      case 'limit jobs':
        this.workers[0].limitJobs(step.maxJobs)
        return
      case 'sync':
        await world.queue.control.sync()
        return
      case 'trouble':
        this.workers[0][step.kind](step.times)
        return
    }
  }

  /** What an operator does to an item in PROCESSING, whether or not its job runs. */
  async manually(
    what: 'fail manually' | 'cancel' | 'release manually' | 'put again',
    which: number,
  ): Promise<void> {
    const { queue } = this.world
    const { items } = await queue.listSummaries('PROCESSING', { limit: 10 })
    const item = items[which % Math.max(items.length, 1)]
    if (item === undefined) return
    if (what === 'release manually') return queue.release(item.id)
    await queue.fail(item.id, what === 'cancel' ? { details: CANCELLED_DETAILS } : {})
    if (what !== 'put again') return
    await queue.remove([item.id])
    await queue.put(item.id, null)
  }

  /** Items that have more than one running job. */
  twice(): string[] {
    const uids = this.world.worker.running().map(({ uid }) => uid)
    return uids.filter((uid, index) => uids.indexOf(uid) !== index)
  }

  /** All trouble over, everything ends. */
  async drain(): Promise<Record<Stage, number>> {
    const { world } = this
    for (const worker of this.workers) {
      worker.endTrouble()
      worker.limitJobs(1_000)
    }
    await world.queue.control.resume()
    await world.queue.control.setLimits({ maxProcessing: 3 })
    for (let step = 0; step < 200; step++) {
      for (const engine of this.engines) await engine.tick()
      for (const { id } of world.worker.running()) world.worker.settleJob(id, { stage: 'SUCCESS' })
      await world.runtime.advance(1_100)
      const { WAITING, PROCESSING } = await world.queue.sizes()
      if (WAITING + PROCESSING === 0 && step > 12) break
    }
    return world.queue.sizes()
  }
}

test('whatever happens in whatever order: the cap holds, no attempt starts twice, every item comes to an end, nothing stays behind', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(command, { maxLength: 60, size: 'max' }), async (commands) => {
      const play = new Play()
      const { world } = play
      for (const step of commands) {
        await play.run(step)
        expect(world.worker.running().length).toBeLessThanOrEqual(MAX_LIMIT)
        expect(play.twice()).toEqual([])
      }
      expect(await play.drain()).toMatchObject({ WAITING: 0, PROCESSING: 0 })
      for (const [name, count] of world.startCounts()) expect(`${name} ${count}`).toBe(`${name} 1`)
      expect((await world.worker.pollAllStatus()).size).toBe(0)
      for (const engine of play.engines) {
        await world.runtime.advance(1_100)
        expect(await engine.tick()).toMatchObject({ role: 'dispatcher', processing: 0, orphans: 0 })
        expect(engine.remembered).toBe(0)
      }
      expect(world.kinds()).not.toContain('item-lost')
    }),
    { numRuns: 300 },
  )
}, 60_000)
