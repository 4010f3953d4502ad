import { expect, test } from 'vitest'
import { forEachParallel } from '../src/parallel.js'

test('at most so many at once, every item once', async () => {
  let now = 0
  let most = 0
  const done: number[] = []
  await forEachParallel([1, 2, 3, 4, 5, 6, 7], 3, async (item) => {
    most = Math.max(most, ++now)
    await new Promise((resolve) => setImmediate(resolve))
    now -= 1
    done.push(item)
  })
  expect(most).toBe(3)
  expect(new Set(done)).toEqual(new Set([1, 2, 3, 4, 5, 6, 7]))
  expect(done).toHaveLength(7)
})

test('after a failure nothing starts, and what had started is waited for', async () => {
  const started: number[] = []
  let ended = false
  const work = forEachParallel([1, 2, 3, 4], 2, async (item) => {
    started.push(item)
    if (item === 1) throw new Error('one')
    await new Promise((resolve) => setImmediate(resolve))
    ended = true
  })
  await expect(work).rejects.toThrow('one')
  expect(ended).toBe(true)
  expect(started).toEqual([1, 2])
})

test('nothing to do: nothing is called', async () => {
  let calls = 0
  await forEachParallel([], 3, async () => {
    calls += 1
  })
  expect(calls).toBe(0)
})
