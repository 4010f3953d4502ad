import { SluiceError, type Queue } from '@sluice/core'
import { wrapQueue, wrapWorker } from '@sluice/testkit'
import { describe, expect, test } from 'vitest'
import { processingLimit, readOpenBreaker, resetBreaker, type WorkQueue } from '../../src/index.js'
import { DISPATCHER_DOCUMENT, GUARDS_DOCUMENT } from '../../src/records/document-names.js'
import { World, wrapped, type Options } from '../world.js'

const numberOf = (id: string): number => Number(id.replace(/\D/gu, ''))

/** A world with the defaults of users. */
function worldOfUsers(): World {
  const world = new World()
  world.defaults = {}
  return world
}

/** Ends every job that has run for so long. */
function endDue(world: World, ms: number, failureOf: (id: string) => string | undefined): void {
  for (const { id } of world.worker.running()) {
    const beganAt = began.get(world)?.get(id) ?? world.runtime.now()
    began.set(world, (began.get(world) ?? new Map<string, number>()).set(id, beganAt))
    if (world.runtime.now() - beganAt < ms) continue
    const message = failureOf(id)
    world.worker.settleJob(
      id,
      message === undefined ? { stage: 'SUCCESS' } : { stage: 'FAIL', failureClass: 'failed', message },
    )
  }
}

const began = new WeakMap<World, Map<string, number>>()

/** Ticks a second apart, at most so many, until the queue is paused or empty. */
async function tickOn(
  world: World,
  engine: WorkQueue<unknown>,
  { most = 200, each = () => {} }: { most?: number; each?: () => void } = {},
): Promise<void> {
  for (let tick = 0; tick < most; tick++) {
    await engine.tick()
    each()
    await world.runtime.advance(1_000)
    const { paused } = await world.queue.control.read()
    const { WAITING, PROCESSING } = await world.queue.sizes()
    if (paused || WAITING + PROCESSING === 0) break
  }
  await engine.tick()
}

async function spentOf(world: World): Promise<number> {
  const { PROCESSING, SUCCESS, FAIL } = await world.queue.sizes()
  return PROCESSING + SUCCESS + FAIL
}

describe('with the defaults, 50,000 items at a cap of 1,000', () => {
  test('a wrong template parameter as jobs that fail within ten seconds: at most 50 are spent', async () => {
    const world = worldOfUsers()
    await world.put(50_000)
    const engine = world.engine({ policy: processingLimit(1_000) })
    await tickOn(world, engine, {
      each: () => endDue(world, 3_000 + (world.runtime.now() % 7), (id) => `${id}: no parameter colour`),
    })
    expect(await readOpenBreaker(world.queue)).toMatchObject({
      guard: 'first-items',
      reason: expect.stringContaining('no parameter colour'),
      failed: 20,
      group: expect.stringMatching(/^[0-9a-f]{16}$/u),
    })
    expect(await spentOf(world)).toBeLessThanOrEqual(50)
    expect((await world.queue.sizes()).WAITING).toBeGreaterThanOrEqual(49_950)
  })

  test('the same as rejections: at most 50 are spent', async () => {
    const world = worldOfUsers()
    await world.put(50_000)
    const worker = wrapWorker(world.openWorker(), {
      sendJob: (id) => Promise.reject(new SluiceError('SLUICE_JOB_REJECTED', `${id}: no parameter colour`)),
    })
    const engine = world.engine({ worker, policy: processingLimit(1_000) })
    await tickOn(world, engine)
    expect(await readOpenBreaker(world.queue)).toMatchObject({ guard: 'rejections' })
    expect(await spentOf(world)).toBeLessThanOrEqual(50)
  })
})

test('2,000 jobs of ten minutes: the cap of 1,000 is full 90 s after the first start', async () => {
  const world = worldOfUsers()
  await world.put(2_000)
  const engine = world.engine({ policy: processingLimit(1_000) })
  const startedAt = world.runtime.now()
  while (world.runtime.now() - startedAt < 90_000) {
    await engine.tick()
    expect(world.worker.running().length).toBeLessThanOrEqual(
      world.runtime.now() - startedAt < 60_000 ? 20 : 1_000,
    )
    await world.runtime.advance(1_000)
  }
  expect(world.worker.running()).toHaveLength(1_000)
})

test('an engine that takes over a full queue does not wait again', async () => {
  const world = worldOfUsers()
  await world.put(300)
  const first = world.engine({ policy: processingLimit(50), canary: 0 })
  await first.tick()
  await first.close()
  await world.engine({ policy: processingLimit(100) }).tick()
  expect(world.worker.running()).toHaveLength(100)
})

