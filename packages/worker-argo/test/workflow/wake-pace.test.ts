import { ManualRuntime } from '@sluice/testkit'
import { expect, test } from 'vitest'
import { WakePace } from '../../src/workflow/wake-pace.js'

const { signal } = new AbortController()

function paced() {
  const runtime = new ManualRuntime()
  const woken = { times: 0 }
  const pace = new WakePace(runtime, () => (woken.times += 1))
  return { runtime, woken, pace }
}

test('where few jobs end each one wakes at once', async () => {
  const { runtime, woken, pace } = paced()
  for (let end = 1; end <= 40; end++) {
    pace.notify(signal)
    expect(woken.times).toBe(end)
    await runtime.advance(125)
  }
})

test('where many end at most ten wake at once, then 25 a second, and the last one always wakes', async () => {
  const { runtime, woken, pace } = paced()
  const endFor5s = async () => {
    for (let end = 0; end < 500; end++) {
      pace.notify(signal)
      await runtime.advance(10)
    }
  }
  await endFor5s()
  expect(woken.times).toBeLessThanOrEqual(10 + 25 * 5)
  await endFor5s()
  expect(woken.times).toBeGreaterThanOrEqual(25 * 10)
  expect(woken.times).toBeLessThanOrEqual(10 + 25 * 10)
  const before = woken.times
  pace.notify(signal)
  await runtime.advance(125)
  expect(woken.times).toBe(before + 1)
})
