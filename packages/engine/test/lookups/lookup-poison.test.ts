import { SluiceError } from '@sluice/core'
import type { DummyWorker } from '@sluice/worker-dummy'
import { expect, test } from 'vitest'
import { processingLimit } from '../../src/index.js'
import { World } from '../world.js'

/** The poll has no job of these items, though they run: it takes a look-up to hear of them. */
function hide(worker: DummyWorker, hidden: (id: string) => boolean): void {
  const poll = worker.pollAllStatus.bind(worker)
  worker.pollAllStatus = async () => new Map([...(await poll())].filter(([id]) => !hidden(id)))
}

const isPoison = (id: string): boolean => id.startsWith('poison')

test('a look-up that fails for one item stops no other, and is no outage', async () => {
  const world = new World()
  await world.put(1, 'poison')
  await world.put(6)
  const worker = world.openWorker()
  hide(worker, (id) => isPoison(id) || id === 'i0')
  worker.troubleItem('poison0', { calls: ['lookupJob'], message: '500: cannot decode' })
  const engine = world.engine({ worker, policy: processingLimit(4), sendConcurrency: 1 })
  await engine.tick()
  await world.queue.control.setLimits({ maxProcessing: 5 })
  world.worker.settleJob('i0', { stage: 'SUCCESS' })
  const result = await engine.tick()
  expect(result).toMatchObject({ settled: { success: 1 }, sent: 2, poll: { asked: 2 } })
  expect(result.unavailable).toBeUndefined()
})

test('four poison look-ups under cap 100 leave the others their rate, keep their places, and status names them', async () => {
  const rates: number[] = []
  for (const poison of [0, 4]) {
    const world = new World()
    await world.put(poison, 'poison')
    await world.put(2_000)
    const worker = world.openWorker()
    hide(worker, isPoison)
    for (let index = 0; index < poison; index++)
      worker.troubleItem(`poison${index}`, { calls: ['lookupJob'], message: '500: cannot decode' })
    const engine = world.engine({ worker, policy: processingLimit(100) })
    let outages = 0
    let holdups: unknown
    for (let second = 0; second < 20; second++) {
      const result = await engine.tick()
      if (result.unavailable !== undefined) outages += 1
      holdups = result.holdups
      for (const { id } of world.worker.running())
        if (!isPoison(id)) world.worker.settleJob(id, { stage: 'SUCCESS' })
      await world.runtime.advance(1_000)
    }
    rates.push(await world.queue.size('SUCCESS'))
    expect(outages).toBe(0)
    if (poison === 0) continue
    expect(await world.queue.size('FAIL')).toBe(0)
    expect(holdups).toEqual([
      { code: 'refused-items', items: 4, message: expect.stringContaining('500: cannot decode') },
    ])
  }
  expect((rates[1] ?? 0) / (rates[0] ?? 1)).toBeGreaterThanOrEqual(0.95)
})

test('an item that cannot be asked for is asked for later and later, and settled when it can', async () => {
  const world = new World()
  await world.put(1, 'poison')
  const worker = world.openWorker()
  hide(worker, isPoison)
  const askedAt: number[] = []
  const lookup = worker.lookupJob.bind(worker)
  worker.lookupJob = (job) => {
    askedAt.push(world.runtime.monotonicMs() / 1_000)
    return lookup(job)
  }
  worker.troubleItem('poison0', { calls: ['lookupJob'] })
  const engine = world.engine({ worker })
  for (let second = 0; second < 120; second++) {
    expect((await engine.tick()).unavailable).toBeUndefined()
    await world.runtime.advance(1_000)
  }
  expect(askedAt).toEqual([1, 6, 11, 16, 21, 26, 32, 44, 68, 113])
  worker.endTrouble()
  world.worker.settleJob('poison0', { stage: 'SUCCESS' })
  await world.runtime.advance(60_000)
  expect(await engine.tick()).toMatchObject({ settled: { success: 1 }, holdups: [] })
})

test('look-ups that all fail, that of a job which the poll reports among them, are an outage of the worker', async () => {
  const world = new World()
  await world.put(5)
  const worker = world.openWorker()
  const engine = world.engine({ worker, policy: processingLimit(4), sendConcurrency: 1 })
  await engine.tick()
  hide(worker, (id) => id === 'i0' || id === 'i1')
  let asked = 0
  worker.lookupJob = () => {
    asked += 1
    return Promise.reject(new SluiceError('SLUICE_WORKER_UNAVAILABLE', '503'))
  }
  await world.queue.control.setLimits({ maxProcessing: 5 })
  expect(await engine.tick()).toMatchObject({ unavailable: { message: '503' }, sent: 0, reconciled: true })
  expect(asked).toBe(3)
})

test.each([
  ['denied', new SluiceError('SLUICE_WORKER_DENIED', '401')],
  ['concerns the worker', new SluiceError('SLUICE_WORKER_UNAVAILABLE', 'x', { concerns: 'worker' })],
  ['asked to be left alone', new SluiceError('SLUICE_WORKER_UNAVAILABLE', '429', { retryAfterMs: 7_000 })],
] as const)(
  'one look-up is enough where the worker says that it is its own trouble: %s',
  async (_, error) => {
    const world = new World()
    await world.put(3)
    const worker = world.openWorker()
    const engine = world.engine({ worker, policy: processingLimit(2), sendConcurrency: 1 })
    await engine.tick()
    hide(worker, () => true)
    let asked = 0
    worker.lookupJob = () => {
      asked += 1
      return Promise.reject(error)
    }
    expect(await engine.tick()).toMatchObject({ unavailable: { code: error.code }, sent: 0 })
    expect(asked).toBe(1)
  },
)
