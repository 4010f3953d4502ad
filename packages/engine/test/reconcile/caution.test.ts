import { SluiceError, type Queue } from '@sluice/core'
import { expect, test } from 'vitest'
import { processingLimit } from '../../src/index.js'
import { World, wrapped } from '../world.js'

test('an item that an operator moved after the list was read is not sent again', async () => {
  const world = new World()
  await world.put(2)
  await world.queue.get(2)
  const { queue, worker } = wrapped(world, async (_, name, call) => {
    const answer = await call()
    if (name === 'lookupJob' && (await world.queue.lookupStatus('i0')) === 'PROCESSING') {
      await world.queue.fail('i0', { reason: 'manually' })
    }
    return answer
  })
  expect(await world.engine({ queue, worker }).tick()).toMatchObject({ resent: 1 })
  expect(world.started.map(({ id }) => id)).toEqual(['i1'])
})

test('a job that has ended is not forgotten while its item, looked up afresh, still waits for it', async () => {
  const world = new World()
  await world.put(1)
  await world.engine({ holder: 'a' }).tick()
  world.worker.settleJob('i0', { stage: 'SUCCESS', result: 5 })
  let stale = true
  const { queue, worker } = wrapped(world, (_, name, call) =>
    stale && name === 'listSummaries' ? Promise.resolve({ items: [] }) : call(),
  )
  const engine = world.engine({ queue, worker, holder: 'a', policy: processingLimit(0) })
  await engine.tick()
  expect((await world.worker.pollAllStatus()).get('i0')?.stage).toBe('SUCCESS')
  stale = false
  await engine.tick()
  expect(await world.queue.lookup('i0')).toMatchObject({ stage: 'SUCCESS', result: 5 })
})

test('a settlement that was refused while the item still waits: the job is not forgotten, and settled later', async () => {
  const world = new World()
  await world.put(1)
  let refuse = true
  const refused = [{ id: 'i0', attempt: 1, code: 'SLUICE_STAGE_CONFLICT' }]
  const { queue, worker } = wrapped(world, (_, name, call) =>
    refuse && name === 'settle' ? Promise.resolve({ settled: 0, refused }) : call(),
  )
  const engine = world.engine({ queue, worker })
  await engine.tick()
  world.worker.settleJob('i0', { stage: 'SUCCESS' })
  expect(await engine.tick()).toMatchObject({ settled: { success: 0 }, processing: 1 })
  expect((await world.worker.pollAllStatus()).get('i0')?.stage).toBe('SUCCESS')
  refuse = false
  expect(await engine.tick()).toMatchObject({ settled: { success: 1 }, processing: 0 })
})

test('no grace passes while the worker cannot be polled', async () => {
  const world = new World()
  await world.put(1)
  const worker = world.openWorker()
  const engine = world.engine({ worker, lost: { graceMs: 60_000 } })
  await engine.tick()
  world.worker.loseJob('i0')
  await engine.tick()
  worker.unavailableNext()
  expect(await engine.tick()).toMatchObject({ reconciled: false })
  await world.runtime.advance(3_600_000)
  expect(await engine.tick()).toMatchObject({ lost: 0, processing: 1 })
  await world.runtime.advance(59_999)
  expect(await engine.tick()).toMatchObject({ lost: 0 })
  await world.runtime.advance(1)
  expect(await engine.tick()).toMatchObject({ lost: 1 })
})

test('no grace passes while another engine has the lease', async () => {
  const world = new World()
  await world.put(1)
  const options = { lost: { graceMs: 60_000 }, leaseTtlMs: 1_000 }
  const engine = world.ticker(options)
  await engine.tick()
  world.worker.loseJob('i0')
  await engine.tick()
  await engine.leave(10_000)
  const other: Queue = world.openQueue()
  const lease = await other.lease('dispatcher', 'another', 600_000)
  await engine.tick()
  await world.runtime.advance(500_000)
  await lease?.release()
  expect(await engine.tick()).toMatchObject({ role: 'dispatcher', lost: 0, processing: 1 })
  await world.runtime.advance(60_000)
  expect(await engine.tick()).toMatchObject({ lost: 1 })
})

test('what was not sent may have been sent by another engine since: it is asked for, not sent blindly', async () => {
  const world = new World()
  await world.put(1)
  let broken = true
  const asked: string[] = []
  const { queue, worker } = wrapped(world, (_, name, call) => {
    asked.push(name)
    if (name !== 'sendJob' || !broken) return call()
    return Promise.reject(new SluiceError('SLUICE_WORKER_UNAVAILABLE', 'busy', { concerns: 'worker' }))
  })
  const engine = world.ticker({ queue, worker, leaseTtlMs: 1_000 })
  await engine.tick()
  await engine.leave(10_000)
  const lease = await world.queue.lease('dispatcher', 'another', 60_000)
  await engine.tick()
  await lease?.release()
  broken = false
  asked.length = 0
  expect(await engine.tick()).toMatchObject({ role: 'dispatcher', resent: 1 })
  expect(asked.indexOf('lookupJob')).toBeGreaterThan(-1)
  expect(asked.indexOf('lookupJob')).toBeLessThan(asked.indexOf('sendJob'))
})
