import { SluiceError, type JobRef } from '@sluice/core'
import { wrapWorker } from '@sluice/testkit'
import { expect, test } from 'vitest'
import { CANCELLED_DETAILS, processingLimit } from '../../src/index.js'
import { World, wrapped, type Options } from '../world.js'

function orphanLines({ logs }: World): string[] {
  return logs
    .filter(({ message }) => message.includes('a job runs without an item'))
    .map(({ level }) => level)
}

/** An item whose job ended well and was settled, the job's name free again as after a deletion. */
async function settledAndFree(options: Options = {}) {
  const world = new World()
  await world.put(1)
  const engine = world.engine({ policy: processingLimit(2), ...options })
  await engine.tick()
  const [job] = world.started
  if (job === undefined) throw new Error('it was sent')
  world.worker.settleJob('i0', { stage: 'SUCCESS', result: 1 })
  await engine.tick()
  world.jobs.lose('q', job)
  return { world, engine, job }
}

/** What a stale dispatcher does that was held up right before this send. */
function sendLate(world: World, { id, uid, attempt }: JobRef): Promise<void> {
  return world.openWorker().sendJob(id, null, { uid, attempt, queue: 'q' })
}

test('a job that was created again after its name was free (other jobUid) is cancelled within a tick', async () => {
  const { world, engine, job } = await settledAndFree()
  await sendLate(world, job)
  expect(world.worker.running()).toEqual([job])
  expect(await engine.tick()).toMatchObject({ cancelled: 1, orphans: 1 })
  expect(world.worker.running()).toEqual([])
  expect(await engine.tick()).toMatchObject({ cancelled: 0, orphans: 0 })
  expect(await world.queue.lookup('i0')).toMatchObject({ stage: 'SUCCESS', result: 1, jobUid: 'job-1' })
  expect(world.events).toContainEqual({
    kind: 'job-cancelled',
    job,
    reason: expect.stringContaining('created again'),
  })
  expect(world.kinds()).not.toContain('orphan')
})

test('the same when the item has a later attempt that runs', async () => {
  const world = new World()
  await world.put(1)
  const engine = world.engine({
    policy: processingLimit(2),
    retry: { maxAttempts: 2, backoff: { baseMs: 0 } },
  })
  await engine.tick()
  const [first] = world.started
  if (first === undefined) throw new Error('it was sent')
  world.worker.settleJob('i0', { stage: 'FAIL' })
  await engine.tick()
  world.jobs.lose('q', first)
  await sendLate(world, first)
  expect(world.worker.running().map(({ attempt }) => attempt)).toEqual([2, 1])
  expect(await engine.tick()).toMatchObject({ cancelled: 1, processing: 1, orphans: 1 })
  expect(world.worker.running().map(({ attempt }) => attempt)).toEqual([2])
})

test('the same workflow retried by a person is left, logged once, and takes a place', async () => {
  const world = new World()
  await world.put(3)
  const engine = world.engine({ policy: processingLimit(1) })
  await engine.tick()
  world.worker.settleJob('i0', { stage: 'FAIL', message: 'exit 1' })
  const [job] = world.started
  const stored = job && world.jobs.find('q', job)
  if (job === undefined || stored === undefined) throw new Error('it was sent')
  const { report, ...same } = stored
  expect(report).toBeDefined()
  await world.queue.control.setLimits({ maxProcessing: 0 })
  await engine.tick()
  // The very job runs again, under its own id.
  world.jobs.lose('q', job)
  world.jobs.start(same)
  const retried = world.jobs.find('q', job)
  if (retried !== undefined && same.jobUid !== undefined) retried.jobUid = same.jobUid
  await world.queue.control.setLimits({ maxProcessing: null })
  for (let tick = 0; tick < 4; tick++) {
    expect(await engine.tick()).toMatchObject({ orphans: 1, sent: 0, cancelled: 0 })
    await world.runtime.advance(60_000)
  }
  expect(orphanLines(world)).toEqual(['warn'])
  world.worker.settleJob('i0', { stage: 'SUCCESS' })
  expect(await engine.tick()).toMatchObject({ orphans: 0, sent: 1 })
  expect(await world.queue.lookup('i0')).toMatchObject({ stage: 'FAIL', reason: 'exit 1' })
})

test('a send that raced with a cancel is ended', async () => {
  const world = new World()
  await world.put(2)
  // The operator's `cancel` comes between the claim and the send, and finds no job to end.
  const sides = wrapped(world, async (_, name, call) => {
    if (name === 'sendJob' && world.started.length === 0) {
      await world.queue.fail('i0', { reason: 'manually', details: CANCELLED_DETAILS, failureClass: 'killed' })
    }
    return call()
  })
  const engine = world.engine({ ...sides, policy: processingLimit(1) })
  await engine.tick()
  expect(world.worker.running()).toHaveLength(1)
  expect(await engine.tick()).toMatchObject({ cancelled: 1, orphans: 1, sent: 0 })
  expect(world.worker.running()).toEqual([])
  expect(await engine.tick()).toMatchObject({ orphans: 0, sent: 1 })
  expect(await world.queue.lookup('i0')).toMatchObject({ stage: 'FAIL', reason: 'manually' })
  expect(orphanLines(world)).toEqual([])
})

