import { SluiceError } from '@sluice/core'
import { expect, test } from 'vitest'
import { CANCELLED_DETAILS, processingLimit } from '../../src/index.js'
import { wrapped } from '../world.js'
import { SendsWorld, idsFrom } from '../sending/sends-world.js'

const SEND_MS = 800

async function sending(count: number, cap: number) {
  const world = new SendsWorld()
  await world.put(count)
  const engine = world.engine({ worker: world.slowWorker(() => SEND_MS), policy: processingLimit(cap) })
  const stop = world.start(engine)
  return { world, engine, stop }
}

test('400 items, sends of 800 ms, pause and cancel --all while they are sent: no send begins a second after the pause, nothing runs later, unsent items keep their place', async () => {
  const { world, stop } = await sending(400, 400)
  await world.runtime.advance(2_100)
  await world.queue.control.pause('maintenance')
  const pausedAtMs = world.runtime.monotonicMs()
  const { items } = await world.queue.listSummaries('PROCESSING', { limit: 1_000 })
  for (const { id } of items) await world.queue.fail(id, { details: CANCELLED_DETAILS })
  await world.runtime.advance(60_000)
  await stop()
  expect(world.sends.filter(({ atMs }) => atMs > pausedAtMs + 1_000)).toEqual([])
  expect(world.sends.length).toBeLessThan(80)
  // Only what was claimed between the two commands runs; each claim that is left has a job.
  expect(await world.queue.size('PROCESSING')).toBeLessThanOrEqual(16)
  const running = new Set(world.started.map(({ id }) => id))
  for (const { id } of (await world.queue.listSummaries('PROCESSING', { limit: 1_000 })).items)
    expect(running.has(id)).toBe(true)
  const { WAITING } = await world.queue.sizes()
  expect(WAITING).toBeGreaterThan(300)
  expect(await world.waiting()).toEqual(idsFrom(400 - WAITING, 400))
  for (const { attempt, uncounted } of await world.queue.peek(1_000)) expect(uncounted).toBe(attempt)
})

test('a pause while items are sent: unsent claims are WAITING again in their order, uncounted, and say why', async () => {
  const { world, stop } = await sending(400, 400)
  await world.runtime.advance(3_000)
  await world.queue.control.pause('the cluster is full')
  await world.runtime.advance(2_500)
  await stop()
  const { WAITING, PROCESSING } = await world.queue.sizes()
  expect(WAITING + PROCESSING).toBe(400)
  expect(PROCESSING).toBe(world.started.length)
  expect(await world.waiting()).toEqual(idsFrom(PROCESSING, 400))
  const returned = (await world.queue.list('WAITING', { limit: 1_000 })).items.filter(
    ({ attempt }) => attempt > 0,
  )
  expect(returned.length).toBeGreaterThan(0)
  for (const item of returned) {
    expect(item).toMatchObject({ reason: 'not sent: the queue is paused: the cluster is full', uncounted: 1 })
    expect(item.history).toMatchObject([{ outcome: 'WAITING', unsent: true }])
  }
  expect(world.ticks.at(-1)?.result.holdups).toMatchObject([{ code: 'paused' }])
})

test('limit 0 in the middle: no send begins a second later, and nothing stays claimed without a job', async () => {
  const { world, stop } = await sending(400, 400)
  await world.runtime.advance(2_100)
  await world.queue.control.setLimits({ maxProcessing: 0 })
  const atMs = world.runtime.monotonicMs()
  await world.runtime.advance(30_000)
  await stop()
  expect(world.sends.filter((send) => send.atMs > atMs + 1_000)).toEqual([])
  expect(await world.queue.size('PROCESSING')).toBe(world.started.length)
  expect(await world.waiting()).toEqual(idsFrom(world.started.length, 400))
  expect(world.ticks.at(-1)?.result.holdups).toMatchObject([
    { code: 'limit', message: 'at most 0 jobs run at once, set by `sluice limit`' },
  ])
})

test('limit n in the middle: exactly n run, whatever was claimed', async () => {
  const { world, stop } = await sending(400, 400)
  await world.runtime.advance(1_500)
  await world.queue.control.setLimits({ maxProcessing: 70 })
  await world.runtime.advance(30_000)
  await stop()
  expect(world.worker.running()).toHaveLength(70)
  expect(await world.queue.size('PROCESSING')).toBe(70)
  expect(await world.waiting()).toEqual(idsFrom(70, 400))
})

