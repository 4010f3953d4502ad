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
  const turn = (): void => {
    turns += 1
    others = setImmediate(turn)
  }
  let others = setImmediate(turn)
  for (let sleeps = 0; sleeps < 500; sleeps++) await systemRuntime.sleep(0)
  clearImmediate(others)
  expect(turns).toBeGreaterThanOrEqual(1)
  // Within a timer of a millisecond, the others have many turns.
  expect(turns).toBeLessThanOrEqual(501)
})
