import { SluiceError, type JobRef, type JobReport, type Queue, type Worker } from '@sluice/core'
import { wrapWorker } from '@sluice/testkit'
import { JobStore, type DummyWorker } from '@sluice/worker-dummy'
import { expect, test } from 'vitest'
import { WORKER_DOCUMENT, processingLimit } from '../../src/index.js'
import { World, wrapped, type Options } from '../world.js'

const OPTIONS: Options = { lost: { graceMs: 10_000 }, leaseTtlMs: 10_000, policy: processingLimit(50) }

/** A worker of the world's jobs, under an identity. */
function here(world: World, identity: string | undefined = 'here'): Worker {
  return wrapWorker(world.worker, { identity })
}

/** One on another place, where none of the world's jobs is. */
function elsewhere(world: World): DummyWorker {
  return new JobStore().worker({ name: 'q', identity: 'elsewhere', runtime: world.runtime })
}

async function noted({ queue }: World): Promise<unknown> {
  return (await queue.document(WORKER_DOCUMENT).read())?.value
}

function said({ logs }: World, part: string): object[] {
  return logs.filter(({ message }) => message.includes(part)).map(({ fields }) => fields)
}

/** So many items, their jobs running at the first worker, whose engine has stopped. */
async function run(count: number): Promise<World> {
  const world = new World()
  await world.put(count)
  const engine = world.engine({ ...OPTIONS, worker: here(world) })
  await engine.tick()
  await engine.tick()
  await engine.close()
  return world
}

async function refusal(ticking: Promise<unknown>): Promise<SluiceError> {
  const error: unknown = await ticking.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof SluiceError)) throw new Error(`not refused: ${String(error)}`)
  return error
}

test('the worker is noted once, and read once by each dispatcher', async () => {
  const world = new World()
  const calls: string[] = []
  const { queue } = wrapped(world, (_, name, call, document) => {
    if (document === WORKER_DOCUMENT) calls.push(name)
    return call()
  })
  const options = { ...OPTIONS, queue, worker: here(world) }
  const engine = world.engine(options)
  for (let tick = 0; tick < 3; tick++) await engine.tick()
  expect(calls).toEqual(['read document', 'write document'])
  expect(await noted(world)).toEqual({ identity: 'here' })
  await engine.close()
  const next = world.engine(options)
  for (let tick = 0; tick < 3; tick++) await next.tick()
  expect(calls.slice(2)).toEqual(['read document'])
})

test('another worker is noted and logged where nothing is in PROCESSING', async () => {
  const world = await run(0)
  await world.put(1)
  const worker = elsewhere(world)
  const next = world.engine({ ...OPTIONS, worker })
  expect(await next.tick()).toMatchObject({ sent: 1 })
  expect(await noted(world)).toEqual({ identity: 'elsewhere' })
  expect(said(world, 'no items were in PROCESSING')).toEqual([{ before: 'here', now: 'elsewhere' }])
})

test('another worker is refused while items are in PROCESSING: nothing is sent or settled, nothing noted', async () => {
  const world = await run(3)
  await world.put(1, 'waiting')
  const worker = elsewhere(world)
  const next = world.engine({ ...OPTIONS, worker })
  const { code, message, retryable } = await refusal(next.tick())
  expect([code, retryable]).toEqual(['SLUICE_CONFIG_INVALID', false])
  expect(message).toMatch(
    /^Queue "q" was run with another worker before: here, and now with elsewhere\. 3 items are/,
  )
  expect(message).toContain('none of the 3 jobs that it was asked for')
  expect(message).toContain('sluice run --new-worker')
  await world.runtime.advance(60_000)
  await refusal(next.tick())
  expect(worker.running()).toEqual([])
  expect(await world.queue.sizes()).toMatchObject({ WAITING: 1, PROCESSING: 3, FAIL: 0 })
  expect(await noted(world)).toEqual({ identity: 'here' })
  await next.close()
  // The first one goes on as if nothing had been.
  const first = world.engine({ ...OPTIONS, worker: here(world) })
  expect(await first.tick()).toMatchObject({ sent: 1, resent: 0, lost: 0 })
})

