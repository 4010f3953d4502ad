import { SluiceError, type Queue, type Worker } from '@sluice/core'
import { expect, test } from 'vitest'
import { processingLimit, type WorkQueue } from '../../src/index.js'
import { ProcessRuntime } from '../process-runtime.js'
import { wrapped } from '../world.js'
import { SendsWorld, idsFrom, without } from './sends-world.js'

const WORDS = 'Cannot create the workflow: 400: entrypoint "none" is not in the template'

interface PoisonOptions {
  readonly count: number
  readonly cap: number
  readonly poison: readonly string[]
  readonly jobMs?: number
}

async function poisoned({ count, cap, poison, jobMs = 1_000 }: PoisonOptions) {
  const world = new SendsWorld()
  await world.put(count)
  const worker = world.slowWorker(() => 0, { rule: { afterMs: jobMs } })
  for (const id of poison) worker.troubleItem(id, { concerns: 'item', message: WORDS })
  const engine = world.engine({ worker, policy: processingLimit(cap) })
  return { world, engine, worker }
}

/** How long until as many items are SUCCESS, by the second. */
async function doneAfterMs(world: SendsWorld, engine: WorkQueue, count: number): Promise<number> {
  const stop = world.start(engine)
  while ((await world.queue.size('SUCCESS')) < count && world.runtime.monotonicMs() < 3_600_000)
    await world.runtime.advance(1_000)
  const atMs = world.runtime.monotonicMs()
  await stop()
  return atMs
}

async function assertUnsendable(world: SendsWorld, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    const item = await world.queue.lookup(id)
    expect(item).toMatchObject({ stage: 'FAIL', failureClass: 'unsendable' })
    expect(item?.reason).toContain(WORDS)
  }
}

test('2 poison among 62 at cap 10: the 60 are done at once, the 2 fail with the worker’s words', async () => {
  const healthy = await poisoned({ count: 60, cap: 10, poison: [] })
  const healthyMs = await doneAfterMs(healthy.world, healthy.engine, 60)
  const poison = ['i4', 'i5']
  const { world, engine } = await poisoned({ count: 62, cap: 10, poison })
  const ms = await doneAfterMs(world, engine, 60)
  expect(ms).toBeLessThanOrEqual(healthyMs + 1_000)
  await world.run(engine, 1_000)
  for (const id of poison) expect(await world.queue.lookupStatus(id)).not.toBe('PROCESSING')
  // Something is sent now and then, so that their tries count.
  for (let minute = 0; minute < 20; minute++) {
    await world.put(1, `more${minute}-`)
    await world.run(engine, 20_000)
  }
  await assertUnsendable(world, poison)
  expect(world.ticks.some(({ result }) => result.unavailable !== undefined)).toBe(false)
  expect(world.kinds()).not.toContain('outage')
})

test('10 poison among 2,000: the others keep their rate, and each poison item fails with its reason', async () => {
  const jobMs = 500
  const healthy = await poisoned({ count: 1_990, cap: 10, poison: [], jobMs })
  const healthyMs = await doneAfterMs(healthy.world, healthy.engine, 1_990)
  const poison = [30, 31, 32, 250, 600, 601, 1_000, 1_001, 1_400, 1_401].map((index) => `i${index}`)
  const { world, engine } = await poisoned({ count: 2_000, cap: 10, poison, jobMs })
  const ms = await doneAfterMs(world, engine, 1_990)
  expect(healthyMs / ms).toBeGreaterThanOrEqual(0.95)
  await world.run(engine, 120_000)
  await assertUnsendable(world, poison)
})

test('19 poison in a row, more than the cap, at the very start: the others are done all the same', async () => {
  for (const probes of [true, false]) {
    const world = new SendsWorld()
    await world.put(100)
    const dummy = world.slowWorker(() => 0, { rule: { afterMs: 1_000 } })
    for (const id of idsFrom(0, 19)) dummy.troubleItem(id, { message: WORDS })
    const worker = probes ? dummy : without(dummy, 'probeSend')
    const engine = world.engine({ worker, policy: processingLimit(10), sends: { maxMs: 4_000 } })
    const ms = await doneAfterMs(world, engine, 81)
    expect(ms).toBeLessThan(150_000)
    expect(await world.queue.size('SUCCESS')).toBe(81)
    await engine.close()
  }
})

test('19 poison in a row in the middle hold up no other item, and are no outage', async () => {
  const { world, engine } = await poisoned({ count: 200, cap: 10, poison: idsFrom(50, 69) })
  const healthy = await poisoned({ count: 181, cap: 10, poison: [] })
  const healthyMs = await doneAfterMs(healthy.world, healthy.engine, 181)
  const ms = await doneAfterMs(world, engine, 181)
  expect(ms).toBeLessThanOrEqual(healthyMs + 2_000)
  expect(world.kinds()).not.toContain('outage')
})

