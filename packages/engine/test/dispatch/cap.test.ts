import type { JobRef } from '@sluice/core'
import type { DummyWorker } from '@sluice/worker-dummy'
import { expect, test } from 'vitest'
import { CANCELLED_DETAILS, processingLimit, type WorkQueue } from '../../src/index.js'
import { isEarlierEnded } from '../../src/lookups/earlier-attempt.js'
import { JobMemory } from '../../src/reconcile/job-memory.js'
import { World, type Options } from '../world.js'

/** Jobs of one item that run side by side. */
function jobsOf(world: World, id: string): number[] {
  return world.worker
    .running()
    .filter((job) => job.id === id)
    .map(({ attempt }) => attempt)
}

function endJob(world: World, { uid, attempt }: Pick<JobRef, 'uid' | 'attempt'>): void {
  const job = world.jobs.find('q', { uid, attempt })
  if (job !== undefined) job.report = { stage: 'SUCCESS', uid, attempt }
}

function withoutLookups(worker: DummyWorker): DummyWorker {
  return Object.assign(worker, { supports: { ...worker.supports, lookupJob: false } })
}

async function ticks(engine: WorkQueue, times: number, after: () => void = () => {}): Promise<void> {
  for (let tick = 0; tick < times; tick++) {
    await engine.tick()
    after()
  }
}

test.each([
  ['look-ups', true],
  ['complete polls alone', false],
])('release of running jobs at cap 4: never more than 4 run (%s)', async (_, canAsk) => {
  const world = new World()
  const ids = await world.put(4)
  const worker = canAsk ? world.openWorker() : withoutLookups(world.openWorker())
  const engine = world.engine({ worker, policy: processingLimit(4) })
  await ticks(engine, 2)
  for (const { id } of world.worker.running()) await world.queue.release(id)
  const check = (): void => {
    expect(world.worker.running().length).toBeLessThanOrEqual(4)
    for (const id of ids) expect(jobsOf(world, id).length).toBeLessThanOrEqual(1)
  }
  await ticks(engine, 6, check)
  expect(world.worker.running()).toHaveLength(4)
  for (let step = 0; step < 20; step++) {
    // The last one first: the item that is claimed into its place has a job that runs.
    const latest = world.worker.running().at(-1)
    if (latest !== undefined) endJob(world, latest)
    await ticks(engine, 2, check)
    expect(await world.queue.size('PROCESSING')).toBeLessThanOrEqual(4)
  }
  expect(await world.queue.size('SUCCESS')).toBe(4)
  expect(world.peak).toBeLessThanOrEqual(4)
})

async function requeuedAtOnce(options: Options = {}) {
  const world = new World()
  await world.put(1)
  const worker = world.openWorker()
  // Told to end, and takes its time.
  const told: JobRef[] = []
  worker.cancelJob = async (job) => {
    told.push(job)
  }
  const engine = world.engine({ worker, policy: processingLimit(4), ...options })
  await ticks(engine, 2)
  const [item] = world.worker.running()
  if (item === undefined) throw new Error('it runs')
  await world.queue.fail('i0', { reason: 'manually', details: CANCELLED_DETAILS })
  await world.queue.requeue(['i0'])
  return { world, worker, engine, told, first: item }
}

test('cancel then requeue at once: attempt 2 starts only when attempt 1 is gone', async () => {
  const { world, engine, told, first } = await requeuedAtOnce()
  await ticks(engine, 5, () => expect(jobsOf(world, 'i0')).toEqual([1]))
  const waiting = await engine.tick()
  expect(waiting).toMatchObject({ processing: 1, orphans: 0, sent: 0 })
  expect(waiting.holdups).toEqual([
    { code: 'earlier-attempt', items: 1, message: expect.stringContaining('"i0" at attempt 2') },
  ])
  expect(told).toEqual([first])
  endJob(world, first)
  expect(await engine.tick()).toMatchObject({ sent: 1, holdups: [] })
  expect(jobsOf(world, 'i0')).toEqual([2])
})

test('the same with a worker that cannot be asked, by one complete poll, and by no incomplete one', async () => {
  const { world, engine, first } = await requeuedAtOnce()
  await engine.close()
  const blind = withoutLookups(world.openWorker())
  blind.cancelJob = async () => {}
  const next = world.engine({ worker: blind, policy: processingLimit(4) })
  await ticks(next, 3, () => expect(jobsOf(world, 'i0')).toEqual([1]))
  endJob(world, first)
  blind.incompleteNext(3)
  await ticks(next, 3, () => expect(jobsOf(world, 'i0')).toEqual([]))
  expect(await next.tick()).toMatchObject({ sent: 1 })
})

test('requeued after its job had failed: attempt 2 starts in the tick that claims it, by one look-up', async () => {
  const world = new World()
  await world.put(1)
  const engine = world.engine()
  await engine.tick()
  world.worker.settleJob('i0', { stage: 'FAIL' })
  await engine.tick()
  await world.queue.requeue(['i0'])
  expect(await engine.tick()).toMatchObject({ claimed: 1, sent: 1 })
})

test('an attempt that the rules retry is not asked for', async () => {
  const world = new World()
  await world.put(1)
  const worker = world.openWorker()
  let asked = 0
  worker.lookupJob = async () => void (asked += 1)
  const engine = world.engine({ worker, retry: { maxAttempts: 3, backoff: { baseMs: 0 } } })
  await engine.tick()
  for (const attempt of [2, 3]) {
    world.worker.settleJob('i0', { stage: 'FAIL' })
    expect(await engine.tick()).toMatchObject({ claimed: 1, sent: 1 })
    expect(jobsOf(world, 'i0')).toEqual([attempt])
  }
  expect(asked).toBe(0)
})

