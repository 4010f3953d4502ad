import { SluiceError, type Worker } from '@sluice/core'
import { wrapWorker } from '@sluice/testkit'
import { expect, test } from 'vitest'
import { resetBreaker, processingLimit, readOpenBreaker } from '../../src/index.js'
import { GUARDS_DOCUMENT } from '../../src/records/document-names.js'
import { World, wrapped, type Options } from '../world.js'

/** A worker that rejects what it is told to. */
function rejecting(world: World, reasonOf: (id: string) => string | undefined): Worker {
  const worker = world.openWorker()
  return wrapWorker(worker, {
    sendJob: async (id, body, job) => {
      const reason = reasonOf(id)
      if (reason !== undefined) throw new SluiceError('SLUICE_JOB_REJECTED', reason)
      await worker.sendJob(id, body, job)
    },
  })
}

/** What a worker says of a job that runs, and of which something has begun. */
const begun = (stage: string): object => (stage === 'PROCESSING' ? { pending: false } : {})

const numberOf = (id: string): number => Number(id.slice(1))

/** Ticks a second apart, until nothing waits or the queue is paused. */
async function run(world: World, options: Options): Promise<void> {
  const engine = world.engine(options)
  for (let tick = 0; tick < 200; tick++) {
    await engine.tick()
    for (const { id } of world.worker.running()) world.worker.settleJob(id, { stage: 'SUCCESS' })
    await world.runtime.advance(1_000)
    const { paused } = await world.queue.control.read()
    if (paused || (await world.queue.sizes()).WAITING === 0) break
  }
  await engine.tick()
  await engine.close()
}

test('reasons that differ in what is peculiar to an item are the same', async () => {
  const world = new World()
  await world.put(100)
  const worker = rejecting(
    world,
    (id) => `400: item ${id}: parameter n = ${numberOf(id) * 7} of /data/${id}.tif is wrong`,
  )
  await run(world, { worker, policy: processingLimit(5) })
  expect((await world.queue.sizes()).FAIL).toBeLessThan(30)
  expect((await readOpenBreaker(world.queue))?.reason).toContain('parameter n = <n>')
})

test('two reasons that alternate do not hide each other', async () => {
  const world = new World()
  await world.put(100)
  const worker = rejecting(world, (id) => (numberOf(id) % 2 === 0 ? 'no colour' : 'no shape'))
  await run(world, { worker, policy: processingLimit(1), sendConcurrency: 1 })
  expect((await world.queue.sizes()).FAIL).toBe(39)
  expect((await world.queue.control.read()).paused).toBe(true)
})

test('a few good items among many bad ones keep it going', async () => {
  const world = new World()
  await world.put(300)
  const worker = rejecting(world, (id) => (numberOf(id) % 15 === 0 ? undefined : 'no path'))
  await run(world, { worker, policy: processingLimit(4) })
  expect(await world.queue.sizes()).toMatchObject({ WAITING: 0, SUCCESS: 20, FAIL: 280 })
  expect(await readOpenBreaker(world.queue)).toBeUndefined()
})

test('items that are refused in words of the worker, while a probe goes well, count too', async () => {
  const world = new World()
  await world.put(3, 'good')
  await run(world, { policy: processingLimit(3) })
  await world.put(60)
  const worker = wrapWorker(world.openWorker(), {
    sendJob: async () => {
      throw new SluiceError('SLUICE_WORKER_UNAVAILABLE', 'admission webhook denied it', { concerns: 'item' })
    },
  })
  const engine = world.engine({ worker, policy: processingLimit(30), sends: { maxTries: 2 } })
  for (let tick = 0; tick < 400 && !(await world.queue.control.read()).paused; tick++) {
    await engine.tick()
    await world.runtime.advance(5_000)
  }
  expect(await readOpenBreaker(world.queue)).toMatchObject({
    reason: expect.stringContaining('admission webhook'),
  })
  expect((await world.queue.sizes()).FAIL).toBeGreaterThanOrEqual(20)
  expect((await world.queue.sizes()).FAIL).toBeLessThan(50)
})

test('the log, the events, the tick and the holdups say so, and an operator’s pause says nothing of it', async () => {
  const world = new World()
  await world.put(60)
  const worker = rejecting(world, () => 'no path')
  const engine = world.engine({ worker, policy: processingLimit(60) })
  const tick = await engine.tick()
  const pause = { guard: 'rejections', example: 'i0', sinceAt: expect.any(Number) }
  expect(tick.openBreaker).toMatchObject(pause)
  expect(tick.holdups.map(({ code }) => code)).toContain('breaker-open')
  expect(tick.holdups.map(({ code }) => code)).not.toContain('paused')
  expect(world.events).toContainEqual({ kind: 'breaker-open', breaker: expect.objectContaining(pause) })
  expect(world.kinds().filter((kind) => kind === 'breaker-open')).toHaveLength(1)
  await engine.tick()
  expect(world.kinds().filter((kind) => kind === 'breaker-open')).toHaveLength(1)

  const other = new World()
  await other.queue.control.pause('not now')
  const its = await other.engine().tick()
  expect(its.openBreaker).toBeUndefined()
  expect(its.holdups.map(({ code }) => code)).toEqual(['paused'])
  expect(await readOpenBreaker(other.queue)).toBeUndefined()
})

