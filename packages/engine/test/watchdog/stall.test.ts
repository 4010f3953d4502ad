import { isSluiceError, silentLogger, type Logger } from '@sluice/core'
import { expect, test } from 'vitest'
import { processingLimit, readDispatcher, type WorkEvent } from '../../src/index.js'
import { World, settled, wrapped, type Options } from '../world.js'

const TTL_MS = 3_000
const STALL_MS = 10_000
const LIMITS: Options = {
  leaseTtlMs: TTL_MS,
  stallMs: STALL_MS,
  policy: processingLimit(4),
  lost: { graceMs: 1_000 },
  jobs: { pendingTimeoutMs: 2_000 },
}

function recorder(): { logger: Logger; errors: string[] } {
  const errors: string[] = []
  return { logger: { ...silentLogger, error: (_, message) => void errors.push(message) }, errors }
}

/** A world with something to do for every call that an engine makes. */
async function busyWorld(): Promise<World> {
  const world = new World()
  await world.put(8)
  // A job without an item, to be looked up in the queue.
  await world.worker.sendJob('foreign', null, { uid: 'foreign', attempt: 1, queue: 'q' })
  return world
}

/** A second passes. Jobs that run end, but for one that is pending and one that gets lost. */
async function second(world: World, seen: Set<string>): Promise<void> {
  await world.runtime.advance(1_000)
  for (const { id } of world.worker.running()) {
    if (id === 'foreign' || id === 'i2') continue
    if (id === 'i1') world.worker.loseJob(id)
    else if (seen.has(id)) world.worker.settleJob(id, { stage: 'SUCCESS' })
    seen.add(id)
  }
  const pending = world.worker.running().find(({ id }) => id === 'i2')
  if (pending !== undefined && !seen.has('i2')) {
    world.worker.holdJob('i2', 'no room')
    seen.add('i2')
  }
}

function start(world: World, options: Options) {
  const stop = new AbortController()
  const events: { atMs: number; event: WorkEvent }[] = []
  const engine = world.engine({
    ...LIMITS,
    ...options,
    onEvent: (event) => events.push({ atMs: world.runtime.monotonicMs(), event }),
  })
  world.randomNumber = 0
  const ended: { atMs?: number; error?: unknown } = {}
  const loop = engine.run({ intervalMs: 1_000, signal: stop.signal }).catch((error: unknown) => {
    ended.atMs = world.runtime.monotonicMs()
    ended.error = error
  })
  const first = (kind: WorkEvent['kind']) => events.find(({ event }) => event.kind === kind)
  return { engine, stop, events, loop, ended, first }
}

test.each([
  ['queue', 'lease', 'lease of the queue for the lease'],
  ['queue', 'renew', 'renew of the queue for the lease'],
  ['queue', 'read', 'control.read of the queue'],
  ['queue', 'listSummaries', 'listSummaries of the queue for "PROCESSING"'],
  ['queue', 'get', 'get of the queue for 3 items'],
  ['queue', 'settle', 'settle of the queue for'],
  ['queue', 'lookup', 'lookup of the queue for "foreign"'],
  ['queue', 'now', 'now of the queue'],
  ['queue', 'read document', 'document.read of the queue for document "engine/'],
  ['queue', 'write document', 'document.write of the queue for document "engine/'],
  ['worker', 'pollAllStatus', 'pollAllStatus of the worker'],
  ['worker', 'sendJob', 'sendJob of the worker for "i0"'],
  ['worker', 'lookupJob', 'lookupJob of the worker for "i1"'],
  ['worker', 'cancelJob', 'cancelJob of the worker for "i2"'],
  ['worker', 'acknowledgeJobs', 'acknowledgeJobs of the worker for'],
])(
  '%s: %s never answers: one error line, the standby takes over within the ttl, the loop ends after one more; a late answer changes nothing',
  async (of, method, named) => {
    const world = await busyWorld()
    const gate = Promise.withResolvers<void>()
    const hung: number[] = []
    const { queue, worker } = wrapped(world, async (side, name, call) => {
      if (side === of && name === method) {
        hung.push(world.runtime.monotonicMs())
        await gate.promise
      }
      return call()
    })
    const { logger, errors } = recorder()
    const stuck = start(world, { queue, worker, logger })
    await settled()
    const standby = start(world, {})
    const seen = new Set<string>()
    for (let at = 0; at < 60; at++) await second(world, seen)

    const fromMs = hung[0] ?? Number.NaN
    expect(errors).toEqual([expect.stringContaining(named)])
    expect(errors[0]).toMatch(/has not ended for 1\d s: it is given up/u)
    expect(stuck.events.filter(({ event }) => event.kind === 'stalled')).toHaveLength(1)
    expect(stuck.first('stalled')?.atMs).toBeLessThanOrEqual(fromMs + STALL_MS + 1_000)
    expect(standby.first('dispatcher')?.atMs).toBeLessThanOrEqual(fromMs + STALL_MS + 1_000 + TTL_MS)
    expect(isSluiceError(stuck.ended.error)).toBe(true)
    expect(stuck.ended.error).toMatchObject({
      code: of === 'queue' ? 'SLUICE_QUEUE_UNAVAILABLE' : 'SLUICE_WORKER_UNAVAILABLE',
      retryable: false,
      message: expect.stringContaining(named),
    })
    expect(stuck.ended.atMs).toBeLessThanOrEqual(fromMs + STALL_MS + TTL_MS + 3_000)

    const sizes = await world.queue.sizes()
    expect(sizes).toMatchObject({ WAITING: 0, PROCESSING: 0 })
    gate.resolve()
    await second(world, seen)
    await settled()
    expect(await world.queue.sizes()).toEqual(sizes)
    // Whether a job that is gone was ever there is not known to the one that takes over.
    const twice = [...world.startCounts()].filter(([name, count]) => count > 1 && !name.startsWith('i1 '))
    expect(twice).toEqual([])
    expect(world.worker.running().map(({ id }) => id)).toEqual(['foreign'])
    standby.stop.abort()
    await standby.loop
    expect(world.runtime.sleeping).toBe(0)
  },
)

