import { openQueue } from '@sluice/queue-memory'
import { SluiceError, type NewItem, type Queue } from '@sluice/core'
import { describe, expect, test, vi } from 'vitest'
import { checkItems, loadItems, LoadError } from '../../src/manifest/load-items.js'
import type { ManifestEntry } from '../../src/manifest/manifest-entry.js'

const good = (index: number): ManifestEntry => ({
  line: index + 1,
  item: { id: `item-${index}`, body: index },
  bytes: 20,
})

function* entries(count: number, bad: readonly number[] = []): Generator<ManifestEntry> {
  for (let index = 0; index < count; index++) {
    yield bad.includes(index) ? { line: index + 1, reason: 'bad' } : good(index)
  }
}

async function* stream(from: Iterable<ManifestEntry>): AsyncGenerator<ManifestEntry> {
  yield* from
}

/** A queue whose putMany is watched. */
function watched(queue: Queue, onPut: (items: readonly NewItem[]) => Promise<void> | void): Queue {
  return Object.assign(Object.create(queue), {
    supports: queue.supports,
    putMany: async (items: readonly NewItem[]) => {
      await onPut(items)
      return queue.putMany(items)
    },
  })
}

async function* broken(): AsyncGenerator<ManifestEntry> {
  yield* entries(15)
  throw new Error('disk')
}

