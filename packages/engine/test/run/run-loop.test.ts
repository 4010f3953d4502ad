import { SluiceError } from '@sluice/core'
import { expect, test, vi } from 'vitest'
import { processingLimit, type RunOptions, type TickResult, type WorkQueue } from '../../src/index.js'
import { World, settled, wrapped, type Options } from '../world.js'

function start(world: World, engine: WorkQueue, options: Partial<RunOptions> = {}) {
  world.randomNumber = 0
  const stop = new AbortController()
  const ticks: { at: number; result: TickResult }[] = []
  const loop = engine.run({
    intervalMs: 1_000,
    signal: stop.signal,
    onTick: (result) => ticks.push({ at: world.runtime.monotonicMs(), result }),
    ...options,
  })
  return { stop, ticks, loop, at: () => ticks.map((tick) => tick.at) }
}

function setup(options: Options = {}, loop: Partial<RunOptions> = {}) {
  const world = new World()
  const engine = world.engine(options)
  return { world, engine, ...start(world, engine, loop) }
}

test('a tick at once, then one for each interval, until the signal', async () => {
  const { world, loop, stop, at } = setup()
  await world.runtime.advance(3_500)
  expect(at()).toEqual([0, 1_000, 2_000, 3_000])
  stop.abort()
  await loop
  await world.runtime.advance(5_000)
  expect(at()).toHaveLength(4)
  expect(world.runtime.sleeping).toBe(0)
})

test('a signal that was aborted before: no tick', async () => {
  const world = new World()
  const stop = new AbortController()
  stop.abort()
  await world.engine().run({ intervalMs: 10, signal: stop.signal })
  expect(world.events).toEqual([])
})

test('a put and a wake: at once; a storm of wakes: no closer than minDelayMs', async () => {
  const { world, engine, loop, stop, at } = setup({}, { minDelayMs: 50 })
  await world.runtime.advance(400)
  engine.wake()
  await settled()
  expect(at()).toEqual([0, 400])
  for (let ms = 0; ms < 200; ms++) {
    engine.wake()
    await world.runtime.advance(1)
  }
  expect(at()).toEqual([0, 400, 450, 500, 550, 600])
  stop.abort()
  await loop
})

test('the worker’s watch wakes the loop', async () => {
  const { world, loop, stop, ticks } = setup()
  await settled()
  await world.put(1)
  await world.runtime.advance(1_000)
  expect(ticks.at(-1)?.result.sent).toBe(1)
  await world.runtime.advance(100)
  world.worker.settleJob('i0', { stage: 'SUCCESS' })
  await settled()
  expect(ticks.at(-1)).toMatchObject({ at: 1_100, result: { settled: { success: 1 } } })
  stop.abort()
  await loop
})

test('a watch that fails is begun again; the interval goes on meanwhile', async () => {
  const world = new World()
  const worker = world.openWorker()
  const watch = worker.watch.bind(worker)
  let broken = 0
  worker.watch = (signal) => {
    if (broken++ < 2) throw new Error('no watch')
    return watch(signal)
  }
  const { loop, stop, at } = start(world, world.engine({ worker }))
  await world.runtime.advance(5_500)
  expect(broken).toBe(3)
  expect(at()).toHaveLength(6)
  stop.abort()
  await loop
})

test('more to do: no wait; never longer than a third of the lease', async () => {
  const { world, loop, stop, at, ticks } = setup(
    { policy: processingLimit(1_000), maxBatchItems: 2, leaseTtlMs: 9_000 },
    { intervalMs: 60_000 },
  )
  await settled()
  await world.put(6)
  await world.runtime.advance(3_000)
  expect(ticks.map(({ result }) => result.sent)).toEqual([0, 2, 2, 2, 0])
  expect(at()).toEqual([0, 3_000, 3_000, 3_000, 3_000])
  stop.abort()
  await loop
})

test('an outage: longer and longer up to the bound, wakes or not, and back to the interval after it', async () => {
  const world = new World()
  const worker = world.openWorker()
  worker.unavailableNext(7)
  const engine = world.engine({ worker })
  const { loop, stop, at } = start(world, engine, { maxBackoffMs: 10_000 })
  for (let second = 0; second < 50; second++) {
    engine.wake()
    await world.runtime.advance(1_000)
  }
  expect(at().slice(0, 9)).toEqual([0, 1_000, 3_000, 7_000, 15_000, 25_000, 35_000, 45_000, 45_010])
  stop.abort()
  await loop
})