test.each([20, 50, 100])(
  'of thirty in a hundred that fail, a breaker at 20 percent of %i and a canary of 20 spend no more than both',
  async (window) => {
    for (let seed = 0; seed < 10; seed++) {
      const world = worldOfUsers()
      await world.put(3_000)
      const breaker = { failures: '20%', window } as const
      const engine = world.engine({ policy: processingLimit(500), canary: 20, breaker })
      const isBad = (id: string): boolean => (numberOf(id) * 7919 + seed * 31) % 10 < 3
      const reasons = ['colour', 'shape', 'size', 'weight']
      await tickOn(world, engine, {
        each: () => endDue(world, 2_000, (id) => (isBad(id) ? `no ${reasons[numberOf(id) % 4]}` : undefined)),
      })
      expect((await world.queue.control.read()).paused).toBe(true)
      expect(await spentOf(world)).toBeLessThanOrEqual(20 + window)
    }
  },
)

test('a window of time: what ended before it does not count', async () => {
  const world = worldOfUsers()
  const breaker = { failures: 5, windowMs: 60_000 }
  const engine = world.engine({ policy: processingLimit(10), breaker })
  const failOne = async (): Promise<void> => {
    await world.put(1, `x${world.runtime.now()}-`)
    await engine.tick()
    endDue(world, 0, () => 'no luck')
    await engine.tick()
  }
  for (let failure = 0; failure < 12; failure++) {
    await failOne()
    await world.runtime.advance(16_000)
  }
  expect((await world.queue.control.read()).paused).toBe(false)
  for (let failure = 0; failure < 5; failure++) {
    await failOne()
    await world.runtime.advance(1_000)
  }
  expect((await world.queue.control.read()).paused).toBe(true)
})

test('a share of a window of time is taken of the least number of ends', async () => {
  const world = worldOfUsers()
  await world.put(40)
  const breaker = { failures: '50%', windowMs: 600_000, minItems: 10 } as const
  const engine = world.engine({ policy: processingLimit(3), breaker })
  await tickOn(world, engine, { each: () => endDue(world, 0, () => 'no luck') })
  const { FAIL } = await world.queue.sizes()
  expect(FAIL).toBeGreaterThanOrEqual(10)
  expect(FAIL).toBeLessThanOrEqual(10 + 3)
})

test('an attempt that is retried counts in the window as a failure, and for `halt` only the end of its item', async () => {
  const retry = { maxAttempts: 3, backoff: { baseMs: 1, maxMs: 1 } }
  const failAll = async (options: Options): Promise<{ attempts: number; failed: number }> => {
    const world = worldOfUsers()
    await world.put(30)
    const engine = world.engine({ policy: processingLimit(1), retry, canary: 0, ...options })
    await tickOn(world, engine, { each: () => endDue(world, 0, () => 'no luck') })
    return { attempts: world.started.length, failed: (await world.queue.sizes()).FAIL }
  }
  const window = await failAll({ breaker: { failures: 6 } })
  expect(window.attempts).toBe(6)
  const halted = await failAll({ breaker: 'off', halt: 6 })
  expect(halted).toEqual({ attempts: expect.any(Number), failed: 6 })
  expect(halted.attempts).toBeGreaterThanOrEqual(18)
})

test('a share halts a run at three failures or more, of the items that have ended', async () => {
  const world = worldOfUsers()
  await world.put(200)
  const engine = world.engine({ policy: processingLimit(1), breaker: 'off', halt: '5%' })
  await tickOn(world, engine, {
    each: () => endDue(world, 0, (id) => (numberOf(id) % 50 === 1 ? 'no luck' : undefined)),
  })
  expect(await world.queue.sizes()).toMatchObject({ WAITING: 0, FAIL: 4 })
  await world.put(100, 'more')
  await tickOn(world, engine, { each: () => endDue(world, 0, () => 'no luck') })
  expect(await readOpenBreaker(world.queue)).toMatchObject({
    guard: 'halt',
    reason: expect.stringMatching(/^11 of 207 items of this run failed, and it halts at 5%; .*no luck/u),
  })
})

test('failures of jobs that were running before a resume are not of the run after it', async () => {
  const world = worldOfUsers()
  await world.put(200)
  const engine = world.engine({ policy: processingLimit(100) })
  await engine.tick()
  await world.queue.control.pause('for a while')
  await engine.tick()
  await world.queue.control.resume()
  await engine.tick()
  expect(world.worker.running()).toHaveLength(40)
  for (let at = 0; at < 20; at++)
    world.worker.settleJob(`i${at}`, { stage: 'FAIL', failureClass: 'failed', message: 'no luck' })
  await engine.tick()
  expect((await world.queue.control.read()).paused).toBe(false)
  for (let at = 20; at < 40; at++)
    world.worker.settleJob(`i${at}`, { stage: 'FAIL', failureClass: 'failed', message: 'no luck' })
  await engine.tick()
  expect((await world.queue.control.read()).paused).toBe(true)
})

