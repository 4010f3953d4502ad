import { expect, test } from 'vitest'
import { ManualClock } from '../src/index.js'

test('it stands still until it is told to go on', async () => {
  const clock = new ManualClock(1_000)
  expect([clock.now(), clock.monotonicMs()]).toEqual([1_000, 0])
  await clock.advance(250)
  expect([clock.now(), clock.monotonicMs()]).toEqual([1_250, 250])
})

test('sleepers wake in the order of their instants, each at its own', async () => {
  const clock = new ManualClock(0)
  const woken: [string, number][] = []
  const sleep = async (name: string, ms: number) => {
    await clock.sleep(ms)
    woken.push([name, clock.now()])
  }
  const all = [sleep('c', 300), sleep('a', 100), sleep('b', 200), sleep('b too', 200)]
  expect(clock.sleeping).toBe(4)
  await clock.advance(250)
  expect(woken).toEqual([
    ['a', 100],
    ['b', 200],
    ['b too', 200],
  ])
  expect(clock.now()).toBe(250)
  await clock.advance(50)
  await Promise.all(all)
  expect(woken.at(-1)).toEqual(['c', 300])
})

test('a loop that sleeps again within the span wakes again within the call', async () => {
  const clock = new ManualClock(0)
  const ticks: number[] = []
  const stop = new AbortController()
  const loop = (async () => {
    while (!stop.signal.aborted) {
      await clock.sleep(10, stop.signal)
      if (!stop.signal.aborted) ticks.push(clock.now())
    }
  })()
  await clock.advance(35)
  expect(ticks).toEqual([10, 20, 30])
  stop.abort()
  await loop
  expect(clock.sleeping).toBe(0)
})

test('an aborted signal ends a sleep at once, before it and during it', async () => {
  const clock = new ManualClock()
  await clock.sleep(1_000, AbortSignal.abort())
  const stop = new AbortController()
  const sleep = clock.sleep(1_000, stop.signal)
  stop.abort()
  await sleep
  expect(clock.sleeping).toBe(0)
})

test('set back, it shows an earlier instant, and spans and sleeps go on as before', async () => {
  const clock = new ManualClock(10_000)
  await clock.advance(100)
  const woken: number[] = []
  const sleep = clock.sleep(50).then(() => woken.push(clock.monotonicMs()))
  clock.setBack(5_000)
  expect([clock.now(), clock.monotonicMs()]).toEqual([5_100, 100])
  await clock.advance(49)
  expect(woken).toEqual([])
  await clock.advance(1)
  await sleep
  expect(woken).toEqual([150])
})
