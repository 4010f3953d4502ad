import { SluiceError, type JobReport } from '@sluice/core'
import { wrapWorker } from '@sluice/testkit'
import type { DummyWorker } from '@sluice/worker-dummy'
import { expect, test } from 'vitest'
import { processingLimit, type WorkEvent } from '../../src/index.js'
import { World, type Options } from '../world.js'

const MINUTE_MS = 60_000
const TIMEOUT: Options = { jobs: { pendingTimeoutMs: 30 * MINUTE_MS } }

type PendingEvent = Extract<WorkEvent, { kind: 'jobs-pending' }>

function warnings(world: World): PendingEvent[] {
  return world.events.filter((event) => event.kind === 'jobs-pending')
}

async function tickMinutes(
  engine: { tick(): Promise<unknown> },
  world: World,
  minutes: number,
): Promise<void> {
  for (let minute = 0; minute < minutes; minute++) {
    await world.runtime.advance(MINUTE_MS)
    await engine.tick()
  }
}

/** One item, its job pending. */
async function oneHeld(options: Options = {}, message = 'ImagePullBackOff: no such image') {
  const world = new World()
  await world.put(1)
  const worker = world.openWorker()
  const engine = world.engine({ worker, policy: processingLimit(1), ...options })
  await engine.tick()
  world.worker.holdJob('i0', message)
  await engine.tick()
  return { world, worker, engine }
}

function cancels(worker: DummyWorker): string[] {
  const reasons: string[] = []
  const cancel = worker.cancelJob.bind(worker)
  worker.cancelJob = (job, reason) => {
    reasons.push(reason)
    return cancel(job, reason)
  }
  return reasons
}

test('a job that is pending for ten minutes is warned of once, with what holds it up', async () => {
  const { world, engine } = await oneHeld()
  expect(await engine.tick()).toMatchObject({ pending: 1, processing: 1 })
  await tickMinutes(engine, world, 9)
  expect(warnings(world)).toEqual([])
  await tickMinutes(engine, world, 50)
  expect(warnings(world)).toEqual([
    {
      kind: 'jobs-pending',
      message: 'ImagePullBackOff: no such image',
      jobs: 1,
      alike: 1,
      example: expect.objectContaining({ id: 'i0', attempt: 1 }),
      longestMs: 10 * MINUTE_MS,
    },
  ])
  const logged = world.logs.filter(({ level }) => level === 'warn')
  expect(logged).toMatchObject([{ fields: { jobs: 1, example: 'i0', message: /ImagePull/u } }])
})

test('one line for 5,000 jobs of one cause, in whatever order they came, their names and numbers apart', async () => {
  const world = new World()
  await world.put(5_000)
  const reports = new Map<string, JobReport>()
  const worker = wrapWorker(world.worker, {
    sendJob: async (id, _, { uid, attempt }) => {
      const details = { workflow: `tiles-${uid}` }
      const message = `pod ${id} of tiles-${uid}: 0/${reports.size} nodes are available: ${reports.size} Insufficient cpu`
      reports.set(id, { stage: 'PROCESSING', uid, attempt, pending: true, message, details })
    },
    pollAllStatus: async () => reports,
  })
  const engine = world.engine({ worker, policy: processingLimit(5_000), backpressure: 'off' })
  for (let tick = 0; tick < 10; tick++) {
    expect(await engine.tick()).toMatchObject({ sent: 500 })
    await world.runtime.advance(5_000)
  }
  await tickMinutes(engine, world, 40)
  expect(warnings(world)).toMatchObject([{ alike: 5_000, message: /nodes are available/u }])
})

test('two causes are two lines; a job whose cause changes is not reported again', async () => {
  const world = new World()
  await world.put(4)
  const engine = world.engine({ policy: processingLimit(4) })
  await engine.tick()
  for (const id of ['i0', 'i1']) world.worker.holdJob(id, `image a/b of ${id}`)
  for (const id of ['i2', 'i3']) world.worker.holdJob(id, 'configmap "x" not found')
  await tickMinutes(engine, world, 12)
  expect(warnings(world).map(({ message, jobs }) => [message, jobs])).toEqual([
    ['image a/b of i0', 2],
    ['configmap "x" not found', 2],
  ])
  for (const id of ['i0', 'i1', 'i2', 'i3']) world.worker.holdJob(id, 'something else')
  await tickMinutes(engine, world, 30)
  expect(warnings(world)).toHaveLength(2)
})

