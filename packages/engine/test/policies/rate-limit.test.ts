import fc from 'fast-check'
import { SluiceError, type JsonValue } from '@sluice/core'
import { describe, expect, test } from 'vitest'
import { all, processingLimit, rateLimit, timeWindow, type WorkQueue } from '../../src/index.js'
import { POLICY_DOCUMENT } from '../../src/records/document-names.js'
import { World, wrapped } from '../world.js'

const COUNT = 4
const PER_MS = 5_000
const LEASE_MS = 3_000

/** Where an engine dies: at its n-th call, before or after the effect. */
interface Death {
  readonly at: number
  readonly effect: 'before' | 'after'
}

/** Engines on one queue, and when items were really claimed. */
class Rated {
  readonly world = new World()
  readonly claimedAt: number[] = []
  /** Calls of the queue that write the policy's document. */
  writes = 0
  puts = 0
  /** As that of S3. */
  readonly hasWholeSeconds: boolean

  constructor(hasWholeSeconds = false) {
    this.hasWholeSeconds = hasWholeSeconds
  }

  engine(death?: Death, slowMs = 0): WorkQueue<unknown> {
    const { runtime } = this.world
    let calls = 0
    let isDead = false
    const never = new Promise<never>(() => {})
    const { queue, worker } = wrapped(this.world, async (_, name, call, document) => {
      if (isDead) return never
      const dies = calls++ === death?.at ? death.effect : undefined
      if (dies !== undefined) isDead = true
      if (dies === 'before') return never
      if (name === 'get' && slowMs > 0) await runtime.sleep(slowMs)
      const answer = await call()
      if (name === 'get' && Array.isArray(answer)) this.claimedAt.push(...answer.map(() => runtime.now()))
      if (name === 'now' && this.hasWholeSeconds) return Math.floor(Number(answer) / 1_000) * 1_000
      if (name === 'write document' && document === POLICY_DOCUMENT) this.writes += 1
      if (name === 'get' && slowMs > 0) await runtime.sleep(slowMs)
      return dies === 'after' ? never : answer
    })
    return this.world.engine({
      queue,
      worker,
      policy: all(processingLimit(1_000), rateLimit({ count: COUNT, perMs: PER_MS })),
      leaseTtlMs: LEASE_MS,
      retry: { maxAttempts: 3, backoff: { baseMs: 100 } },
    })
  }

  async put(count: number): Promise<void> {
    await this.world.put(count, `${this.puts++}-`)
  }

  endAll(): void {
    for (const { id } of this.world.worker.running()) this.world.worker.settleJob(id, { stage: 'SUCCESS' })
  }

  /** Lets time go by until it has ended, or for `mostMs`. */
  async during(work: Promise<unknown>, mostMs = 2_000): Promise<void> {
    const state = { isOver: false }
    const end = (): void => {
      state.isOver = true
    }
    const noted = work.then(end, end)
    for (let passedMs = 0; !state.isOver && passedMs < mostMs; passedMs += 100) {
      await this.world.runtime.advance(passedMs === 0 ? 0 : 100)
    }
    if (state.isOver) await noted
  }

  assertRate(count = COUNT, perMs = PER_MS): void {
    const sorted = this.claimedAt.toSorted((a, b) => a - b)
    for (const [index, first] of sorted.entries()) {
      const last = sorted[index + count]
      if (last !== undefined && last - first <= perMs)
        throw new Error(`${count + 1} claims within ${last - first} ms: ${sorted.join(', ')}`)
    }
  }
}

test('so many items are claimed at once, and then none before these are old enough', async () => {
  const rated = new Rated()
  await rated.put(20)
  const engine = rated.engine()
  const sent: number[] = []
  for (let second = 0; second < 12; second++) {
    sent.push((await engine.tick()).sent)
    await rated.world.runtime.advance(1_000)
  }
  expect(sent).toEqual([4, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0])
})

test('the next tick comes when there is room again, if that is before the interval is over', async () => {
  const world = new World()
  await world.put(20)
  const engine = world.engine({ policy: rateLimit({ count: 5, perMs: 500 }) })
  expect(await engine.tick()).toMatchObject({
    sent: 5,
    nextDelayMs: 502,
    holdups: [{ code: 'rate', forMs: 502 }],
  })
  await world.runtime.advance(502)
  expect(await engine.tick()).toMatchObject({ sent: 5 })
})

test('the hold line names the rate; a long wait is an instant', async () => {
  const world = new World()
  await world.put(2)
  const engine = world.engine({ policy: rateLimit({ count: 1, perMs: 60_000 }) })
  const { holdups } = await engine.tick()
  const untilAt = Math.ceil((world.runtime.now() + 60_002) / 1_000) * 1_000
  expect(holdups).toEqual([{ code: 'rate', message: 'at most 1 item is claimed in any 1 min', untilAt }])
})