test.each([
  ['a raised limit', (world: SendsWorld) => world.queue.control.setLimits({ maxProcessing: 400 })],
  ['a sync', (world: SendsWorld) => world.queue.control.sync()],
])('%s while items are sent is seen by the next tick, which begins within two seconds', async (_, act) => {
  const world = new SendsWorld()
  await world.put(400)
  await world.queue.control.setLimits({ maxProcessing: 200 })
  const engine = world.engine({ worker: world.slowWorker(() => SEND_MS) })
  let result: { nextDelayMs?: number; processing?: number } = {}
  const tick = engine.tick().then((ended) => (result = ended))
  await world.runtime.advance(2_100)
  expect(result).toEqual({})
  await act(world)
  await world.runtime.advance(2_000)
  await tick
  expect(result.nextDelayMs).toBe(0)
  // Nothing is given back for it.
  expect(await world.queue.size('PROCESSING')).toBe(result.processing)
  const stop = world.start(engine)
  await world.runtime.advance(30_000)
  await stop()
  expect([...world.startCounts().values()].every((count) => count === 1)).toBe(true)
})

test('claims that are not sent when a tick begins in a pause go back too, asked for where it is not known', async () => {
  const world = new SendsWorld()
  await world.put(3)
  await world.queue.get(2)
  await world.queue.control.pause()
  const asked: string[] = []
  const sides = wrapped(world, (_, name, call) => {
    asked.push(name)
    return call()
  })
  expect(await world.engine(sides).tick()).toMatchObject({ processing: 0, settled: { waiting: 2 } })
  expect(asked.filter((name) => name === 'lookupJob').length).toBeGreaterThanOrEqual(2)
  expect(await world.waiting()).toEqual(idsFrom(0, 3))
})

test('a claim of which a job may exist is kept in a pause', async () => {
  const world = new SendsWorld()
  await world.put(1)
  const worker = world.openWorker()
  worker.troubleItem('i0', { calls: ['sendJob', 'lookupJob'] })
  const engine = world.engine({ worker })
  expect(await engine.tick()).toMatchObject({ processing: 1, sent: 0 })
  await world.queue.control.pause()
  expect(await engine.tick()).toMatchObject({ processing: 1, paused: true })
})

test('claims are cut to what is sent in about a second, and the number of calls does not grow', async () => {
  const { world, stop } = await sending(400, 400)
  let most = 0
  for (let at = 0; at < 30_000; at += 200) {
    await world.runtime.advance(200)
    most = Math.max(most, (await world.queue.size('PROCESSING')) - world.sends.length)
  }
  await stop()
  expect(world.started).toHaveLength(400)
  // 16 sends at once take 800 ms: 20 a second.
  expect(most).toBeLessThanOrEqual(20)
})

test('claims never exceed the cap at any instant, while items are refused, given back and settled', async () => {
  const world = new SendsWorld()
  await world.put(300)
  const cap = 12
  let most = 0
  const dummy = world.slowWorker(() => 50, { rule: { afterMs: [100, 700] } })
  for (const id of ['i3', 'i20', 'i21', 'i22', 'i90']) dummy.troubleItem(id)
  const { queue } = wrapped(world, async (_side, _name, call) => {
    const answer = await call()
    most = Math.max(most, await world.queue.size('PROCESSING'))
    return answer
  })
  const engine = world.engine({ queue, worker: dummy, policy: processingLimit(cap), sends: { baseMs: 100 } })
  const stop = world.start(engine, 100)
  for (let second = 0; second < 60; second++) {
    await world.runtime.advance(1_000)
    if (second === 5) await world.queue.control.pause()
    if (second === 7) await world.queue.control.resume()
  }
  await stop()
  expect(await world.queue.sizes()).toMatchObject({ SUCCESS: 295, FAIL: 5 })
  expect(most).toBe(cap)
})

