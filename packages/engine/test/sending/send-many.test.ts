import { SluiceError, type Worker } from '@sluice/core'
import { expect, test } from 'vitest'
import { processingLimit } from '../../src/index.js'
import { ProcessRuntime } from '../process-runtime.js'
import { settled, wrapped, World, type ManyWorker } from '../world.js'

/** A worker that starts up to so many jobs by one call; `calls` are the ids of each call of either kind. */
function manyWorker(world: World, maxJobsPerSend: number): { worker: ManyWorker; calls: string[][] } {
  const worker = world.openManyWorker(maxJobsPerSend)
  const calls: string[][] = []
  const [send, sendMany] = [worker.sendJob.bind(worker), worker.sendMany.bind(worker)]
  worker.sendJob = async (id, body, job) => {
    calls.push([id])
    await send(id, body, job)
  }
  worker.sendMany = async (jobs) => {
    calls.push(jobs.map(({ id }) => id))
    return sendMany(jobs)
  }
  return { worker, calls }
}

function sizesOf(calls: readonly (readonly string[])[]): number[] {
  return calls.map((ids) => ids.length)
}

function once(world: World): boolean {
  return [...world.startCounts().values()].every((count) => count === 1)
}

test('jobs are started by few calls, each up to the limit; a few go out before anything shows that the worker takes any', async () => {
  const world = new World()
  await world.put(300)
  const { worker, calls } = manyWorker(world, 50)
  const engine = world.engine({ worker, policy: processingLimit(300) })
  expect(await engine.tick()).toMatchObject({ claimed: 300, sent: 300, processing: 300 })
  expect(calls[0]).toHaveLength(3)
  expect(Math.max(...sizesOf(calls))).toBe(50)
  expect(calls.length).toBeLessThanOrEqual(10)
  expect(world.started).toHaveLength(300)
  expect(once(world)).toBe(true)
})

test('claims of a process that died are sent by many too, each looked up before', async () => {
  const world = new World()
  const ids = await world.put(40)
  await world.queue.get(40)
  const { worker, calls } = manyWorker(world, 20)
  const engine = world.engine({ worker, policy: processingLimit(40) })
  const lookupJob = worker.lookupJob.bind(worker)
  worker.lookupJob = async (job) => {
    const answer = await lookupJob(job)
    if (job.id === 'i39') await world.queue.fail('i7', { reason: 'by an operator' })
    return answer
  }
  expect(await engine.tick()).toMatchObject({ sent: 39, resent: 39 })
  expect(calls.flat().toSorted()).toEqual(ids.filter((id) => id !== 'i7').toSorted())
  expect(calls.length).toBeLessThanOrEqual(5)
})

test('outcomes are those of their own items: a rejected one fails, a refused one is set aside, the others run', async () => {
  const world = new World()
  await world.put(20)
  const { worker } = manyWorker(world, 20)
  worker.troubleItem('i9', { concerns: 'item', message: 'no such file' })
  const sendMany = worker.sendMany.bind(worker)
  worker.sendMany = async (jobs) => {
    const never = new SluiceError('SLUICE_JOB_REJECTED', 'too large')
    return (await sendMany(jobs)).map((error, at) => (jobs[at]?.id === 'i12' ? never : error))
  }
  const engine = world.engine({ worker, policy: processingLimit(20), sends: { maxTries: 2 } })
  const settledWith = { fail: 1, waiting: 1, success: 0 }
  expect(await engine.tick()).toMatchObject({ sent: 18, rejected: 1, settled: settledWith })
  expect(await world.queue.lookup('i12')).toMatchObject({ failureClass: 'rejected', reason: 'too large' })
  expect(await world.queue.lookup('i9')).toMatchObject({
    stage: 'WAITING',
    uncounted: 1,
    reason: 'no such file',
  })
  await world.put(1, 'more')
  world.worker.settleJob('i0', { stage: 'SUCCESS' })
  await world.runtime.advance(2_000)
  await engine.tick()
  expect(await world.queue.lookup('i9')).toMatchObject({ stage: 'FAIL', failureClass: 'unsendable' })
})

test('a worker that takes only some of a call for lack of room is asked for no more than it has; no item fails for it', async () => {
  const world = new World()
  await world.put(40)
  const { worker, calls } = manyWorker(world, 20)
  worker.limitJobs(10)
  const engine = world.engine({ worker, policy: processingLimit(40) })
  await engine.tick()
  expect(world.worker.running()).toHaveLength(10)
  expect(world.kinds()).toContain('capacity')
  calls.length = 0
  for (const { id } of world.worker.running().slice(0, 4)) world.worker.settleJob(id, { stage: 'SUCCESS' })
  const next = await engine.tick()
  expect(next).toMatchObject({ sent: 4, settled: { success: 4 }, holdups: [{ code: 'backpressure' }] })
  expect(next.unavailable).toBeUndefined()
  // As many as have ended, and once more as many.
  expect(calls.flat().length).toBeLessThanOrEqual(8)
  expect(await world.queue.size('FAIL')).toBe(0)
})

