import type { DummyWorker } from '@sluice/worker-dummy'
import { expect, test } from 'vitest'
import { processingLimit, type TickResult, type WorkQueue } from '../../src/index.js'
import { World, settled } from '../world.js'

const isPoison = (id: string): boolean => id.startsWith('poison')

/** Poison jobs are in no poll, and a look-up of one hangs until it is let go. */
function withHangingLookups(worker: DummyWorker): { letGo: () => void; asked: string[] } {
  const [poll, lookup] = [worker.pollAllStatus.bind(worker), worker.lookupJob.bind(worker)]
  let gate = Promise.withResolvers<void>()
  const asked: string[] = []
  worker.pollAllStatus = async () => new Map([...(await poll())].filter(([id]) => !isPoison(id)))
  worker.lookupJob = async (job) => {
    asked.push(job.id)
    if (isPoison(job.id)) await gate.promise
    return lookup(job)
  }
  const letGo = (): void => {
    gate.resolve()
    gate = Promise.withResolvers<void>()
  }
  return { letGo, asked }
}

/** One tick, and how long it took by the clock. */
async function timed(
  world: World,
  engine: Pick<WorkQueue, 'tick'>,
): Promise<{ result: TickResult; tookMs: number }> {
  let result: TickResult | undefined
  void engine.tick().then((it) => (result = it))
  for (let tookMs = 0; ; tookMs += 100) {
    await settled()
    if (result !== undefined) return { result, tookMs }
    await world.runtime.advance(100)
  }
}

test('a job at which look-ups hang holds one tick up for two seconds, and no other', async () => {
  const world = new World()
  await world.put(1, 'poison')
  await world.put(100)
  const worker = world.openWorker()
  const { letGo, asked } = withHangingLookups(worker)
  const engine = world.engine({ worker, policy: processingLimit(21), maxBatchItems: 21 })
  await engine.tick()
  const took: number[] = []
  for (let tick = 0; tick < 5; tick++) {
    for (const { id } of world.worker.running())
      if (!isPoison(id)) world.worker.settleJob(id, { stage: 'SUCCESS' })
    const { result, tookMs } = await timed(world, engine)
    expect(result).toMatchObject({ settled: { success: 20 }, lost: 0 })
    expect(result.unavailable).toBeUndefined()
    took.push(tookMs)
  }
  expect(took).toEqual([2_000, 0, 0, 0, 0])
  expect(asked).toEqual(['poison0'])
  // Answered between two ticks, it counts in the next one.
  world.worker.settleJob('poison0', { stage: 'SUCCESS', result: 7 })
  letGo()
  await settled()
  await timed(world, engine)
  expect(await world.queue.lookup('poison0')).toMatchObject({ stage: 'SUCCESS', result: 7 })
  expect(asked).toEqual(['poison0'])
  expect(world.runtime.sleeping).toBe(0)
})

test('an answer that the next tick does not use is dropped: it would be outdated', async () => {
  const world = new World()
  await world.put(1, 'poison')
  const worker = world.openWorker()
  const poll = worker.pollAllStatus.bind(worker)
  const { letGo, asked } = withHangingLookups(worker)
  const engine = world.engine({ worker, lost: { graceMs: 0 } })
  await engine.tick()
  await timed(world, engine)
  // The job is in the poll again, and then gone from it.
  const hidden = worker.pollAllStatus.bind(worker)
  worker.pollAllStatus = poll
  letGo()
  await settled()
  await engine.tick()
  worker.pollAllStatus = hidden
  expect(asked).toHaveLength(1)
  await timed(world, engine)
  expect(asked).toHaveLength(2)
})

test('what a slow worker answers about the time of another dispatcher counts for nothing', async () => {
  const world = new World()
  await world.put(1, 'poison')
  const worker = world.openWorker()
  const { letGo, asked } = withHangingLookups(worker)
  const engine = world.ticker({ worker, leaseTtlMs: 9_000 })
  await engine.tick()
  await timed(world, engine)
  await engine.leave(10_000)
  const lease = await world.queue.lease('dispatcher', 'another', 600_000)
  await engine.tick()
  await lease?.release()
  letGo()
  await settled()
  await timed(world, engine)
  expect(asked).toHaveLength(2)
})

test('a look-up of an earlier attempt that hangs holds up only its own item', async () => {
  const world = new World()
  await world.put(1, 'poison')
  await world.put(3)
  const worker = world.openWorker()
  const engine = world.engine({ worker, policy: processingLimit(10) })
  await world.queue.get(1)
  await world.queue.release('poison0', { keepPlace: true })
  const { asked } = withHangingLookups(worker)
  const { result, tookMs } = await timed(world, engine)
  expect(asked).toEqual(['poison0'])
  expect({ sent: result.sent, tookMs }).toEqual({ sent: 3, tookMs: 2_000 })
  // The next poll is complete, and shows that nothing of it runs.
  expect((await timed(world, engine)).result).toMatchObject({ sent: 1 })
})
