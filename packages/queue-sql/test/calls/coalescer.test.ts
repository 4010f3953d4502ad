import { describe, expect, test } from 'vitest'
import { systemRuntime } from '@sluice/core/backend'
import { Coalescer } from '../../src/calls/coalescer.js'

/** A flush that ends on demand. */
function held(concurrency = 1) {
  const flushed: {
    inputs: readonly string[]
    end: (outcomes: readonly string[]) => void
    fail: (error: Error) => void
  }[] = []
  const flush = (inputs: readonly string[]): Promise<readonly string[]> =>
    new Promise((resolve, reject) => flushed.push({ inputs, end: resolve, fail: reject }))
  const coalescer = new Coalescer<string, string>({
    flush,
    chars: (input) => input.length,
    concurrency,
    runtime: systemRuntime,
  })
  return { flushed, coalescer }
}

describe('Coalescer', () => {
  test('a lone call starts at once', () => {
    const { flushed, coalescer } = held()
    void coalescer.add('a')
    expect(flushed.map(({ inputs }) => inputs)).toEqual([['a']])
  })

  test('calls that come while a batch is under way are the next batch, in order, each with its own outcome', async () => {
    const { flushed, coalescer } = held()
    const calls = ['a', 'b', 'c'].map((input) => coalescer.add(input))
    flushed[0]!.end(['A'])
    expect(await calls[0]).toBe('A')
    await expect.poll(() => flushed.map(({ inputs }) => inputs)).toEqual([['a'], ['b', 'c']])
    flushed[1]!.end(['B', 'C'])
    expect(await Promise.all(calls)).toEqual(['A', 'B', 'C'])
  })

  test('callers of one batch share the next one', async () => {
    const sizes: number[] = []
    const flush = async (inputs: readonly string[]): Promise<readonly string[]> => {
      sizes.push(inputs.length)
      await new Promise((resolve) => setImmediate(resolve))
      return inputs
    }
    const coalescer = new Coalescer<string, string>({
      flush,
      chars: () => 1,
      concurrency: 1,
      runtime: systemRuntime,
    })
    const callThrice = async (): Promise<void> => {
      for (let turn = 0; turn < 3; turn++) await coalescer.add('a')
    }
    await Promise.all(Array.from({ length: 10 }, callThrice))
    // The very first goes alone, and is then one call behind the others.
    expect(sizes).toEqual([1, 10, 10, 9])
  })

  test('a batch that fails fails its own callers, and the next one goes on', async () => {
    const { flushed, coalescer } = held()
    const first = coalescer.add('a')
    const second = coalescer.add('b')
    flushed[0]!.fail(new Error('down'))
    await expect(first).rejects.toThrow('down')
    await expect.poll(() => flushed.length).toBe(2)
    flushed[1]!.end(['B'])
    expect(await second).toBe('B')
  })

  test('after an idle time the next call starts at once', async () => {
    const { flushed, coalescer } = held()
    const first = coalescer.add('a')
    flushed[0]!.end(['A'])
    await first
    void coalescer.add('b')
    await expect.poll(() => flushed.length).toBe(2)
  })

  test('with a concurrency of two, two batches run at once and share the waiting calls evenly', async () => {
    const { flushed, coalescer } = held(2)
    const inputs = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
    const calls = inputs.map((input) => coalescer.add(input))
    expect(flushed.map((batch) => batch.inputs)).toEqual([['a'], ['b']])
    flushed[0]!.end(['A'])
    await expect.poll(() => flushed.length).toBe(3)
    // Five wait and one is under way: three each.
    expect(flushed[2]!.inputs).toEqual(['c', 'd', 'e'])
    flushed[1]!.end(['B'])
    await expect.poll(() => flushed.length).toBe(4)
    expect(flushed[3]!.inputs).toEqual(['f', 'g'])
    flushed[3]!.end(['F', 'G'])
    flushed[2]!.end(['C', 'D', 'E'])
    expect(await Promise.all(calls)).toEqual(inputs.map((input) => input.toUpperCase()))
  })

  test('a batch has at most a thousand rows, and large rows have their own', async () => {
    const { flushed, coalescer } = held()
    const calls = Array.from({ length: 1_502 }, (_, index) => coalescer.add(String(index)))
    calls.push(coalescer.add('x'.repeat(7_999_999)), coalescer.add('y'.repeat(1_000)))
    for (let batch = 0; batch < 5; batch++) {
      await expect.poll(() => flushed.length).toBe(batch + 1)
      const { inputs, end } = flushed[batch]!
      end(inputs)
    }
    await Promise.all(calls)
    expect(flushed.map(({ inputs }) => inputs.length)).toEqual([1, 1_000, 501, 1, 1])
  })

  test('a flush with too few outcomes rejects every call', async () => {
    const { flushed, coalescer } = held()
    const first = coalescer.add('a')
    flushed[0]!.end([])
    await expect(first).rejects.toThrow('too few outcomes')
  })
})