test('a queue that empties and is filled again begins another run', async () => {
  const world = worldOfUsers()
  const engine = world.engine({ policy: processingLimit(50) })
  for (let run = 0; run < 3; run++) {
    await world.put(60, `r${run}-`)
    await engine.tick()
    expect(world.worker.running()).toHaveLength(20)
    await tickOn(world, engine, { each: () => endDue(world, 0, () => undefined) })
  }
  await world.put(60, 'bad')
  await tickOn(world, engine, { each: () => endDue(world, 0, () => 'no luck') })
  expect((await world.queue.control.read()).paused).toBe(true)
})

test('items that wait for their next attempt do not make the queue empty', async () => {
  const world = worldOfUsers()
  await world.put(12)
  const engine = world.engine({
    policy: processingLimit(50),
    retry: { maxAttempts: 5, backoff: { baseMs: 30_000, maxMs: 30_000 } },
  })
  await tickOn(world, engine, { each: () => endDue(world, 0, () => 'no luck') })
  expect(await readOpenBreaker(world.queue)).toMatchObject({ guard: 'first-items' })
  expect(world.started.length).toBeLessThanOrEqual(24)
})

test('the breaker that an operator resets lets the next run begin, and its groups are known', async () => {
  const world = worldOfUsers()
  await world.put(200)
  const options = { policy: processingLimit(10), breaker: { groupFailures: 25 }, canary: 0 }
  const engine = world.engine(options)
  const each = (): void =>
    endDue(world, 0, (id) => (numberOf(id) % 2 === 0 ? 'no space left on device' : undefined))
  await tickOn(world, engine, { each })
  const breaker = await readOpenBreaker(world.queue)
  expect(breaker).toMatchObject({
    guard: 'new-group',
    failed: 25,
    reason: expect.stringContaining('no space'),
  })
  await engine.close()
  await resetBreaker(world.queue)
  await world.queue.control.resume()
  expect(await readOpenBreaker(world.queue)).toBeUndefined()
  await tickOn(world, world.engine(options), { each })
  expect(await world.queue.sizes()).toMatchObject({ WAITING: 0, FAIL: 100, SUCCESS: 100 })
})

async function callsOf(options: Options, isBad: (id: string) => boolean): Promise<Map<string, number>> {
  const world = worldOfUsers()
  const calls = new Map<string, number>()
  const { queue } = wrapped(world, (side, name, call, document) => {
    const key = document === undefined ? `${side} ${name}` : `${name} ${document}`
    // Holdups are an observer's.
    if (document !== DISPATCHER_DOCUMENT) calls.set(key, (calls.get(key) ?? 0) + 1)
    return call()
  })
  await world.put(400)
  const engine = world.engine({ queue, policy: processingLimit(10), ...options })
  await tickOn(world, engine, { each: () => endDue(world, 0, (id) => (isBad(id) ? 'no luck' : undefined)) })
  expect(await world.queue.sizes()).toMatchObject({ WAITING: 0, PROCESSING: 0 })
  return calls
}

const ofGuards = (calls: ReadonlyMap<string, number>): number =>
  calls.get(`write document ${GUARDS_DOCUMENT}`) ?? 0

const isThird = (id: string): boolean => numberOf(id) % 3 === 1

describe('what it costs', () => {
  test('with the defaults a healthy run makes the calls of one without a breaker', async () => {
    const without = await callsOf({ breaker: 'off', canary: 0 }, () => false)
    expect(await callsOf({}, () => false)).toEqual(without)
    expect(ofGuards(without)).toBe(0)
  })

  test('with the defaults failures after a success cost two writes a run; with breaker: off none', async () => {
    expect(ofGuards(await callsOf({}, isThird))).toBeLessThanOrEqual(2)
    expect(ofGuards(await callsOf({ breaker: 'off' }, isThird))).toBe(0)
  })

  test('a window costs one small document a tick with ends', async () => {
    const world = worldOfUsers()
    await world.put(1_000)
    const sizes: number[] = []
    const document: Queue['document'] = (name) => {
      const inner = world.queue.document(name)
      return {
        name,
        read: () => inner.read(),
        remove: () => inner.remove(),
        write: (value, options) => {
          if (name === GUARDS_DOCUMENT) sizes.push(JSON.stringify(value).length)
          return inner.write(value, options)
        },
      }
    }
    const queue = wrapQueue(world.openQueue(), { document })
    const breaker = { failures: '50%', window: 100, groupFailures: 1_000 } as const
    const engine = world.engine({ queue, policy: processingLimit(20), breaker })
    let ticks = 0
    await tickOn(world, engine, {
      each: () => {
        ticks += 1
        endDue(world, 0, (id) => (numberOf(id) % 4 === 0 ? 'no luck' : undefined))
      },
    })
    expect(sizes.length).toBeLessThanOrEqual(ticks + 2)
    expect(Math.max(...sizes)).toBeLessThan(4_000)
  })
})