test('a poll that is to be left alone is; a worker that refuses sends is still asked how its jobs do', async () => {
  const world = new World()
  const worker = world.openWorker()
  worker.unavailableNext(1, 20_000)
  const polls = start(world, world.engine({ worker }))
  await world.runtime.advance(20_500)
  expect(polls.at()).toEqual([0, 20_000])
  polls.stop.abort()
  await polls.loop

  const other = new World()
  await other.put(1)
  let sends = 0
  const faulty = wrapped(other, (_, name, call) => {
    if (name !== 'sendJob' || sends++ > 0) return call()
    return Promise.reject(new SluiceError('SLUICE_WORKER_UNAVAILABLE', '429', { retryAfterMs: 20_000 }))
  })
  const refused = start(other, other.engine(faulty), { maxBackoffMs: 4_000 })
  await other.runtime.advance(19_999)
  expect(refused.at()).toEqual(Array.from({ length: 20 }, (_, second) => second * 1_000))
  expect(sends).toBe(1)
  await other.runtime.advance(5_000)
  expect(sends).toBe(2)
  refused.stop.abort()
  await refused.loop
})

test('a permanent error ends the run with it', async () => {
  const { world, loop, ticks, engine } = await closedQueue()
  await expect(loop).rejects.toMatchObject({ code: 'SLUICE_QUEUE_CLOSED' })
  expect(ticks).toHaveLength(1)
  expect(world.runtime.sleeping).toBe(0)
  await expect(engine.tick()).rejects.toMatchObject({ code: 'SLUICE_QUEUE_CLOSED' })
})

async function closedQueue() {
  const world = new World()
  const queue = world.openQueue()
  const engine = world.engine({ queue })
  const running = start(world, engine)
  running.loop.catch(() => {})
  await settled()
  await queue.close()
  await world.runtime.advance(1_000)
  return { world, engine, ...running }
}

test('a stop in the middle of a tick: nothing is sent any more, claims go back, the loop ends', async () => {
  const world = new World()
  await world.put(3)
  const stop = new AbortController()
  const { queue, worker } = wrapped(world, (_, name, call) => {
    if (name === 'get') stop.abort()
    return call()
  })
  const engine = world.engine({ queue, worker })
  const results: TickResult[] = []
  await engine.run({ intervalMs: 1_000, signal: stop.signal, onTick: (result) => results.push(result) })
  expect(results).toMatchObject([{ sent: 0, processing: 0, settled: { waiting: 3 } }])
  await engine.close()
  expect(await world.engine().tick()).toMatchObject({ role: 'dispatcher', sent: 3 })
})

test('a standby asks at its interval despite wake signals, and takes over by itself', async () => {
  const world = new World()
  const first = world.engine({ leaseTtlMs: 3_000 })
  await first.tick()
  const second = world.engine({ leaseTtlMs: 3_000 })
  const { loop, stop, ticks, at } = start(world, second, { intervalMs: 500 })
  second.wake()
  await world.runtime.advance(3_100)
  expect(at()).toEqual([0, 500, 1_000, 1_500, 2_000, 2_500, 3_000, 3_010])
  expect(ticks.map(({ result }) => result.role).slice(5, 7)).toEqual(['standby', 'dispatcher'])
  stop.abort()
  await loop
})

test('with the real clock: the machine is idle between ticks, and a wake is quick', async () => {
  const world = new World()
  const { systemRuntime } = await import('@sluice/core/backend')
  const engine = world.engine({ runtime: systemRuntime, policy: processingLimit(5) })
  const stop = new AbortController()
  const onTick = vi.fn<(result: TickResult) => void>()
  const loop = engine.run({ intervalMs: 60_000, signal: stop.signal, minDelayMs: 1, onTick })
  await expect.poll(() => onTick.mock.calls.length).toBe(1)
  await world.put(1)
  engine.wake()
  // Far less than the interval, and enough for a busy machine.
  await expect.poll(() => onTick.mock.calls.length, { interval: 1, timeout: 20_000 }).toBe(2)
  expect(onTick.mock.lastCall?.[0].sent).toBe(1)
  stop.abort()
  await loop
})

test('wrong delays are a TypeError: a loop without a pause is a busy loop', async () => {
  const world = new World()
  const { signal } = new AbortController()
  for (const options of [
    { intervalMs: 0 },
    { intervalMs: -1 },
    { intervalMs: 1.5 },
    { intervalMs: 1, minDelayMs: 0 },
    { intervalMs: 1, maxBackoffMs: Number.NaN },
  ]) {
    await expect(world.engine().run({ signal, ...options })).rejects.toThrow(TypeError)
  }
})
