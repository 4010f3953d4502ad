import { isSluiceError } from '@sluice/core'
import { systemRuntime } from '@sluice/core/backend'
import { ManualRuntime } from '@sluice/testkit'
import { describe, expect, test } from 'vitest'
import { MemoryStore, openQueue } from '../src/index.js'
import { posingAs } from './posing-as.js'

const ids = (count: number) => Array.from({ length: count }, (_, index) => `i${index}`)

describe('openQueue', () => {
  test('opens a queue of its own, or one on a shared store', async () => {
    const [one, two] = [await openQueue({ name: 'a' }), await openQueue({ name: 'a' })]
    await one.put('x', 1)
    expect(await two.lookup('x')).toBeUndefined()
    const store = new MemoryStore()
    const [three, four] = [await openQueue({ name: 'a', store }), await openQueue({ name: 'a', store })]
    await three.put('x', 1)
    expect(await four.lookupStatus('x')).toBe('WAITING')
  })

  test.each([
    ['no name', {}],
    ['an empty name', { name: '' }],
    ['a runtime that is none', { name: 'a', runtime: {} }],
    ['an unknown option', { name: 'a', url: 'x' }],
    ['a runtime beside a store', { name: 'a', runtime: systemRuntime, store: new MemoryStore() }],
    ['nothing', undefined],
  ])('%s is SLUICE_CONFIG_INVALID', async (_, options) => {
    const error: unknown = await openQueue(posingAs(options)).catch((reason: unknown) => reason)
    expect(isSluiceError(error, 'SLUICE_CONFIG_INVALID')).toBe(true)
  })
})

describe('time', () => {
  test('a clock that is set back never makes an instant earlier than one before', async () => {
    let now = 5_000
    const queue = new MemoryStore({ runtime: { ...systemRuntime, now: () => now } }).queue('a')
    await queue.put('x', 1)
    now = 1_000
    const [item] = await queue.get(1)
    expect(item?.claimedAt).toBe(5_000)
    expect(await queue.now()).toBe(5_000)
  })

  test('uids come from the runtime, for a run that must be the same twice', async () => {
    const store = new MemoryStore({ runtime: { ...systemRuntime, newId: () => 'u' } })
    const queue = store.queue('a')
    await queue.putMany(ids(2).map((id) => ({ id, body: id })))
    expect((await queue.get(2)).map((item) => item.uid)).toEqual(['u-1', 'u-2'])
  })
})

describe('uids', () => {
  test('no two are the same, in one store or in several', async () => {
    const seen = new Set<string>()
    for (const queue of [await openQueue({ name: 'a' }), await openQueue({ name: 'a' })]) {
      await queue.putMany(ids(500).map((id) => ({ id, body: 1 })))
      for (const { uid } of await queue.get(500)) seen.add(uid)
    }
    expect(seen.size).toBe(1_000)
  })
})

test('what plain JavaScript leaves out is named', async () => {
  const queue = await openQueue({ name: 'a' })
  const call = (method: string, argument: unknown) =>
    Reflect.apply(Reflect.get(queue, method), queue, [argument])
  for (const method of ['list', 'listSummaries']) {
    await expect(call(method, 'FAIL')).rejects.toThrow('a page needs a limit')
  }
  const lists = { putMany: 'items', update: 'changes', settle: 'outcomes' }
  for (const [method, name] of Object.entries(lists)) {
    await expect(call(method, {})).rejects.toThrow(`${name} must be an array; got object`)
  }
  for (const method of ['requeue', 'remove']) {
    await expect(call(method, 'abc')).rejects.toThrow('ids must be an array; got string')
  }
})

describe('paging', () => {
  test('a cursor that no page gave is a TypeError', async () => {
    const queue = await openQueue({ name: 'a' })
    for (const cursor of ['', 'x', '-1', '1e3', '99999999999999999999']) {
      await expect(queue.list('WAITING', { limit: 1, cursor })).rejects.toThrow(TypeError)
    }
  })

  test('a cursor stays good while the gaps that items left are swept', async () => {
    const queue = await openQueue({ name: 'a' })
    await queue.putMany(ids(1_000).map((id) => ({ id, body: 1 })))
    const first = await queue.listSummaries('WAITING', { limit: 400 })
    await queue.remove(ids(700))
    const { items } = await queue.listSummaries('WAITING', { limit: 1_000, cursor: first.cursor ?? '' })
    expect(items.map((item) => item.id)).toEqual(ids(1_000).slice(700))
    expect(await queue.size('WAITING')).toBe(300)
  })
})

