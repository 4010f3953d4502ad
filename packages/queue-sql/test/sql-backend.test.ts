import { MAX_HISTORY, type NewItem, type Queue } from '@sluice/core'
import type { QueueHarness } from '@sluice/testkit'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { bothStores } from './support/both-stores.js'

describe.each(bothStores)('SQL specifics: %s', (_, makeHarness) => {
  let harness: QueueHarness
  let queue: Queue

  beforeEach(async () => {
    harness = await makeHarness()
    queue = await harness.open()
  })
  afterEach(() => harness.close())

  test('items of one batch, and of consecutive batches, are claimed in their order', async () => {
    // Ids in another order than the items, since rows are locked in the order of ids.
    const ids = Array.from({ length: 2_500 }, (_, index) => `${(index * 7_919) % 2_500}`)
    await queue.putMany(ids.map((id) => ({ id, body: 0 })))
    expect((await queue.get(2_500)).map(({ id }) => id)).toEqual(ids)
  })

  test('very many priorities are claimed in order, past delayed items', async () => {
    const items: NewItem[] = Array.from({ length: 200 }, (_, index) => ({
      id: `p${index}`,
      body: 0,
      priority: index,
    }))
    const late: NewItem[] = items.map(({ id, body, priority = 0 }) => ({
      id: `late-${id}`,
      body,
      priority: priority + 100,
      delayMs: 3_600_000,
    }))
    await queue.putMany([...late, ...items])
    const first = await queue.get(50)
    const rest = await queue.get(1_000)
    const expected = items.map(({ id }) => id).toReversed()
    expect([...first, ...rest].map(({ id }) => id)).toEqual(expected)
    expect(await queue.get(1)).toEqual([])
    expect(await queue.size('WAITING')).toBe(200)
  })

  test('the history keeps its newest attempts, and the table has no others', async () => {
    await queue.put('again', 0)
    for (let attempt = 1; attempt <= MAX_HISTORY + 5; attempt++) {
      await queue.get(1)
      await queue.release('again', { attempt, reason: `try ${attempt}`, countAttempt: false })
    }
    const record = await queue.lookup('again')
    expect(record?.history.map(({ attempt }) => attempt)).toEqual(
      Array.from({ length: MAX_HISTORY }, (_, index) => index + 6),
    )
    expect(record).toMatchObject({ attempt: 55, uncounted: 55, reason: 'try 55' })
  })

  test('concurrent single calls get their own outcomes', async () => {
    const puts = Array.from({ length: 300 }, (_, index) => queue.put(`i${index % 200}`, index))
    const answers = await Promise.allSettled(puts)
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(200)
    for (const answer of answers.slice(200)) {
      expect(answer).toMatchObject({ status: 'rejected', reason: { code: 'SLUICE_ITEM_EXISTS' } })
    }
    await queue.get(200)
    const moves = await Promise.allSettled([
      queue.success('i0', { attempt: 1, result: 1 }),
      queue.fail('i0', { attempt: 1 }),
      queue.success('i1', { attempt: 2 }),
      queue.fail('i2', { reason: 'no' }),
      queue.fail('i2', { reason: 'no' }),
      queue.success('unknown'),
      queue.release('i3'),
    ])
    expect(moves.map((move) => (move.status === 'fulfilled' ? 'done' : move.reason.code))).toEqual([
      'done',
      'SLUICE_STAGE_CONFLICT',
      'SLUICE_STAGE_CONFLICT',
      'done',
      'done',
      'SLUICE_ITEM_NOT_FOUND',
      'done',
    ])
    expect(await queue.sizes()).toEqual({ WAITING: 1, PROCESSING: 197, SUCCESS: 1, FAIL: 1 })
  })

  test('an invalid uid matches no item', async () => {
    await queue.put('one', 1)
    await queue.get(1)
    for (const uid of ['', 'not-a-uuid', '\0', '\u{d800}', "'; drop table x"]) {
      await expect(queue.success('one', { uid })).rejects.toMatchObject({ code: 'SLUICE_STAGE_CONFLICT' })
    }
    expect(await queue.lookupStatus('one')).toBe('PROCESSING')
  })

  test("an attempt beyond the database's integers is another attempt", async () => {
    await queue.put('one', 1)
    await queue.get(1)
    const attempt = Number.MAX_SAFE_INTEGER
    await expect(queue.success('one', { attempt })).rejects.toMatchObject({ code: 'SLUICE_STAGE_CONFLICT' })
    expect(await queue.settle([{ id: 'one', attempt, stage: 'FAIL' }])).toMatchObject({ settled: 0 })
  })

  test('an unknown cursor is a TypeError', async () => {
    for (const cursor of ['', 'x', '1.2', '1.2.3.4', '1;2', '99999999999999999999']) {
      await expect(queue.listSummaries('SUCCESS', { limit: 1, cursor })).rejects.toBeInstanceOf(TypeError)
    }
    await expect(queue.listSummaries('WAITING', { limit: 1, cursor: '1' })).rejects.toBeInstanceOf(TypeError)
  })

  test('two Queue objects that put overlapping batches in opposite orders both end', async () => {
    const other = await harness.open()
    const items = Array.from({ length: 1_000 }, (_, index) => ({ id: `i${index}`, body: index }))
    const reports = await Promise.all([queue.putMany(items), other.putMany(items.toReversed())])
    expect(reports[0].added + reports[1].added).toBe(1_000)
    expect(await queue.size('WAITING')).toBe(1_000)
  })

  test('two Queue objects that settle the same items in opposite orders both end', async () => {
    const other = await harness.open()
    await queue.putMany(Array.from({ length: 500 }, (_, index) => ({ id: `i${index}`, body: index })))
    const items = await queue.get(500)
    const outcomes = items.map(({ id, attempt }) => ({ id, attempt, stage: 'SUCCESS' as const }))
    const reports = await Promise.all([queue.settle(outcomes), other.settle(outcomes.toReversed())])
    expect(reports).toEqual([
      { settled: 500, refused: [] },
      { settled: 500, refused: [] },
    ])
    expect(await queue.sizes()).toEqual({ WAITING: 0, PROCESSING: 0, SUCCESS: 500, FAIL: 0 })
  })

  test('forty thousand items in pieces leave the memory flat', { timeout: 60_000 }, async () => {
    const body = { text: 'x'.repeat(500) }
    const heaps: number[] = []
    for (let piece = 0; piece < 20; piece++) {
      await queue.putMany(Array.from({ length: 2_000 }, (_, index) => ({ id: `i${piece}-${index}`, body })))
      if (piece % 4 === 3) heaps.push(liveBytes())
    }
    expect(await queue.size('WAITING')).toBe(40_000)
    // Thirty-two thousand items more are sixteen megabytes of bodies more: they must not be held.
    expect(heaps.at(-1)! - heaps[0]!).toBeLessThan(4_000_000)
  })
})

/** What is really held, once the garbage is gone. */
function liveBytes(): number {
  const { gc } = globalThis
  if (gc === undefined) throw new Error('run with --expose-gc')
  gc()
  return process.memoryUsage().heapUsed
}