test('a call that is rejected as a whole for the worker’s trouble is an outage: all items keep their claims', async () => {
  const world = new World()
  await world.put(30)
  const { worker, calls } = manyWorker(world, 20)
  const engine = world.engine({ worker, policy: processingLimit(30) })
  await world.put(1, 'first')
  const first = world.engine({ worker, policy: processingLimit(1), holder: 'a' })
  await first.tick()
  await first.close()
  calls.length = 0
  let isDown = true
  const sendMany = worker.sendMany.bind(worker)
  worker.sendMany = async (jobs) => {
    if (isDown)
      throw new SluiceError('SLUICE_WORKER_UNAVAILABLE', 'down', { concerns: 'worker', retryAfterMs: 5_000 })
    return sendMany(jobs)
  }
  const down = await engine.tick()
  expect(down).toMatchObject({ sent: 0, unavailable: { message: 'down' } })
  expect(down.holdups.map(({ code }) => code)).toContain('backoff')
  isDown = false
  expect(await engine.tick()).toMatchObject({ sent: 0 })
  await world.runtime.advance(5_000)
  expect(await engine.tick()).toMatchObject({ sent: 29 })
  expect(await world.queue.sizes()).toMatchObject({ PROCESSING: 30, FAIL: 0 })
  // What failed for the worker's trouble goes out by many again.
  expect(Math.max(...sizesOf(calls))).toBeGreaterThan(10)
  expect(once(world)).toBe(true)
})

/** A server that refuses a whole request for one item of it, in words of its own. */
function poisoned(worker: Worker, poison: string, words: () => Error): void {
  const [send, sendMany] = [worker.sendJob.bind(worker), worker.sendMany?.bind(worker)]
  worker.sendJob = async (id, body, job) => {
    if (id === poison) throw words()
    await send(id, body, job)
  }
  worker.sendMany = async (jobs) => {
    if (jobs.some(({ id }) => id === poison)) throw words()
    return (await sendMany?.(jobs)) ?? []
  }
}

test.each([
  ['a rejection', () => new SluiceError('SLUICE_JOB_REJECTED', 'malformed'), 'rejected'],
  [
    'the item’s trouble',
    () => new SluiceError('SLUICE_WORKER_UNAVAILABLE', '400', { concerns: 'item' }),
    'unsendable',
  ],
  ['unknown words', () => new Error('what?'), 'unsendable'],
] as const)(
  'a call that is rejected as a whole for one of its items, by %s: each is sent alone, and only that one fails',
  async (_, words, failureClass) => {
    const world = new World()
    await world.put(30)
    const { worker, calls } = manyWorker(world, 20)
    poisoned(worker, 'i10', words)
    const engine = world.engine({ worker, policy: processingLimit(30), sends: { maxTries: 2 } })
    for (let tick = 0; tick < 10; tick++) {
      await engine.tick()
      await world.runtime.advance(2_000)
      await world.put(1, `more${tick}-`)
      for (const { id } of world.worker.running()) world.worker.settleJob(id, { stage: 'SUCCESS' })
    }
    await engine.tick()
    expect(await world.queue.sizes()).toMatchObject({ WAITING: 0, FAIL: 1 })
    expect(await world.queue.lookup('i10')).toMatchObject({ stage: 'FAIL', failureClass })
    expect(once(world)).toBe(true)
    const warned = world.logs.filter(({ message }) => message.includes('as a whole'))
    expect(warned.map(({ level }) => level)).toEqual(['warn'])
    expect(sizesOf(calls).filter((size) => size === 1).length).toBeLessThanOrEqual(40)
  },
)

test('an outage in unknown words fails no item, and is over by itself', async () => {
  const world = new World()
  await world.put(40)
  const { worker, calls } = manyWorker(world, 20)
  let isDown = true
  const [send, sendMany] = [worker.sendJob.bind(worker), worker.sendMany.bind(worker)]
  worker.sendJob = (...args) => (isDown ? Promise.reject(new Error('?')) : send(...args))
  worker.sendMany = (jobs) => (isDown ? Promise.reject(new Error('?')) : sendMany(jobs))
  const engine = world.engine({ worker, policy: processingLimit(20), sends: { maxTries: 1 } })
  for (let tick = 0; tick < 30; tick++) {
    await engine.tick()
    await world.runtime.advance(5_000)
  }
  expect(calls.flat()).toEqual([])
  isDown = false
  for (let tick = 0; tick < 30; tick++) {
    await engine.tick()
    await world.runtime.advance(5_000)
    for (const { id } of world.worker.running()) world.worker.settleJob(id, { stage: 'SUCCESS' })
  }
  expect(await world.queue.sizes()).toMatchObject({ SUCCESS: 40, FAIL: 0 })
  expect(once(world)).toBe(true)
})

