import { expect, test } from 'vitest'
import { CANCELLED_DETAILS, isCancelled, processingLimit } from '../../src/index.js'
import { World } from '../world.js'

/** A running job whose item an operator failed. */
async function failedByHand(details?: typeof CANCELLED_DETAILS, takesTime = false) {
  const world = new World()
  await world.put(3)
  const worker = world.openWorker()
  // Told to end, and ends later.
  if (takesTime) worker.cancelJob = async () => {}
  const engine = world.engine({ worker, policy: processingLimit(2) })
  await engine.tick()
  await world.queue.fail('i0', { reason: 'manually', ...(details === undefined ? {} : { details }) })
  return { world, engine }
}

function orphanLines({ logs }: World): string[] {
  return logs
    .filter(({ message }) => message.includes('a job runs without an item'))
    .map(({ level }) => level)
}

test('the job of a cancelled item is no surprise while it ends, and takes its place until it has', async () => {
  const { world, engine } = await failedByHand(CANCELLED_DETAILS, true)
  for (let tick = 0; tick < 3; tick++) expect(await engine.tick()).toMatchObject({ orphans: 1, sent: 0 })
  expect(orphanLines(world)).toEqual([])
  expect(world.kinds()).not.toContain('orphan')
  // Ended well although it was told to end: the item stays in FAIL.
  world.worker.settleJob('i0', { stage: 'SUCCESS', result: 1 })
  expect(await engine.tick()).toMatchObject({ orphans: 0, sent: 1 })
  expect(await world.queue.lookup('i0')).toMatchObject({ stage: 'FAIL', reason: 'manually' })
})

test('nor when its item has been requeued since', async () => {
  const { world, engine } = await failedByHand(CANCELLED_DETAILS)
  await world.queue.requeue(['i0'])
  expect(await engine.tick()).toMatchObject({ orphans: 1 })
  expect(orphanLines(world)).toEqual([])
  const item = await world.queue.lookup('i0')
  if (item === undefined) throw new Error('it is there')
  expect(isCancelled(item, { ...item, attempt: 1 })).toBe(true)
  expect(isCancelled(item, { ...item, attempt: 2 })).toBe(false)
  expect(isCancelled(item, { ...item, uid: 'another', attempt: 1 })).toBe(false)
})

test('one whose item was failed without mention of its job is reported', async () => {
  const { world, engine } = await failedByHand()
  for (let tick = 0; tick < 3; tick++) await engine.tick()
  expect(orphanLines(world)).toEqual(['warn'])
  expect(world.kinds().filter((kind) => kind === 'orphan')).toHaveLength(1)
})
