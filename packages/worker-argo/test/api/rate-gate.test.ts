import { ManualRuntime } from '@sluice/testkit'
import { expect, test } from 'vitest'
import { RateGate } from '../../src/api/rate-gate.js'

function gateOf(perSecond: number, atOnce = 100) {
  const runtime = new ManualRuntime()
  const closing = new AbortController()
  return { runtime, closing, gate: new RateGate({ runtime, perSecond, atOnce, closing: closing.signal }) }
}

test('no second has more than it may, however the calls are spread', async () => {
  const { runtime, gate } = gateOf(5)
  const ranAt: number[] = []
  for (let passed = 0; passed < 10_000; passed += 70) {
    for (let call = 0; call < 3; call++) await gate.try(async () => void ranAt.push(runtime.monotonicMs()))
    await runtime.advance(70)
  }
  const most = Math.max(
    ...ranAt.map((at) => ranAt.filter((other) => other >= at && other < at + 1_000).length),
  )
  expect(most).toBe(5)
  expect(ranAt.length).toBeGreaterThan(40)
})

test('what has to wait runs in order, at its instant; what may not wait is refused meanwhile', async () => {
  const { runtime, gate } = gateOf(2)
  const ran: string[] = []
  const all = Array.from({ length: 5 }, (_, index) =>
    gate.run(async () => void ran.push(`${index} at ${runtime.monotonicMs()}`)),
  )
  await runtime.advance(0)
  expect(await gate.try(async () => void ran.push('never'))).toBe(false)
  expect(gate.waitMs).toBe(2_000)
  await runtime.advance(3_000)
  await Promise.all(all)
  expect(ran).toEqual(['0 at 0', '1 at 0', '2 at 1000', '3 at 1000', '4 at 2000'])
  expect(gate.waitMs).toBe(0)
})

test('no more run at once than may', async () => {
  const { gate } = gateOf(1_000, 3)
  let running = 0
  let most = 0
  const work = async (): Promise<void> => {
    most = Math.max(most, ++running)
    await new Promise((resolve) => setImmediate(resolve))
    running -= 1
  }
  await Promise.all(
    Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? gate.run(work) : gate.try(work))),
  )
  expect(most).toBe(3)
})

test('what waits is let go when there is nothing to wait for any more; what fails frees its place', async () => {
  const { gate, closing } = gateOf(1, 1)
  await expect(gate.run(() => Promise.reject(new Error('no')))).rejects.toThrow('no')
  const late = gate.run(async () => 'done')
  closing.abort()
  expect(await late).toBe('done')
})
