import { SluiceError } from '@sluice/core'
import { expect, test } from 'vitest'
import { processingLimit } from '../../src/index.js'
import { Flights } from '../../src/sending/flights.js'
import { SendsWorld } from './sends-world.js'

const HANG_MS = 30_000
const COUNT = 3_000

/** Sends of some items hang for long, and then fail. */
function hanging(world: SendsWorld, ids: readonly string[]) {
  const worker = world.slowWorker(() => 50, { rule: { afterMs: 1_000 } })
  const send = worker.sendJob.bind(worker)
  const inFlight = { now: 0, most: 0 }
  worker.sendJob = async (id, body, job) => {
    inFlight.most = Math.max(inFlight.most, ++inFlight.now)
    try {
      if (!ids.includes(id)) return await send(id, body, job)
      world.sends.push({ id, attempt: job.attempt, atMs: world.runtime.monotonicMs() })
      await world.runtime.sleep(HANG_MS)
      throw new SluiceError('SLUICE_WORKER_UNAVAILABLE', 'no answer within 30 s')
    } finally {
      inFlight.now -= 1
    }
  }
  return { worker, inFlight }
}

async function doneAfterMs(poison: readonly string[]) {
  const world = new SendsWorld()
  await world.put(COUNT)
  const { worker, inFlight } = hanging(world, poison)
  const engine = world.engine({ worker, policy: processingLimit(20) })
  const stop = world.start(engine)
  while ((await world.queue.size('SUCCESS')) < COUNT - poison.length) await world.runtime.advance(1_000)
  const ms = world.runtime.monotonicMs()
  await world.runtime.advance(600_000)
  await stop()
  return { world, inFlight, ms }
}

test('5 items at which a send hangs for 30 s among 3,000: the others keep their rate, and the 5 fail', async () => {
  const poison = ['i100', 'i300', 'i301', 'i1600', 'i2800']
  const healthy = await doneAfterMs([])
  const { world, inFlight, ms } = await doneAfterMs(poison)
  // Each holds one of the 20 places for as long as its send hangs.
  const share = (COUNT - 5) / ms / (COUNT / healthy.ms)
  expect(share).toBeGreaterThanOrEqual(0.9)
  expect(inFlight.most).toBeLessThanOrEqual(16)
  for (const id of poison)
    expect(await world.queue.lookup(id)).toMatchObject({ stage: 'FAIL', failureClass: 'unsendable' })
  expect([...world.startCounts().values()].every((count) => count === 1)).toBe(true)
})

test('a send that never answers is given up: its item is tried again, others go on, and a late answer changes nothing', async () => {
  const world = new SendsWorld()
  await world.put(40)
  const late = Promise.withResolvers<void>()
  let isHanging = true
  const worker = world.slowWorker(() => 50, { rule: { afterMs: 1_000 } })
  const send = worker.sendJob.bind(worker)
  worker.sendJob = async (id, body, job) => {
    if (id !== 'i3' || !isHanging) return send(id, body, job)
    isHanging = false
    await late.promise
    throw new SluiceError('SLUICE_JOB_REJECTED', 'late')
  }
  const engine = world.engine({ worker, policy: processingLimit(5), stallMs: 60_000 })
  const stop = world.start(engine)
  await world.runtime.advance(50_000)
  expect(await world.queue.sizes()).toMatchObject({ SUCCESS: 39, PROCESSING: 1 })
  await world.runtime.advance(20_000)
  expect(world.logs.filter(({ level }) => level === 'error')).toHaveLength(1)
  late.resolve()
  await world.runtime.advance(20_000)
  await stop()
  expect(await world.queue.sizes()).toMatchObject({ SUCCESS: 40, FAIL: 0 })
})

test('an item whose send is under way is not sent beside it, nor given back in a pause', async () => {
  const world = new SendsWorld()
  await world.put(40)
  const { worker } = hanging(world, ['i3'])
  const engine = world.engine({ worker, policy: processingLimit(5) })
  const stop = world.start(engine)
  await world.runtime.advance(15_000)
  await world.queue.control.pause()
  await world.runtime.advance(10_000)
  expect(world.sendsOf('i3')).toHaveLength(1)
  expect(await world.queue.lookup('i3')).toMatchObject({ stage: 'PROCESSING', attempt: 1 })
  await stop()
})

test('a sync is answered only for sends that have ended', () => {
  const flights = new Flights()
  const head = { id: 'a', uid: 'u', stage: 'PROCESSING', attempt: 1, uncounted: 0, priority: 0 } as const
  expect(flights.syncedTo(7)).toBe(7)
  const flight = flights.begin(head, { beganAtMonotonic: 0, syncs: 4 })
  expect(flights.syncedTo(7)).toBe(4)
  expect(flights.end(flight)).toBe(true)
  expect(flights.end(flight)).toBe(false)
  expect(flights.syncedTo(7)).toBe(7)
})