test('a poll that lags behind a send hides no earlier attempt', async () => {
  const world = new World()
  await world.put(2)
  const worker = withoutLookups(world.openWorker())
  const poll = worker.pollAllStatus.bind(worker)
  const engine = world.engine({ worker, policy: processingLimit(1) })
  await engine.tick()
  // Released while the list doesn't have its job yet.
  await world.queue.release('i0')
  worker.pollAllStatus = async () => new Map()
  expect(await engine.tick()).toMatchObject({ orphans: 1, sent: 0 })
  worker.pollAllStatus = poll
  await ticks(engine, 4, () => expect(world.worker.running()).toHaveLength(1))
})

test('look-ups of earlier attempts that fail start nothing, and are no outage', async () => {
  const { world, worker, engine, first } = await requeuedAtOnce()
  worker.troubleItem('i0', { calls: ['lookupJob'] })
  endJob(world, first)
  world.jobs.lose('q', first)
  const { unavailable, sent } = await engine.tick()
  expect({ unavailable, sent }).toEqual({ unavailable: undefined, sent: 0 })
  // The next poll says it as well.
  expect(await engine.tick()).toMatchObject({ sent: 1 })
})

test('a new engine finds the item that waits, and lets it wait on', async () => {
  const { world, engine, first } = await requeuedAtOnce()
  await ticks(engine, 2)
  await engine.close()
  const worker = world.openWorker()
  worker.cancelJob = async () => {}
  const next = world.engine({ worker, policy: processingLimit(4) })
  await ticks(next, 3, () => expect(jobsOf(world, 'i0')).toEqual([1]))
  endJob(world, first)
  expect(await next.tick()).toMatchObject({ resent: 1 })
})

test('removed and put again while its job runs: both run, and both count', async () => {
  const world = new World()
  await world.put(1)
  const engine = world.engine({ policy: processingLimit(2) })
  await ticks(engine, 2)
  const [old] = world.worker.running()
  await world.queue.fail('i0')
  await world.queue.remove(['i0'])
  await world.put(1)
  await world.put(3, 'next')
  expect(await engine.tick()).toMatchObject({ orphans: 1, sent: 1, processing: 1 })
  await ticks(engine, 4, () => expect(world.worker.running()).toHaveLength(2))
  expect(await engine.tick()).toMatchObject({ orphans: 1, processing: 1 })
  expect(jobsOf(world, 'i0')).toEqual([1, 1])
  expect(world.kinds().filter((kind) => kind === 'orphan')).toHaveLength(1)
  // The end of the old one frees its place, and says nothing of the new item.
  if (old !== undefined) endJob(world, old)
  expect(await engine.tick()).toMatchObject({ orphans: 0, sent: 1, settled: { success: 0 } })
  expect(await world.queue.lookupStatus('i0')).toBe('PROCESSING')
})

test('two earlier attempts of one item take two places, the waiting item being one of them', async () => {
  const world = new World()
  await world.put(1)
  const [item] = await world.queue.get(1)
  if (item === undefined) throw new Error('it waits')
  for (const attempt of [1, 2]) {
    await world.worker.sendJob('i0', null, { uid: item.uid, attempt, queue: 'q' })
    await world.queue.release('i0')
    await world.queue.get(1)
  }
  await world.put(5, 'next')
  const engine = world.engine({ policy: processingLimit(3) })
  expect(await engine.tick()).toMatchObject({ processing: 2, orphans: 1, sent: 1 })
  expect(await engine.tick()).toMatchObject({ processing: 2, orphans: 1, sent: 0 })
  expect(world.peak).toBe(3)
})

test('what a release may hand on: the earlier attempts are known to have ended, or there are none', () => {
  const engine = { memory: new JobMemory(0, () => 0.5) }
  const item = { id: 'a', uid: 'u', stage: 'PROCESSING', attempt: 1, uncounted: 0, priority: 0 } as const
  expect(isEarlierEnded(engine, item)).toBe(true)
  expect(isEarlierEnded(engine, { ...item, attempt: 2 })).toBe(false)
  expect(isEarlierEnded(engine, { ...item, attempt: 2, retryState: { ended: true } })).toBe(true)
  engine.memory.noteEarlierEnded({ uid: 'u', attempt: 2 })
  expect(isEarlierEnded(engine, { ...item, attempt: 2 })).toBe(true)
  expect(isEarlierEnded(engine, { ...item, attempt: 3 })).toBe(false)
})

test('an attempt that was said to be unsent, and whose job runs all the same: the next one waits until that is ended', async () => {
  const world = new World()
  await world.put(1)
  const [item] = await world.queue.get(1)
  if (item === undefined) throw new Error('it waits')
  await world.queue.release('i0', { unsent: true, retryState: { ended: true } })
  await world.worker.sendJob('i0', null, { uid: item.uid, attempt: 1, queue: 'q' })
  const worker = world.openWorker()
  worker.cancelJob = async () => {}
  const engine = world.engine({ worker, policy: processingLimit(4) })
  await ticks(engine, 4, () => expect(jobsOf(world, 'i0')).toEqual([1]))
  endJob(world, { uid: item.uid, attempt: 1 })
  expect(await engine.tick()).toMatchObject({ sent: 1 })
})

test('an item of many attempts is not asked for attempt by attempt: it waits for one complete poll', async () => {
  const world = new World()
  await world.put(1)
  for (let attempt = 1; attempt <= 5; attempt++) {
    await world.queue.get(1)
    await world.queue.release('i0')
  }
  const worker = world.openWorker()
  let asked = 0
  worker.lookupJob = async () => void (asked += 1)
  const engine = world.engine({ worker })
  expect(await engine.tick()).toMatchObject({ claimed: 1, sent: 0 })
  expect(await engine.tick()).toMatchObject({ sent: 1 })
  expect(asked).toBe(0)
})
