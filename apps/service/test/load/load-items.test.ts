import { openQueue } from '@sluice/queue-memory'
import { ManualRuntime } from '@sluice/testkit'
import { SluiceError, type JsonValue, type NewItem, type PutManyOptions, type Queue } from '@sluice/core'
import { describe, expect, test, vi } from 'vitest'
import type { ListedRow } from '../../src/load/listed-row.js'
import { noRows, type LoadCounts } from '../../src/load/load-counts.js'
import { LoadError } from '../../src/load/load-items.js'
import type { ManifestEntry } from '../../src/manifest/manifest-entry.js'
import { checkItems, loadItems } from '../fixtures/loading.js'

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
    putMany: async (items: readonly NewItem[], how?: PutManyOptions) => {
      await onPut(items)
      return queue.putMany(items, how)
    },
  })
}

/** All counts, those that aren't given 0. */
function counted(given: Partial<LoadCounts>): LoadCounts {
  const { updated, started, duplicateChanged, addedDone, knownDone, ...rows } = { ...noRows(), ...given }
  const sum = Object.values({ ...rows, rows: 0 }).reduce((total, count) => total + count, 0)
  return { ...rows, updated, started, duplicateChanged, addedDone, knownDone, rows: sum }
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
    expect(result).toEqual({
      counts: counted({ added: 25 }),
      lastRow: { line: 25 },
      manyIds: false,
      interrupted: false,
      knownDoneIds: [],
    })
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
    ['grow up to 8,000 where they are stored fast', 40, 8_000],
    ['stay small where they are not', 400, 500],
  ])('batches %s', async (_, tookMs, largest) => {
    let nowMs = 0
    const runtime = vi.spyOn(performance, 'now').mockImplementation(() => nowMs)
    const sizes: number[] = []
    const queue = watched(await openQueue({ name: 'load' }), (items) => {
      sizes.push(items.length)
      nowMs += tookMs
    })
    await loadItems(queue, stream(entries(30_000)))
    runtime.mockRestore()
    expect(sizes[0]).toBe(500)
    expect(Math.max(...sizes)).toBe(largest)
    expect(sizes.slice(0, -1)).toEqual(sizes.slice(0, -1).toSorted((a, b) => a - b))
  })

  test('a second run adds nothing; repeated ids in the manifest are duplicates', async () => {
    const queue = await openQueue({ name: 'load' })
    const twice = [...entries(5), ...entries(5)]
    const load = async () => (await loadItems(queue, stream(twice), { batchItems: 3 })).counts
    expect(await load()).toEqual(counted({ added: 5, duplicate: 5 }))
    expect(await load()).toEqual(counted({ same: 5, duplicate: 5 }))
  })

  test('refused lines are handed over and the others stored', async () => {
    const queue = await openQueue({ name: 'load' })
    const refused: number[] = []
    const result = await loadItems(queue, stream(entries(6, [0, 3])), {
      onListed: (row) => void refused.push(row.line),
    })
    expect(result.counts).toEqual(counted({ added: 4, refused: 2 }))
    expect(refused).toEqual([1, 4])
  })

  test('a signal ends it, what was read is stored, and a second run adds the rest', async () => {
    const queue = await openQueue({ name: 'load' })
    const stop = new AbortController()
    const first = await loadItems(queue, stream(entries(100)), {
      batchItems: 10,
      signal: stop.signal,
      onProgress: ({ added }) => added >= 30 && stop.abort(),
    })
    const { added } = first.counts
    expect(first).toMatchObject({ interrupted: true, counts: { rows: added }, lastRow: { line: added } })
    expect(added).toBeGreaterThanOrEqual(30)
    expect(added).toBeLessThan(100)
    expect(await queue.size('WAITING')).toBe(added)
    const second = await loadItems(queue, stream(entries(100)), { batchItems: 10 })
    expect(second.counts).toEqual(counted({ added: 100 - added, same: added }))
  })

  test('an outage in the middle reports how many items were added', async () => {
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
    const unstored = error instanceof LoadError ? error.outcome.counts.unstored : 0
    expect(error).toMatchObject({
      outcome: { counts: counted({ added: 20, unknown: 10, unstored }), lastRow: { line: 20 } },
      cause: { code: 'SLUICE_QUEUE_UNAVAILABLE' },
    })
    expect(await queue.size('WAITING')).toBe(20)
  })

  test.each([0, 1, 2])('an outage in batch %i of three is thrown, with what is stored', async (failing) => {
    const queue = await openQueue({ name: 'load' })
    let call = 0
    const gone = new SluiceError('SLUICE_QUEUE_UNAVAILABLE', 'gone')
    const flaky = watched(queue, () => {
      if (call++ === failing) throw gone
    })
    const loading = loadItems(flaky, stream(entries(25)), { batchItems: 10 })
    await expect(loading).rejects.toMatchObject({
      outcome: { counts: { added: 10 * failing } },
      cause: gone,
    })
    expect(await queue.size('WAITING')).toBe(10 * failing)
  })

  test('counts the stored items of the failed batch, and the unknown ones', async () => {
    const stored = { added: 3, skipped: 1, unknown: 2 }
    const queue = watched(await openQueue({ name: 'load' }), () => {
      throw new SluiceError('SLUICE_QUEUE_UNAVAILABLE', 'gone', { stored })
    })
    await expect(loadItems(queue, stream(entries(7)))).rejects.toMatchObject({
      outcome: { counts: counted({ added: 3, exists: 1, unknown: 2, unstored: 1 }), lastRow: { line: 0 } },
    })
  })

  test.each(['the manifest breaks off', 'a signal ends it'])(
    'the batch under way fails while %s: the storage error is reported',
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

  test('a truncated manifest reports how many items were added', async () => {
    const queue = await openQueue({ name: 'load' })
    const error = await loadItems(queue, broken(), { batchItems: 10 }).catch((error: unknown) => error)
    expect(error).toMatchObject({
      outcome: { counts: counted({ added: 15 }), lastRow: { line: 15 } },
      message: 'disk',
    })
    expect(await queue.size('WAITING')).toBe(15)
  })

  test('an empty manifest', async () => {
    const queue = await openQueue({ name: 'load' })
    expect(await loadItems(queue, stream([]))).toEqual({
      counts: noRows(),
      lastRow: { line: 0 },
      manyIds: false,
      interrupted: false,
      knownDoneIds: [],
    })
  })
})

