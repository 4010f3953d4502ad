import { expect, test } from 'vitest'
import { LeaseKeeper } from '../../src/tick/lease-keeper.js'
import { World, wrapped } from '../world.js'

function keeper(world: World, holder: string, queue = world.openQueue()) {
  return new LeaseKeeper({ queue, holder, ttlMs: 3_000, runtime: world.runtime })
}

test('one holds it, another does not; given back, the other has it with a greater fencing token', async () => {
  const world = new World()
  const [a, b] = [keeper(world, 'a'), keeper(world, 'b')]
  expect([await a.take(), await b.take()]).toEqual([true, false])
  await a.giveBack()
  expect(a.held).toBe(false)
  expect(await b.take()).toBe(true)
  expect(b.fencingToken).toBe((a.fencingToken ?? 0) + 1)
  await a.giveBack()
  expect(await b.keep()).toBe(true)
})

test('keep never takes a lost lease, even if it is free now', async () => {
  const world = new World()
  const a = keeper(world, 'a')
  expect(await a.keep()).toBe(false)
  await a.take()
  await world.runtime.advance(3_000)
  expect(a.held).toBe(false)
  expect(await a.keep()).toBe(false)
  expect(await a.take()).toBe(true)
})

test('held is counted from before the call: a slow answer shortens it', async () => {
  const world = new World()
  const { queue } = wrapped(world, async (_, name, call) => {
    const answer = await call()
    if (name === 'lease') await world.runtime.advance(2_900)
    if (name === 'renew') await world.runtime.advance(3_000)
    return answer
  })
  const a = keeper(world, 'a', queue)
  expect(await a.take()).toBe(true)
  await world.runtime.advance(99)
  expect(a.held).toBe(true)
  await world.runtime.advance(1)
  expect(a.held).toBe(false)
})

test('a renewal whose answer comes after its ttl is none', async () => {
  const world = new World()
  const { queue } = wrapped(world, async (_, name, call) => {
    const answer = await call()
    if (name === 'renew') await world.runtime.advance(3_000)
    return answer
  })
  const a = keeper(world, 'a', queue)
  await a.take()
  await world.runtime.advance(1_500)
  expect(await a.keep()).toBe(false)
})

test('many at once ask once', async () => {
  const world = new World()
  let renewals = 0
  const { queue } = wrapped(world, (_, name, call) => {
    if (name === 'renew') renewals += 1
    return call()
  })
  const a = keeper(world, 'a', queue)
  await a.take()
  await world.runtime.advance(999)
  await Promise.all(Array.from({ length: 10 }, () => a.keep()))
  expect(renewals).toBe(0)
  await world.runtime.advance(1)
  expect(await Promise.all(Array.from({ length: 10 }, () => a.keep()))).not.toContain(false)
  expect(renewals).toBe(1)
})