const engineOf = (world: World, options: Options): unknown => world.engine(options)

test.each([
  [{ canary: -1 }, 'canary must be a whole number of 0 or more; got -1'],
  [{ canary: 1.5 }, 'canary must be a whole number of 0 or more; got 1.5'],
  [{ breaker: 'on' }, "breaker must be 'off' or its settings"],
  [{ breaker: { failures: 0 } }, 'breaker.failures must be a whole number of 1 or more, or a share'],
  [{ breaker: { failures: '0%' } }, 'breaker.failures must be'],
  [{ breaker: { failures: '101%' } }, 'breaker.failures must be'],
  [{ breaker: { failures: 5, window: 0 } }, 'breaker.window must be a whole number of 1 or more; got 0'],
  [{ breaker: { failures: 5, window: 10_001 } }, 'breaker.window must be at most 10000'],
  [{ breaker: { window: 10 } }, 'need breaker.failures'],
  [{ breaker: { groupFailure: 10 } }, 'breaker.groupFailure is no option of WorkQueue'],
  [{ breaker: { halfOpenMs: 10 } }, 'breaker.halfOpenMs must be a whole number of 1000 or more; got 10'],
  [{ halt: 'x' }, 'halt must be a whole number of 1 or more, or a share'],
] as const)('%o is refused', (options, message) => {
  const world = new World()
  // What plain JavaScript may give.
  const open = (): unknown => Reflect.apply(engineOf, undefined, [world, options])
  expect(open).toThrow(message)
})

describe('half open', () => {
  const breaker = { failures: 3, window: 10, halfOpenMs: 60_000, halfOpenItems: 2 }

  async function opened(): Promise<{ world: World; engine: WorkQueue<unknown> }> {
    const world = worldOfUsers()
    await world.put(100)
    const engine = world.engine({ policy: processingLimit(8), canary: 0, breaker, leaseTtlMs: 5_000 })
    await tickOn(world, engine, { each: () => endDue(world, 0, () => 'no luck') })
    expect(await readOpenBreaker(world.queue)).toMatchObject({ halfOpenAt: expect.any(Number) })
    return { world, engine }
  }

  test('an engine that dies between storing the probe and resuming the queue leaves it to the next one', async () => {
    const { world, engine } = await opened()
    await engine.close()
    await world.runtime.advance(60_000)
    let isDead = false
    const { promise: death, resolve: die } = Promise.withResolvers<'dead'>()
    const { queue } = wrapped(world, (_, name, call) => {
      if (name !== 'resume' && !isDead) return call()
      isDead = true
      die('dead')
      return new Promise<never>(() => {})
    })
    const dies = world.engine({ queue, policy: processingLimit(8), canary: 0, breaker, leaseTtlMs: 5_000 })
    expect(await Promise.race([dies.tick(), death])).toBe('dead')
    await world.runtime.advance(5_001)
    const next = world.engine({ policy: processingLimit(8), canary: 0, breaker, leaseTtlMs: 5_000 })
    await next.tick()
    await next.tick()
    expect(world.worker.running()).toHaveLength(2)
    endDue(world, 0, () => undefined)
    await next.tick()
    await next.tick()
    expect(world.kinds().filter((kind) => kind.startsWith('breaker'))).toEqual([
      'breaker-open',
      'breaker-open',
      'breaker-closed',
    ])
    expect(world.worker.running()).toHaveLength(8)
  })

  test('a pause by an operator is not resumed', async () => {
    const { world, engine } = await opened()
    await world.queue.control.pause('maintenance')
    await world.runtime.advance(120_000)
    await engine.tick()
    await engine.tick()
    expect(await world.queue.control.read()).toMatchObject({ paused: true, reason: 'maintenance' })
    expect(world.worker.running()).toHaveLength(0)
  })

  test('a resume by an operator needs no probe', async () => {
    const { world, engine } = await opened()
    await world.queue.control.resume()
    await engine.tick()
    expect(world.worker.running()).toHaveLength(8)
    expect(world.kinds()).not.toContain('breaker-half-open')
  })
})
