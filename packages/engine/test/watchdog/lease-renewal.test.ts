import { SluiceError } from '@sluice/core'
import { expect, test } from 'vitest'
import { processingLimit } from '../../src/index.js'
import { ProcessRuntime } from '../process-runtime.js'
import { World, settled, wrapped, type Options } from '../world.js'

const HALF_HOUR_MS = 1_800_000

/** Two services, one call of whose takes 30 s each time; both run for half an hour. */
async function halfAnHour(method: string, options: Options = {}) {
  const world = new World()
  await world.put(40)
  const stop = new AbortController()
  const open = { signal: stop.signal, intervalMs: 1_000 }
  const loops = [0, 1].map(() => {
    const slow = wrapped(world, async (_, name, call) => {
      if (name === method) await world.runtime.sleep(30_000)
      return call()
    })
    return world.engine({ ...slow, policy: processingLimit(4), ...options }).run(open)
  })
  for (let at = 0; at < HALF_HOUR_MS; at += 10_000) {
    await world.runtime.advance(10_000)
    for (const { id } of world.worker.running()) world.worker.settleJob(id, { stage: 'SUCCESS' })
  }
  stop.abort()
  await world.runtime.advance(60_000)
  await Promise.all(loops)
  return world
}

test.each(['pollAllStatus', 'listSummaries', 'settle', 'sendJob', 'get', 'acknowledgeJobs', 'lookup'])(
  'a request that hangs for 30 s costs no lease of 15 s: %s; two services do not take turns',
  async (method) => {
    const world = await halfAnHour(method)
    expect(world.kinds().filter((kind) => kind === 'dispatcher' || kind === 'standby')).toEqual([
      'dispatcher',
      'standby',
    ])
    expect(world.kinds()).not.toContain('stalled')
    expect(await world.queue.size('SUCCESS')).toBe(40)
    expect([...world.startCounts().values()].every((count) => count === 1)).toBe(true)
  },
)

test('a job that is gone is lost after its grace, though the polls take 30 s and another service stands by', async () => {
  const world = new World()
  await world.put(1)
  const stop = new AbortController()
  const loops = [0, 1].map(() => {
    const slow = wrapped(world, async (_, name, call) => {
      if (name === 'pollAllStatus') await world.runtime.sleep(30_000)
      return call()
    })
    const engine = world.engine({ ...slow, lost: { graceMs: 120_000 } })
    return engine.run({ signal: stop.signal, intervalMs: 1_000 })
  })
  await world.runtime.advance(40_000)
  expect(world.started).toHaveLength(1)
  world.worker.loseJob('i0')
  await world.runtime.advance(240_000)
  expect(world.kinds().filter((kind) => kind === 'item-lost')).toHaveLength(1)
  stop.abort()
  await world.runtime.advance(60_000)
  await Promise.all(loops)
})

test('no timer outlives a tick, and none a stop', async () => {
  const world = new World()
  await world.put(3)
  const ticker = world.ticker()
  await ticker.tick()
  expect(world.runtime.sleeping).toBe(0)
  await ticker.attend()
  expect(world.runtime.sleeping).toBe(0)
  await ticker.leave(10_000)
  expect(world.runtime.sleeping).toBe(0)
})

test('a renewal that fails in the background is repeated, and nothing rejects unseen', async () => {
  const world = new World()
  await world.put(1)
  let failures = 0
  const { queue, worker } = wrapped(world, async (_, name, call) => {
    if (name === 'pollAllStatus') await world.runtime.sleep(12_000)
    if (name === 'renew' && failures++ < 2) throw new SluiceError('SLUICE_QUEUE_UNAVAILABLE', 'reset')
    return call()
  })
  const tick = world.engine({ queue, worker }).tick()
  await world.runtime.advance(12_000)
  expect(await tick).toMatchObject({ role: 'dispatcher', sent: 1 })
  expect(failures).toBeGreaterThan(2)
})

test('a process that was suspended for longer than a stall is not stalled: its answers may be there already', async () => {
  const world = new World()
  await world.put(2)
  const runtime = new ProcessRuntime(world.runtime)
  const answers = Promise.withResolvers<void>()
  const { queue, worker } = wrapped(world, async (_, name, call) => {
    if (name === 'pollAllStatus') await answers.promise
    return call()
  })
  const engine = world.engine({ queue, worker, runtime, stallMs: 10_000 })
  const tick = engine.tick()
  await settled()
  runtime.suspend()
  await world.runtime.advance(3_600_000)
  runtime.resume()
  await settled()
  await world.runtime.advance(5_000)
  answers.resolve()
  expect(await tick).toMatchObject({ role: 'standby', sent: 0 })
  expect(world.kinds()).not.toContain('stalled')
  expect(await engine.tick()).toMatchObject({ role: 'dispatcher', sent: 2 })
})
