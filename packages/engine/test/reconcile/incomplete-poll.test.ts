import { SluiceError, type JobRef } from '@sluice/core'
import type { DummyWorker } from '@sluice/worker-dummy'
import { expect, test } from 'vitest'
import { processingLimit } from '../../src/index.js'
import { World } from '../world.js'

const POLICY = processingLimit(3)

/** Every look-up that reaches the worker. */
function lookups(worker: DummyWorker): string[] {
  const asked: string[] = []
  const lookup = worker.lookupJob.bind(worker)
  worker.lookupJob = (job) => {
    asked.push(job.id)
    return lookup(job)
  }
  return asked
}

test('what an incomplete poll knows is settled, what it lacks is asked for by name, and jobs go on starting under the cap', async () => {
  const world = new World()
  await world.put(6)
  const worker = world.openWorker()
  const engine = world.engine({ worker, policy: POLICY })
  await engine.tick()
  await engine.tick()
  world.worker.settleJob('i0', { stage: 'SUCCESS', result: 1 })
  await engine.tick()
  worker.incompleteNext(Number.POSITIVE_INFINITY)
  world.worker.settleJob('i1', { stage: 'SUCCESS', result: 2 })
  const first = await engine.tick()
  // As last known it runs: nothing is settled, and nothing starts in its place.
  expect(first).toMatchObject({ poll: { complete: false, mayStart: true }, settled: { success: 0 }, sent: 0 })
  // A worker that drops what it can't ask for does no harm either.
  const poll = worker.pollAllStatus.bind(worker)
  worker.pollAllStatus = async () => {
    await poll()
    return Object.assign(new Map(), { complete: false, incompleteReason: 'the list is late' })
  }
  expect(await engine.tick()).toMatchObject({
    poll: { asked: 3, unasked: 0 },
    settled: { success: 1 },
    sent: 1,
    processing: 3,
  })
  expect(await world.queue.lookup('i1')).toMatchObject({ stage: 'SUCCESS', result: 2 })
  expect(world.peak).toBe(3)
})

test('a new dispatcher starts nothing, new or claimed before, until it has read one complete poll', async () => {
  const world = new World()
  await world.put(6)
  const before = world.engine({ policy: POLICY })
  await before.tick()
  await world.queue.release('i0')
  await before.close()
  // Claimed by a process that died before it could send; it would be sent at once by who knows what runs.
  await world.queue.get(1)
  const worker = world.openWorker()
  worker.incompleteNext(3)
  const engine = world.engine({ worker, policy: processingLimit(10) })
  for (let tick = 0; tick < 3; tick++) {
    expect(await engine.tick()).toMatchObject({
      role: 'dispatcher',
      poll: { complete: false, mayStart: false },
      sent: 0,
      claimed: 0,
    })
  }
  expect(world.started).toHaveLength(3)
  // Nor does the item that was released by an operator get a second job, while its first one runs.
  expect(await engine.tick()).toMatchObject({ poll: { complete: true, mayStart: true }, resent: 1, sent: 3 })
  expect(world.started.filter(({ id }) => id === 'i0')).toHaveLength(1)
})

test('the same after each change of dispatcher', async () => {
  const world = new World()
  await world.put(4)
  const worker = world.openWorker()
  const engine = world.ticker({ worker, policy: processingLimit(1), leaseTtlMs: 1_000 })
  expect(await engine.tick()).toMatchObject({ sent: 1 })
  await engine.leave(10_000)
  const lease = await world.queue.lease('dispatcher', 'another', 600_000)
  expect(await engine.tick()).toMatchObject({ role: 'standby' })
  await lease?.release()
  worker.incompleteNext(1)
  world.worker.settleJob('i0', { stage: 'SUCCESS' })
  expect(await engine.tick()).toMatchObject({ role: 'dispatcher', poll: { mayStart: false }, sent: 0 })
  expect(await engine.tick()).toMatchObject({ poll: { mayStart: true }, sent: 1 })
})

