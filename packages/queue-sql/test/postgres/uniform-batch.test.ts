import { MAX_HISTORY, type Queue, type QueueItem, type Settlement } from '@sluice/core'
import type { QueueHarness } from '@sluice/testkit'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { WantedRow } from '../../src/items/moves.js'
import { uniformBatch } from '../../src/postgres/parameters.js'
import { bothStores } from '../support/both-stores.js'

const UID = '0189d3c2-1111-4222-8333-444455556666'
const ROW: WantedRow = {
  id: 'a',
  attempt: 1,
  uid: null,
  stage: 2,
  delay_ms: 0,
  uncounted: 0,
  reason: null,
  result: null,
  details: null,
  failure_class: null,
  exit_code: null,
  job_uid: null,
  unsent: null,
  keep_place: null,
  retry_state: null,
}

describe('a uniform batch', () => {
  test('has one stage, one attempt and nothing else to store', () => {
    expect(uniformBatch([ROW, { ...ROW, id: 'b' }])).toEqual({
      statement: 'uniform',
      parameters: ['{"a","b"}', 2, 1, 2],
    })
    expect(uniformBatch([{ ...ROW, uid: UID }])).toEqual({
      statement: 'uniformUids',
      parameters: ['{"a"}', 1, 1, 2, `{${UID}}`, 1],
    })
  })

  test.each<[string, Partial<WantedRow>]>([
    ['another stage', { stage: 3 }],
    ['another attempt', { attempt: 2 }],
    ['no attempt', { attempt: null }],
    ['a uid where the others have none', { uid: UID }],
    ['a reason', { reason: 'because' }],
    ['a result', { result: '1' }],
    ['details', { details: '{}' }],
    ['a failure class', { failure_class: 'oom' }],
    ['an exit code', { exit_code: 0 }],
    ['a uid of the job', { job_uid: 'w-1' }],
  ])('is not one with %s in it', (_, differing) => {
    expect(uniformBatch([ROW, { ...ROW, id: 'b', ...differing }])).toBeUndefined()
  })

  test.each<[string, Partial<WantedRow>]>([
    ['leads back to WAITING', { stage: 0 }],
    ['names no attempt', { attempt: null }],
    ['has a history that must be cut', { attempt: MAX_HISTORY + 1 }],
  ])('is not one that %s', (_, all) => {
    expect(uniformBatch([{ ...ROW, ...all }])).toBeUndefined()
  })
})

describe.each(bothStores)('uniform settlements: %s', (_, makeHarness) => {
  let harness: QueueHarness
  let queue: Queue
  let items: QueueItem[]

  beforeEach(async () => {
    harness = await makeHarness()
    queue = await harness.open()
    await queue.putMany(['a', 'b', 'c', 'd'].map((id) => ({ id, body: id })))
    items = await queue.get(4)
  })
  afterEach(() => harness.close())

  const alike = (stage: 'SUCCESS' | 'FAIL', change: (item: QueueItem) => Partial<Settlement>): Settlement[] =>
    items.map((item) => ({ id: item.id, attempt: 1, stage, ...change(item) }))

  test.each(['SUCCESS', 'FAIL'] as const)(
    'reach %s, with uids and without, and are counted',
    async (stage) => {
      const settlements = alike(stage, ({ uid }) => ({ uid }))
      expect(await queue.settle(settlements.slice(0, 2))).toEqual({ settled: 2, refused: [] })
      expect(await queue.settle(alike(stage, () => ({})).slice(2))).toEqual({ settled: 2, refused: [] })
      expect(await queue.sizes()).toEqual({ WAITING: 0, PROCESSING: 0, SUCCESS: 0, FAIL: 0, [stage]: 4 })
      const record = await queue.lookup('a')
      expect(record).toMatchObject({ stage, attempt: 1, history: [{ attempt: 1, outcome: stage }] })
    },
  )

  test('with uids of other items of the batch none is settled', async () => {
    const uids = items.map(({ uid }) => uid)
    const swapped = items.map(({ id }, index): Settlement => ({
      id,
      attempt: 1,
      stage: 'SUCCESS',
      uid: uids[(index + 1) % 4] ?? '',
    }))
    const { settled, refused } = await queue.settle(swapped)
    expect(settled).toBe(0)
    expect(refused.map(({ reason }) => reason)).toEqual(Array.from({ length: 4 }, () => 'not-current'))
    expect(await queue.size('PROCESSING')).toBe(4)
  })

  test('moves at another attempt, unknown, or repeated are reported one by one', async () => {
    await queue.release('b', { attempt: 1 })
    await queue.get(1)
    await queue.success('c', { attempt: 1 })
    const asked = ['a', 'b', 'c', 'unknown'].map((id): Settlement => ({ id, attempt: 1, stage: 'SUCCESS' }))
    expect(await queue.settle(asked)).toEqual({
      settled: 2,
      refused: [
        { id: 'b', attempt: 1, reason: 'not-current' },
        { id: 'unknown', attempt: 1, reason: 'not-found' },
      ],
    })
    expect(await queue.sizes()).toEqual({ WAITING: 0, PROCESSING: 2, SUCCESS: 2, FAIL: 0 })
  })
})
