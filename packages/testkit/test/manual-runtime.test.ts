import { expect, test } from 'vitest'
import { ManualRuntime } from '../src/index.js'

test('its time stands still until it is advanced', async () => {
  const runtime = new ManualRuntime(1_000)
  expect([runtime.now(), runtime.monotonicMs()]).toEqual([1_000, 0])
  await runtime.advance(250)
  expect([runtime.now(), runtime.monotonicMs()]).toEqual([1_250, 250])
})

test('sleepers wake in the order of their instants, each at its own', async () => {
  const runtime = new ManualRuntime(0)
  const woken: [string, number][] = []
  const sleep = async (name: string, ms: number) => {
    await runtime.sleep(ms)
    woken.push([name, runtime.now()])
  }
  const all = [sleep('c', 300), sleep('a', 100), sleep('b', 200), sleep('b too', 200)]
  expect(runtime.sleeping).toBe(4)
  await runtime.advance(250)
  expect(woken).toEqual([
    ['a', 100],
    ['b', 200],
    ['b too', 200],
  ])
  expect(runtime.now()).toBe(250)
  await runtime.advance(50)
  await Promise.all(all)
  expect(woken.at(-1)).toEqual(['c', 300])
})

test('a loop that sleeps again within the span wakes again within the call', async () => {
  const runtime = new ManualRuntime(0)
  const ticks: number[] = []
  const stop = new AbortController()
  const loop = (async () => {
    while (!stop.signal.aborted) {
      await runtime.sleep(10, stop.signal)
      if (!stop.signal.aborted) ticks.push(runtime.now())
    }
  })()
  await runtime.advance(35)
  expect(ticks).toEqual([10, 20, 30])
  stop.abort()
  await loop
  expect(runtime.sleeping).toBe(0)
})

test('an aborted signal ends a sleep immediately, before it and during it', async () => {
  const runtime = new ManualRuntime()
  await runtime.sleep(1_000, AbortSignal.abort())
  const stop = new AbortController()
  const sleep = runtime.sleep(1_000, stop.signal)
  stop.abort()
  await sleep
  expect(runtime.sleeping).toBe(0)
})

test('set back, it returns an earlier instant, and durations and sleeps go on as before', async () => {
  const runtime = new ManualRuntime(10_000)
  await runtime.advance(100)
  const woken: number[] = []
  const sleep = runtime.sleep(50).then(() => woken.push(runtime.monotonicMs()))
  runtime.setBack(5_000)
  expect([runtime.now(), runtime.monotonicMs()]).toEqual([5_100, 100])
  await runtime.advance(49)
  expect(woken).toEqual([])
  await runtime.advance(1)
  await sleep
  expect(woken).toEqual([150])
})