test('last known orphans and earlier attempts keep their places while polls are incomplete', async () => {
  const world = new World()
  await world.put(8)
  const worker = world.openWorker()
  const engine = world.engine({ worker, policy: POLICY })
  await engine.tick()
  await engine.tick()
  const poll = worker.pollAllStatus.bind(worker)
  worker.pollAllStatus = async () =>
    Object.assign(new Map(), { complete: false, incompleteReason: 'the list is late' })
  // By an operator, while their jobs run: one is an orphan now, the other an earlier attempt of an item that
  // is claimed again.
  await world.queue.fail('i0')
  await world.queue.release('i1')
  for (let tick = 0; tick < 4; tick++) {
    const { processing, orphans } = await engine.tick()
    expect({ processing, orphans }).toEqual({ processing: 1, orphans: 2 })
  }
  world.worker.settleJob('i2', { stage: 'SUCCESS' })
  await world.runtime.advance(5_000)
  expect(await engine.tick()).toMatchObject({ settled: { success: 1 }, sent: 1, orphans: 2 })
  expect(world.peak).toBe(3)
  // The release made the item the last in the line: its second attempt starts when the others have ended.
  worker.pollAllStatus = poll
  world.worker.settleJob('i0', { stage: 'SUCCESS' })
  expect(await engine.tick()).toMatchObject({ poll: { complete: true }, orphans: 1, sent: 1 })
})

test('an earlier attempt that runs and the item that waits for it take one place, incomplete polls or not', async () => {
  const world = new World()
  await world.put(1)
  const worker = world.openWorker()
  const engine = world.engine({ worker, policy: processingLimit(2) })
  await engine.tick()
  await engine.tick()
  worker.incompleteNext(Number.POSITIVE_INFINITY)
  await world.queue.release('i0')
  expect(await engine.tick()).toMatchObject({ orphans: 1, sent: 0, processing: 1 })
  await world.put(2, 'next')
  expect(await engine.tick()).toMatchObject({ orphans: 0, sent: 1, processing: 2 })
  expect(await engine.tick()).toMatchObject({ orphans: 0, sent: 0, processing: 2 })
  expect(world.started.map(({ id }) => id)).toEqual(['i0', 'next0'])
})

test('absence from an incomplete poll is no absence: no grace passes, and nothing is lost', async () => {
  const world = new World()
  await world.put(1)
  const worker = world.openWorker()
  const engine = world.engine({ worker, lost: { graceMs: 60_000 } })
  await engine.tick()
  world.worker.loseJob('i0')
  const poll = worker.pollAllStatus.bind(worker)
  worker.pollAllStatus = async () => Object.assign(new Map(), { complete: false })
  for (let minute = 0; minute < 30; minute++) {
    expect(await engine.tick()).toMatchObject({ lost: 0, processing: 1, resent: 0 })
    await world.runtime.advance(60_000)
  }
  worker.pollAllStatus = poll
  expect(await engine.tick()).toMatchObject({ lost: 0, processing: 1 })
  await world.runtime.advance(59_999)
  expect(await engine.tick()).toMatchObject({ lost: 0 })
  await world.runtime.advance(1)
  expect(await engine.tick()).toMatchObject({ lost: 1 })
})

test('a worker that cannot be asked: absent from incomplete polls, an item is neither sent again nor lost, be the grace 0', async () => {
  for (const graceMs of [0, 5_000]) {
    const world = new World()
    await world.put(2)
    const worker = world.openWorker()
    Object.assign(worker, { supports: { ...worker.supports, lookupJob: false } })
    const engine = world.engine({ worker, lost: { graceMs }, policy: processingLimit(1) })
    await engine.tick()
    await world.queue.get(1)
    worker.pollAllStatus = async () => Object.assign(new Map(), { complete: false })
    for (let tick = 0; tick < 10; tick++) {
      expect(await engine.tick()).toMatchObject({ lost: 0, resent: 0, processing: 2 })
      await world.runtime.advance(5_000)
    }
  }
})