test('claims of about five seconds are recorded by one write; a clean restart costs none of them', async () => {
  const rated = new Rated()
  await rated.put(40)
  const engine = rated.engine()
  await engine.tick()
  expect(rated.writes).toBe(1)
  await engine.close()
  expect(rated.writes).toBe(2)
  expect(documentOf(await rated.world.queue.document(POLICY_DOCUMENT).read())).toMatchObject({ reserved: 0 })
  const next = rated.engine()
  await rated.world.runtime.advance(PER_MS - 1_000)
  expect(await next.tick()).toMatchObject({ sent: 0 })
  // The storage's clock, as the two have read it, may differ by a second.
  await rated.world.runtime.advance(2_002)
  expect(await next.tick()).toMatchObject({ sent: COUNT })
})

function documentOf(found: { value: JsonValue } | undefined): JsonValue | undefined {
  return found?.value
}

test('while nothing is claimed nothing is written', async () => {
  const rated = new Rated()
  await rated.put(1)
  const engine = rated.engine()
  const writes: number[] = []
  for (let second = 0; second < 30; second++) {
    await engine.tick()
    rated.endAll()
    writes.push(rated.writes)
    await rated.world.runtime.advance(1_000)
  }
  // The second one replaces what the one claim has used up of the first.
  expect(Math.max(...writes)).toBe(2)
  expect(writes.indexOf(2)).toBeLessThan(10)
})

test('jobs that are claimed and not sent are sent again, whatever the rate', async () => {
  const rated = new Rated()
  await rated.put(COUNT)
  // Dies with its claims unsent.
  const calls = await callsOf(async (death) => {
    const fresh = new Rated()
    await fresh.put(COUNT)
    await fresh.during(fresh.engine(death).tick())
    return fresh
  })
  await rated.during(rated.engine({ at: calls, effect: 'before' }).tick())
  expect(rated.world.started).toHaveLength(0)
  await rated.world.runtime.advance(LEASE_MS)
  const next = rated.engine()
  await rated.during(next.tick())
  expect(rated.world.started).toHaveLength(COUNT)
  expect((await rated.world.queue.sizes()).WAITING).toBe(0)
})

/** The first call before which a death leaves claims that were not sent. */
async function callsOf(run: (death: Death) => Promise<Rated>): Promise<number> {
  for (let at = 0; at < 100; at++) {
    const { claimedAt, world } = await run({ at, effect: 'before' })
    if (claimedAt.length > 0 && world.started.length === 0) return at
  }
  throw new Error('no call comes between the claim and the sends')
}

describe('no window has more claims than the rate', () => {
  test('where an engine dies at any call, and four more do at the same', async () => {
    for (let at = 0; at < 60; at++) {
      for (const effect of ['before', 'after'] as const) {
        const rated = new Rated()
        await rated.put(40)
        for (let restart = 0; restart < 5; restart++) {
          const engine = rated.engine({ at: at + restart, effect })
          // It ticks until it dies; then its lease runs out.
          for (let tick = 0; tick < 2; tick++) {
            await rated.during(engine.tick(), 300)
            rated.endAll()
            await rated.world.runtime.advance(100)
          }
          await rated.world.runtime.advance(LEASE_MS)
        }
        rated.assertRate()
        const last = rated.engine()
        for (let tick = 0; tick < 80; tick++) {
          await rated.during(last.tick())
          rated.endAll()
          await rated.world.runtime.advance(1_000)
        }
        rated.assertRate()
        expect((await rated.world.queue.sizes()).SUCCESS, `dead ${effect} call ${at}`).toBe(40)
      }
    }
  }, 120_000)

  test('in any order of puts, ends, ticks, restarts, failovers and slow claims; and it is used', async () => {
    await fc.assert(
      fc.asyncProperty(commands, fc.boolean(), async (steps, hasWholeSeconds) => {
        const rated = new Rated(hasWholeSeconds)
        const engines = [rated.engine(), rated.engine()]
        for (const step of steps) await play(rated, engines, step)
        rated.assertRate()
        // A takeover costs a window at most; then all of the rate is there.
        await rated.world.queue.control.setLimits({ maxProcessing: null })
        await rated.put(2 * COUNT)
        await rated.world.runtime.advance(LEASE_MS)
        const last = rated.engine()
        await rated.during(last.tick())
        const before = rated.claimedAt.length
        await rated.world.runtime.advance(PER_MS + 2)
        await rated.during(last.tick())
        rated.assertRate()
        expect(rated.claimedAt.length - before).toBe(COUNT)
      }),
      { numRuns: 60 },
    )
  }, 120_000)
})

type Command =
  | { readonly do: 'put'; readonly count: number }
  | { readonly do: 'tick' | 'restart' | 'stop'; readonly engine: number }
  | { readonly do: 'die'; readonly engine: number; readonly death: Death }
  | { readonly do: 'slow'; readonly engine: number; readonly ms: number }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'end' }
  | { readonly do: 'limit'; readonly limit: number | null }

