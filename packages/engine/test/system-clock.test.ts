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