describe('loadItems', () => {
  test('keeps the order, in batches one after the other', async () => {
    const queue = await openQueue({ name: 'load' })
    let inFlight = 0
    const sizes: number[] = []
    const slow = watched(queue, async (items) => {
      inFlight += 1
      expect(inFlight).toBe(1)
      sizes.push(items.length)
      await new Promise((resolve) => setImmediate(resolve))
      inFlight -= 1
    })
    const result = await loadItems(slow, stream(entries(25)), { batchItems: 10 })
    expect(result).toEqual({ added: 25, skipped: 0, refused: 0, interrupted: false })
    expect(sizes).toEqual([10, 10, 5])
    const ids = (await queue.get(25)).map((item) => item.id)
    expect(ids).toEqual(Array.from({ length: 25 }, (_, index) => `item-${index}`))
  })

  test('a batch is bounded in bytes too', async () => {
    const queue = await openQueue({ name: 'load' })
    const sizes: number[] = []
    const large = [0, 1, 2, 3, 4].map((index) => ({ ...good(index), bytes: 3_000_000 }))
    await loadItems(
      watched(queue, (items) => void sizes.push(items.length)),
      stream(large),
    )
    expect(sizes).toEqual([2, 2, 1])
  })

  test.each([
    ['grow up to 4,000 where they are stored fast', 40, 4_000],
    ['stay small where they are not', 400, 500],
  ])('batches %s', async (_, tookMs, largest) => {
    let nowMs = 0
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => nowMs)
    const sizes: number[] = []
    const queue = watched(await openQueue({ name: 'load' }), (items) => {
      sizes.push(items.length)
      nowMs += tookMs
    })
    await loadItems(queue, stream(entries(20_000)))
    clock.mockRestore()
    expect(sizes[0]).toBe(500)
    expect(Math.max(...sizes)).toBe(largest)
    expect(sizes.slice(0, -1)).toEqual(sizes.slice(0, -1).toSorted((a, b) => a - b))
  })

  test('run again it adds nothing; ids twice in the manifest are skipped', async () => {
    const queue = await openQueue({ name: 'load' })
    const twice = [...entries(5), ...entries(5)]
    expect(await loadItems(queue, stream(twice), { batchItems: 3 })).toMatchObject({ added: 5, skipped: 5 })
    expect(await loadItems(queue, stream(twice), { batchItems: 3 })).toMatchObject({ added: 0, skipped: 10 })
  })

  test('refused lines are handed over and the others stored', async () => {
    const queue = await openQueue({ name: 'load' })
    const refused: number[] = []
    const result = await loadItems(queue, stream(entries(6, [0, 3])), {
      onRefused: (entry) => void refused.push(entry.line),
    })
    expect(result).toEqual({ added: 4, skipped: 0, refused: 2, interrupted: false })
    expect(refused).toEqual([1, 4])
  })

  test('a signal ends it between batches, and a second run adds the rest', async () => {
    const queue = await openQueue({ name: 'load' })
    const stop = new AbortController()
    const first = await loadItems(queue, stream(entries(100)), {
      batchItems: 10,
      signal: stop.signal,
      onProgress: ({ added }) => added >= 30 && stop.abort(),
    })
    expect(first.interrupted).toBe(true)
    expect(first.added).toBeGreaterThanOrEqual(30)
    expect(first.added).toBeLessThan(100)
    expect(await queue.size('WAITING')).toBe(first.added)
    const second = await loadItems(queue, stream(entries(100)), { batchItems: 10 })
    expect(second).toMatchObject({ added: 100 - first.added, skipped: first.added })
  })

  test('an outage in the middle tells how many are in', async () => {
    const queue = await openQueue({ name: 'load' })
    let calls = 0
    const failing = watched(queue, () => {
      calls += 1
      if (calls === 3) throw new SluiceError('SLUICE_QUEUE_UNAVAILABLE', 'gone')
    })
    const error = await loadItems(failing, stream(entries(100)), { batchItems: 10 }).catch(
      (error: unknown) => error,
    )
    expect(error).toBeInstanceOf(LoadError)
    expect(error).toMatchObject({ counts: { added: 20 }, cause: { code: 'SLUICE_QUEUE_UNAVAILABLE' } })
    expect(await queue.size('WAITING')).toBe(20)
  })

  test.each([0, 1, 2])('an outage in batch %i of three is thrown, with what is in', async (failing) => {
    const queue = await openQueue({ name: 'load' })
    let call = 0
    const gone = new SluiceError('SLUICE_QUEUE_UNAVAILABLE', 'gone')
    const flaky = watched(queue, () => {
      if (call++ === failing) throw gone
    })
    const loading = loadItems(flaky, stream(entries(25)), { batchItems: 10 })
    await expect(loading).rejects.toMatchObject({ counts: { added: 10 * failing }, cause: gone })
    expect(await queue.size('WAITING')).toBe(10 * failing)
  })

  test('what of the failed batch is stored counts, and what is not known is told', async () => {
    const stored = { added: 3, duplicates: 1, unknown: 2 }
    const queue = watched(await openQueue({ name: 'load' }), () => {
      throw new SluiceError('SLUICE_QUEUE_UNAVAILABLE', 'gone', { stored })
    })
    await expect(loadItems(queue, stream(entries(7)))).rejects.toMatchObject({
      counts: { added: 3, skipped: 1 },
      unknown: 2,
    })
  })

  test.each(['the manifest breaks off', 'a signal ends it'])(
    'the batch under way fails while %s: the failure of the storage is told',
    async (what) => {
      const stop = new AbortController()
      const gone = new SluiceError('SLUICE_QUEUE_UNAVAILABLE', 'gone')
      const queue = watched(await openQueue({ name: 'load' }), async () => {
        await new Promise((resolve) => setImmediate(resolve))
        throw gone
      })
      async function* ending(): AsyncGenerator<ManifestEntry> {
        yield* entries(10)
        if (what === 'a signal ends it') stop.abort()
        throw stop.signal.aborted ? stop.signal.reason : new Error('disk')
      }
      const loading = loadItems(queue, ending(), { batchItems: 10, signal: stop.signal })
      await expect(loading).rejects.toMatchObject({ cause: gone })
    },
  )

  test('a manifest that breaks off tells how many are in', async () => {
    const queue = await openQueue({ name: 'load' })
    const error = await loadItems(queue, broken(), { batchItems: 10 }).catch((error: unknown) => error)
    expect(error).toMatchObject({ counts: { added: 10 }, message: 'disk' })
    expect(await queue.size('WAITING')).toBe(10)
  })

  test('nothing at all', async () => {
    const queue = await openQueue({ name: 'load' })
    expect(await loadItems(queue, stream([]))).toEqual({
      added: 0,
      skipped: 0,
      refused: 0,
      interrupted: false,
    })
  })
})

test('checkItems only counts', async () => {
  expect(await checkItems(stream(entries(2_500, [7])))).toEqual({
    good: 2_499,
    refused: 1,
    interrupted: false,
  })
})
