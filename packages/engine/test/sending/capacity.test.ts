import { SluiceError } from '@sluice/core'
import { expect, test } from 'vitest'
import { processingLimit } from '../../src/index.js'
import { SendsWorld } from './sends-world.js'

/** How many of 300 items are done within two minutes. */
async function doneWith(cap: number, quota: number | undefined) {
  const world = new SendsWorld()
  await world.put(2_000)
  const worker = world.slowWorker(() => 20, { rule: { afterMs: [300, 1_500] } })
  if (quota !== undefined) worker.limitJobs(quota)
  const engine = world.engine({ worker, policy: processingLimit(cap) })
  await world.run(engine, 120_000)
  return { world, worker, engine, done: await world.queue.size('SUCCESS') }
}

test('a quota of 10 under a cap of 11 keeps 0.9 of the rate of cap 10, fails no item, and is no outage', async () => {
  const free = await doneWith(10, undefined)
  const full = await doneWith(11, 10)
  expect(full.done / free.done).toBeGreaterThanOrEqual(0.9)
  expect(await full.world.queue.size('FAIL')).toBe(0)
  expect(full.world.ticks.some(({ result }) => result.unavailable !== undefined)).toBe(false)
  expect(full.world.ticks.at(-1)?.result.holdups).toMatchObject([
    { code: 'backpressure', message: expect.stringContaining('10 jobs run') },
  ])
  expect(full.world.kinds().filter((kind) => kind === 'capacity')).toHaveLength(1)
  // Polls go on at the interval.
  expect(full.world.ticks.length).toBeGreaterThanOrEqual(115)
  // It costs about a refused send a tick.
  const refused = full.world.sends.length - full.world.started.length
  expect(refused).toBeLessThanOrEqual(1.5 * full.world.ticks.length)
  for (const { attempt } of full.world.started) expect(attempt).toBe(1)
})

test('a quota far below the cap: claims stay near it, and it is asked seldom while no job ends', async () => {
  const world = new SendsWorld()
  await world.put(1_000)
  const worker = world.slowWorker(() => 20)
  worker.limitJobs(10)
  const engine = world.engine({ worker, policy: processingLimit(500) })
  await world.run(engine, 10_000)
  expect(world.started).toHaveLength(10)
  expect(await world.queue.size('PROCESSING')).toBeLessThanOrEqual(10 + 2 * 16)
  const before = world.sends.length
  await world.run(engine, 300_000)
  // 30 s from one to the next at most.
  expect(world.sends.length - before).toBeLessThanOrEqual(14)
  expect(world.sends.length - before).toBeGreaterThanOrEqual(8)
  worker.limitJobs(1_000)
  await world.run(engine, 60_000)
  expect(world.worker.running()).toHaveLength(500)
  expect(world.kinds().filter((kind) => kind.startsWith('capacity'))).toEqual(['capacity', 'capacity-over'])
  expect(world.ticks.at(-1)?.result.holdups).toEqual([])
})

test('jobs that end make room at once, though the worker was asked in vain just before', async () => {
  const world = new SendsWorld()
  await world.put(100)
  const worker = world.slowWorker(() => 0)
  worker.limitJobs(4)
  const engine = world.engine({ worker, policy: processingLimit(8) })
  await world.run(engine, 200_000)
  expect(world.started).toHaveLength(4)
  for (const { id } of world.worker.running().slice(0, 3)) world.worker.settleJob(id, { stage: 'SUCCESS' })
  await engine.tick()
  expect(world.started).toHaveLength(7)
})

test('an operator’s pause in a spell: the refused claims go back', async () => {
  const world = new SendsWorld()
  await world.put(50)
  const worker = world.slowWorker(() => 0)
  worker.limitJobs(4)
  const engine = world.engine({ worker, policy: processingLimit(8) })
  await world.run(engine, 3_000)
  await world.queue.control.pause()
  await engine.tick()
  expect(await world.queue.sizes()).toMatchObject({ PROCESSING: 4, WAITING: 46 })
})

function retryAfter(ms: number, concerns?: 'worker' | 'capacity' | 'item'): SluiceError {
  const options = concerns === undefined ? {} : { concerns }
  return new SluiceError('SLUICE_WORKER_UNAVAILABLE', '503: come back later', {
    retryAfterMs: ms,
    ...options,
  })
}

test.each([['worker'], ['capacity'], ['item'], [undefined]] as const)(
  'Retry-After with concerns %s is kept and capped, and the loop goes on: polls, settles and control',
  async (concerns) => {
    const world = new SendsWorld()
    await world.put(10)
    const worker = world.slowWorker(() => 0, { rule: { afterMs: 3_500 } })
    const send = worker.sendJob.bind(worker)
    let isBusy = false
    const tried: number[] = []
    worker.sendJob = (id, body, job) => {
      tried.push(world.runtime.monotonicMs())
      return isBusy ? Promise.reject(retryAfter(86_400_000, concerns)) : send(id, body, job)
    }
    const engine = world.engine({
      worker,
      policy: processingLimit(4),
      sendConcurrency: 1,
      sends: { maxRetryAfterMs: 60_000 },
    })
    await world.run(engine, 500)
    isBusy = true
    tried.length = 0
    const stop = world.start(engine)
    await world.runtime.advance(5_000)
    // The four are settled meanwhile, and the first of the next was sent in vain.
    expect(await world.queue.size('SUCCESS')).toBe(4)
    const [refusedAtMs = 0, ...others] = tried
    expect(others).toEqual([])
    const holdup = world.ticks.at(-1)?.result.holdups.find(({ code }) => code === 'backoff')
    expect(holdup).toMatchObject({ message: '503: come back later' })
    const lastTickMs = world.ticks.at(-1)?.atMs ?? 0
    expect(holdup?.forMs).toBe(refusedAtMs + 60_000 - lastTickMs)
    await world.queue.control.pause('seen')
    await world.runtime.advance(31_000)
    expect(world.events).toContainEqual({ kind: 'paused', reason: 'seen' })
    await world.queue.control.resume()
    isBusy = false
    await world.runtime.advance(refusedAtMs + 59_900 - world.runtime.monotonicMs())
    expect(tried).toHaveLength(1)
    await world.runtime.advance(60_000)
    await stop()
    expect(await world.queue.sizes()).toMatchObject({ SUCCESS: 10, FAIL: 0 })
  },
)