test('a refused item is WAITING with the worker’s answer as its reason, uncounted and delayed, and status names it', async () => {
  const { world, engine } = await poisoned({ count: 5, cap: 5, poison: ['i1'] })
  const { holdups, processing, unavailable } = await engine.tick()
  expect(processing).toBe(4)
  expect(unavailable).toBeUndefined()
  const item = await world.queue.lookup('i1')
  expect(item).toMatchObject({ stage: 'WAITING', reason: WORDS, attempt: 1, uncounted: 1 })
  expect(item?.notBeforeAt).toBeGreaterThan(world.runtime.now())
  expect(item?.history).toMatchObject([{ outcome: 'WAITING', unsent: true }])
  expect(holdups).toEqual([{ code: 'refused-items', message: `item "i1": ${WORDS}`, items: 1 }])
})

test('restarts and failover don’t forget tries', async () => {
  const { world, worker } = await poisoned({ count: 1, cap: 2, poison: ['i0'] })
  const stages: string[] = []
  for (let life = 0; life < 30 && stages.at(-1) !== 'FAIL'; life++) {
    // Each engine lives for two seconds and dies without a word; the next one takes over when the lease has
    // run out.
    const engine = world.engine({ worker, policy: processingLimit(2), leaseTtlMs: 1_000 })
    await world.put(1, `life${life}-`)
    for (let tick = 0; tick < 2; tick++) {
      await engine.tick()
      await world.runtime.advance(1_000)
    }
    await world.runtime.advance(60_000)
    stages.push(await world.queue.lookupStatus('i0'))
  }
  expect(stages.at(-1)).toBe('FAIL')
  await assertUnsendable(world, ['i0'])
  expect(world.sendsOf('i0').length).toBeLessThanOrEqual(6)
})

test('an item whose look-ups fail too keeps its place, is tried again, and fails with the last message', async () => {
  const { world, engine, worker } = await poisoned({ count: 60, cap: 3, poison: [] })
  worker.troubleItem('i1', { calls: ['sendJob', 'lookupJob'], message: WORDS })
  await engine.tick()
  expect(await world.queue.lookupStatus('i1')).toBe('PROCESSING')
  const stop = world.start(engine)
  await world.runtime.advance(120_000)
  await stop()
  expect(await world.queue.sizes()).toMatchObject({ SUCCESS: 59, FAIL: 1 })
  await assertUnsendable(world, ['i1'])
  expect(world.sendsOf('i1').every(({ attempt }) => attempt === 1)).toBe(true)
})

test('a worker that can not be asked for one job: the item keeps its place, and fails when its tries are used up', async () => {
  const { world, worker } = await poisoned({ count: 60, cap: 3, poison: ['i1'] })
  const engine = world.engine({ worker: without(worker, 'lookupJob'), policy: processingLimit(3) })
  await world.run(engine, 120_000)
  expect(await world.queue.sizes()).toMatchObject({ SUCCESS: 59, FAIL: 1 })
  await assertUnsendable(world, ['i1'])
})

test('a send whose answer was lost is found to have a job: it is sent, once', async () => {
  const { world, engine, worker } = await poisoned({ count: 3, cap: 3, poison: [] })
  worker.loseAnswer(1)
  expect(await engine.tick()).toMatchObject({ sent: 3, processing: 3, holdups: [] })
  await world.run(engine, 5_000)
  expect(world.started).toHaveLength(3)
  expect(await world.queue.size('SUCCESS')).toBe(3)
})

/** Every send fails so, until it is over. */
function failing(world: SendsWorld, error: () => Error) {
  let isDown = true
  const dummy = world.slowWorker(() => 0, { rule: { afterMs: 1_000 } })
  const send = dummy.sendJob.bind(dummy)
  dummy.sendJob = async (id, body, job) => {
    if (!isDown) return send(id, body, job)
    world.sends.push({ id, attempt: job.attempt, atMs: world.runtime.monotonicMs() })
    throw error()
  }
  dummy.probeSend = async () => {
    if (isDown) throw error()
  }
  const end = (): void => {
    isDown = false
  }
  const begin = (): void => {
    isDown = true
  }
  return { dummy, end, begin }
}

const unknown400 = () => new SluiceError('SLUICE_WORKER_UNAVAILABLE', '400: etcdserver: no leader')
const itemWords = () =>
  new SluiceError('SLUICE_WORKER_UNAVAILABLE', '403: denied by a policy', { concerns: 'item' })
const foreign = () => new RangeError('odd')