test('no more look-ups within a second than the budget, however many ticks it has; those that waited longest first', async () => {
  const world = new World()
  await world.put(450)
  const worker = world.openWorker()
  const asked = lookups(worker)
  const engine = world.engine({ worker, policy: processingLimit(1_000) })
  await engine.tick()
  worker.pollAllStatus = async () => Object.assign(new Map(), { complete: false })
  expect(await engine.tick()).toMatchObject({ poll: { asked: 200, unasked: 250 } })
  for (let tick = 0; tick < 9; tick++) {
    await world.runtime.advance(100)
    expect(await engine.tick()).toMatchObject({ poll: { asked: 0, unasked: 250 } })
  }
  await world.runtime.advance(100)
  expect(await engine.tick()).toMatchObject({ poll: { asked: 200, unasked: 50 } })
  await world.runtime.advance(1_000)
  expect(await engine.tick()).toMatchObject({ poll: { asked: 50, unasked: 0 } })
  // Each once before any of them a second time.
  expect(new Set(asked).size).toBe(450)
  expect(asked.slice(0, 200)).toEqual(Array.from({ length: 200 }, (_, index) => `i${index}`))
  await world.runtime.advance(4_000)
  await engine.tick()
  expect(new Set(asked.slice(450))).toEqual(new Set(asked.slice(0, 200)))
})

test('the budget holds for complete polls too, and is a setting', async () => {
  const world = new World()
  await world.put(30)
  await world.queue.get(30)
  const worker = world.openWorker()
  const asked = lookups(worker)
  const engine = world.engine({ worker, policy: processingLimit(30), maxLookupsPerSecond: 10 })
  for (const sent of [10, 10, 10]) {
    expect(await engine.tick()).toMatchObject({ poll: { complete: true, asked: 10 }, resent: sent })
    await world.runtime.advance(1_000)
  }
  expect(asked).toHaveLength(30)
})

test('a job that could not be looked up keeps its whole grace', async () => {
  const world = new World()
  await world.put(2)
  const worker = world.openWorker()
  const engine = world.engine({ worker, lost: { graceMs: 3_000 }, maxLookupsPerSecond: 1 })
  await engine.tick()
  await engine.tick()
  for (const id of ['i0', 'i1']) world.worker.loseJob(id)
  // Ticks so close together that the second job is not asked for while the first one's grace passes.
  const asked: JobRef[] = []
  const lookup = worker.lookupJob.bind(worker)
  worker.lookupJob = (job) => {
    asked.push(job)
    return asked.length === 2 ? Promise.reject(unavailable()) : lookup(job)
  }
  expect(await engine.tick()).toMatchObject({ poll: { asked: 1, unasked: 1 } })
  await world.runtime.advance(1_000)
  // The look-up fails: nothing more is known.
  expect(await engine.tick()).toMatchObject({ poll: { asked: 1 }, lost: 0 })
  await world.runtime.advance(2_000)
  expect(await engine.tick()).toMatchObject({ lost: 1, processing: 1 })
  await world.runtime.advance(3_000)
  expect(await engine.tick()).toMatchObject({ lost: 0, processing: 1 })
  await world.runtime.advance(3_000)
  expect(await engine.tick()).toMatchObject({ lost: 1, processing: 0 })
})

test.each([
  [9_000, 2],
  [3_000, 1],
])(
  'look-ups that take long hold a tick up for two seconds, or a third of the lease: %i ms',
  async (leaseTtlMs, asked) => {
    const world = new World()
    await world.put(100)
    const worker = world.openWorker()
    const engine = world.engine({ worker, policy: processingLimit(100), leaseTtlMs, sendConcurrency: 1 })
    await engine.tick()
    worker.pollAllStatus = async () => Object.assign(new Map(), { complete: false })
    const lookup = worker.lookupJob.bind(worker)
    worker.lookupJob = async (job) => {
      await world.runtime.advance(1_000)
      return lookup(job)
    }
    expect(await engine.tick()).toMatchObject({ poll: { asked, unasked: 100 - asked } })
  },
)

test('incomplete polls are reported once, with their reason, and once when they are over', async () => {
  const world = new World()
  const worker = world.openWorker()
  const engine = world.engine({ worker })
  await engine.tick()
  worker.incompleteNext(3)
  for (let tick = 0; tick < 5; tick++) await engine.tick()
  worker.incompleteNext(1)
  await engine.tick()
  const told = world.events.filter(({ kind }) => kind.startsWith('poll-'))
  expect(told).toEqual([
    { kind: 'poll-incomplete', reason: expect.stringContaining('as a test ordered') },
    { kind: 'poll-complete' },
    expect.objectContaining({ kind: 'poll-incomplete' }),
  ])
  const warnings = world.logs.filter(({ level }) => level === 'warn')
  expect(warnings.map(({ fields }) => fields)).toEqual([
    { reason: expect.stringContaining('as a test ordered') },
    { reason: expect.stringContaining('as a test ordered') },
  ])
})