test('an answer that got lost: all are sent again, and each has one job', async () => {
  const world = new World()
  await world.put(30)
  const { worker } = manyWorker(world, 20)
  worker.loseAnswer(3)
  const engine = world.engine({ worker, policy: processingLimit(30) })
  for (let tick = 0; tick < 4; tick++) {
    await engine.tick()
    await world.runtime.advance(2_000)
  }
  expect(world.worker.running()).toHaveLength(30)
  expect(once(world)).toBe(true)
  expect(await world.queue.sizes()).toMatchObject({ PROCESSING: 30, FAIL: 0 })
})

test('what gives not one outcome for each job says of none that it was sent', async () => {
  const world = new World()
  await world.put(3)
  const worker: Worker = world.openWorker({ maxJobsPerSend: 20 })
  worker.sendMany = async () => []
  const engine = world.engine({ worker, policy: processingLimit(3) })
  expect(await engine.tick()).toMatchObject({ sent: 0, processing: 3 })
  expect(await engine.tick()).toMatchObject({ sent: 3, processing: 3 })
  expect(once(world)).toBe(true)
})

test('a stop in the middle of a call: its outcomes count, what was not sent goes back', async () => {
  const world = new World()
  await world.put(40, 'first')
  const { worker } = manyWorker(world, 20)
  const gate = Promise.withResolvers<void>()
  let isHanging = false
  const sendMany = worker.sendMany.bind(worker)
  worker.sendMany = async (jobs) => {
    if (isHanging) await gate.promise
    return sendMany(jobs)
  }
  const engine = world.engine({ worker, policy: processingLimit(100), sendConcurrency: 1 })
  // From now on it is known how many are sent in a second: more than one call takes.
  await engine.tick()
  for (const { id } of world.worker.running()) world.worker.settleJob(id, { stage: 'SUCCESS' })
  const ids = await world.put(60)
  isHanging = true
  const tick = engine.tick()
  await settled()
  const closing = engine.close()
  await settled()
  expect(await world.queue.size('PROCESSING')).toBe(20)
  gate.resolve()
  expect(await tick).toMatchObject({ claimed: 60, sent: 20, processing: 20, settled: { waiting: 40 } })
  await closing
  expect((await world.queue.peek(100)).map(({ id }) => id)).toEqual(ids.slice(20))
  expect(world.started).toHaveLength(60)
})

test('a lease that is lost in the middle of a call: the next engine sends all of it again, and each has one job', async () => {
  const world = new World()
  await world.put(30)
  const runtime = new ProcessRuntime(world.runtime)
  const next = world.engine({
    worker: world.openWorker({ maxJobsPerSend: 20 }),
    policy: processingLimit(30),
    leaseTtlMs: 1_000,
  })
  let isFirst = true
  const around = async (_: string, name: string, call: () => Promise<unknown>): Promise<unknown> => {
    if (name === 'sendMany' && isFirst) {
      isFirst = false
      runtime.suspend()
      await world.runtime.advance(1_000)
      await next.tick()
      runtime.resume()
    }
    return call()
  }
  const sides = wrapped(world, around, { maxJobsPerSend: 20 })
  const engine = world.engine({ ...sides, runtime, policy: processingLimit(30), leaseTtlMs: 1_000 })
  await engine.tick()
  expect(await next.tick()).toMatchObject({ role: 'dispatcher', processing: 30 })
  expect(world.worker.running()).toHaveLength(30)
  expect(once(world)).toBe(true)
})

test('a guard counts the rejections of one call: the queue is paused, and the rest keeps its place', async () => {
  const world = new World()
  await world.put(60)
  const { worker } = manyWorker(world, 10)
  worker.rejectNext(60)
  const engine = world.engine({ worker, policy: processingLimit(60), sendConcurrency: 1 })
  const { openBreaker, settled: moved } = await engine.tick()
  expect(openBreaker?.guard).toBe('rejections')
  expect(moved.fail).toBeLessThanOrEqual(30)
  expect(await world.queue.sizes()).toMatchObject({ WAITING: 60 - moved.fail, PROCESSING: 0 })
})
