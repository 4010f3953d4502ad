import { MAX_RETRY_STATE_BYTES, type Queue, type QueueItem } from '@sluice/core'
import type { QueueHarness } from '@sluice/testkit'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { bothStores } from '../support/both-stores.js'

describe.each(bothStores)('outcomes and returns: %s', (_, makeHarness) => {
  let harness: QueueHarness
  let queue: Queue
  let other: Queue

  beforeEach(async () => {
    harness = await makeHarness()
    queue = await harness.open()
    other = await harness.open()
  })

  afterEach(() => harness.close())

  async function claimed(id: string): Promise<QueueItem> {
    const [item] = await queue.get(1)
    expect(item?.id).toBe(id)
    if (item === undefined) throw new Error('nothing to claim')
    return item
  }

  test('failure class, exit code and the job’s uid are in the record and in the history, through a requeue', async () => {
    await queue.put('a', 1)
    await claimed('a')
    const ending = { failureClass: 'oom', exitCode: 137, jobUid: 'w-"1",{}' }
    await queue.fail('a', { reason: 'killed', ...ending })
    expect(await other.lookup('a')).toMatchObject({
      stage: 'FAIL',
      ...ending,
      history: [{ outcome: 'FAIL', ...ending }],
    })
    await queue.requeue(['a'])
    const requeued = await other.lookup('a')
    for (const field of Object.keys(ending)) expect(requeued).not.toHaveProperty(field)
    expect(requeued?.history).toMatchObject([ending])
    await claimed('a')
    await queue.settle([
      { id: 'a', attempt: 2, stage: 'SUCCESS', exitCode: 0, jobUid: 'w-2', failureClass: 'kept out' },
    ])
    const record = await other.lookup('a')
    expect(record).toMatchObject({ stage: 'SUCCESS', exitCode: 0, jobUid: 'w-2' })
    expect(record).not.toHaveProperty('failureClass')
    expect(record?.history).toMatchObject([ending, { exitCode: 0, jobUid: 'w-2' }])
    expect(record?.history[1]).not.toHaveProperty('failureClass')
  })

  test('a release keeps them too, and records an unsent attempt', async () => {
    await queue.put('a', 1)
    await claimed('a')
    await queue.release('a', { failureClass: 'error', exitCode: Number.MAX_SAFE_INTEGER, jobUid: 'w' })
    await claimed('a')
    await queue.release('a', { unsent: true, reason: 'paused' })
    const record = await other.lookup('a')
    expect(record).toMatchObject({ stage: 'WAITING', attempt: 2, uncounted: 1, reason: 'paused' })
    expect(record).not.toHaveProperty('failureClass')
    expect(record?.history).toMatchObject([
      { failureClass: 'error', exitCode: Number.MAX_SAFE_INTEGER, jobUid: 'w' },
      { unsent: true, outcome: 'WAITING' },
    ])
    expect(record?.history[0]).not.toHaveProperty('unsent')
  })

  test('a mixed batch gives each item its own outcome', async () => {
    await queue.putMany(['a', 'b', 'c', 'd', 'e'].map((id) => ({ id, body: id })))
    await queue.get(5)
    const report = await queue.settle([
      { id: 'a', attempt: 1, stage: 'SUCCESS', jobUid: 'w-a', result: 1 },
      { id: 'b', attempt: 1, stage: 'FAIL', failureClass: 'unsendable', reason: 'no' },
      { id: 'c', attempt: 1, stage: 'WAITING', keepPlace: true, unsent: true },
      { id: 'd', attempt: 1, stage: 'WAITING', delayMs: 60_000, retryState: { tries: 3, '\n': '\u2028' } },
      { id: 'e', attempt: 1, stage: 'SUCCESS' },
    ])
    expect(report).toEqual({ settled: 5, refused: [] })
    expect(await other.lookup('a')).toMatchObject({ jobUid: 'w-a', result: 1 })
    expect(await other.lookup('b')).toMatchObject({ stage: 'FAIL', failureClass: 'unsendable' })
    expect(await other.lookup('d')).toMatchObject({ retryState: { tries: 3, '\n': '\u2028' } })
    expect(await other.lookup('e')).not.toHaveProperty('jobUid')
    expect((await queue.get(5)).map(({ id }) => id)).toEqual(['c'])
  })

  test('retryState is part of every view, until a release without one; a requeue removes it', async () => {
    const retryState = { tries: 2, text: 'x'.repeat(MAX_RETRY_STATE_BYTES - 22) }
    await queue.put('a', 1)
    await claimed('a')
    await queue.release('a', { retryState })
    expect((await other.peek(1))[0]).toMatchObject({ retryState })
    expect((await other.listSummaries('WAITING', { limit: 1 })).items[0]).toMatchObject({ retryState })
    expect((await other.list('WAITING', { limit: 1 })).items[0]).toMatchObject({ retryState })
    expect(await claimed('a')).toMatchObject({ retryState, attempt: 2 })
    expect((await other.listSummaries('PROCESSING', { limit: 1 })).items[0]).toMatchObject({ retryState })
    await queue.release('a')
    expect(await claimed('a')).not.toHaveProperty('retryState')
    await queue.release('a', { retryState: null })
    expect(await claimed('a')).toMatchObject({ retryState: null })
    await queue.release('a', { retryState })
    await claimed('a')
    await queue.fail('a')
    expect(await other.lookup('a')).toMatchObject({ retryState })
    await queue.requeue(['a'])
    expect(await claimed('a')).not.toHaveProperty('retryState')
  })

  test('with keepPlace an item keeps its place before later ones, for every process', async () => {
    const priorities = [0, 5, 0, 5, 0]
    await queue.putMany(priorities.map((priority, n) => ({ id: `i${n}`, body: n, priority })))
    const order = ['i1', 'i3', 'i0', 'i2', 'i4']
    expect((await queue.get(3)).map(({ id }) => id)).toEqual(order.slice(0, 3))
    await queue.put('late', 1, { priority: 5 })
    // Of the same millisecond, the item that was put first would be first.
    const lateAt = await queue.now()
    await expect.poll(() => queue.now()).toBeGreaterThan(lateAt)
    await queue.release('i0', { keepPlace: true })
    await queue.settle([
      { id: 'i3', attempt: 1, stage: 'WAITING', keepPlace: true, countAttempt: false },
      { id: 'i1', attempt: 1, stage: 'WAITING' },
    ])
    const expected = ['i3', 'late', 'i1', 'i0', 'i2', 'i4']
    expect((await other.peek(9)).map(({ id }) => id)).toEqual(expected)
    expect((await other.get(9)).map(({ id }) => id)).toEqual(expected)
  })
})