test('a worker of another identity that reports one of the jobs is the same', async () => {
  const world = await run(2)
  const next = world.engine({ ...OPTIONS, worker: here(world, 'renamed') })
  expect(await next.tick()).toMatchObject({ reconciled: true, sent: 0 })
  expect(await noted(world)).toEqual({ identity: 'renamed' })
  expect(said(world, 'it is the same')).toMatchObject([
    { before: 'here', now: 'renamed', job: { id: 'i0', attempt: 1 } },
  ])
})

/** It reports nothing, and knows these items' jobs by name. */
function forgetful(world: World, known: readonly string[], asked: string[]): Worker {
  return wrapWorker(world.worker, {
    identity: 'renamed',
    pollAllStatus: async () => new Map<string, JobReport>(),
    lookupJob: async (job: JobRef) => {
      asked.push(job.id)
      return known.includes(job.id) ? world.worker.lookupJob(job) : undefined
    },
  })
}

test('at most 20 jobs are looked up, those first that were seen', async () => {
  const world = await run(25)
  // Claimed by another process that never sent it: listed first, and asked for last.
  await world.queue.put('a-claim', null, { priority: 9 })
  await world.queue.get(1)
  const asked: string[] = []
  const { message } = await refusal(world.engine({ ...OPTIONS, worker: forgetful(world, [], asked) }).tick())
  expect(message).toContain('26 items are in PROCESSING')
  expect(message).toContain('none of the 20 jobs that it was asked for')
  expect(asked).toHaveLength(20)
  expect(new Set(asked).size).toBe(20)
  expect(asked).not.toContain('a-claim')
})

test('one that is known by name is enough, whatever becomes of the other look-ups', async () => {
  const world = await run(5)
  const asked: string[] = []
  const inner = forgetful(world, ['i4'], asked)
  const worker = wrapWorker(inner, {
    lookupJob: async (job) => {
      if (job.id === 'i1') throw new SluiceError('SLUICE_WORKER_UNAVAILABLE', 'not this one')
      return inner.lookupJob?.(job)
    },
  })
  await world.engine({ ...OPTIONS, worker }).tick()
  expect(await noted(world)).toEqual({ identity: 'renamed' })
})

test('a worker that cannot be asked is in an outage, and neither refused nor accepted', async () => {
  const world = await run(2)
  let isDown = true
  const inner = forgetful(world, ['i0'], [])
  const worker = wrapWorker(inner, {
    lookupJob: async (job) => {
      if (isDown) throw new SluiceError('SLUICE_WORKER_UNAVAILABLE', 'down')
      return inner.lookupJob?.(job)
    },
  })
  const next = world.engine({ ...OPTIONS, worker })
  expect(await next.tick()).toMatchObject({ reconciled: false, unavailable: { message: 'down' } })
  expect(await noted(world)).toEqual({ identity: 'here' })
  isDown = false
  expect(await next.tick()).toMatchObject({ reconciled: true })
  expect(await noted(world)).toEqual({ identity: 'renamed' })
})

test('accepted, it is asked for each job, and what it does not know is lost after the grace; nothing is sent again', async () => {
  const world = await run(2)
  // It is unknown whether this one was sent: it may run at the first worker as well.
  await world.put(1, 'claimed')
  await world.queue.get(1)
  const worker = elsewhere(world)
  const asked: string[] = []
  const asking = wrapWorker(worker, {
    lookupJob: async (job) => {
      asked.push(job.id)
      return worker.lookupJob(job)
    },
  })
  const next = world.engine({ ...OPTIONS, worker: asking, acceptNewWorker: true })
  expect(await next.tick()).toMatchObject({ reconciled: true, sent: 0, resent: 0, lost: 0 })
  expect(said(world, 'a new worker was accepted')).toEqual([{ before: 'here', now: 'elsewhere', items: 3 }])
  await world.runtime.advance(5_000)
  expect(await next.tick()).toMatchObject({ sent: 0, resent: 0, lost: 0 })
  await world.runtime.advance(6_000)
  expect(await next.tick()).toMatchObject({ sent: 0, resent: 0, lost: 3 })
  expect(new Set(asked)).toEqual(new Set(['i0', 'i1', 'claimed0']))
  expect(await world.queue.sizes()).toMatchObject({ PROCESSING: 0, FAIL: 3 })
  expect(worker.running()).toEqual([])
  expect(await noted(world)).toEqual({ identity: 'elsewhere' })
})

