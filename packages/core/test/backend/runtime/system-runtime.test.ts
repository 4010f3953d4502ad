import { expect, test } from 'vitest'
import { systemRuntime } from '../../../src/backend/index.js'

test('sleep ends by time or by its signal, and never rejects', async () => {
  const before = systemRuntime.monotonicMs()
  await systemRuntime.sleep(5)
  expect(systemRuntime.monotonicMs() - before).toBeGreaterThan(3)
  const stop = new AbortController()
  const sleep = systemRuntime.sleep(1e12, stop.signal)
  stop.abort()
  await sleep
  await systemRuntime.sleep(1e12, stop.signal)
  expect(Math.abs(systemRuntime.now() - Date.now())).toBeLessThan(1_000)
})

test('a sleep of nothing lets everybody else have a turn, and takes no millisecond', async () => {
  let turns = 0
  const others = setImmediate(() => (turns += 1))
  const before = systemRuntime.monotonicMs()
  for (let sleeps = 0; sleeps < 5_000; sleeps++) await systemRuntime.sleep(0)
  // As many timers would take five seconds at the least.
  expect(systemRuntime.monotonicMs() - before).toBeLessThan(4_500)
  expect(turns).toBe(1)
  clearImmediate(others)
})