test('an item that was moved while it waited to be sent is not sent; one list a second serves all', async () => {
  const world = new SendsWorld()
  await world.put(500)
  let sendMs = 0
  const lists: number[] = []
  const { queue } = wrapped(world, (_, name, call) => {
    if (name === 'listSummaries') lists.push(world.runtime.monotonicMs())
    return call()
  })
  const worker = world.slowWorker(() => sendMs)
  const engine = world.engine({ queue, worker, policy: processingLimit(500) })
  // Fast sends first, so that much is claimed at once; then they are slow.
  await world.queue.control.setLimits({ maxProcessing: 100 })
  await engine.tick()
  await world.queue.control.setLimits({ maxProcessing: null })
  sendMs = SEND_MS
  lists.length = 0
  const stop = world.start(engine)
  await world.runtime.advance(2_000)
  expect(await world.queue.size('PROCESSING')).toBe(500)
  const moved = idsFrom(300, 400)
  for (const id of moved) await world.queue.fail(id)
  await world.runtime.advance(20_000)
  await stop()
  expect(world.started.filter(({ id }) => moved.includes(id))).toEqual([])
  expect(world.started).toHaveLength(400)
  for (let second = 0; second < 18; second++) {
    const within = lists.filter((atMs) => atMs >= second * 1_000 && atMs < (second + 1) * 1_000)
    expect(within.length).toBeLessThanOrEqual(2)
  }
})

test('while the control can not be read no send begins: the operator’s word may be there', async () => {
  const world = new SendsWorld()
  await world.put(400)
  let answer: PromiseWithResolvers<void> | undefined
  const { queue } = wrapped(world, async (_, name, call) => {
    if (name === 'read' && answer !== undefined) await answer.promise
    return call()
  })
  const engine = world.engine({
    queue,
    worker: world.slowWorker(() => SEND_MS),
    policy: processingLimit(400),
  })
  const stop = world.start(engine)
  await world.runtime.advance(1_500)
  answer = Promise.withResolvers()
  await world.queue.control.pause()
  await world.runtime.advance(20_000)
  // The read began at 2,000 at the latest, and is overdue a second later.
  expect(world.sends.filter(({ atMs }) => atMs > 3_000)).toEqual([])
  answer.resolve()
  await stop()
  expect(world.sends.filter(({ atMs }) => atMs > 3_000)).toEqual([])
})

test('a control that can not be read is an outage of the queue: sends end, claims are kept', async () => {
  const world = new SendsWorld()
  await world.put(400)
  let isBroken = false
  const { queue } = wrapped(world, (_, name, call) =>
    isBroken && name === 'read'
      ? Promise.reject(new SluiceError('SLUICE_QUEUE_UNAVAILABLE', 'down'))
      : call(),
  )
  const engine = world.engine({
    queue,
    worker: world.slowWorker(() => SEND_MS),
    policy: processingLimit(400),
  })
  const tick = engine.tick()
  await world.runtime.advance(500)
  isBroken = true
  await world.runtime.advance(1_500)
  expect(await tick).toMatchObject({ unavailable: { code: 'SLUICE_QUEUE_UNAVAILABLE' } })
  isBroken = false
  await world.run(engine, 30_000)
  expect(world.started).toHaveLength(400)
  expect([...world.startCounts().values()].every((count) => count === 1)).toBe(true)
})

test('sends of 800 ms, sixteen at once: all sixteen places are in use until the last item has begun', async () => {
  const { world, stop } = await sending(320, 320)
  await world.runtime.advance(60_000)
  await stop()
  expect(world.started.length).toBe(320)
  const beganMs = world.sends.map(({ atMs }) => atMs)
  const takenMs = Math.max(...beganMs) - Math.min(...beganMs)
  // Twenty rounds of sixteen; the first claims are small ones, before the rate is known.
  expect(takenMs).toBeLessThanOrEqual(20 * SEND_MS)
})

test('a live limit that leaves room holds nothing up, and is not said to', async () => {
  const world = new SendsWorld()
  await world.put(3)
  await world.queue.control.setLimits({ maxProcessing: 2 })
  const worker = world.slowWorker(() => 0)
  const engine = world.engine({ worker, policy: processingLimit(10) })
  const stop = world.start(engine)
  await world.runtime.advance(1_000)
  expect(world.ticks.at(-1)?.result.holdups).toMatchObject([{ code: 'limit' }])
  for (const { id } of worker.running()) worker.settleJob(id, { stage: 'SUCCESS' })
  await world.runtime.advance(3_000)
  await stop()
  expect(world.ticks.at(-1)?.result.holdups).toEqual([])
  const limitLines = world.logs.filter(({ message }) => message.startsWith('live limit: '))
  expect(limitLines).toMatchObject([{ level: 'info', fields: { limits: { maxProcessing: 2 } } }])
})
