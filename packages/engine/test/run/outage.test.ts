import { SluiceError } from '@sluice/core'
import { expect, test } from 'vitest'
import { readDispatcher, type TickResult } from '../../src/index.js'
import { World, settled, wrapped, type Options } from '../world.js'

const HOUR_MS = 3_600_000

/** An engine on a worker, or a queue, that can't be used from `downAtMs` on. */
function setup(of: 'queue' | 'worker', options: Options = {}, retryAfterMs?: number) {
  const world = new World()
  const calls: { side: string; name: string; atMs: number }[] = []
  const state = { isDown: false }
  const code = of === 'queue' ? 'SLUICE_QUEUE_UNAVAILABLE' : 'SLUICE_WORKER_UNAVAILABLE'
  const parts = wrapped(world, (side, name, call) => {
    calls.push({ side, name, atMs: world.runtime.monotonicMs() })
    if (side !== of || !state.isDown) return call()
    return Promise.reject(new SluiceError(code, '503', retryAfterMs === undefined ? {} : { retryAfterMs }))
  })
  const stop = new AbortController()
  const ticks: TickResult[] = []
  const engine = world.engine({ ...parts, ...options })
  world.randomNumber = 0
  const loop = engine.run({
    intervalMs: 1_000,
    signal: stop.signal,
    onTick: (result) => ticks.push(result),
  })
  const callsTo = (side: string) => calls.filter((call) => call.side === side).map(({ atMs }) => atMs)
  return { world, engine, stop, loop, ticks, state, calls, callsTo }
}

test('in an outage with a Retry-After of an hour: a pause, a limit and a wake-up are seen, the worker gets no call before its capped time', async () => {
  const { world, engine, stop, loop, ticks, state, calls, callsTo } = setup('worker', {}, HOUR_MS)
  await world.runtime.advance(1_500)
  state.isDown = true
  await world.runtime.advance(500)
  expect(ticks.at(-1)).toMatchObject({
    reconciled: false,
    nextDelayMs: 300_000,
    holdups: [
      { code: 'worker-unavailable', message: '503' },
      { code: 'backoff', forMs: 300_000 },
    ],
  })
  calls.length = 0
  await world.queue.control.pause('repairs')
  await world.runtime.advance(1_000)
  expect(world.events).toContainEqual({ kind: 'paused', reason: 'repairs' })
  expect((await readDispatcher(world.queue))?.holdups.map(({ code }) => code)).toEqual([
    'paused',
    'worker-unavailable',
    'backoff',
  ])
  await world.queue.control.resume()
  await world.runtime.advance(100)
  engine.wake()
  await settled()
  expect(world.kinds().at(-1)).toBe('resumed')
  const number = await world.queue.control.sync()
  await world.runtime.advance(1_000)
  expect((await readDispatcher(world.queue))?.syncedTo).toBe(number)
  await world.runtime.advance(290_000)
  expect(callsTo('worker')).toEqual([])
  await world.runtime.advance(10_000)
  expect(callsTo('worker')).toEqual([302_000])
  stop.abort()
  await loop
  expect(world.runtime.sleeping).toBe(0)
})

test('an outage of the worker of an hour: the lease is kept, and no other service takes turns', async () => {
  const { world, stop, loop, state, callsTo } = setup('worker')
  await world.put(2)
  await settled()
  const standby = world.engine()
  const other = standby.run({ intervalMs: 1_000, signal: stop.signal })
  state.isDown = true
  await world.runtime.advance(HOUR_MS)
  const knocks = callsTo('worker').length
  state.isDown = false
  await world.runtime.advance(31_000)
  expect(world.started).toHaveLength(2)
  expect(world.kinds().filter((kind) => kind === 'dispatcher')).toHaveLength(1)
  // Backoff: 1, 2, 4, 8, 16, then every 30 s.
  expect(knocks).toBeLessThan(130)
  stop.abort()
  await Promise.all([loop, other])
})

test('an outage of the queue: neither side gets a call before its time, whatever rings', async () => {
  const { world, engine, stop, loop, state, calls } = setup('queue')
  await world.runtime.advance(1_500)
  state.isDown = true
  await world.runtime.advance(500)
  calls.length = 0
  for (let ring = 0; ring < 1_000; ring++) {
    engine.wake()
    await world.runtime.advance(7)
  }
  expect([...new Set(calls.map(({ atMs }) => atMs))]).toEqual([3_000, 5_000, 9_000])
  stop.abort()
  await loop
})

test('a thousand wake-ups are not a thousand knocks on a closed door', async () => {
  const { world, engine, stop, loop, state, callsTo, calls } = setup('worker')
  await world.runtime.advance(1_500)
  state.isDown = true
  await world.runtime.advance(500)
  calls.length = 0
  for (let ring = 0; ring < 1_000; ring++) {
    engine.wake()
    await world.runtime.advance(7)
  }
  expect(callsTo('worker')).toEqual([3_000, 5_000, 9_000])
  stop.abort()
  await loop
})

test('where only sends fail, ticks go on at the interval: what ends is settled at once', async () => {
  const world = new World()
  await world.put(3)
  let isFull = false
  const { queue, worker } = wrapped(world, (_, name, call) => {
    if (name !== 'sendJob' || !isFull) return call()
    return Promise.reject(new SluiceError('SLUICE_WORKER_UNAVAILABLE', '429', { retryAfterMs: 60_000 }))
  })
  const stop = new AbortController()
  const ticks: TickResult[] = []
  const engine = world.engine({ queue, worker, sendConcurrency: 1 })
  const onTick = (result: TickResult) => ticks.push(result)
  const loop = engine.run({ intervalMs: 1_000, signal: stop.signal, onTick })
  await world.runtime.advance(100)
  isFull = true
  await world.put(3, 'later')
  await world.runtime.advance(30_000)
  expect(ticks.length).toBeGreaterThan(25)
  for (const { id } of world.worker.running()) world.worker.settleJob(id, { stage: 'SUCCESS' })
  await world.runtime.advance(1_000)
  expect(await world.queue.size('SUCCESS')).toBe(3)
  stop.abort()
  await loop
})
