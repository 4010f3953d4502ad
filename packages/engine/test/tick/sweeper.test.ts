import { SluiceError, type Queue, type SweepOptions } from '@sluice/core'
import { wrapQueue } from '@sluice/testkit'
import { expect, test } from 'vitest'
import { World, settled } from '../world.js'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

/** The world's queue, and what its sweep was asked for. */
function sweeping(world: World, sweep?: Queue['sweep']) {
  const asked: (SweepOptions | undefined)[] = []
  const inner = world.openQueue()
  const queue = wrapQueue(inner, {
    sweep: (options) => {
      asked.push(options)
      return (sweep ?? ((given) => inner.sweep?.(given) ?? Promise.reject(new Error('no sweep'))))(options)
    },
  })
  return { queue, asked }
}

test('the first sweep comes after five minutes, the next after an hour, each with the age that was set', async () => {
  const world = new World()
  const { queue, asked } = sweeping(world)
  const engine = world.engine({ queue, sweep: { retentionMs: 1 } })
  await engine.tick()
  await world.runtime.advance(5 * MINUTE_MS - 1)
  await engine.tick()
  expect(asked).toEqual([])
  await world.runtime.advance(1)
  await engine.tick()
  await settled()
  expect(asked).toEqual([{ retentionMs: 1 }])
  await world.runtime.advance(HOUR_MS - 1)
  await engine.tick()
  expect(asked).toHaveLength(1)
  await world.runtime.advance(1)
  await engine.tick()
  expect(asked).toHaveLength(2)
})

test('finished items go when they are old, and that is told; a sweep of nothing is not', async () => {
  const world = new World()
  await world.put(1)
  const engine = world.engine({ sweep: { everyMs: MINUTE_MS, retentionMs: HOUR_MS } })
  await engine.tick()
  world.worker.settleJob('i0', { stage: 'SUCCESS' })
  await engine.tick()
  await world.runtime.advance(MINUTE_MS)
  await engine.tick()
  await settled()
  expect(world.kinds()).not.toContain('swept')
  await world.runtime.advance(HOUR_MS)
  await engine.tick()
  await settled()
  expect(world.events.at(-1)).toEqual({ kind: 'swept', report: { repaired: 0, leftovers: 0, removed: 1 } })
  expect((await world.queue.sizes()).SUCCESS).toBe(0)
})

test('a tick does not wait for a sweep, and no second one starts beside it', async () => {
  const world = new World()
  const { queue, asked } = sweeping(world, () => new Promise(() => undefined))
  const engine = world.engine({ queue, sweep: { everyMs: 1 } })
  await world.runtime.advance(10)
  await engine.tick()
  await world.runtime.advance(10)
  await engine.tick()
  await engine.close()
  expect(asked).toEqual([{}])
})

test('only the dispatcher sweeps, and only when the tick left nothing to hurry for', async () => {
  const world = new World()
  await world.put(3)
  const { queue, asked } = sweeping(world)
  const other = world.engine()
  await other.tick()
  const engine = world.engine({ queue, sweep: { everyMs: 1 }, maxBatchItems: 1 })
  await world.runtime.advance(10)
  expect(await engine.tick()).toMatchObject({ role: 'standby' })
  expect(asked).toEqual([])
  await other.close()
  await world.put(3, 'more')
  expect(await engine.tick()).toMatchObject({ role: 'dispatcher', nextDelayMs: 0 })
  expect(asked).toEqual([])
})

test('a sweep that fails is logged and comes again; one that was closed under its hands is not', async () => {
  const world = new World()
  const codes = ['SLUICE_QUEUE_UNAVAILABLE', 'SLUICE_QUEUE_CLOSED'] as const
  let count = 0
  const { queue, asked } = sweeping(world, () =>
    Promise.reject(new SluiceError(codes[count++] ?? 'SLUICE_QUEUE_CLOSED', 'no')),
  )
  const engine = world.engine({ queue, sweep: { everyMs: 1 } })
  for (let tick = 0; tick < 3; tick++) {
    await world.runtime.advance(10)
    await engine.tick()
    await settled()
  }
  expect(asked).toHaveLength(3)
  const warned = world.logs.filter(({ level }) => level === 'warn')
  expect(warned.map(({ message }) => message)).toEqual(['a sweep failed; the next one goes on'])
})

test('0 is never, and a queue without a sweep is left alone', async () => {
  const world = new World()
  const { queue, asked } = sweeping(world)
  const without = { ...queue, supports: { ...queue.supports, sweep: false } }
  for (const options of [
    { queue, sweep: { everyMs: 0 } },
    { queue: without, sweep: { everyMs: 1 } },
  ]) {
    const engine = world.engine(options)
    await world.runtime.advance(HOUR_MS)
    await engine.tick()
    await engine.close()
  }
  expect(asked).toEqual([])
  expect(() => world.engine({ sweep: { retentionMs: -1 } })).toThrow(/sweep\.retentionMs/)
  expect(() => world.engine({ sweep: { everyMs: 0.5 } })).toThrow(/sweep\.everyMs/)
})
