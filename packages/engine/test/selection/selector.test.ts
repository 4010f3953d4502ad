import type { NewItem } from '@sluice/core'
import type { DummyWorker } from '@sluice/worker-dummy'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { all, limitPer, processingLimit, resourceLimit, type WorkQueue } from '../../src/index.js'
import { World } from '../world.js'

type Given = Pick<NewItem, 'resources' | 'limitKey' | 'priority'>

async function put(world: World, items: Readonly<Record<string, Given>>): Promise<void> {
  await world.queue.putMany(Object.entries(items).map(([id, given]) => ({ id, body: 1, ...given })))
}

function running({ worker }: World): string[] {
  return worker
    .running()
    .map(({ id }) => id)
    .toSorted()
}

function end(worker: DummyWorker, id: string): void {
  worker.settleJob(id, { stage: 'SUCCESS' })
}

/** The line is read again at once where a job has ended, and else after a second. */
async function tickAgain(world: World, engine: WorkQueue<unknown>): Promise<void> {
  await engine.tick()
  await world.runtime.advance(1_000)
  await engine.tick()
}

function gpus(amount: number): Given {
  return { resources: { gpu: amount } }
}

function of(limitKey: string): Given {
  return { limitKey }
}

describe('resourceLimit', () => {
  test('starts what fits, in order, past what does not', async () => {
    const world = new World()
    const engine = world.engine({ policy: resourceLimit({ gpu: 8 }) })
    await put(world, {
      a: gpus(4),
      b: gpus(8),
      c: gpus(3),
      d: gpus(2),
      e: {},
      f: { resources: { disk: 99 } },
    })
    const { holdups } = await engine.tick()
    expect(running(world)).toEqual(['a', 'c', 'e', 'f'])
    expect(holdups).toEqual([
      expect.objectContaining({
        code: 'budget',
        items: 2,
        message: 'in use: gpu 7 of 8; item "b" waits for gpu 8',
      }),
    ])
    end(world.worker, 'c')
    await engine.tick()
    expect(running(world)).toEqual(['a', 'd', 'e', 'f'])
  })

  test('counts what a process before this one has started', async () => {
    const world = new World()
    await put(world, { a: gpus(8), b: gpus(1) })
    await world.engine({ holder: 'first', policy: resourceLimit({ gpu: 8 }) }).close({ deadlineMs: 0 })
    const first = world.engine({ holder: 'second', policy: resourceLimit({ gpu: 8 }) })
    await first.tick()
    await first.close({ deadlineMs: 0 })
    await tickAgain(world, world.engine({ holder: 'third', policy: resourceLimit({ gpu: 8 }) }))
    expect(running(world)).toEqual(['a'])
  })

  test('an item that could never fit fails with the reason, and no more than it', async () => {
    const world = new World()
    const engine = world.engine({ policy: resourceLimit({ gpu: 8 }) })
    await put(world, { a: gpus(16), b: gpus(8) })
    await engine.tick()
    expect(await world.queue.lookup('a')).toMatchObject({
      stage: 'FAIL',
      failureClass: 'rejected',
      reason: 'the item does not fit the configured limits: it needs 16 of gpu, and the limit is 8',
    })
    expect(running(world)).toEqual(['b'])
    expect(world.started.map(({ id }) => id)).toEqual(['b'])
  })

  test('it takes one of the places of the policy until it has failed', async () => {
    const world = new World()
    await put(world, { b: gpus(16), c: gpus(16), a: gpus(1), d: gpus(1) })
    let most = 0
    const queue = world.openQueue()
    const settle = queue.settle.bind(queue)
    queue.settle = async (...call) => {
      most = Math.max(most, await queue.size('PROCESSING'))
      return settle(...call)
    }
    const policy = all(resourceLimit({ gpu: 8 }), processingLimit(1))
    const engine = world.engine({ queue, policy })
    for (let turn = 0; turn < 6; turn++) await tickAgain(world, engine)
    expect(most).toBe(1)
    expect(await world.queue.sizes()).toMatchObject({ FAIL: 2, PROCESSING: 1, WAITING: 1 })
  })

  test('twenty of them in a row pause the queue', async () => {
    const world = new World()
    const engine = world.engine({ policy: resourceLimit({ gpu: 8 }) })
    await put(world, Object.fromEntries(Array.from({ length: 50 }, (_, at) => [`i${at}`, gpus(16)])))
    await tickAgain(world, engine)
    expect(await world.queue.sizes()).toMatchObject({ FAIL: 20, WAITING: 30 })
    expect((await world.queue.control.read()).paused).toBe(true)
  })

  test('what does not fit a live limit alone waits, and nothing ends for it', async () => {
    const world = new World()
    const engine = world.engine({ policy: resourceLimit({ gpu: 8 }) })
    await put(world, { a: gpus(6), b: gpus(4), c: gpus(1) })
    await engine.tick()
    expect(running(world)).toEqual(['a', 'c'])
    await world.queue.control.setLimits({ 'resources.gpu': 2 })
    end(world.worker, 'c')
    await tickAgain(world, engine)
    expect(running(world)).toEqual(['a'])
    end(world.worker, 'a')
    await tickAgain(world, engine)
    expect(await world.queue.sizes()).toMatchObject({ WAITING: 1, FAIL: 0, PROCESSING: 0 })
    await world.queue.control.setLimits({ 'resources.gpu': null })
    await tickAgain(world, engine)
    expect(running(world)).toEqual(['b'])
  })

  test('nothing that needs the same passes an item once it was passed often enough', async () => {
    const world = new World()
    const engine = world.engine({ policy: resourceLimit({ gpu: 2 }, { maxPassed: 3 }) })
    await put(world, { small0: gpus(1), large: gpus(2) })
    await put(world, Object.fromEntries(Array.from({ length: 9 }, (_, at) => [`small${at + 1}`, gpus(1)])))
    await put(world, { other: { resources: { disk: 1 } } })
    for (let turn = 0; turn < 20 && !running(world).includes('large'); turn++) {
      await engine.tick()
      const [oldest] = running(world).filter((id) => id.startsWith('small'))
      if (oldest !== undefined) end(world.worker, oldest)
    }
    const order = world.started.map(({ id }) => id).filter((id) => id !== 'other')
    expect(order).toEqual(['small0', 'small1', 'small2', 'small3', 'large'])
  })

  test.each([Number.NaN, -1, Number.POSITIVE_INFINITY])('refuses a limit of %d', (limit) => {
    expect(() => resourceLimit({ gpu: limit })).toThrow(
      /the limit of resource gpu must be a number of 0 or more/,
    )
  })
})