test('one that was reported early with its group is reported by itself when it has another cause', async () => {
  const world = new World()
  await world.put(2)
  const engine = world.engine({ policy: processingLimit(2) })
  await engine.tick()
  world.worker.holdJob('i0', 'no room')
  await tickMinutes(engine, world, 6)
  world.worker.holdJob('i1', 'no room')
  await tickMinutes(engine, world, 6)
  expect(warnings(world)).toMatchObject([{ jobs: 1, alike: 2 }])
  world.worker.holdJob('i1', 'no image')
  await tickMinutes(engine, world, 10)
  expect(warnings(world)).toMatchObject([{ jobs: 1 }, { jobs: 1, message: 'no image' }])
})

test('what begins in time is not warned of, and what has begun is not pending again', async () => {
  const { world, engine } = await oneHeld(TIMEOUT)
  await tickMinutes(engine, world, 9)
  world.worker.beginJob('i0')
  expect(await engine.tick()).toMatchObject({ pending: 0 })
  await tickMinutes(engine, world, 60)
  expect(warnings(world)).toEqual([])
  world.worker.settleJob('i0', { stage: 'FAIL', message: 'exit 1' })
  await engine.tick()
  expect(await world.queue.lookup('i0')).toMatchObject({
    reason: 'exit 1',
    failureClass: 'failed',
  })
})

test('pendingWarnMs is a setting, and 0 is never', async () => {
  for (const [pendingWarnMs, count] of [
    [0, 0],
    [2 * MINUTE_MS, 1],
  ] as const) {
    const { world, engine } = await oneHeld({ jobs: { pendingWarnMs } })
    await tickMinutes(engine, world, 20)
    expect(warnings(world)).toHaveLength(count)
  }
})

test('by default no job is cancelled, however long it is pending', async () => {
  const { world, worker, engine } = await oneHeld()
  const reasons = cancels(worker)
  await tickMinutes(engine, world, 600)
  expect(reasons).toEqual([])
  expect(await world.queue.lookupStatus('i0')).toBe('PROCESSING')
})

test('at the timeout the job is cancelled, once, and its item fails as unschedulable when the end is seen', async () => {
  const { world, worker, engine } = await oneHeld(TIMEOUT)
  const reasons = cancels(worker)
  await tickMinutes(engine, world, 29)
  expect(reasons).toEqual([])
  await world.runtime.advance(MINUTE_MS)
  expect(await engine.tick()).toMatchObject({ cancelled: 1, processing: 1, settled: { fail: 0 } })
  expect(await engine.tick()).toMatchObject({ cancelled: 0, settled: { fail: 1 } })
  expect(reasons).toEqual([expect.stringMatching(/1800000 ms: ImagePullBackOff/u)])
  expect(await world.queue.lookup('i0')).toMatchObject({
    stage: 'FAIL',
    reason: expect.stringMatching(/^unschedulable: .*1800000 ms.*ImagePullBackOff: no such image/u),
    failureClass: 'unschedulable',
  })
  expect(world.kinds()).toContain('job-cancelled')
})

test('the item keeps its place until the end is seen, be it hours: nothing else starts', async () => {
  const { world, worker, engine } = await oneHeld(TIMEOUT, 'Waiting for a lock')
  await world.put(1, 'next')
  let cancelled = 0
  worker.cancelJob = async () => {
    cancelled += 1
  }
  await tickMinutes(engine, world, 200)
  expect(cancelled).toBe(1)
  expect(await world.queue.sizes()).toMatchObject({ PROCESSING: 1, WAITING: 1 })
  expect(world.started).toHaveLength(1)
  world.worker.settleJob('i0', { stage: 'FAIL', message: 'Stopped', failureClass: 'killed' })
  expect(await engine.tick()).toMatchObject({ settled: { fail: 1 }, sent: 1 })
  expect(await world.queue.lookup('i0')).toMatchObject({ failureClass: 'unschedulable' })
})

test('one that ended well although it was cancelled is a SUCCESS', async () => {
  const { world, worker, engine } = await oneHeld(TIMEOUT)
  worker.cancelJob = async () => {
    world.worker.settleJob('i0', { stage: 'SUCCESS', result: 7 })
  }
  await tickMinutes(engine, world, 31)
  expect(await world.queue.lookup('i0')).toMatchObject({ stage: 'SUCCESS', result: 7 })
})