test('incomplete polls are reported again after a change of dispatcher: they then keep jobs from starting', async () => {
  const world = new World()
  const worker = world.openWorker()
  const engine = world.ticker({ worker, leaseTtlMs: 1_000 })
  await engine.tick()
  worker.incompleteNext(Number.POSITIVE_INFINITY)
  await engine.tick()
  await engine.leave(10_000)
  const lease = await world.queue.lease('dispatcher', 'another', 600_000)
  await engine.tick()
  await lease?.release()
  await engine.tick()
  await engine.tick()
  const warnings = world.logs.filter(({ level }) => level === 'warn').map(({ message }) => message)
  expect(warnings).toEqual([
    expect.stringContaining('count as last known'),
    expect.stringContaining('nothing starts before the first complete one'),
  ])
})

test('an orphan is reported once, although incomplete polls lack it now and then', async () => {
  const world = new World()
  await world.worker.sendJob('foreign', null, { uid: 's', attempt: 1, queue: 'q' })
  const worker = world.openWorker()
  const engine = world.engine({ worker, policy: POLICY })
  await engine.tick()
  const poll = worker.pollAllStatus.bind(worker)
  for (let tick = 0; tick < 4; tick++) {
    worker.pollAllStatus = tick % 2 === 0 ? async () => Object.assign(new Map(), { complete: false }) : poll
    expect(await engine.tick()).toMatchObject({ orphans: 1 })
  }
  expect(world.kinds().filter((kind) => kind === 'orphan')).toHaveLength(1)
})

function unavailable(): SluiceError {
  return new SluiceError('SLUICE_WORKER_UNAVAILABLE', 'as the test wants it', { concerns: 'worker' })
}

test('the grace adds up over the complete polls of a list that comes and goes', async () => {
  const world = new World()
  await world.put(1)
  const worker = world.openWorker()
  const engine = world.engine({ worker, lost: { graceMs: 10_000 } })
  await engine.tick()
  await engine.tick()
  world.worker.loseJob('i0')
  const poll = worker.pollAllStatus.bind(worker)
  let lost = 0
  let seconds = 0
  // Two complete polls, a second apart, and then an incomplete one: a second of three counts.
  for (; lost === 0 && seconds < 100; seconds++) {
    if (seconds % 3 === 2) worker.pollAllStatus = async () => Object.assign(new Map(), { complete: false })
    else worker.pollAllStatus = poll
    const result = await engine.tick()
    lost = result.lost
    await world.runtime.advance(1_000)
  }
  expect(seconds).toBeGreaterThanOrEqual(28)
  expect(seconds).toBeLessThan(45)
})

test('items that are claimed and not sent go back, and are sent again under the cap that the last known orphans leave', async () => {
  const world = new World()
  await world.put(4)
  const worker = world.openWorker()
  const send = worker.sendJob.bind(worker)
  worker.sendJob = (id, body, job) =>
    id === 'i2' || id === 'i3' ? Promise.reject(unavailable()) : send(id, body, job)
  const limit = (maxProcessing: number) => world.queue.control.setLimits({ maxProcessing })
  const engine = world.engine({ worker, policy: processingLimit(4), sendConcurrency: 1 })
  await engine.tick()
  await engine.tick()
  worker.pollAllStatus = async () => Object.assign(new Map(), { complete: false })
  worker.sendJob = send
  await world.queue.fail('i0')
  await world.queue.fail('i1')
  await limit(2)
  expect(await engine.tick()).toMatchObject({ orphans: 2, processing: 0, sent: 0 })
  await limit(3)
  expect(await engine.tick()).toMatchObject({ orphans: 2, processing: 1, sent: 1 })
  // The one that was sent is asked for, and takes its place.
  expect(await engine.tick()).toMatchObject({ orphans: 2, processing: 1, sent: 0 })
  expect(world.worker.running()).toHaveLength(3)
})
