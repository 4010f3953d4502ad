import { SluiceError } from '@sluice/core'
import { wrapWorker } from '@sluice/testkit'
import { expect, test } from 'vitest'
import { processingLimit, readDispatcher, type WorkEvent } from '../../src/index.js'
import type { Options } from '../world.js'
import { SendsWorld } from '../sending/sends-world.js'
import { OverloadedWorker, type OverloadModel } from './overloaded-worker.js'

const MODEL: OverloadModel = { above: 100, jobMs: 10_000 }
const MINUTES_MS = 300_000

async function worked(options: Options, model = MODEL, ms = MINUTES_MS) {
  const world = new SendsWorld()
  await world.put(6_000)
  const worker = new OverloadedWorker(world.runtime, model)
  const engine = world.engine({ worker, ...options })
  await world.run(engine, ms)
  return { world, worker, engine, errors: worker.refusals / worker.sends }
}

const isChange = (event: WorkEvent) => event.kind === 'backpressure'

test.each([
  ['aimd', MODEL],
  ['gradient', MODEL],
  ['aimd', { ...MODEL, sendMsPerJob: 0, refusesAbove: 100 }],
  ['aimd', { ...MODEL, slowdown: 2 }],
] as const)(
  '%s at an overloaded worker: 0.9 of the best fixed limit, and 1 % of errors',
  async (algorithm, model) => {
    const fixed: number[] = []
    for (const cap of [90, 100, 110, 125, 150])
      fixed.push((await worked({ policy: processingLimit(cap), backpressure: 'off' }, model)).worker.done)
    const { worker, world, errors } = await worked(
      { policy: processingLimit(400), backpressure: { algorithm } },
      model,
    )
    expect(worker.done / Math.max(...fixed)).toBeGreaterThanOrEqual(0.9)
    expect(errors).toBeLessThanOrEqual(0.01)
    expect(await world.queue.size('FAIL')).toBe(0)
    // At most one line in five seconds.
    expect(world.events.filter(isChange).length).toBeLessThanOrEqual(MINUTES_MS / 5_000)
  },
)

test('without backpressure such a worker refuses far more', async () => {
  const { errors } = await worked({ policy: processingLimit(400), backpressure: 'off' })
  expect(errors).toBeGreaterThan(0.05)
})

test('it is at the cap a minute after the worker is well again', async () => {
  const { world, worker, engine } = await worked({ policy: processingLimit(400) }, MODEL, 120_000)
  expect(worker.unfinished).toBeLessThan(150)
  worker.model = { above: 10_000, jobMs: 10_000 }
  await world.run(engine, 60_000)
  expect(worker.peak).toBeGreaterThan(395)
  expect(world.kinds()).toContain('backpressure-over')
  expect(world.ticks.at(-1)?.result.holdups).toEqual([])
})

test('each change is an event with its reason and a holdup with its numbers, and is recorded', async () => {
  const { world, engine } = await worked({ policy: processingLimit(400) }, MODEL, 20_000)
  const [first] = world.events.filter(isChange)
  expect(first).toMatchObject({
    atMost: 400,
    cause: 'refused',
    reason: expect.stringMatching(/^(?:429|503) /u),
  })
  expect(world.ticks.flatMap(({ result }) => result.holdups)).toContainEqual({
    code: 'backpressure',
    message: expect.stringMatching(/^limit 400 lowered to 1\d\d: (?:429|503) /u),
  })
  await engine.close()
  const recorded = await readDispatcher(world.queue)
  expect(recorded?.lowered).toMatchObject({ limit: expect.any(Number), cause: expect.any(String) })
  expect(world.logs.some(({ message }) => /limit is lowered from 400 to/u.test(message))).toBe(true)
})

test('the next engine begins at the recorded limit, and not at the cap', async () => {
  const { world, worker, engine } = await worked({ policy: processingLimit(400) }, MODEL, 40_000)
  await engine.close()
  const { lowered } = (await readDispatcher(world.queue)) ?? {}
  const next = world.engine({ worker, policy: processingLimit(400) })
  worker.peak = 0
  await world.run(next, 5_000)
  expect(worker.peak).toBeLessThanOrEqual(Math.max(worker.unfinished, 1.12 * (lowered?.limit ?? 0)))
  // Switched off it is not obeyed, and no longer recorded.
  await next.close()
  const off = world.engine({ worker, policy: processingLimit(140), backpressure: 'off' })
  await world.run(off, 10_000)
  expect((await readDispatcher(world.queue))?.lowered).toBeUndefined()
})

test('jobs that nothing starts lower it, and their start ends it', async () => {
  const world = new SendsWorld()
  await world.put(1_000)
  const held = new Set<string>()
  const worker = wrapWorker(world.worker, {
    sendJob: async (id, body, job) => {
      await world.worker.sendJob(id, body, job)
      if (world.worker.running().length > 50) held.add(id)
      if (held.has(id)) world.worker.holdJob(id, '0/3 nodes are available: 3 Insufficient cpu')
    },
  })
  const engine = world.engine({ worker, policy: processingLimit(200) })
  await world.run(engine, 60_000)
  expect(world.events.filter(isChange)[0]).toMatchObject({
    cause: 'pending',
    limit: 100,
    reason: expect.stringMatching(/^15\d of 200 jobs have been pending .*Insufficient cpu/u),
  })
  // Nothing more is sent into it.
  for (const { id } of world.worker.running().slice(0, 40)) world.worker.settleJob(id, { stage: 'SUCCESS' })
  await world.run(engine, 30_000)
  expect(world.worker.running()).toHaveLength(160)
  for (const id of held) if (world.worker.running().some((job) => job.id === id)) world.worker.beginJob(id)
  await world.run(engine, 120_000)
  expect(world.kinds()).toContain('backpressure-over')
})

test('a worker that never pushes back: nothing is lowered, and each place is used at once', async () => {
  const model = { above: 10_000, jobMs: 10_000 }
  const on = await worked({ policy: processingLimit(300) }, model, 60_000)
  const off = await worked({ policy: processingLimit(300), backpressure: 'off' }, model, 60_000)
  expect([on.worker.done, on.worker.peak]).toEqual([off.worker.done, off.worker.peak])
  expect(on.world.kinds().filter((kind) => kind.startsWith('backpressure'))).toEqual([])
})

test('a policy without a limit is limited too, and a few jobs never are', async () => {
  const world = new SendsWorld()
  await world.put(500)
  let isDown = false
  const worker = wrapWorker(world.worker, {
    sendJob: async (id, body, job) => {
      if (isDown) throw new SluiceError('SLUICE_WORKER_UNAVAILABLE', '503', { concerns: 'worker' })
      await world.worker.sendJob(id, body, job)
    },
  })
  const engine = world.engine({ worker, policy: ({ processing }) => 9 - processing })
  await engine.tick()
  isDown = true
  for (const { id } of world.worker.running().slice(0, 2)) world.worker.settleJob(id, { stage: 'SUCCESS' })
  await engine.tick()
  expect(world.kinds()).not.toContain('backpressure')
})