test('an item that is changed between the choice and the claim goes back, and is chosen again', async () => {
  const world = new World()
  const queue = world.openQueue()
  const getItems = queue.getItems?.bind(queue)
  if (getItems === undefined) throw new Error('the queue gives out no chosen items')
  queue.getItems = async (...call) => {
    queue.getItems = getItems
    await world.queue.update([{ id: 'b', resources: { gpu: 8 } }])
    return getItems(...call)
  }
  const engine = world.engine({ queue, policy: resourceLimit({ gpu: 8 }) })
  await world.queue.put('a', 1, { resources: { gpu: 4 } })
  await world.queue.put('b', 1, { resources: { gpu: 4 } })
  await engine.tick()
  expect(running(world)).toEqual(['a'])
  end(world.worker, 'a')
  await tickAgain(world, engine)
  expect(running(world)).toEqual(['b'])
  expect(await world.queue.lookup('b')).toMatchObject({ attempt: 2, uncounted: 1 })
})

test('what a claim leaves out for its size is claimed by the next one of the same tick', async () => {
  const world = new World()
  const queue = world.openQueue()
  const getItems = queue.getItems?.bind(queue)
  if (getItems === undefined) throw new Error('the queue gives out no chosen items')
  queue.getItems = (refs, options) => getItems(refs.slice(0, 1), options)
  const engine = world.engine({ queue, policy: resourceLimit({ gpu: 8 }) })
  await put(world, { a: gpus(1), b: gpus(1), c: gpus(1) })
  await engine.tick()
  expect(running(world)).toEqual(['a', 'b', 'c'])
})

test('the order of the names of resources is no change', async () => {
  const world = new World()
  const queue = world.openQueue()
  const getItems = queue.getItems?.bind(queue)
  if (getItems === undefined) throw new Error('the queue gives out no chosen items')
  queue.getItems = async (...call) =>
    (await getItems(...call)).map((item) => ({ ...item, resources: { memoryGiB: 4, gpu: 1 } }))
  const engine = world.engine({ queue, policy: resourceLimit({ gpu: 8 }) })
  await put(world, { a: { resources: { gpu: 1, memoryGiB: 4 } } })
  await engine.tick()
  expect(running(world)).toEqual(['a'])
})

test('a queue whose pages are empty and never the last is not read for ever', async () => {
  const world = new World()
  const queue = world.openQueue()
  let pages = 0
  queue.peekSummaries = async () => {
    pages += 1
    return { items: [], cursor: String(pages) }
  }
  await put(world, { a: gpus(1) })
  await world.engine({ queue, policy: resourceLimit({ gpu: 8 }) }).tick()
  expect(pages).toBeGreaterThan(1)
  expect(pages).toBeLessThan(60)
})

