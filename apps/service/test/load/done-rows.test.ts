import { SluiceError, type NewItem, type PutManyOptions, type Queue } from '@sluice/core'
import { openQueue } from '@sluice/queue-memory'
import { describe, expect, test } from 'vitest'
import { countDoneWaiting } from '../../src/load/done-waiting.js'
import type { ListedRow } from '../../src/load/listed-row.js'
import { LoadError } from '../../src/load/load-items.js'
import type { ManifestEntry } from '../../src/manifest/manifest-entry.js'
import { loadItems } from '../fixtures/loading.js'

const isDone = (id: string): boolean => id.startsWith('done')
const done = { isDone, skip: false }

type Call = readonly [stage: string, ...ids: string[]]

interface Watched {
  readonly queue: Queue
  readonly calls: Call[]
}

/** A queue whose calls of `putMany` are noted, and may fail. */
async function watched(onPut: (call: Call) => void = () => undefined): Promise<Watched> {
  const queue = await openQueue({ name: 'done' })
  const calls: Call[] = []
  const given = queue.putMany.bind(queue)
  const putMany = async (items: readonly NewItem[], how?: PutManyOptions) => {
    const call = [how?.stage ?? 'WAITING', ...items.map(({ id }) => id)] as const
    calls.push(call)
    onPut(call)
    return given(items, how)
  }
  return { calls, queue: Object.assign(queue, { putMany }) }
}

/** Rows by their ids; one that begins with `!` is refused. */
async function* rows(...ids: readonly string[]): AsyncGenerator<ManifestEntry> {
  for (const [index, id] of ids.entries()) {
    const line = index + 1
    yield id.startsWith('!')
      ? { line, reason: id }
      : { line, item: { id: id.split('=')[0] ?? id, body: id }, bytes: 20 }
  }
}

function listing() {
  const listed: string[] = []
  return {
    listed,
    onListed: ({ line, what }: ListedRow) => void listed.push(`${line} ${what}`),
  }
}

async function idsOf(queue: Queue, stage: 'WAITING' | 'SUCCESS'): Promise<string[]> {
  return (await queue.listSummaries(stage, { limit: 1_000 })).items.map(({ id }) => id)
}

describe('rows that are done and rows that are not', () => {
  test('one call for each kind in a batch, in the order of the list', async () => {
    const { queue, calls } = await watched()
    const list = rows('a', 'done-1', 'b', 'done-2', 'c', 'd', 'done-3', 'done-4')
    const { counts } = await loadItems(queue, list, { batchItems: 4, done })
    expect(calls).toEqual([
      ['WAITING', 'a', 'b'],
      ['SUCCESS', 'done-1', 'done-2'],
      ['WAITING', 'c', 'd'],
      ['SUCCESS', 'done-3', 'done-4'],
    ])
    expect(counts).toMatchObject({ rows: 8, added: 8, addedDone: 4 })
    expect(await idsOf(queue, 'WAITING')).toEqual(['a', 'b', 'c', 'd'])
    expect(await idsOf(queue, 'SUCCESS')).toEqual(['done-1', 'done-2', 'done-3', 'done-4'])
  })

  test('a batch of one kind is one call', async () => {
    const { queue, calls } = await watched()
    await loadItems(queue, rows('a', 'b', 'done-1', 'done-2'), { batchItems: 2, done })
    expect(calls.map(([stage]) => stage)).toEqual(['WAITING', 'SUCCESS'])
  })

  test.each([
    ['WAITING', { added: 3, addedDone: 1, unknown: 1, unstored: 1 }],
    ['SUCCESS', { added: 4, addedDone: 1, unknown: 1, unstored: 0 }],
  ] as const)(
    'where the %s call of a batch fails, each row is counted, and listed in order',
    async (stage, counts) => {
      const { queue } = await watched(([of, id]) => {
        if (of === stage && (id === 'c' || id === 'done-2'))
          throw new SluiceError('SLUICE_QUEUE_UNAVAILABLE', 'gone')
      })
      await queue.put('old', 0)
      const { listed, onListed } = listing()
      const list = rows('!', 'old', 'a', 'done-1', 'b', 'c', '!', 'done-2')
      const error: unknown = await loadItems(queue, list, { batchItems: 4, done, onListed }).catch(
        (thrown: unknown) => thrown,
      )
      if (!(error instanceof LoadError)) throw error
      const all = { ...counts, rows: 8, changed: 1, refused: 2, same: 0, exists: 0, duplicate: 0 }
      expect(error.outcome.counts).toMatchObject(all)
      expect(await queue.size('WAITING')).toBe(1 + counts.added - counts.addedDone)
      expect(await queue.size('SUCCESS')).toBe(counts.addedDone)
      expect(listed).toEqual(['1 refused', '2 changed', '7 refused'])
    },
  )

  test('a queue without stages is reported at once', async () => {
    const queue = await openQueue({ name: 'done' })
    const putMany = queue.putMany.bind(queue)
    Object.assign(queue, {
      putMany: (items: readonly NewItem[], { compare = false }: PutManyOptions = {}) =>
        putMany(items, { compare }),
    })
    const list = ['a', 'done-1', 'done-2', 'b', 'done-3', 'c']
    const error: unknown = await loadItems(queue, rows(...list), { batchItems: 3, done }).catch(
      (thrown: unknown) => thrown,
    )
    expect(error).toMatchObject({
      cause: {
        code: 'SLUICE_CONFIG_INVALID',
        message: expect.stringContaining('up to 2 rows that are done elsewhere were put into WAITING'),
      },
    })
    expect(await queue.size('WAITING')).toBe(3)
  })

  test('waiting ones are looked up one by one, and if they are many, WAITING is read', async () => {
    for (const [count, left] of [
      [100, 3],
      [101, 3],
    ] as const) {
      const queue = await openQueue({ name: 'done' })
      const ids = Array.from({ length: count }, (_, n) => `done-${n}`)
      await queue.putMany(ids.map((id) => ({ id, body: id })))
      await queue.put('other', 1)
      await queue.get(count - left)
      const { counts, knownDoneIds } = await loadItems(queue, rows(...ids), { done })
      expect([counts.knownDone, counts.same, knownDoneIds?.length]).toEqual([
        count,
        count,
        count > 100 ? undefined : count,
      ])
      expect(await countDoneWaiting(queue, { ids: knownDoneIds, isDone })).toBe(left)
      // What was removed since is no item that waits.
      await queue.remove([`done-${count - 1}`])
      expect(await countDoneWaiting(queue, { ids: knownDoneIds, isDone })).toBe(left - 1)
      expect(
        await countDoneWaiting(queue, { ids: knownDoneIds, isDone, signal: AbortSignal.abort() }),
      ).toBeUndefined()
    }
  })
})

