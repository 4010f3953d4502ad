import { expect, test } from 'vitest'
import { systemClock } from '../src/index.js'

test('sleep ends by time or by its signal, and never rejects', async () => {
  const before = systemClock.monotonicMs()
  await systemClock.sleep(5)
  expect(systemClock.monotonicMs() - before).toBeGreaterThan(3)
  const stop = new AbortController()
  const sleep = systemClock.sleep(1e12, stop.signal)
  stop.abort()
  await sleep
  await systemClock.sleep(1e12, stop.signal)
  expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(1_000)
})

test('a sleep of nothing lets everybody else have a turn, and takes no millisecond', async () => {
  let turns = 0
  const others = setImmediate(() => (turns += 1))
  const before = systemClock.monotonicMs()
  for (let sleeps = 0; sleeps < 5_000; sleeps++) await systemClock.sleep(0)
  // As many timers would take five seconds at the least.
  expect(systemClock.monotonicMs() - before).toBeLessThan(4_500)
  expect(turns).toBe(1)
  clearImmediate(others)
})