describe('limitPer', () => {
  test('starts so many of each key, past what waits for its own', async () => {
    const world = new World()
    const engine = world.engine({ policy: limitPer({ max: 2 }) })
    await put(world, { a1: of('a'), a2: of('a'), a3: of('a'), b1: of('b'), free: {} })
    const { holdups } = await engine.tick()
    expect(running(world)).toEqual(['a1', 'a2', 'b1', 'free'])
    expect(holdups).toEqual([expect.objectContaining({ code: 'budget', items: 1 })])
    end(world.worker, 'a1')
    await engine.tick()
    expect(running(world)).toEqual(['a2', 'a3', 'b1', 'free'])
  })

  test('finds the others behind 30,000 items of one key, and the next of that key as soon as one ends', async () => {
    const world = new World()
    const engine = world.engine({ policy: all(limitPer({ max: 1 }), processingLimit(100)) })
    await put(world, Object.fromEntries(Array.from({ length: 30_000 }, (_, at) => [`a${at}`, of('a')])))
    await put(world, { b: of('b') })
    for (let turn = 0; turn < 5; turn++) await tickAgain(world, engine)
    expect(running(world)).toEqual(['a0', 'b'])
    end(world.worker, 'a0')
    await engine.tick()
    expect(running(world)).toEqual(['a1', 'b'])
  })

  test('a live limit replaces the number, and ends nothing', async () => {
    const world = new World()
    const engine = world.engine({ policy: limitPer({ max: 2 }) })
    await put(world, { a1: of('a'), a2: of('a'), a3: of('a') })
    await engine.tick()
    await world.queue.control.setLimits({ perKey: 1 })
    end(world.worker, 'a1')
    await tickAgain(world, engine)
    expect(running(world)).toEqual(['a2'])
    await world.queue.control.setLimits({ perKey: 2 })
    await tickAgain(world, engine)
    expect(running(world)).toEqual(['a2', 'a3'])
  })
})

/** What a plan may do to a queue. */
type Command =
  | { readonly do: 'put'; readonly gpu: number; readonly key: string | undefined; readonly priority: number }
  | { readonly do: 'tick' | 'restart' }
  | { readonly do: 'end'; readonly which: number }
  | { readonly do: 'limit'; readonly gpu: number | null; readonly perKey: number | null }

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('put'),
      gpu: fc.nat(5),
      key: fc.constantFrom('a', 'b', undefined),
      priority: fc.nat(1),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('tick') }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('end'), which: fc.nat(5) }) },
  fc.record({ do: fc.constant('restart') }),
  fc.record({
    do: fc.constant('limit'),
    gpu: fc.option(fc.nat(4)),
    perKey: fc.option(fc.nat(2)),
  }),
)

const GPUS = 4
const PER_KEY = 2

test('under any order of puts, ends, limits and restarts no limit is exceeded, and all that fits starts', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(command, { maxLength: 40 }), async (commands) => {
      const world = new World()
      const policy = () => all(resourceLimit({ gpu: GPUS }), limitPer({ max: PER_KEY }), processingLimit(6))
      let engine = world.engine({ policy: policy(), holder: '0' })
      const limits = { gpu: GPUS, perKey: PER_KEY }
      const given = new Map<string, { gpu: number; key: string | undefined }>()
      for (const [at, one] of commands.entries()) {
        const before = usedBy(world, given)
        if (one.do === 'put') {
          given.set(`i${at}`, one)
          const { gpu, key: limitKey, priority } = one
          const options = { resources: { gpu }, priority, ...(limitKey === undefined ? {} : { limitKey }) }
          await world.queue.put(`i${at}`, 1, options)
        }
        if (one.do === 'restart') {
          await engine.close({ deadlineMs: 0 })
          engine = world.engine({ policy: policy(), holder: String(at) })
        }
        if (one.do === 'end') {
          const id = running(world)[one.which]
          if (id !== undefined) end(world.worker, id)
        }
        if (one.do === 'limit') {
          await world.queue.control.setLimits({ 'resources.gpu': one.gpu, perKey: one.perKey })
          Object.assign(limits, { gpu: one.gpu ?? GPUS, perKey: one.perKey ?? PER_KEY })
        }
        if (one.do !== 'tick') continue
        await tickAgain(world, engine)
        const after = usedBy(world, given)
        // What runs beyond a limit that was lowered goes on; nothing joins it.
        expect(after.gpu).toBeLessThanOrEqual(Math.max(limits.gpu, before.gpu))
        for (const [key, count] of after.keys)
          expect(count).toBeLessThanOrEqual(Math.max(limits.perKey, before.keys.get(key) ?? 0))
        if (running(world).length < 6) await expectNoneFits(world, { after, limits })
      }
    }),
    { numRuns: process.env['SLUICE_EXPLORE'] === undefined ? 60 : 2_000 },
  )
})

interface Used {
  readonly gpu: number
  readonly keys: ReadonlyMap<string, number>
}

function usedBy(world: World, given: ReadonlyMap<string, { gpu: number; key: string | undefined }>): Used {
  const keys = new Map<string, number>()
  let gpu = 0
  for (const id of running(world)) {
    const { gpu: own = 0, key } = given.get(id) ?? {}
    gpu += own
    if (key !== undefined) keys.set(key, (keys.get(key) ?? 0) + 1)
  }
  return { gpu, keys }
}

async function expectNoneFits(
  world: World,
  { after, limits }: { after: Used; limits: { gpu: number; perKey: number } },
): Promise<void> {
  const { items } = await world.queue.listSummaries('WAITING', { limit: 100 })
  const fitting = items.filter(({ resources: { gpu = 0 } = {}, limitKey }) => {
    const keyFits = limitKey === undefined || (after.keys.get(limitKey) ?? 0) < limits.perKey
    return keyFits && (gpu === 0 || after.gpu + gpu <= limits.gpu)
  })
  expect(fitting.map(({ id }) => id)).toEqual([])
}