test.each([
  [['unschedulable'], 'WAITING'],
  [['killed'], 'FAIL'],
] as const)('the retry rules decide by the class unschedulable: on %o it is %s', async (on, stage) => {
  const retry = { maxAttempts: 2, on, backoff: { baseMs: 3_600_000 } }
  const { world, engine } = await oneHeld({ ...TIMEOUT, retry })
  await tickMinutes(engine, world, 31)
  expect(await world.queue.lookup('i0')).toMatchObject({ stage, reason: /^unschedulable/u })
})

test('one that has begun since the poll is not cancelled: it is asked for afresh', async () => {
  const { world, worker, engine } = await oneHeld(TIMEOUT)
  const reasons = cancels(worker)
  await tickMinutes(engine, world, 29)
  worker.incompleteNext(Number.POSITIVE_INFINITY)
  // The poll goes on saying what was known last; the job itself runs, and later has ended.
  world.worker.beginJob('i0')
  await tickMinutes(engine, world, 10)
  expect(reasons).toEqual([])
  world.worker.settleJob('i0', { stage: 'SUCCESS' })
  worker.endTrouble()
  expect(await engine.tick()).toMatchObject({ settled: { success: 1 } })
})

test('the timeout holds in a spell of incomplete polls too, by the look-up', async () => {
  const { world, worker, engine } = await oneHeld(TIMEOUT)
  const reasons = cancels(worker)
  worker.incompleteNext(Number.POSITIVE_INFINITY)
  await tickMinutes(engine, world, 31)
  expect(reasons).toHaveLength(1)
})

test('a worker that cannot be asked: cancelled by what a complete poll says, never by an incomplete one', async () => {
  const { world, worker, engine } = await oneHeld(TIMEOUT)
  Object.assign(worker, { supports: { ...worker.supports, lookupJob: false } })
  const reasons = cancels(worker)
  worker.incompleteNext(Number.POSITIVE_INFINITY)
  await tickMinutes(engine, world, 40)
  expect(reasons).toEqual([])
  worker.endTrouble()
  await engine.tick()
  expect(reasons).toHaveLength(1)
})

test('a cancel that fails is tried again, warned of once, and holds up no other job', async () => {
  const { world, worker, engine } = await oneHeld({ ...TIMEOUT, policy: processingLimit(2) })
  let tries = 0
  worker.cancelJob = () => {
    tries += 1
    return Promise.reject(new SluiceError('SLUICE_WORKER_DENIED', 'no permission to stop'))
  }
  await tickMinutes(engine, world, 30)
  await world.put(1, 'next')
  const result = await engine.tick()
  expect(result).toMatchObject({ sent: 1, processing: 2, cancelled: 0 })
  expect(result.unavailable).toBeUndefined()
  await tickMinutes(engine, world, 5)
  expect(tries).toBeGreaterThan(4)
  expect(
    world.logs.filter(({ message }) => message.includes('could not be cancelled')).map(({ level }) => level),
  ).toEqual(['warn', ...Array<string>(tries - 1).fill('debug')])
})

test('thousands at their timeout: within the budget, those that have been pending for longest first', async () => {
  const world = new World()
  const ids = await world.put(500)
  const worker = world.openWorker()
  const reasons = cancels(worker)
  const engine = world.engine({ worker, policy: processingLimit(500), ...TIMEOUT })
  await engine.tick()
  for (const id of ids) world.worker.holdJob(id, 'no room')
  await engine.tick()
  await world.runtime.advance(30 * MINUTE_MS)
  for (const cancelled of [200, 200, 100]) {
    expect(await engine.tick()).toMatchObject({ cancelled })
    expect(await engine.tick()).toMatchObject({ cancelled: 0 })
    await world.runtime.advance(1_000)
  }
  expect(reasons).toHaveLength(500)
})

test('the timeout starts again with a new engine, and is refused where the worker cannot end jobs', async () => {
  const { world, engine } = await oneHeld(TIMEOUT)
  await tickMinutes(engine, world, 29)
  await engine.close()
  const worker = world.openWorker()
  const reasons = cancels(worker)
  const next = world.engine({ worker, policy: processingLimit(1), ...TIMEOUT })
  await next.tick()
  await tickMinutes(next, world, 29)
  expect(reasons).toEqual([])
  await tickMinutes(next, world, 1)
  expect(reasons).toHaveLength(1)
  const unable = world.openWorker()
  Object.assign(unable, { supports: { ...unable.supports, cancelJob: false } })
  expect(() => world.engine({ worker: unable, ...TIMEOUT })).toThrow(/pendingTimeoutMs.*cancelJob/u)
  expect(() => world.engine({ worker: unable, ...TIMEOUT })).toThrow(TypeError)
  world.engine({ worker: unable })
})
