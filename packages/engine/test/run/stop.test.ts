import { SluiceError } from '@sluice/core'
import { JobStore } from '@sluice/worker-dummy'
import { expect, test } from 'vitest'
import { processingLimit, readDispatcher } from '../../src/index.js'
import { ProcessRuntime } from '../process-runtime.js'
import { World, settled, wrapped, type Options } from '../world.js'

/**
 * A service in the middle of sending 400 items. Its first 32 sends are fast, so that many more are claimed at
 * once; those after them take 800 ms each.
 */
async function sending(options: Options = {}) {
  const world = new World()
  // Fifty more wait than may run: those that go back must come before them.
  const ids = await world.put(450)
  const sends: number[] = []
  const { queue, worker } = wrapped(world, async (_, name, call) => {
    if (name !== 'sendJob') return call()
    sends.push(world.runtime.monotonicMs())
    await world.runtime.sleep(sends.length > 32 ? 800 : 100)
    return call()
  })
  const engine = world.engine({ queue, worker, policy: processingLimit(400), ...options })
  const stop = new AbortController()
  const loop = engine.run({ intervalMs: 1_000, signal: stop.signal })
  await world.runtime.advance(1_500)
  return { world, ids, sends, engine, stop, loop }
}

test('SIGTERM while 400 slow sends: no send after the signal, the claims are back in WAITING in their place, the next dispatches at once', async () => {
  const { world, ids, sends, stop, loop } = await sending()
  const claimed = await world.queue.size('PROCESSING')
  const lastClaimed = ids[claimed - 1] ?? ''
  const begun = sends.length
  expect(begun).toBeGreaterThan(32)
  expect(world.started.length).toBeLessThan(begun)
  expect(claimed).toBeGreaterThan(begun + 16)
  stop.abort()
  await settled()
  // At once: not only when the sends under way have ended.
  expect(await world.queue.sizes()).toMatchObject({ WAITING: 450 - begun, PROCESSING: begun })
  await world.runtime.advance(400)
  await loop
  expect(sends).toHaveLength(begun)
  expect(world.started).toHaveLength(begun)
  expect((await world.queue.peek(450)).map(({ id }) => id)).toEqual(ids.slice(begun))
  const item = await world.queue.lookup(lastClaimed)
  expect(item).toMatchObject({ attempt: 1, uncounted: 1, retryState: { ended: true } })
  expect(item?.history).toMatchObject([{ outcome: 'WAITING', unsent: true, reason: /not sent/u }])
  expect(await readDispatcher(world.queue)).toMatchObject({ is: 'stopped', holdups: [] })
  expect(world.runtime.sleeping).toBe(0)

  const next = await world.engine({ policy: processingLimit(400) }).tick()
  expect(next).toMatchObject({ role: 'dispatcher', sent: next.claimed })
  expect(next.claimed).toBeGreaterThanOrEqual(16)
  expect([...world.startCounts().values()].every((count) => count === 1)).toBe(true)
})

test('a stop while a claim is on its way: what it brings goes back', async () => {
  const world = new World()
  const ids = await world.put(5)
  const gate = Promise.withResolvers<void>()
  const { queue, worker } = wrapped(world, async (_, name, call) => {
    const answer = await call()
    if (name === 'get') await gate.promise
    return answer
  })
  const engine = world.engine({ queue, worker })
  const tick = engine.tick()
  await settled()
  const stopping = engine.close()
  await settled()
  gate.resolve()
  expect(await tick).toMatchObject({ claimed: 5, sent: 0, processing: 0, settled: { waiting: 5 } })
  await stopping
  expect((await world.queue.peek(5)).map(({ id }) => id)).toEqual(ids)
  expect(world.started).toEqual([])
})

test('a stop in the middle of a poll: what has ended is settled, nothing is claimed', async () => {
  const world = new World()
  await world.put(4)
  const engine0 = world.engine({ holder: 'a', policy: processingLimit(2) })
  await engine0.tick()
  await engine0.close()
  world.worker.settleJob('i0', { stage: 'SUCCESS', result: 7 })
  const gate = Promise.withResolvers<void>()
  const { queue, worker } = wrapped(world, async (_, name, call) => {
    if (name === 'pollAllStatus') await gate.promise
    return call()
  })
  const engine = world.engine({ queue, worker, policy: processingLimit(2) })
  const tick = engine.tick()
  await settled()
  const stopping = engine.close()
  gate.resolve()
  expect(await tick).toMatchObject({ settled: { success: 1 }, claimed: 0, sent: 0 })
  await stopping
  expect(await world.queue.lookup('i0')).toMatchObject({ stage: 'SUCCESS', result: 7 })
})