test('a job of an attempt that was given back as unsent was created too late: it is cancelled', async () => {
  const world = new World()
  await world.put(1)
  const [item] = await world.queue.get(1)
  if (item === undefined) throw new Error('it waits')
  await world.queue.release('i0', { unsent: true, keepPlace: true, retryState: { ended: true } })
  await sendLate(world, item)
  const engine = world.engine({ policy: processingLimit(4) })
  await engine.tick()
  await engine.tick()
  await engine.tick()
  expect(world.worker.running().map(({ attempt }) => attempt)).toEqual([2])
  expect(world.peak).toBe(1)
})

test('a worker that cannot end jobs: the job is left and takes a place', async () => {
  const world = new World()
  const worker = world.openWorker()
  Object.assign(worker, { supports: { ...worker.supports, cancelJob: false } })
  await world.put(2)
  const engine = world.engine({ worker, policy: processingLimit(1) })
  await engine.tick()
  await engine.tick()
  await world.queue.fail('i0', { details: CANCELLED_DETAILS })
  for (let tick = 0; tick < 3; tick++) expect(await engine.tick()).toMatchObject({ orphans: 1, sent: 0 })
  expect(orphanLines(world)).toEqual([])
})

test('told to end again less and less often while it takes its time; a failure is warned of once and stops nothing', async () => {
  const world = new World()
  await world.put(3)
  const worker = world.openWorker()
  const toldAt: number[] = []
  worker.cancelJob = async () => {
    toldAt.push(world.runtime.monotonicMs())
    if (toldAt.length % 2 === 0) throw new SluiceError('SLUICE_WORKER_DENIED', 'no permission to stop')
  }
  const engine = world.engine({ worker, policy: processingLimit(2) })
  await engine.tick()
  await engine.tick()
  await world.queue.fail('i0', { details: CANCELLED_DETAILS })
  for (let second = 0; second < 300; second++) {
    const result = await engine.tick()
    expect(result.unavailable).toBeUndefined()
    await world.runtime.advance(1_000)
  }
  const spans = toldAt.slice(1).map((at, index) => at - (toldAt[index] ?? 0))
  expect(spans).toEqual([5_000, 10_000, 20_000, 40_000, 60_000, 60_000, 60_000])
  expect(world.events.filter(({ kind }) => kind === 'job-cancelled')).toHaveLength(1)
})

test('a thousand jobs of cancelled items: no more than 200 items looked up a tick, and all are dealt with', async () => {
  const world = new World()
  const count = 1_000
  await world.put(count)
  const calls: Record<string, number> = {}
  const sides = wrapped(world, (side, name, call) => {
    calls[`${side} ${name}`] = (calls[`${side} ${name}`] ?? 0) + 1
    return call()
  })
  const engine = world.engine({ ...sides, policy: processingLimit(count), maxBatchItems: count })
  await engine.tick()
  await engine.tick()
  const { items } = await world.queue.listSummaries('PROCESSING', { limit: count })
  await world.queue.settle(
    items.map(({ id, attempt }) => ({ id, attempt, stage: 'FAIL', details: CANCELLED_DETAILS })),
  )
  for (let tick = 0; tick < 5; tick++) {
    for (const name of Object.keys(calls)) delete calls[name]
    await engine.tick()
    expect(calls['queue lookup']).toBe(tick === 0 ? 200 : 400)
    expect(calls['worker cancelJob']).toBeLessThanOrEqual(200)
    await world.runtime.advance(1_000)
  }
  for (let tick = 0; tick < 3; tick++) await engine.tick()
  expect(world.worker.running()).toEqual([])
  expect((await world.worker.pollAllStatus()).size).toBe(0)
})

test('jobs that cannot be forgotten: their items are looked up once, 200 a tick, however long it lasts', async () => {
  const world = new World()
  await world.put(1_800)
  const calls: Record<string, number> = {}
  const sides = wrapped(world, (_, name, call) => {
    calls[name] = (calls[name] ?? 0) + 1
    if (name !== 'acknowledgeJobs') return call()
    return Promise.reject(new SluiceError('SLUICE_WORKER_DENIED', 'no permission to delete'))
  })
  const engine = world.engine({ ...sides, policy: processingLimit(1_800), maxBatchItems: 1_800 })
  await engine.tick()
  for (const { id } of world.worker.running()) world.worker.settleJob(id, { stage: 'SUCCESS' })
  expect(await engine.tick()).toMatchObject({ settled: { success: 1_800 } })
  let lookups = calls['lookup'] ?? 0
  expect(lookups).toBeLessThanOrEqual(200)
  for (let tick = 0; tick < 60; tick++) {
    await world.runtime.advance(1_000)
    await engine.tick()
    expect((calls['lookup'] ?? 0) - lookups).toBeLessThanOrEqual(200)
    lookups = calls['lookup'] ?? 0
  }
  expect(lookups).toBeLessThanOrEqual(1_800)
  expect(calls['acknowledgeJobs']).toBeLessThan(15)
})

test('a job that was created again is cancelled only if it still exists: the poll may be outdated', async () => {
  const { world, job } = await settledAndFree()
  await sendLate(world, job)
  const cancels: JobRef[] = []
  const sides = wrapped(world, async (side, name, call) => {
    // It ends by itself while its item is looked up.
    if (side === 'queue' && name === 'lookup') world.worker.settleJob('i0', { stage: 'SUCCESS' })
    return call()
  })
  const worker = wrapWorker(sides.worker, { cancelJob: async (of) => void cancels.push(of) })
  await world.runtime.advance(15_000)
  const engine = world.engine({ ...sides, worker })
  expect(await engine.tick()).toMatchObject({ cancelled: 0, orphans: 1 })
  expect(cancels).toEqual([])
  expect(world.kinds()).not.toContain('job-cancelled')
})
