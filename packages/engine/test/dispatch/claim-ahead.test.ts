import { setImmediate } from 'node:timers/promises'
import { SluiceError } from '@sluice/core'
import { expect, test } from 'vitest'
import { processingLimit } from '../../src/index.js'
import { World, wrapped } from '../world.js'

/** An engine whose calls to the queue are noted, each when it starts and when it has ended. */
function watched(world: World, options: { cap: number; failGetAt?: number; failSends?: () => boolean }) {
  const calls: string[] = []
  let gets = 0
  const sides = wrapped(world, async (side, name, call) => {
    const isRefused = name === 'sendJob' && options.failSends?.() === true
    if (isRefused) throw new SluiceError('SLUICE_WORKER_UNAVAILABLE', 'down', { concerns: 'worker' })
    if (name === 'sendJob') calls.push('sendJob')
    if (side === 'worker') return call()
    calls.push(`${name} starts`)
    if (name === 'get' && gets++ === options.failGetAt)
      throw new SluiceError('SLUICE_QUEUE_UNAVAILABLE', 'down')
    const answer = await call()
    // A settle takes long enough for whatever does not wait for it to begin, by turns and not by time.
    if (name === 'settle') for (let turns = 0; turns < 100; turns++) await setImmediate()
    calls.push(`${name} ends`)
    return answer
  })
  const engine = world.engine({ ...sides, policy: processingLimit(options.cap), maxBatchItems: 3 })
  return { engine, calls }
}

function settleAllJobs(world: World): void {
  for (const { id } of world.worker.running()) world.worker.settleJob(id, { stage: 'SUCCESS' })
}

test('what there is room for anyway is started while the ended are settled', async () => {
  const world = new World()
  await world.put(9)
  const { engine, calls } = watched(world, { cap: 6 })
  expect(await engine.tick()).toMatchObject({ claimed: 3, sent: 3, nextDelayMs: 0 })
  settleAllJobs(world)
  calls.length = 0
  const result = await engine.tick()
  expect(result).toMatchObject({ settled: { success: 3 }, claimed: 3, sent: 3, processing: 3 })
  expect(calls.indexOf('get starts')).toBeLessThan(calls.indexOf('settle ends'))
  expect(calls.indexOf('sendJob')).toBeLessThan(calls.indexOf('settle ends'))
  expect(calls.filter((call) => call === 'get starts')).toHaveLength(1)
})

test('the places of the ended are given away only when they are settled', async () => {
  const world = new World()
  await world.put(9)
  const { engine, calls } = watched(world, { cap: 4 })
  await engine.tick()
  await engine.tick()
  expect(world.worker.running()).toHaveLength(4)
  settleAllJobs(world)
  calls.length = 0
  await engine.tick()
  expect(calls.indexOf('settle ends')).toBeLessThan(calls.indexOf('get starts'))
  expect(world.peak).toBe(4)
})

test('an outage of the claim leaves what was settled settled, and a later tick claims', async () => {
  const world = new World()
  await world.put(5)
  const { engine } = watched(world, { cap: 6, failGetAt: 1 })
  await engine.tick()
  settleAllJobs(world)
  const result = await engine.tick()
  expect(result).toMatchObject({ settled: { success: 3 }, reconciled: true, claimed: 0 })
  expect(result.unavailable?.code).toBe('SLUICE_QUEUE_UNAVAILABLE')
  expect(await engine.tick()).toMatchObject({ sent: 2 })
})

test('while items wait to be sent again nothing more is claimed for a worker that may take none', async () => {
  const world = new World()
  await world.put(9)
  let isDown = true
  const { engine } = watched(world, { cap: 9, failSends: () => isDown })
  for (let ticks = 0; ticks < 3; ticks++) await engine.tick()
  expect(await world.queue.size('PROCESSING')).toBe(3)
  isDown = false
  for (let ticks = 0; ticks < 3; ticks++) await engine.tick()
  expect(await world.queue.size('PROCESSING')).toBe(9)
})

test('what the worker rejects has failed when the tick ends, though the worker went away after it', async () => {
  const world = new World()
  await world.put(3)
  let sends = 0
  const sides = wrapped(world, async (_side, name, call) => {
    if (name !== 'sendJob') return call()
    sends += 1
    if (sends === 1) throw new SluiceError('SLUICE_JOB_REJECTED', 'no such template')
    throw new SluiceError('SLUICE_WORKER_UNAVAILABLE', 'down', { concerns: 'worker' })
  })
  const engine = world.engine({ ...sides, policy: processingLimit(3), sendConcurrency: 1 })
  const result = await engine.tick()
  expect(result).toMatchObject({ claimed: 2, sent: 0, rejected: 1, processing: 1 })
  expect(result.unavailable?.code).toBe('SLUICE_WORKER_UNAVAILABLE')
  expect(await world.queue.size('FAIL')).toBe(1)
})