test.each(['sendJob', 'get', 'settle', 'listSummaries', 'pollAllStatus', 'write document'])(
  'a stop while %s hangs: it ends by its deadline, the lease is given back, and what comes late changes nothing',
  async (method) => {
    const world = new World()
    const ids = await world.put(30)
    const gate = Promise.withResolvers<void>()
    let isHanging = false
    const { queue, worker } = wrapped(world, async (_, name, call) => {
      if (name === method && isHanging) await gate.promise
      return call()
    })
    const options = { queue, worker, policy: processingLimit(20), sendConcurrency: 2 }
    const engine = world.engine(options)
    await engine.tick()
    world.worker.settleJob('i0', { stage: 'SUCCESS' })
    await world.put(1, 'late')
    isHanging = true
    const tick = engine.tick()
    await settled()
    const stopping = engine.close({ deadlineMs: 5_000 })
    await world.runtime.advance(5_000)
    await stopping
    await tick
    expect(world.runtime.sleeping).toBe(0)
    const next = world.engine({ policy: processingLimit(20) })
    expect(await next.tick()).toMatchObject({ role: 'dispatcher' })
    gate.resolve()
    await settled()
    for (let turn = 0; turn < 40; turn++) {
      for (const { id } of world.worker.running()) world.worker.settleJob(id, { stage: 'SUCCESS' })
      await next.tick()
    }
    expect(await world.queue.sizes()).toMatchObject({ WAITING: 0, PROCESSING: 0, SUCCESS: ids.length + 1 })
    expect([...world.startCounts().values()].every((count) => count === 1)).toBe(true)
    expect(world.peak).toBeLessThanOrEqual(20)
  },
)

test('unsent claims go back at once, though sends under way take until the deadline', async () => {
  const { world, sends, engine, stop, loop } = await sending({ sendConcurrency: 4 })
  expect(await world.queue.size('PROCESSING')).toBeGreaterThan(sends.length)
  const stopping = engine.close()
  await settled()
  expect(await world.queue.size('PROCESSING')).toBe(sends.length)
  stop.abort()
  await world.runtime.advance(10_000)
  await Promise.all([stopping, loop])
})

test('a send that waits for the renewal of the lease when the stop comes is not made', async () => {
  const world = new World()
  await world.put(30)
  const gate = Promise.withResolvers<void>()
  const { queue, worker } = wrapped(world, async (_, name, call) => {
    if (name === 'renew') await gate.promise
    if (name === 'sendJob') await world.runtime.sleep(1_000)
    return call()
  })
  const engine = world.engine({ queue, worker, policy: processingLimit(30), sendConcurrency: 1 })
  const tick = engine.tick()
  await world.runtime.advance(8_000)
  const begun = world.started.length
  const stopping = engine.close()
  gate.resolve()
  await world.runtime.advance(3_000)
  expect(await tick).toMatchObject({ sent: begun, processing: begun })
  await stopping
  expect(world.started).toHaveLength(begun)
})

test('claims of an engine whose lease is lost are not given back: another may have sent them', async () => {
  const world = new World()
  await world.put(10)
  const runtime = new ProcessRuntime(world.runtime)
  const stop = new AbortController()
  const next = world.engine({ policy: processingLimit(10), leaseTtlMs: 1_000 })
  let isFirst = true
  const { queue, worker } = wrapped(world, async (_, name, call) => {
    if (name === 'sendJob' && isFirst) {
      isFirst = false
      runtime.suspend()
      await world.runtime.advance(1_000)
      await next.tick()
      runtime.resume()
      stop.abort()
    }
    return call()
  })
  const options = {
    queue,
    worker,
    runtime,
    policy: processingLimit(10),
    sendConcurrency: 1,
    leaseTtlMs: 1_000,
  }
  await world.engine(options).run({ intervalMs: 1_000, signal: stop.signal })
  expect(await world.queue.size('PROCESSING')).toBe(10)
  expect(world.worker.running()).toHaveLength(10)
  expect([...world.startCounts().values()].every((count) => count === 1)).toBe(true)
})

test('claims that can’t be given back stay in PROCESSING, and the next engine sends them', async () => {
  const world = new World()
  await world.put(5)
  const stop = new AbortController()
  const { queue, worker } = wrapped(world, (_, name, call) => {
    if (name === 'get') stop.abort()
    if (name === 'settle') return Promise.reject(new SluiceError('SLUICE_QUEUE_UNAVAILABLE', 'reset'))
    return call()
  })
  const engine = world.engine({ queue, worker })
  await engine.run({ intervalMs: 1_000, signal: stop.signal })
  await engine.close()
  expect(world.logs.filter(({ level }) => level === 'warn')).toMatchObject([
    { message: expect.stringContaining('stay in PROCESSING') },
  ])
  expect(await world.engine().tick()).toMatchObject({ resent: 5 })
})

test('a run that has ended has given the lease back, and the same object can run again', async () => {
  const world = new World()
  await world.put(2)
  const engine = world.engine({ policy: processingLimit(1) })
  const stop = new AbortController()
  const run = engine.run({ signal: stop.signal })
  await settled()
  await expect(engine.run()).rejects.toThrow(TypeError)
  stop.abort()
  await run
  const standby = world.ticker()
  expect(await standby.tick()).toMatchObject({ role: 'dispatcher' })
  await standby.leave(0)
  world.worker.settleJob('i0', { stage: 'SUCCESS' })
  const again = engine.run()
  await settled()
  expect(await world.queue.sizes()).toMatchObject({ SUCCESS: 1, PROCESSING: 1 })
  await engine.close()
  await again
  expect(world.runtime.sleeping).toBe(0)
})

