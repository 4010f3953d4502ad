import { expect, test } from 'vitest'
import {
  HOLDUP_ADVICE,
  HOLDUP_CODES,
  holdupsInOrder,
  processingLimit,
  readDispatcher,
} from '../../src/index.js'
import { World } from '../world.js'

test('the dispatcher says how many jobs may run, and since when something holds it up', async () => {
  const world = new World()
  await world.put(3)
  const engine = world.engine({ policy: processingLimit(5) })
  await engine.tick()
  expect(await readDispatcher(world.queue)).toMatchObject({ atMost: 5, holdups: [] })
  await world.queue.control.setLimits({ maxProcessing: 2 })
  await world.runtime.advance(1_000)
  await engine.tick()
  const sinceAt = world.runtime.now()
  const held = { code: 'limit', message: 'at most 2 jobs run at once, set by `sluice limit`', sinceAt }
  expect(await readDispatcher(world.queue)).toMatchObject({ atMost: 2, holdups: [held] })
  await world.runtime.advance(5_000)
  await world.queue.control.pause('lunch')
  await engine.tick()
  expect((await readDispatcher(world.queue))?.holdups).toEqual([
    { code: 'paused', message: 'the queue is paused: lunch', sinceAt: sinceAt + 5_000 },
    held,
  ])
  await world.queue.control.resume()
  await world.queue.control.setLimits({ maxProcessing: null })
  await world.runtime.advance(1_000)
  await engine.tick()
  expect(await readDispatcher(world.queue)).toMatchObject({ atMost: 5, holdups: [] })
  await world.queue.control.setLimits({ maxProcessing: 2 })
  await world.runtime.advance(1_000)
  await engine.tick()
  // It ends in between, and begins again.
  expect((await readDispatcher(world.queue))?.holdups).toMatchObject([{ sinceAt: sinceAt + 7_000 }])
})

test('a cap that is full of jobs that have not begun says that the worker has no room', async () => {
  const world = new World()
  await world.put(10)
  const engine = world.engine({ policy: processingLimit(4) })
  await engine.tick()
  const ids = world.started.map(({ id }) => id)
  for (const id of ids.slice(0, 2)) world.worker.holdJob(id, 'no place')
  expect((await engine.tick()).holdups).toMatchObject([{ code: 'worker-pending', items: 2 }])
  world.worker.beginJob(ids[0] ?? '')
  expect((await engine.tick()).holdups).toEqual([])
  for (const id of ids.slice(1)) world.worker.holdJob(id, 'no place')
  expect((await engine.tick()).holdups).toMatchObject([{ code: 'worker-pending', items: 3 }])
  // With room left nothing is full: the next ones are sent.
  await world.queue.control.setLimits({ maxProcessing: 40 })
  expect((await engine.tick()).holdups).toEqual([])
})

test('jobs without an item that leave no room are a holdup', async () => {
  const world = new World()
  await world.put(3)
  for (const id of ['x', 'y'])
    await world.openWorker().sendJob(id, null, { uid: `${id} of a queue before`, attempt: 1, queue: 'q' })
  const engine = world.engine({ policy: processingLimit(2) })
  expect(await engine.tick()).toMatchObject({
    orphans: 2,
    sent: 0,
    holdups: [
      {
        code: 'orphans',
        message: '2 jobs without an item take places, and the limit is reached',
      },
    ],
  })
  world.worker.settleJob('x', { stage: 'SUCCESS' })
  expect(await engine.tick()).toMatchObject({
    sent: 1,
    holdups: [{ code: 'orphans', message: expect.stringMatching(/^a job without an item takes a place/) }],
  })
  world.worker.settleJob('y', { stage: 'SUCCESS' })
  expect(await engine.tick()).toMatchObject({ sent: 1, holdups: [] })
})

test('one that drains starts nothing, gives back what was never sent, and follows what runs to its end', async () => {
  const world = new World()
  await world.put(6)
  await world.engine({ policy: processingLimit(2), holder: 'first' }).tick()
  // Claimed by a process that died before it sent anything.
  const [claimed] = await world.queue.get(1)
  await world.runtime.advance(20_000)
  const engine = world.engine({ policy: processingLimit(5), drain: true, holder: 'second' })
  const result = await engine.tick()
  expect(result).toMatchObject({ role: 'dispatcher', sent: 0, claimed: 0, holdups: [{ code: 'draining' }] })
  expect(await world.queue.sizes()).toMatchObject({ WAITING: 4, PROCESSING: 2 })
  expect(await world.queue.lookupStatus(claimed?.id ?? '')).toBe('WAITING')
  for (const { id } of world.worker.running()) world.worker.settleJob(id, { stage: 'SUCCESS' })
  await world.runtime.advance(1_000)
  await engine.tick()
  expect(await world.queue.sizes()).toMatchObject({ WAITING: 4, PROCESSING: 0, SUCCESS: 2 })
  expect(world.started).toHaveLength(2)
  // It is this engine's affair, and no pause of the queue.
  expect(await world.queue.control.read()).toMatchObject({ paused: false })
  await engine.close()
  const after = world.engine({ policy: processingLimit(5) })
  expect(await after.tick()).toMatchObject({ sent: 4, holdups: [] })
})

test('every holdup has its place, and advice that names a command or says nothing', () => {
  expect(Object.keys(HOLDUP_ADVICE).toSorted()).toEqual([...HOLDUP_CODES].toSorted())
  const codes = [...HOLDUP_CODES].toReversed().map((code) => ({ code, message: code }))
  expect(
    holdupsInOrder([...codes, { code: 'lost', message: 'again' }]).map(({ message }) => message),
  ).toEqual([...HOLDUP_CODES, 'again'])
})