function rows(...given: readonly (readonly [id: string, body: JsonValue])[]): ManifestEntry[] {
  return given.map(([id, body], index) => ({ line: index + 1, item: { id, body }, bytes: 20 }))
}

/** What is listed of a load: `line id what`, with `!` for those that are a problem. */
function listing(): { readonly onListed: (row: ListedRow) => void; readonly listed: string[] } {
  const listed: string[] = []
  return {
    listed,
    onListed: ({ line, id, what, harmless }) =>
      void listed.push(`${line} ${id} ${what}${harmless === true ? '' : '!'}`),
  }
}

const shortHash = (id: string): bigint => BigInt((id.length * 31 + id.charCodeAt(id.length - 1)) % 256)

describe('each row of a load has one outcome', () => {
  // In one batch, in two, and each row in one of its own: what a row is doesn't depend on it.
  const sizes = [100, 3, 1]

  test.each(sizes)('added, same, changed, duplicate, with batches of %i', async (batchItems) => {
    const queue = await openQueue({ name: 'load' })
    await queue.putMany([
      { id: 'there', body: { a: 1, b: [2] } },
      { id: 'other', body: 1 },
    ])
    const { listed, onListed } = listing()
    const { counts } = await loadItems(
      queue,
      stream(
        rows(
          ['new', 1],
          ['there', { b: [2], a: 1 }],
          ['other', 2],
          ['new', 1],
          ['new', 2],
          ['there', { a: 1, b: [2] }],
          ['there', 0],
          ['other', 2],
          ['last', null],
        ),
      ),
      { batchItems, onListed },
    )
    expect(counts).toEqual(counted({ added: 2, same: 1, changed: 1, duplicate: 5, duplicateChanged: 3 }))
    expect(listed).toEqual([
      '3 other changed!',
      '4 new duplicate',
      '5 new duplicate!',
      '6 there duplicate',
      '7 there duplicate!',
      '8 other duplicate!',
    ])
    expect((await queue.lookup('other'))?.body).toBe(1)
    expect((await queue.lookup('new'))?.body).toBe(1)
  })

  test('an 8-bit hash: each hit is put anyway, and the storage decides whether it is new', async () => {
    const queue = await openQueue({ name: 'load' })
    const load = async (of: Iterable<ManifestEntry>) =>
      (await loadItems(queue, stream(of), { batchItems: 7, hashId: shortHash })).counts
    expect(await load(entries(2_000))).toEqual(counted({ added: 2_000 }))
    const again = await load(entries(2_000))
    expect(again).toEqual(counted({ same: again.same, duplicate: again.duplicate }))
    expect(again).toMatchObject({ rows: 2_000, duplicateChanged: 0 })
    expect(await queue.size('WAITING')).toBe(2_000)
  })

  test('without a comparison, a row whose id is there counts as exists', async () => {
    const queue = await openQueue({ name: 'load' })
    const compared: unknown[] = []
    const asked: Queue = Object.assign(Object.create(queue), {
      supports: queue.supports,
      putMany: (items: readonly NewItem[], how?: PutManyOptions) => {
        compared.push(how?.compare)
        return queue.putMany(items, how)
      },
    })
    await queue.put('a', 1)
    const { counts } = await loadItems(asked, stream(rows(['a', 2], ['b', 1], ['b', 2])), { compare: false })
    expect(counts).toEqual(counted({ added: 1, exists: 1, duplicate: 1 }))
    expect(compared).toEqual([false])
  })

  test.each(sizes)('changed ones are updated while they wait, with batches of %i', async (batchItems) => {
    const queue = await openQueue({ name: 'load' })
    await queue.putMany(['runs', 'waits', 'waits too', 'same'].map((id) => ({ id, body: 0 })))
    await queue.get(1)
    const list = rows(['runs', 1], ['waits', 1], ['same', 0], ['waits too', 1], ['new', 1], ['waits', 2])
    const first = listing()
    const load = (onListed: (row: ListedRow) => void) =>
      loadItems(queue, stream(list), { batchItems, updateWaiting: true, onListed })
    expect((await load(first.onListed)).counts).toEqual(
      counted({ added: 1, same: 1, changed: 3, updated: 2, started: 1, duplicate: 1, duplicateChanged: 1 }),
    )
    expect(first.listed).toEqual(['1 runs changed!', '6 waits duplicate!'])
    const bodies = await Promise.all(
      ['runs', 'waits', 'same', 'waits too', 'new', 'waits'].map(
        async (id) => (await queue.lookup(id))?.body,
      ),
    )
    expect(bodies).toEqual([0, 1, 0, 1, 1, 1])
    // Again it has nothing more to do, and says the same of what had started.
    expect((await load(() => undefined)).counts).toEqual(
      counted({ same: 4, changed: 1, started: 1, duplicate: 1, duplicateChanged: 1 }),
    )
  })

  test('an update that fails leaves its rows unknown, and all others counted', async () => {
    const queue = await openQueue({ name: 'load' })
    await queue.putMany(['a', 'b'].map((id) => ({ id, body: 0 })))
    const failing: Queue = Object.assign(Object.create(queue), {
      supports: queue.supports,
      putMany: queue.putMany.bind(queue),
      update: () => Promise.reject(new SluiceError('SLUICE_QUEUE_UNAVAILABLE', 'gone')),
    })
    await expect(
      loadItems(failing, stream(rows(['a', 0], ['b', 1], ['c', 1])), { updateWaiting: true }),
    ).rejects.toMatchObject({ outcome: { counts: counted({ added: 1, same: 1, unknown: 1 }) } })
  })
})

