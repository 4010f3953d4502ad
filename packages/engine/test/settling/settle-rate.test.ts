import { expect, test } from 'vitest'
import { processingLimit } from '../../src/index.js'
import { wrapped } from '../world.js'
import { SendsWorld } from '../sending/sends-world.js'

test('claims and settles are cut to what the storage does in a minute', async () => {
  const world = new SendsWorld()
  await world.put(2_000)
  const sizes: number[] = []
  const { queue } = wrapped(world, async (_side, name, call) => {
    if (name === 'settle' || name === 'get') {
      const answer = await call()
      const count = Array.isArray(answer) ? answer.length : settledOf(answer)
      // A storage that moves two items a second.
      await world.runtime.advance(count * 500)
      sizes.push(count)
      return answer
    }
    return call()
  })
  const engine = world.engine({
    queue,
    worker: world.slowWorker(() => 0, { rule: { afterMs: 1 } }),
    policy: processingLimit(1_000),
    maxBatchItems: 1_000,
    leaseTtlMs: 3_600_000,
  })
  for (let tick = 0; tick < 12; tick++) {
    await engine.tick()
    await world.runtime.advance(1_000)
  }
  // The first of each kind is made before anything was measured.
  expect(sizes.filter((count) => count > 130).length).toBeLessThanOrEqual(2)
  expect(await world.queue.size('SUCCESS')).toBeGreaterThan(500)
})

function settledOf(answer: unknown): number {
  if (typeof answer !== 'object' || answer === null || !('settled' in answer)) return 0
  return typeof answer.settled === 'number' ? answer.settled : 0
}