test.each([
  ['a 400 in unknown words', unknown400, true],
  ['a 400 in unknown words, no probe', unknown400, false],
  ['words that blame the item', itemWords, true],
  ['words that blame the item, no probe', itemWords, false],
  ['a foreign error', foreign, false],
])(
  'an outage fails no item though every send fails: %s; at most a few sends a tick',
  async (_, error, probes) => {
    const world = new SendsWorld()
    await world.put(600)
    const { dummy, end, begin } = failing(world, error)
    const worker: Worker = probes ? dummy : without(dummy, 'probeSend')
    end()
    const engine = world.engine({ worker, policy: processingLimit(50), sends: { maxTries: 2 } })
    await world.run(engine, 2_000)
    begin()
    for (const spell of [1, 2, 3]) {
      world.ticks.length = 0
      world.sends.length = 0
      await world.run(engine, 600_000)
      expect(await world.queue.size('FAIL')).toBe(0)
      const outages = world.ticks.filter(({ result }) => result.unavailable !== undefined)
      expect(outages.length).toBeGreaterThan(world.ticks.length - 4)
      const perTick = world.ticks.map(({ atMs }) => world.sends.filter((send) => send.atMs === atMs).length)
      // When it begins, what is in flight fails, and enough to tell it from a row of items that no worker
      // accepts.
      const [first = 0, ...others] = perTick.filter((sends) => sends > 0)
      expect(first).toBeLessThanOrEqual(probes ? 16 : 22)
      expect(Math.max(...others)).toBeLessThanOrEqual(4)
      end()
      await world.run(engine, spell === 3 ? 300_000 : 1_000)
      begin()
    }
    end()
    await world.run(engine, 300_000)
    expect(await world.queue.sizes()).toMatchObject({ SUCCESS: 600, FAIL: 0 })
    expect([...world.startCounts().values()].every((count) => count === 1)).toBe(true)
  },
)

test('in an outage in unknown words the items keep their claims', async () => {
  const world = new SendsWorld()
  await world.put(100)
  const { dummy } = failing(world, unknown400)
  const engine = world.engine({ worker: dummy, policy: processingLimit(10) })
  expect(await engine.tick()).toMatchObject({
    unavailable: { code: 'SLUICE_WORKER_UNAVAILABLE' },
    processing: 10,
    settled: { waiting: 0 },
  })
})

test('trouble that is the worker’s by its words counts against no item, even while others are sent', async () => {
  const world = new SendsWorld()
  await world.put(400)
  const worker = world.slowWorker(() => 0, { rule: { afterMs: 500 } })
  worker.troubleItem('i3', { concerns: 'worker', message: 'the template can’t be read' })
  const engine = world.engine({ worker, policy: processingLimit(5), sends: { maxTries: 2 } })
  await world.run(engine, 300_000)
  expect(await world.queue.lookup('i3')).toMatchObject({ stage: 'PROCESSING', attempt: 1 })
  expect(await world.queue.size('FAIL')).toBe(0)
})

test('a lone item in an outage: its tries don’t count, however often it is tried', async () => {
  const world = new SendsWorld()
  await world.put(1)
  const { dummy, end } = failing(world, unknown400)
  const engine = world.engine({ worker: dummy, sends: { maxTries: 1 } })
  await world.run(engine, 3_600_000)
  expect(await world.queue.size('FAIL')).toBe(0)
  expect(world.sends.length).toBeGreaterThan(10)
  end()
  await world.run(engine, 120_000)
  expect(await world.queue.sizes()).toMatchObject({ SUCCESS: 1 })
})

test('nothing else to send: a probe stands in, and the poison items fail', async () => {
  const { world, engine, worker } = await poisoned({ count: 4, cap: 4, poison: ['i1', 'i2'] })
  let probes = 0
  const probe = worker.probeSend.bind(worker)
  worker.probeSend = (sample) => {
    probes += 1
    expect(sample).toEqual({ id: expect.stringMatching(/^i[03]$/u), body: { id: expect.any(String) } })
    return probe(sample)
  }
  await world.run(engine, 120_000)
  expect(await world.queue.sizes()).toMatchObject({ SUCCESS: 2, FAIL: 2 })
  await assertUnsendable(world, ['i1', 'i2'])
  expect(probes).toBeGreaterThanOrEqual(3)
  expect(probes).toBeLessThanOrEqual(10)
})

test('nothing else to send, and the probe fails: it is the worker’s trouble', async () => {
  const { world, engine, worker } = await poisoned({ count: 4, cap: 4, poison: ['i1'] })
  await world.run(engine, 500)
  worker.probeSend = () => Promise.reject(unknown400())
  world.ticks.length = 0
  await world.run(engine, 600_000)
  expect(await world.queue.lookupStatus('i1')).not.toBe('FAIL')
  expect(world.ticks.some(({ result }) => result.unavailable !== undefined)).toBe(true)
})