test('what was accepted stays lost across a restart within the grace', async () => {
  const world = await run(0)
  await world.put(1)
  await world.queue.get(1)
  const worker = elsewhere(world)
  const engine = world.engine({ ...OPTIONS, worker, acceptNewWorker: true })
  await engine.tick()
  await engine.close()
  const next = world.engine({ ...OPTIONS, worker })
  expect(await next.tick()).toMatchObject({ sent: 0, resent: 0 })
  await world.runtime.advance(11_000)
  expect(await next.tick()).toMatchObject({ sent: 0, lost: 1 })
})

test('a standby is held to it at its first tick, and reads the document once', async () => {
  const world = new World()
  await world.put(1)
  const first = world.engine({ ...OPTIONS, worker: here(world) })
  await first.tick()
  const calls: string[] = []
  const { queue } = wrapped(world, (_, name, call, document) => {
    if (name !== 'lease') calls.push(document ?? name)
    return call()
  })
  const good = world.engine({ ...OPTIONS, queue, worker: here(world) })
  for (let tick = 0; tick < 3; tick++) expect(await good.tick()).toMatchObject({ role: 'standby' })
  expect(calls).toEqual([WORKER_DOCUMENT])
  const renamed = world.engine({ ...OPTIONS, worker: here(world, 'renamed') })
  expect(await renamed.tick()).toMatchObject({ role: 'standby' })
  const wrong = world.engine({ ...OPTIONS, worker: elsewhere(world) })
  expect((await refusal(wrong.tick())).message).toContain('1 item is in PROCESSING')
  // Nothing was noted: it is the dispatcher's.
  expect(await noted(world)).toEqual({ identity: 'here' })
  expect(await first.tick()).toMatchObject({ role: 'dispatcher', processing: 1 })
})

test('a standby with another worker is held to it when it takes over, too', async () => {
  const world = new World()
  const first = world.engine({ ...OPTIONS, worker: here(world) })
  await first.tick()
  const standby = world.engine({ ...OPTIONS, worker: elsewhere(world) })
  // Nothing is in PROCESSING yet.
  expect(await standby.tick()).toMatchObject({ role: 'standby' })
  await world.put(1)
  await first.tick()
  await world.runtime.advance(10_000)
  expect((await refusal(standby.tick())).code).toBe('SLUICE_CONFIG_INVALID')
})

test('an identity that is found out later is compared then; a worker without one is not', async () => {
  const world = await run(1)
  const without = world.engine({
    ...OPTIONS,
    worker: new JobStore().worker({ name: 'q', runtime: world.runtime }),
  })
  expect(await without.tick()).toMatchObject({ reconciled: true })
  expect(await noted(world)).toEqual({ identity: 'here' })
  await without.close()
  let identity: string | undefined
  const worker: Worker = Object.defineProperty(elsewhere(world), 'identity', { get: () => identity })
  const next = world.engine({ ...OPTIONS, worker })
  expect(await next.tick()).toMatchObject({ reconciled: true })
  identity = 'elsewhere'
  await refusal(next.tick())
})

test.each([
  ['SLUICE_QUEUE_UNAVAILABLE', { unavailable: { code: 'SLUICE_QUEUE_UNAVAILABLE' }, sent: 0 }],
  ['SLUICE_QUEUE_DENIED', { sent: 1 }],
] as const)('a note that cannot be read: %s', async (code, expected) => {
  const world = new World()
  await world.put(1)
  const queue: Queue = wrapped(world, (_, __, call, document) => {
    if (document === WORKER_DOCUMENT) return Promise.reject(new SluiceError(code, 'not this document'))
    return call()
  }).queue
  const engine = world.engine({ ...OPTIONS, queue, worker: here(world) })
  expect(await engine.tick()).toMatchObject(expected)
  await engine.tick()
  expect(said(world, 'can’t be recorded')).toHaveLength(code === 'SLUICE_QUEUE_DENIED' ? 1 : 0)
})