// Nothing to be opened first, which takes real time.
const hashId = (id: string): bigint => BigInt(id.length)

/** Gives what is pushed, and then waits. */
function pipe() {
  const waiting: ManifestEntry[] = []
  let wake = Promise.withResolvers<void>()
  let ended: { error: Error | undefined } | undefined
  return {
    push: (...given: readonly ManifestEntry[]) => {
      waiting.push(...given)
      wake.resolve()
    },
    end: (error?: Error) => {
      ended = { error }
      wake.resolve()
    },
    async *read(): AsyncGenerator<ManifestEntry> {
      for (;;) {
        yield* waiting.splice(0)
        if (ended?.error !== undefined) throw ended.error
        if (ended !== undefined) return
        await wake.promise
        wake = Promise.withResolvers()
      }
    },
  }
}

describe('a manifest that stays open', () => {
  test('is stored within a second although it is silent, and continues', async () => {
    const runtime = new ManualRuntime()
    const queue = await openQueue({ name: 'load' })
    const source = pipe()
    const loading = loadItems(queue, source.read(), { hashId, runtime })
    for (const index of [0, 1, 2]) {
      source.push(good(index))
      await runtime.advance(1_000)
      expect(await queue.size('WAITING')).toBe(index + 1)
    }
    source.end()
    expect((await loading).counts).toEqual(counted({ added: 3 }))
  })

  test('fails at once when its storage does, and does not wait for the next row', async () => {
    const gone = new SluiceError('SLUICE_QUEUE_UNAVAILABLE', 'gone')
    const queue = watched(await openQueue({ name: 'load' }), () => {
      throw gone
    })
    const source = pipe()
    const stopReading = () => source.end(new DOMException('stopped', 'AbortError'))
    const loading = loadItems(queue, source.read(), { stopReading })
    source.push(good(0))
    await expect(loading).rejects.toMatchObject({
      cause: gone,
      outcome: { counts: counted({ unknown: 1 }), lastRow: { line: 0 } },
    })
  })

  test('with a slow storage a signal waits for one batch', async () => {
    let nowMs = 0
    const runtime = vi.spyOn(performance, 'now').mockImplementation(() => nowMs)
    const queue = await openQueue({ name: 'load' })
    const stop = new AbortController()
    let calls = 0
    const slow = watched(queue, async () => {
      calls += 1
      await new Promise((resolve) => setImmediate(resolve))
      nowMs += 2_000
      if (calls === 2) stop.abort()
    })
    const { counts } = await loadItems(slow, stream(entries(5_000)), { signal: stop.signal })
    runtime.mockRestore()
    expect(counts).toEqual(counted({ added: 1_000 }))
    expect(calls).toBe(2)
  })
})

describe('checkItems', () => {
  test('only counts', async () => {
    expect(await checkItems(() => stream(entries(2_500, [7])))).toEqual({
      counts: { good: 2_499, goodDone: 0, done: 0, refused: 1, duplicate: 0, duplicateChanged: 0 },
      interrupted: false,
      manyIds: false,
    })
  })

  test.each([
    ['64 bits', undefined],
    ['8 bits', (id: string) => BigInt(id.charCodeAt(0))],
  ])(
    'distinguishes duplicates with another body from those with the same, with a hash of %s',
    async (_, hash) => {
      const { listed, onListed } = listing()
      const given = rows(
        ['a', { x: 1, y: 2 }],
        ['ab', 1],
        ['ac', 1],
        ['a', { y: 2, x: 1 }],
        ['ab', 2],
        ['b', 1],
        ['a', { x: 1 }],
      )
      const { counts } = await checkItems(() => stream(given), {
        onListed,
        ...(hash === undefined ? {} : { hashId: hash }),
      })
      expect(counts).toMatchObject({ good: 4, refused: 0, duplicate: 3, duplicateChanged: 2 })
      expect(listed).toEqual(['4 a duplicate', '5 ab duplicate!', '7 a duplicate!'])
    },
  )
})
