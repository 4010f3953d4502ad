import { ManualRuntime } from '@sluice/testkit'
import { expect, test } from 'vitest'
import { Deadlines } from '../../src/api/deadlines.js'

function standing(checkEveryMs?: number) {
  const runtime = new ManualRuntime()
  const over: string[] = []
  const deadlines = new Deadlines(runtime, checkEveryMs)
  const start = (name: string, ms: number) => deadlines.start(ms, () => over.push(name))
  return { runtime, over, deadlines, start }
}

test('each is over in its time, whatever the order in which they began', async () => {
  const { runtime, over, start } = standing()
  start('late', 300)
  start('soon', 100)
  start('between', 200)
  await runtime.advance(99)
  expect(over).toEqual([])
  await runtime.advance(1)
  expect(over).toEqual(['soon'])
  await runtime.advance(200)
  expect(over).toEqual(['soon', 'between', 'late'])
})

test('one that ended is never over, and one that was moved is over then', async () => {
  const { runtime, over, deadlines, start } = standing(50)
  deadlines.end(start('ended', 100))
  const moved = start('later', 100)
  moved.dueAtMonotonic += 100
  const earlier = start('earlier', 10_000)
  earlier.dueAtMonotonic = runtime.monotonicMs() + 120
  await runtime.advance(119)
  expect(over).toEqual([])
  // Up to as late as it is checked.
  await runtime.advance(51)
  expect(over).toEqual(['earlier'])
  await runtime.advance(80)
  expect(over).toEqual(['earlier', 'later'])
})

test('what is called may start another one', async () => {
  const runtime = new ManualRuntime()
  const deadlines = new Deadlines(runtime)
  const over: string[] = []
  deadlines.start(100, () => {
    over.push('soft')
    deadlines.start(50, () => over.push('hard'))
  })
  await runtime.advance(100)
  expect(over).toEqual(['soft'])
  await runtime.advance(50)
  expect(over).toEqual(['soft', 'hard'])
})
