import type { Worker } from '@sluice/core'
import { wrapWorker } from '@sluice/testkit'
import { expect, test } from 'vitest'
import { processingLimit, readDispatcher } from '../../src/index.js'
import { SendsWorld } from '../sending/sends-world.js'

const POLL_MS = 12_000

/** Every poll takes so long. */
function slowToPoll(world: SendsWorld, pollMs = POLL_MS): Worker {
  const worker = world.slowWorker(() => 0)
  return wrapWorker(worker, {
    pollAllStatus: async () => {
      await world.runtime.sleep(pollMs)
      return worker.pollAllStatus()
    },
  })
}

async function polling(pollMs?: number) {
  const world = new SendsWorld()
  await world.put(60)
  const engine = world.engine({ worker: slowToPoll(world, pollMs), policy: processingLimit(60) })
  const stop = world.start(engine)
  await world.runtime.advance(1_000)
  return { world, engine, stop }
}

test('a pause while the poll does not answer is told within a second, and nothing is claimed when the poll has ended', async () => {
  const { world, stop } = await polling()
  await world.queue.control.pause()
  await world.runtime.advance(2_000)
  expect(world.kinds()).toContain('paused')
  await world.runtime.advance(POLL_MS)
  await stop()
  expect(world.sends).toEqual([])
  expect(await world.queue.sizes()).toMatchObject({ WAITING: 60, PROCESSING: 0 })
})

test('a limit that is set while the poll does not answer holds when it has', async () => {
  for (const limit of [0, 7]) {
    const { world, stop } = await polling()
    await world.queue.control.setLimits({ maxProcessing: limit })
    await world.runtime.advance(POLL_MS + 1_000)
    await stop()
    expect(world.sends.length).toBe(limit)
  }
})

test('a pause that is over by the time at which the poll has ended: the next tick starts jobs', async () => {
  const { world, stop } = await polling()
  await world.queue.control.pause()
  await world.runtime.advance(3_000)
  await world.queue.control.resume()
  await world.runtime.advance(2 * POLL_MS + 2_000)
  await stop()
  expect(world.sends.length).toBe(60)
})

test('a call that takes long is in the log and in what holds the queue up, once a minute, and no longer when it has ended', async () => {
  const { world, stop } = await polling(90_000)
  const slowLines = (): number =>
    world.logs.filter(({ message }) => message.includes('has not answered')).length
  await world.runtime.advance(5_000)
  expect(slowLines()).toBe(0)
  await world.runtime.advance(10_000)
  expect(slowLines()).toBe(1)
  const [holdup] = (await readDispatcher(world.queue))?.holdups ?? []
  expect(holdup).toMatchObject({ code: 'worker-unavailable' })
  expect(holdup?.message).toMatch(
    /^pollAllStatus of the worker .*has not answered for 1\d s; it is given up after/,
  )
  await world.runtime.advance(60_000)
  expect(slowLines()).toBe(2)
  await world.runtime.advance(20_000)
  expect((await readDispatcher(world.queue))?.holdups).toEqual([])
  await stop()
})