describe('rows are listed in the order of the list', () => {
  test.each([1, 2, 3, 100])('with batches of %i, whatever they are', async (batchItems) => {
    const { queue } = await watched()
    await queue.putMany(['old', 'done-old'].map((id) => ({ id, body: 0 })))
    const { listed, onListed } = listing()
    const list = ['!', 'old', 'a', '!', 'done-old', 'done-1', 'a=2', '!', 'done-1=2', 'b', '!', '!']
    const { counts } = await loadItems(queue, rows(...list), { batchItems, done, onListed })
    expect(listed).toEqual([
      '1 refused',
      '2 changed',
      '4 refused',
      '5 changed',
      '7 duplicate',
      '8 refused',
      '9 duplicate',
      '11 refused',
      '12 refused',
    ])
    expect(counts).toMatchObject({ rows: 12, added: 3, addedDone: 1, changed: 2, duplicate: 2, refused: 5 })
  })

  test('a list of refused rows only is reported as it is read, and opens no queue', async () => {
    const { listed, onListed } = listing()
    let read = 0
    async function* bad(): AsyncGenerator<ManifestEntry> {
      for (; read < 5_000; read++) yield { line: read + 1, reason: 'bad' }
    }
    const ahead: number[] = []
    const { counts } = await loadItems(() => Promise.reject(new Error('opened')), bad(), {
      onListed: (row) => {
        onListed(row)
        ahead.push(read - listed.length)
      },
    })
    expect(counts).toMatchObject({ rows: 5_000, refused: 5_000 })
    expect(listed).toHaveLength(5_000)
    expect(Math.max(...ahead)).toBeLessThanOrEqual(2_000)
  })
})

describe('a queue that is opened when there is something to put', () => {
  test('is opened once, with the first row that it can take', async () => {
    const { queue } = await watched()
    let opened = 0
    const open = async () => {
      opened += 1
      return queue
    }
    const { counts } = await loadItems(open, rows('!', '!', 'a', 'b', '!', 'c'), { batchItems: 1 })
    expect([opened, counts.added]).toEqual([1, 3])
  })

  test('which takes longer than rows wait for one another: nothing is lost', async () => {
    const { queue } = await watched()
    const opening = Promise.withResolvers<Queue>()
    const { listed, onListed } = listing()
    const loading = loadItems(() => opening.promise, rows('!', 'a', 'b'), { onListed })
    // The timer of a row that waits for others runs out meanwhile.
    setTimeout(() => opening.resolve(queue), 250)
    expect((await loading).counts).toMatchObject({ added: 2, refused: 1, rows: 3 })
    expect(listed).toEqual(['1 refused'])
  })

  test('and can’t be: only its own error is reported', async () => {
    const gone = new SluiceError('SLUICE_QUEUE_DENIED', 'no')
    await expect(loadItems(() => Promise.reject(gone), rows('a', 'b'))).rejects.toBe(gone)
  })
})
