import { setTimeout as pause } from 'node:timers/promises'
import type { Lease, Queue } from '@sluice/core'
import type { QueueHarness } from '@sluice/testkit'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { bothStores } from './support/both-stores.js'

async function held(queue: Queue, holder: string): Promise<Lease> {
  const lease = await queue.lease('dispatcher', holder, 60_000)
  if (lease === undefined) throw new Error('another process holds it')
  return lease
}

describe.each(bothStores)('documents: %s', (_, makeHarness) => {
  let harness: QueueHarness
  let queue: Queue
  let other: Queue

  beforeEach(async () => {
    harness = await makeHarness()
    queue = await harness.open()
    other = await harness.open()
  })

  afterEach(() => harness.close())

  test('other processes read what one wrote, and no document is an item', async () => {
    expect(await other.document('rates').read()).toBeUndefined()
    expect(await queue.document('rates').write({ perSecond: 12 }, { ifVersion: undefined })).toBe(true)
    expect(await other.document('rates').read()).toEqual({ value: { perSecond: 12 }, version: 1 })
    expect(await other.document('rates').write([null], { ifVersion: 1 })).toBe(true)
    expect(await queue.document('rates').read()).toEqual({ value: [null], version: 2 })
    expect(await queue.sizes()).toEqual({ WAITING: 0, PROCESSING: 0, SUCCESS: 0, FAIL: 0 })
    expect(await queue.lookup('rates')).toBeUndefined()
  })

  test('a value of the largest size comes back, a larger one is refused and nothing changes', async () => {
    const value = '\u00e9'.repeat((queue.supports.maxBodyBytes - 2) / 2)
    expect(await queue.document('large').write(value, { ifVersion: undefined })).toBe(true)
    expect((await other.document('large').read())?.value).toBe(value)
    await expect(queue.document('large').write(`${value}x`, { ifVersion: 1 })).rejects.toThrow(TypeError)
    expect((await other.document('large').read())?.version).toBe(1)
  })

  test('of concurrent writes of one version exactly one wins, also of the first', async () => {
    for (const ifVersion of [undefined, 1, 2]) {
      const writes = Array.from({ length: 20 }, async (__, n) =>
        (n % 2 === 0 ? queue : other).document('one').write(n, { ifVersion }),
      )
      expect((await Promise.all(writes)).filter(Boolean)).toHaveLength(1)
    }
    expect((await queue.document('one').read())?.version).toBe(3)
  })

  test('versions never repeat, also after a removal', async () => {
    const document = queue.document('gone')
    await document.write(1, { ifVersion: undefined })
    expect(await document.remove({ ifVersion: 2 })).toBe(false)
    expect(await document.remove({ ifVersion: 1 })).toBe(true)
    expect(await document.remove()).toBe(false)
    expect(await document.read()).toBeUndefined()
    expect(await queue.documents()).toEqual([])
    expect(await document.write(2, { ifVersion: 1 })).toBe(false)
    expect(await document.write(2, { ifVersion: undefined })).toBe(true)
    expect((await document.read())?.version).toBeGreaterThan(1)
    expect(await document.write(3, { ifVersion: undefined })).toBe(false)
  })

  test('names are compared and ordered by their bytes', async () => {
    const names = [
      'a',
      'A',
      'a/b',
      'a/',
      'a-b',
      'B',
      '\u00e4',
      '\uffee',
      '\u{1f600}',
      'a/\u{10ffff}z',
      'a%',
      'a_',
    ]
    for (const name of names) await queue.document(name).write(name, { ifVersion: undefined })
    const inOrder = names.toSorted((one, two) => Buffer.compare(Buffer.from(one), Buffer.from(two)))
    expect(await other.documents()).toEqual(inOrder)
    for (const prefix of ['', 'a', 'a/', 'a_', 'a%', 'A', '\u{1f600}', 'z']) {
      expect(await other.documents(prefix)).toEqual(inOrder.filter((name) => name.startsWith(prefix)))
    }
    expect((await other.document('A').read())?.value).toBe('A')
  })

  test('queues of other names see none of them', async () => {
    await queue.document('mine').write(1, { ifVersion: undefined })
    const other = await harness.open('other')
    expect(await other.documents()).toEqual([])
    expect(await other.document('mine').read()).toBeUndefined()
    expect(await other.document('mine').remove()).toBe(false)
    expect(await other.document('mine').write(2, { ifVersion: undefined })).toBe(true)
    expect((await queue.document('mine').read())?.value).toBe(1)
  })

  describe('under a lease', () => {
    test('that is held, it is written and removed; of another version it is neither', async () => {
      const lease = await held(queue, 'me')
      const document = other.document('guarded')
      expect(await document.write(1, { ifVersion: undefined, lease })).toBe(true)
      expect(await document.write(2, { ifVersion: 7, lease })).toBe(false)
      expect(await document.write(2, { ifVersion: 1, lease })).toBe(true)
      expect(await document.remove({ lease })).toBe(true)
    })

    test.each([
      ['released', async (lease: Lease) => lease.release()],
      [
        'run out',
        async (lease: Lease) => {
          await queue.lease(lease.name, lease.holder, 100)
          await pause(110)
        },
      ],
      [
        'another holder’s',
        async (lease: Lease) => {
          await lease.release()
          await held(queue, 'other')
        },
      ],
    ])('that is %s, nothing changes', async (__, lose) => {
      const lease = await held(queue, 'me')
      await queue.document('known').write('before', { ifVersion: undefined, lease })
      await lose(lease)
      const lost = expect.objectContaining({ code: 'SLUICE_LEASE_LOST', retryable: false })
      const document = other.document('known')
      await expect(document.write('after', { ifVersion: 1, lease })).rejects.toEqual(lost)
      await expect(document.remove({ lease })).rejects.toEqual(lost)
      await expect(other.document('new').write(1, { ifVersion: undefined, lease })).rejects.toEqual(lost)
      expect(await queue.documents()).toEqual(['known'])
      expect(await queue.document('known').read()).toEqual({ value: 'before', version: 1 })
    })
  })

  test('each sync is one more, and every process sees the number', async () => {
    expect((await queue.control.read()).syncs ?? 0).toBe(0)
    const numbers = await Promise.all(
      Array.from({ length: 10 }, async (__, n) => (n % 2 === 0 ? queue : other).control.sync()),
    )
    expect(numbers.toSorted((one, two) => one - two)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    await queue.control.pause('later')
    await queue.control.resume()
    expect(await other.control.read()).toEqual({ paused: false, limits: {}, syncs: 10 })
  })
})