test('an operator who paused first keeps the word, and a resume ends both', async () => {
  const world = new World()
  await world.put(60)
  const gate = Promise.withResolvers<void>()
  let sends = 0
  const worker = wrapWorker(world.openWorker(), {
    sendJob: async () => {
      sends += 1
      if (sends === 20) await gate.promise
      throw new SluiceError('SLUICE_JOB_REJECTED', 'no path')
    },
  })
  const engine = world.engine({ worker, policy: processingLimit(60), sendConcurrency: 1 })
  const ticking = engine.tick()
  for (let turn = 0; turn < 50; turn++) await world.runtime.advance(10)
  expect(sends).toBe(20)
  await world.queue.control.pause('maintenance')
  await world.runtime.advance(2_000)
  gate.resolve()
  for (let turn = 0; turn < 20; turn++) await world.runtime.advance(100)
  await ticking
  expect(await world.queue.control.read()).toMatchObject({ paused: true, reason: 'maintenance' })
  expect(await readOpenBreaker(world.queue)).toMatchObject({ guard: 'rejections' })
  await resetBreaker(world.queue)
  await world.queue.control.resume()
  expect(await readOpenBreaker(world.queue)).toBeUndefined()
  await engine.tick()
  expect((await world.queue.control.read()).paused).toBe(true)
})

test('after a resume and another pause by an operator, between two ticks, the pause is the operator’s', async () => {
  const world = new World()
  await world.put(60)
  const worker = rejecting(world, () => 'no path')
  const engine = world.engine({ worker, policy: processingLimit(60) })
  await engine.tick()
  await resetBreaker(world.queue)
  await world.queue.control.resume()
  await world.queue.control.pause('by an operator')
  const tick = await engine.tick()
  expect(tick.openBreaker).toBeUndefined()
  expect(tick.holdups).toMatchObject([{ code: 'paused', message: expect.stringContaining('by an operator') }])
})

test('a service that drains counts too, and the pause is there for the next one', async () => {
  const world = new World()
  await world.put(24)
  const first = world.engine({ policy: processingLimit(24) })
  await first.tick()
  await first.close()
  const message = 'pods "x" is forbidden: violates PodSecurity "restricted:latest"'
  for (const { id } of world.worker.running())
    world.worker.settleJob(id, { stage: 'FAIL', failureClass: 'error', message })
  const drain = world.engine({ drain: true })
  expect((await drain.tick()).openBreaker).toMatchObject({ reason: expect.stringContaining('PodSecurity') })
  await drain.close()
  expect((await world.queue.control.read()).paused).toBe(true)
  expect((await world.engine().tick()).openBreaker).toBeDefined()
})

test('jobs that run, and were started after the first that was refused, end the row', async () => {
  const world = new World()
  // Those that were started say that they have begun, and run for hours.
  const worker = wrapWorker(world.worker, {
    pollAllStatus: async () => {
      const reports = await world.worker.pollAllStatus()
      return new Map([...reports].map(([id, report]) => [id, { ...report, ...begun(report.stage) }]))
    },
  })
  const breaker = { failures: 1_000, window: 10_000 }
  const engine = world.engine({ worker, policy: processingLimit(500), breaker })
  const refuse = (): void => {
    const big = world.worker.running().filter(({ id }) => id.startsWith('big'))
    for (const { id } of big)
      world.worker.settleJob(id, { stage: 'FAIL', failureClass: 'error', message: 'maximum cpu is 1' })
  }
  for (let tick = 0; tick < 60; tick++) {
    await world.put(1, `big${tick}x`)
    await world.put(1, `small${tick}x`)
    await engine.tick()
    refuse()
    await world.runtime.advance(1_000)
  }
  expect(await world.queue.sizes()).toMatchObject({ FAIL: 59, WAITING: 0 })
  expect((await world.queue.control.read()).paused).toBe(false)
  // Without new ones beside them it is as if the cluster took none.
  for (let tick = 0; tick < 25; tick++) {
    await world.put(1, `big${tick}y`)
    await engine.tick()
    refuse()
    await world.runtime.advance(1_000)
  }
  expect((await world.queue.control.read()).paused).toBe(true)
})

test.each(['SLUICE_QUEUE_DENIED', 'SLUICE_QUEUE_CORRUPT'] as const)(
  'where its document alone can’t be used (%s), it counts for itself, says so once, and pauses',
  async (code) => {
    const world = new World()
    await world.put(60)
    const { queue } = wrapped(world, (_, __, call, document) =>
      document === GUARDS_DOCUMENT ? Promise.reject(new SluiceError(code, 'not this one')) : call(),
    )
    const engine = world.engine({
      queue,
      worker: rejecting(world, () => 'no path'),
      policy: processingLimit(6),
    })
    for (let tick = 0; tick < 10; tick++) await engine.tick()
    expect((await world.queue.control.read()).paused).toBe(true)
    expect((await world.queue.sizes()).FAIL).toBeLessThan(40)
    expect(
      world.logs.filter(({ message }) => message.includes('count of failures and rejections')),
    ).toHaveLength(1)
    await world.queue.control.resume()
    await engine.tick()
    expect((await engine.tick()).openBreaker).toBeUndefined()
  },
)

test('what is in the document and can’t be understood counts as nothing', async () => {
  for (const value of [
    null,
    7,
    { rows: 'no', pause: [] },
    { rows: [{ kind: 'send' }], pause: { guard: 1 } },
  ]) {
    const world = new World()
    await world.queue.document(GUARDS_DOCUMENT).write(value, { ifVersion: undefined })
    await world.put(3)
    expect(await readOpenBreaker(world.queue)).toBeUndefined()
    expect((await world.engine().tick()).sent).toBe(3)
  }
})

test('nothing is written while nothing is refused', async () => {
  const world = new World()
  const calls: string[] = []
  const { queue } = wrapped(world, (_, name, call, document) => {
    if (document === GUARDS_DOCUMENT) calls.push(name)
    return call()
  })
  await world.put(50)
  await run(world, { queue, policy: processingLimit(10) })
  expect(calls).toEqual(['read document'])
})
