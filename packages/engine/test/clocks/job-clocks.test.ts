import { SluiceError, type Queue } from '@sluice/core'
import { expect, test } from 'vitest'
import { processingLimit } from '../../src/index.js'
import { World, wrapped, type Options } from '../world.js'

const CLOCKS = 'engine/clocks'
const QUICK = { leaseTtlMs: 1_000, policy: processingLimit(10) } as const

/** Ticks a second apart. */
async function ticks(world: World, engine: { tick(): Promise<unknown> }, count: number): Promise<void> {
  for (let tick = 0; tick < count; tick++) {
    await engine.tick()
    await world.runtime.advance(1_000)
  }
}

/** The calls of an engine in a few ticks. */
async function callsOf(options: Options): Promise<readonly string[]> {
  const world = new World()
  const calls: string[] = []
  const { queue, worker } = wrapped(world, (_, name, call, document = '') => {
    calls.push(`${name} ${document}`)
    return call()
  })
  await world.put(3)
  await ticks(world, world.engine({ ...QUICK, ...options, queue, worker }), 5)
  return calls
}

/** Nothing may be timed, and nothing asked of the storage, where nothing is configured. */
test('without deadlines and stragglers no call is made for them', async () => {
  const ofClocks = (calls: readonly string[]) => calls.filter((call) => call.includes(CLOCKS))
  const plain = await callsOf({})
  expect(ofClocks(plain)).toEqual([])
  const timed = await callsOf({ deadlines: { attemptMs: 60_000 } })
  expect(ofClocks(timed).toSorted()).toEqual([`read document ${CLOCKS}`, `write document ${CLOCKS}`])
  // And the storage's clock, once.
  expect(timed.length).toBe(plain.length + 3)
})

test('time in which a job is pending is no running time', async () => {
  const world = new World()
  await world.put(1)
  const engine = world.engine({ ...QUICK, deadlines: { attemptMs: 10_000 } })
  await engine.tick()
  world.worker.holdJob('i0', 'no room')
  await ticks(world, engine, 30)
  world.worker.beginJob('i0')
  await ticks(world, engine, 9)
  expect(world.worker.running()).toHaveLength(1)
  await ticks(world, engine, 4)
  expect(await world.queue.lookup('i0')).toMatchObject({ stage: 'FAIL', failureClass: 'timeout' })
})

test('a job that ends well although it was cancelled is a success', async () => {
  const world = new World()
  await world.put(1)
  const { queue, worker } = wrapped(world, (_, name, call) =>
    name === 'cancelJob' ? Promise.resolve() : call(),
  )
  const engine = world.engine({ ...QUICK, queue, worker, deadlines: { attemptMs: 2_000 } })
  await ticks(world, engine, 6)
  expect(world.kinds()).toContain('job-cancelled')
  world.worker.settleJob('i0', { stage: 'SUCCESS' })
  await engine.tick()
  expect(await world.queue.lookupStatus('i0')).toBe('SUCCESS')
})

function failing(world: World, error: () => SluiceError | undefined): Queue {
  return wrapped(world, async (_, name, call, document) => {
    const wrong = name === 'write document' && document === CLOCKS ? error() : undefined
    if (wrong !== undefined) throw wrong
    return call()
  }).queue
}

test('while the record can’t be written no job is cancelled; one that never can be keeps none from it', async () => {
  for (const [code, isCancelled] of [
    ['SLUICE_QUEUE_UNAVAILABLE', false],
    ['SLUICE_QUEUE_DENIED', true],
  ] as const) {
    const world = new World()
    await world.put(1)
    let isDown = true
    const queue = failing(world, () => (isDown ? new SluiceError(code, 'as the test wants it') : undefined))
    const engine = world.engine({ ...QUICK, queue, deadlines: { attemptMs: 3_000 } })
    await ticks(world, engine, 10)
    expect(world.kinds().includes('job-cancelled')).toBe(isCancelled)
    isDown = false
    await ticks(world, engine, 3)
    expect(await world.queue.lookup('i0')).toMatchObject({ stage: 'FAIL', failureClass: 'timeout' })
    expect(world.logs.filter(({ message }) => message.includes('how long jobs run'))).not.toEqual([])
  }
})

test('a straggler is reported once, by one line and one event, also after a restart', async () => {
  const world = new World()
  const options = { ...QUICK, stragglers: { factor: 2, minSamples: 3 } }
  const engine = world.engine(options)
  await world.put(3)
  await engine.tick()
  await world.runtime.advance(2_000)
  for (const { id } of world.worker.running()) world.worker.settleJob(id, { stage: 'SUCCESS' })
  await world.put(1, 'late')
  await ticks(world, engine, 20)
  await engine.close()
  const other = world.engine(options)
  await world.put(3, 'more')
  await other.tick()
  await world.runtime.advance(1_000)
  for (const { id } of world.worker.running())
    if (id.startsWith('more')) world.worker.settleJob(id, { stage: 'SUCCESS' })
  await ticks(world, other, 10)
  const events = world.events.filter(({ kind }) => kind === 'straggler')
  expect(events).toMatchObject([{ job: { id: 'late0', attempt: 1 } }])
  expect(world.logs.filter(({ message }) => message.includes('far longer'))).toHaveLength(1)
  expect(world.worker.running()).toHaveLength(1)
})

test.each([
  [{ deadlines: { attemptMs: 0 } }, 'deadlines.attemptMs'],
  [{ deadlines: { itemMs: 1.5 } }, 'deadlines.itemMs'],
  [{ stragglers: { factor: 1 } }, 'stragglers.factor'],
  [{ stragglers: { minSamples: 0 } }, 'stragglers.minSamples'],
  [
    { retry: { rules: [{ maxAttempts: 2, escalate: { parameter: 'memory', values: [] } }] } },
    'escalate.values',
  ],
] as const)('%o is refused', (options, message) => {
  expect(() => new World().engine(options)).toThrow(message)
})

test.each([
  [{ deadlines: { attemptMs: 1 } }, 'deadlines.attemptMs needs a worker that can end jobs'],
  [{ deadlines: { itemMs: 1 } }, 'deadlines.itemMs needs a worker that can end jobs'],
  [{ stragglers: { action: 'retry' } }, 'stragglers.action: retry needs a worker that can end jobs'],
  [
    { retry: { rules: [{ maxAttempts: 2, escalate: { parameter: 'memory', values: ['1'] } }] } },
    'retry.rules escalate memory, which needs a worker that starts jobs with overrides',
  ],
] as const)('%o is refused with a worker that lacks it', (options, message) => {
  const world = new World()
  const worker = {
    ...world.worker,
    supports: { ...world.worker.supports, cancelJob: false, overrides: false },
  }
  expect(() => world.engine({ ...options, worker })).toThrow(message)
})