test('close ends the run by its own deadline; every later call is refused, and a second close is fine', async () => {
  const world = new World()
  await world.put(1)
  const { queue, worker } = wrapped(world, (_, name, call) =>
    name === 'pollAllStatus' ? new Promise(() => {}) : call(),
  )
  const engine = world.engine({ queue, worker })
  const run = engine.run()
  await settled()
  await expect(engine.close({ deadlineMs: -1 })).rejects.toThrow(TypeError)
  const closing = engine.close({ deadlineMs: 2_000 })
  await world.runtime.advance(2_000)
  await Promise.all([closing, run, engine.close()])
  const closed = { code: 'SLUICE_QUEUE_CLOSED' }
  await expect(engine.tick()).rejects.toMatchObject(closed)
  await expect(engine.run()).rejects.toMatchObject(closed)
  expect(await world.engine().tick()).toMatchObject({ role: 'dispatcher' })
})

test('`await using` gives the lease back', async () => {
  const world = new World()
  {
    await using engine = world.engine()
    await engine.tick()
  }
  expect(await world.engine().tick()).toMatchObject({ role: 'dispatcher' })
})

test('a tick that rejects ends the run, and the lease is given back before', async () => {
  const world = new World()
  let isBroken = false
  const { queue, worker } = wrapped(world, (_, name, call) =>
    isBroken && name === 'get' ? Promise.reject(new SluiceError('SLUICE_QUEUE_CORRUPT', 'damaged')) : call(),
  )
  const run = world.engine({ queue, worker }).run()
  run.catch(() => {})
  await world.runtime.advance(500)
  await world.put(1)
  isBroken = true
  await world.runtime.advance(1_000)
  await expect(run).rejects.toMatchObject({ code: 'SLUICE_QUEUE_CORRUPT' })
  expect(await world.engine().tick()).toMatchObject({ role: 'dispatcher', sent: 1 })
})

test('a storage that does not let the lease be given back holds a stop up to its deadline, no longer', async () => {
  const world = new World()
  const { queue, worker } = wrapped(world, (_, name, call) =>
    name === 'release' ? new Promise(() => {}) : call(),
  )
  const engine = world.engine({ queue, worker })
  await engine.tick()
  const stopping = engine.close({ deadlineMs: 4_000 })
  await world.runtime.advance(4_000)
  await stopping
  expect(world.logs.at(-1)).toMatchObject({ level: 'warn', message: /runs out by itself/u })
})

/** It does not look at all jobs at each start. */
class LargeWorld extends World {
  override readonly jobs = new JobStore()
}

test('take-over within the ttl with 10,000 in PROCESSING, by no more calls than with ten', async () => {
  const counts: Record<string, number>[] = []
  for (const size of [10, 10_000]) {
    const world = new LargeWorld()
    await world.put(size)
    const options = { policy: processingLimit(size + 5), maxBatchItems: size, leaseTtlMs: 15_000 }
    // Never stopped: as a process that was killed.
    await world.engine(options).tick()
    await world.put(3, 'new')
    world.openWorker().settleJob('i0', { stage: 'SUCCESS' })
    const calls: Record<string, number> = {}
    const parts = wrapped(world, (_, name, call) => {
      calls[name] = (calls[name] ?? 0) + 1
      return call()
    })
    const stop = new AbortController()
    const loop = world.engine({ ...parts, ...options }).run({ intervalMs: 1_000, signal: stop.signal })
    await world.runtime.advance(14_000)
    expect(world.kinds().filter((kind) => kind === 'dispatcher')).toHaveLength(1)
    for (const name of Object.keys(calls)) calls[name] = 0
    await world.runtime.advance(1_000)
    expect(world.kinds().filter((kind) => kind === 'dispatcher')).toHaveLength(2)
    expect(await world.queue.sizes()).toMatchObject({ WAITING: 0, PROCESSING: size + 2, SUCCESS: 1 })
    expect(world.openWorker().running()).toHaveLength(size + 2)
    counts.push({ ...calls })
    stop.abort()
    await loop
  }
  expect(counts[1]).toEqual(counts[0])
})

test('a stop while the poll hangs: the log does not say that `status` is out of date, which it is not', async () => {
  const world = new World()
  await world.put(1)
  const never = Promise.withResolvers<never>()
  const { queue, worker } = wrapped(world, async (_, name, call) =>
    name === 'pollAllStatus' && world.runtime.monotonicMs() > 2_000 ? never.promise : call(),
  )
  const stop = new AbortController()
  const engine = world.engine({ queue, worker })
  const loop = engine.run({ intervalMs: 1_000, signal: stop.signal })
  await world.runtime.advance(6_000)
  stop.abort()
  const stopping = engine.close({ deadlineMs: 2_000 })
  await world.runtime.advance(4_000)
  await Promise.all([stopping, loop])
  expect(await readDispatcher(world.queue)).toMatchObject({ is: 'stopped' })
  const warned = world.logs.filter(({ level }) => level === 'warn').map(({ message }) => message)
  expect(warned).toEqual([expect.stringMatching(/^the tick under way did not end in time/u)])
})