test('nothing else to send and no probe: the item waits, and the holdup names it', async () => {
  const { world, worker } = await poisoned({ count: 4, cap: 4, poison: ['i1'] })
  const engine = world.engine({ worker: without(worker, 'probeSend'), policy: processingLimit(4) })
  await world.run(engine, 3_600_000)
  expect(await world.queue.sizes()).toMatchObject({ SUCCESS: 3, FAIL: 0 })
  expect(world.ticks.at(-1)?.result.holdups).toEqual([
    { code: 'refused-items', message: `item "i1": ${WORDS}`, items: 1 },
  ])
  // It is tried all the same, so that it goes as soon as it can.
  worker.endTrouble()
  await world.run(engine, 120_000)
  expect(await world.queue.size('SUCCESS')).toBe(4)
})

test('after a restart the probe is made of the item that the dispatcher’s document names', async () => {
  const { world, engine, worker } = await poisoned({ count: 2, cap: 2, poison: ['i1'] })
  await world.run(engine, 3_000)
  await engine.close()
  const well = await world.queue.lookup('i0')
  const document = world.queue.document('engine/dispatcher')
  const version = (await document.read())?.version
  await document.write({ sentWell: { id: 'i0', uid: well?.uid ?? '' } }, { ifVersion: version })
  const samples: unknown[] = []
  worker.probeSend = async (sample) => {
    samples.push(sample)
  }
  await world.run(world.engine({ worker }), 120_000)
  expect(samples[0]).toEqual({ id: 'i0', body: { id: 'i0' } })
  await assertUnsendable(world, ['i1'])
})

test.each([
  ['damaged', 17],
  ['of an item that was put again', { sentWell: { id: 'i0', uid: 'another' } }],
  ['of an item that is gone', { sentWell: { id: 'gone', uid: 'gone' } }],
])(
  'a dispatcher’s document that is %s: there is nothing to probe with, and the work goes on',
  async (_, value) => {
    const { world, worker } = await poisoned({ count: 2, cap: 2, poison: ['i1'] })
    await world.queue.document('engine/dispatcher').write(value, { ifVersion: undefined })
    await world.put(1)
    worker.troubleItem('i0', { message: WORDS })
    const engine = world.engine({ worker, policy: processingLimit(1) })
    await world.run(engine, 30_000)
    expect(await world.queue.size('FAIL')).toBe(0)
    worker.endTrouble()
    await world.run(engine, 120_000)
    expect(await world.queue.sizes()).toMatchObject({ SUCCESS: 2 })
  },
)

test('an engine that stalls after it has asked for a refused item gives nothing back: another has sent it since', async () => {
  const world = new SendsWorld()
  await world.put(2)
  const worker = world.openWorker()
  worker.troubleItem('i0')
  const policy = processingLimit(2)
  const other = world.engine({ policy, leaseTtlMs: 1_000 })
  const taken: unknown[] = []
  const runtime = new ProcessRuntime(world.runtime)
  const sides = wrapped(world, async (_, name, call) => {
    const answer = await call()
    if (name === 'lookupJob') {
      runtime.suspend()
      await world.runtime.advance(1_500)
      taken.push(await other.tick())
      runtime.resume()
    }
    return answer
  })
  sides.worker.sendJob = (id, body, job) => worker.sendJob(id, body, job)
  const engine = world.engine({ ...sides, runtime, policy, leaseTtlMs: 1_000 })
  expect(await engine.tick()).toMatchObject({ role: 'standby', settled: { waiting: 0 }, holdups: [] })
  expect(taken).toMatchObject([{ role: 'dispatcher', resent: 1 }])
  expect(await world.queue.lookup('i0')).toMatchObject({ stage: 'PROCESSING', attempt: 1 })
  for (let tick = 0; tick < 5; tick++) {
    await other.tick()
    await world.runtime.advance(1_000)
  }
  expect(world.started).toHaveLength(2)
})

test('a claim under a lease that is lost: nothing is claimed, this engine stands by, and it is no outage', async () => {
  const world = new SendsWorld()
  await world.put(3)
  const runtime = new ProcessRuntime(world.runtime)
  const { queue } = wrapped(world, async (_, name, call) => {
    if (name !== 'get') return call()
    runtime.suspend()
    await world.runtime.advance(20_000)
    expect(await world.queue.lease('dispatcher', 'another', 60_000)).toBeDefined()
    runtime.resume()
    return call()
  })
  const typed: Queue = queue
  const engine = world.engine({ queue: typed, runtime })
  const result = await engine.tick()
  expect(result).toMatchObject({ role: 'standby', claimed: 0 })
  expect(result.unavailable).toBeUndefined()
  expect(await world.queue.size('WAITING')).toBe(3)
})
