import { wrapQueue } from '@sluice/testkit'
import { expect, test } from 'vitest'
import { processingLimit } from '../../src/index.js'
import { World } from '../world.js'

/**
 * A queue that cuts its claims, as one does for the sake of large bodies [Q-GET-3], and what it was asked
 * for.
 */
function cutting(world: World, most: number) {
  const asked: number[] = []
  const inner = world.openQueue()
  const queue = wrapQueue(inner, {
    get: async (max, options) => {
      asked.push(max)
      return inner.get(Math.min(max, most), options)
    },
  })
  return { asked, queue }
}

test('the engine claims on within the tick until its room is filled', async () => {
  const world = new World()
  await world.put(20)
  const { asked, queue } = cutting(world, 3)
  const engine = world.engine({ queue, policy: processingLimit(8), sendConcurrency: 8 })
  expect(await engine.tick()).toMatchObject({ claimed: 8, sent: 8, processing: 8 })
  expect(asked).toEqual([8, 5, 2])
})

test('or until an empty claim says that there is none left', async () => {
  const world = new World()
  await world.put(7)
  const { asked, queue } = cutting(world, 3)
  const engine = world.engine({ queue, policy: processingLimit(20), sendConcurrency: 20 })
  expect(await engine.tick()).toMatchObject({ claimed: 7, sent: 7, processing: 7 })
  expect(asked).toHaveLength(4)
  expect(world.started).toHaveLength(7)
})