test('a call that was given up and ends within the ttl: the engine goes on as a new one, and takes its turn', async () => {
  const world = new World()
  await world.put(6)
  const gate = Promise.withResolvers<void>()
  let isHung = false
  const { queue, worker } = wrapped(world, async (_, name, call) => {
    if (name === 'pollAllStatus' && world.started.length > 0 && !isHung) {
      isHung = true
      await gate.promise
    }
    return call()
  })
  const { stop, loop, ended, events } = start(world, { queue, worker })
  await world.runtime.advance(STALL_MS + 1_500)
  expect(events.map(({ event }) => event.kind).at(-1)).toBe('stalled')
  expect(await readDispatcher(world.queue)).toMatchObject({
    is: 'stalled',
    holdups: [{ code: 'worker-unavailable', message: expect.stringContaining('pollAllStatus') }],
  })
  gate.resolve()
  await world.runtime.advance(TTL_MS + 1_000)
  expect(events.map(({ event }) => event.kind).at(-1)).toBe('dispatcher')
  for (const { id } of world.worker.running()) world.worker.settleJob(id, { stage: 'SUCCESS' })
  await world.runtime.advance(2_000)
  expect(await world.queue.size('SUCCESS')).toBe(4)
  expect(await readDispatcher(world.queue)).toMatchObject({ is: 'working', holdups: [] })
  stop.abort()
  await loop
  expect(ended).toEqual({})
})

test('one send among many that is slow is no stall: others of its kind end', async () => {
  const world = new World()
  await world.put(60)
  const gate = Promise.withResolvers<void>()
  const { queue, worker } = wrapped(world, async (_, name, call) => {
    if (name !== 'sendJob') return call()
    if (world.started.length === 3) await gate.promise
    else await world.runtime.sleep(1_000)
    return call()
  })
  const options = { queue, worker, policy: processingLimit(60), sendConcurrency: 2 }
  const { stop, loop, first } = start(world, options)
  await world.runtime.advance(25_000)
  expect(first('stalled')).toBeUndefined()
  gate.resolve()
  await world.runtime.advance(60_000)
  expect(world.started).toHaveLength(60)
  expect(first('stalled')).toBeUndefined()
  stop.abort()
  await loop
})

test('queue and worker that state longer calls are waited for twice as long', async () => {
  const world = new World()
  await world.put(1)
  const worker = world.openWorker()
  Object.assign(worker, { supports: { ...worker.supports, longestCallMs: 30_000 } })
  worker.hang('sendJob')
  const { first, stop, loop, engine } = start(world, { worker })
  await world.runtime.advance(59_000)
  expect(first('stalled')).toBeUndefined()
  await world.runtime.advance(2_000)
  expect(first('stalled')).toBeDefined()
  stop.abort()
  worker.endTrouble()
  await loop
  await engine.close()
})