describe('at length', () => {
  test('putting and removing for ever leaves nothing behind, and get still finds what is there', async () => {
    const queue = await openQueue({ name: 'a' })
    for (let round = 0; round < 300; round++) {
      const delay = round % 2 === 0 ? {} : { delayMs: 3_600_000 }
      await queue.putMany(ids(20).map((id) => ({ id, body: round, ...delay })))
      expect((await queue.remove(ids(20))).removed).toBe(20)
    }
    await queue.put('last', 1)
    expect((await queue.get(5)).map((item) => item.id)).toEqual(['last'])
    expect(await queue.sizes()).toEqual({ WAITING: 0, PROCESSING: 1, SUCCESS: 0, FAIL: 0 })
  })

  test('an item removed and put again is given out once, by its new priority', async () => {
    const queue = await openQueue({ name: 'a' })
    await queue.put('x', 'old', { priority: 9 })
    await queue.put('y', 'y', { priority: 5 })
    await queue.remove(['x'])
    await queue.put('x', 'new', { priority: 1 })
    expect((await queue.peek(5)).map((item) => item.body)).toEqual(['y', 'new'])
    expect((await queue.get(5)).map((item) => item.body)).toEqual(['y', 'new'])
  })

  test('100,000 items go through with no call that costs their number', async () => {
    const queue = await openQueue({ name: 'a' })
    const total = 100_000
    await queue.putMany(ids(total).map((id, index) => ({ id, body: index, priority: index % 7 })))
    let done = 0
    for (let items = await queue.get(1_000); items.length > 0; items = await queue.get(1_000)) {
      await queue.settle(items.map(({ id, attempt }) => ({ id, attempt, stage: 'SUCCESS' })))
      done += items.length
    }
    expect(done).toBe(total)
    expect(await queue.sizes()).toEqual({ WAITING: 0, PROCESSING: 0, SUCCESS: total, FAIL: 0 })
  })
})

describe('sweep', () => {
  test('removes what ended before the retention, and stops at the first that did not', async () => {
    const runtime = new ManualRuntime()
    const queue = new MemoryStore({ runtime }).queue('a')
    await queue.putMany(ids(600).map((id) => ({ id, body: 1 })))
    for (const { id } of await queue.get(600)) {
      await runtime.advance(10)
      await (Number(id.slice(1)) % 2 === 0 ? queue.success(id) : queue.fail(id))
    }
    await queue.requeue(['i1'])
    await queue.get(1)
    await queue.fail('i1')
    // i99 ended just 5,000 ms ago, and i1 has ended again.
    expect((await queue.sweep?.({ retentionMs: 5_000 }))?.removed).toBe(98)
    expect(await queue.sizes()).toEqual({ WAITING: 0, PROCESSING: 0, SUCCESS: 250, FAIL: 252 })
    const { items } = await queue.listSummaries('FAIL', { limit: 2 })
    expect(items.map(({ id }) => id)).toEqual(['i99', 'i101'])
    expect((await queue.sweep?.({ retentionMs: 5_000 }))?.removed).toBe(0)
  })
})

describe('messages', () => {
  test('refusals name the item and what to do, and no body', async () => {
    const queue = await openQueue({ name: 'tiles' })
    await queue.put('a', 'secret')
    const error: unknown = await queue
      .success('a', { attempt: 3, uid: 'u' })
      .catch((reason: unknown) => reason)
    expect(String(error)).toMatch(
      /^SluiceError: Cannot move item "a" to SUCCESS for attempt 3, uid u: it is in WAITING/,
    )
    const exists: unknown = await queue.put('a', 'secret').catch((reason: unknown) => reason)
    expect(String(exists)).toContain('queue "tiles": it is there, in WAITING. Remove it first')
    expect(`${String(error)}${String(exists)}`).not.toContain('secret')
  })
})
