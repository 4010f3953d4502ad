import { expect, test } from 'vitest'
import { WakeSignal } from '../../../src/backend/index.js'

test('a notification wakes all that listen, and those that come meanwhile are one', async () => {
  const wake = new WakeSignal()
  const stop = new AbortController()
  const [one, other] = [wake.listen(stop.signal), wake.listen(stop.signal)]
  const waiting = [one.next(), other.next()]
  expect(wake.listeners).toBe(2)
  wake.notify()
  expect(await Promise.all(waiting)).toEqual([
    { done: false, value: undefined },
    { done: false, value: undefined },
  ])
  wake.notify()
  wake.notify()
  expect((await one.next()).done).toBe(false)
  const next = one.next()
  stop.abort()
  expect((await next).done).toBe(true)
  await other.return()
  expect(wake.listeners).toBe(0)
})

test('a signal that has aborted ends it at once', async () => {
  expect((await new WakeSignal().listen(AbortSignal.abort()).next()).done).toBe(true)
})

test('a subscriber is called until it unsubscribes', () => {
  const wake = new WakeSignal()
  let calls = 0
  const unsubscribe = wake.subscribe(() => (calls += 1))
  wake.notify()
  unsubscribe()
  wake.notify()
  expect(calls).toBe(1)
})