const engineIndex = fc.nat(1)
const command = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('tick'), engine: engineIndex }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('pass'), ms: fc.constantFrom(1, 900, 2_500, 5_001) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('put'), count: fc.integer({ min: 1, max: 6 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('restart', 'stop'), engine: engineIndex }) },
  fc.record({
    do: fc.constant('die'),
    engine: engineIndex,
    death: fc.record({ at: fc.nat(25), effect: fc.constantFrom('before', 'after') }),
  }),
  fc.record({ do: fc.constant('slow'), engine: engineIndex, ms: fc.constantFrom(100, 400) }),
  fc.record({ do: fc.constant('end') }),
  fc.record({ do: fc.constant('limit'), limit: fc.option(fc.nat(6)) }),
) as fc.Arbitrary<Command>

const commands = fc.array(command, { minLength: 10, maxLength: 40 })

async function play(rated: Rated, engines: WorkQueue<unknown>[], step: Command): Promise<void> {
  switch (step.do) {
    case 'put':
      return rated.put(step.count)
    case 'tick':
      return rated.during(engines[step.engine]?.tick() ?? Promise.resolve())
    case 'stop':
      await rated.during(engines[step.engine]?.close() ?? Promise.resolve())
      engines[step.engine] = rated.engine()
      return
    case 'restart':
      engines[step.engine] = rated.engine()
      return
    case 'die':
      engines[step.engine] = rated.engine(step.death)
      return
    case 'slow':
      engines[step.engine] = rated.engine(undefined, step.ms)
      return
    case 'pass':
      await rated.world.runtime.advance(step.ms)
      return
    case 'end':
      return rated.endAll()
    case 'limit':
      await rated.world.queue.control.setLimits({ maxProcessing: step.limit })
  }
}

test('services that have read such a clock at other parts of a second: a later one claims nothing early', async () => {
  const rated = new Rated(true)
  await rated.put(20)
  await rated.world.runtime.advance(900)
  const first = rated.engine()
  await first.tick()
  await first.close()
  await rated.world.runtime.advance(PER_MS - 900)
  const second = rated.engine()
  expect(await second.tick()).toMatchObject({ sent: 0 })
  await rated.world.runtime.advance(200)
  expect(await second.tick()).toMatchObject({ sent: 0 })
  await rated.world.runtime.advance(2_000)
  expect(await second.tick()).toMatchObject({ sent: COUNT })
  rated.assertRate()
})

test('a storage whose clock has whole seconds, read again each minute: within one service nothing is claimed early', async () => {
  const rated = new Rated(true)
  await rated.put(400)
  await rated.world.runtime.advance(700)
  const engine = rated.engine()
  for (let passedMs = 0; passedMs < 200_000; passedMs += 330) {
    await engine.tick()
    rated.endAll()
    await rated.world.runtime.advance(330)
  }
  rated.assertRate()
  // 5,280 ms for each four: the first tick after a window.
  expect(rated.claimedAt.length).toBe(152)
})

test('a document that can’t be written for lack of a permission: a warning, and the rate holds in this engine', async () => {
  const world = new World()
  await world.put(20)
  const { queue, worker } = wrapped(world, async (_, name, call, document) => {
    if (name === 'write document' && document === POLICY_DOCUMENT)
      throw new SluiceError('SLUICE_QUEUE_DENIED', 'read only')
    return call()
  })
  const engine = world.engine({ queue, worker, policy: rateLimit({ count: COUNT, perMs: PER_MS }) })
  expect(await engine.tick()).toMatchObject({ sent: COUNT })
  expect(await engine.tick()).toMatchObject({ sent: 0 })
  expect(world.logs.filter(({ message }) => message.includes('the record of claims'))).toHaveLength(1)
})

test('where the answer to the write is lost nothing is claimed in that tick, and it goes on', async () => {
  const world = new World()
  await world.put(20)
  let lost = 1
  const { queue, worker } = wrapped(world, async (_, name, call, document) => {
    const answer = await call()
    if (name === 'write document' && document === POLICY_DOCUMENT && lost-- > 0)
      throw new SluiceError('SLUICE_QUEUE_UNAVAILABLE', 'the answer is lost')
    return answer
  })
  const engine = world.engine({ queue, worker, policy: rateLimit({ count: COUNT, perMs: PER_MS }) })
  expect(await engine.tick()).toMatchObject({ sent: 0 })
  expect(await engine.tick()).toMatchObject({ sent: COUNT })
})

test('without a policy that needs it no document is read or written', async () => {
  const world = new World()
  await world.put(5)
  const documents: (string | undefined)[] = []
  const { queue, worker } = wrapped(world, async (_side, _name, call, document) => {
    documents.push(document)
    return call()
  })
  const policy = all(processingLimit(2), timeWindow('00:00-24:00 UTC', processingLimit(3)))
  await world.engine({ queue, worker, policy }).tick()
  expect(documents).not.toContain(POLICY_DOCUMENT)
})

test('wrong numbers are refused', () => {
  for (const count of [0, -1, 1.5, Number.NaN, Infinity])
    expect(() => rateLimit({ count, perMs: 1_000 })).toThrow('count must be a whole number of 1 or more')
  for (const perMs of [0, 99, 1.5, Number.NaN, 604_800_001])
    expect(() => rateLimit({ count: 1, perMs })).toThrow('perMs')
})
