import { beforeEach, expect, test } from 'vitest'
import { LinkDirection, type Flow } from '../../src/link/link-direction.js'
import { ManualRuntime } from '../../src/manual-runtime.js'

let runtime: ManualRuntime

beforeEach(() => {
  runtime = new ManualRuntime()
})

class Sink implements Flow {
  bytes = 0
  ends = 0
  drains = 0
  isOpen = true
  deliver = (part: Uint8Array): boolean => {
    this.bytes += part.byteLength
    return this.isOpen
  }
  end = (): void => {
    this.ends += 1
  }
  drained = (): void => {
    this.drains += 1
  }
}

/** In steps as large as a busy process makes them. */
async function pass(ms: number, stepMs = 10): Promise<void> {
  for (let passed = 0; passed < ms; passed += stepMs) await runtime.advance(stepMs)
}

test('the bytes of a duration are the rate times the duration, for any number of flows', async () => {
  for (const count of [1, 3, 20]) {
    const direction = new LinkDirection({ bytesPerSecond: 1_000_000 }, runtime)
    const sinks = Array.from({ length: count }, () => new Sink())
    for (const sink of sinks) direction.send(sink, new Uint8Array(20_000_000))
    await pass(4_000)
    expect(direction.passedBytes).toBeGreaterThan(4_000_000 * 0.98)
    expect(direction.passedBytes).toBeLessThan(4_000_000 * 1.02)
    const shares = sinks.map(({ bytes }) => bytes)
    // Each in turn: one part apart at most.
    expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(16_384)
  }
})

test('a busy process catches up little, and an idle link saves nothing', async () => {
  const direction = new LinkDirection({ bytesPerSecond: 1_000_000 }, runtime)
  const sink = new Sink()
  await pass(10_000)
  direction.send(sink, new Uint8Array(20_000_000))
  await pass(1_000)
  expect(direction.passedBytes).toBeLessThan(1_000_000 + 50_000 + 16_384)
})

test('bytes arrive later by the latency, and the end after them', async () => {
  const direction = new LinkDirection({ bytesPerSecond: 1_000_000, latencyMs: 40 }, runtime)
  const sink = new Sink()
  direction.send(sink, new Uint8Array(1_000))
  direction.end(sink)
  await pass(40, 1)
  expect([sink.bytes, sink.ends]).toEqual([0, 0])
  await pass(10, 1)
  expect([sink.bytes, sink.ends]).toEqual([1_000, 1])
})

test('a flow that accepts no more waits until it does, and the others have the link', async () => {
  const direction = new LinkDirection({ bytesPerSecond: 1_000_000 }, runtime)
  const [slow, other] = [new Sink(), new Sink()]
  slow.isOpen = false
  direction.send(slow, new Uint8Array(1_000_000))
  direction.send(other, new Uint8Array(1_000_000))
  await pass(2_000)
  expect(slow.bytes).toBeLessThanOrEqual(2 * 65_536)
  expect(other.bytes).toBe(1_000_000)
  slow.isOpen = true
  direction.resume(slow)
  await pass(2_000)
  expect(slow.bytes).toBe(1_000_000)
  expect(slow.drains).toBeGreaterThan(0)
})

test('what a broken connection had sent is dropped', async () => {
  const direction = new LinkDirection({ bytesPerSecond: 100_000 }, runtime)
  const sink = new Sink()
  direction.send(sink, new Uint8Array(1_000_000))
  await pass(1_000)
  direction.drop(sink)
  const { bytes } = sink
  await pass(1_000)
  expect(sink.bytes).toBe(bytes)
})
