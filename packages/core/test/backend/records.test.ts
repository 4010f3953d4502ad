import { expect, test } from 'vitest'
import {
  checkMove,
  checkNewItem,
  claimRecord,
  putRecord,
  queueItemOf,
  requeueRecord,
  settleRecord,
  summaryOf,
  updateRecord,
} from '../../src/backend/index.js'
import type { ItemRecord } from '../../src/index.js'

const MAX_BYTES = 1_000
const ORDER = { compare: false, stage: 'WAITING', uid: 'u1', now: 100 } as const

function put(options: { delayMs?: number } = {}, order: Partial<typeof ORDER> = {}): ItemRecord {
  const { record } = putRecord(undefined, checkNewItem({ id: 'a', body: { n: 1 }, ...options }, MAX_BYTES), {
    ...ORDER,
    ...order,
  })
  if (record === undefined) throw new Error('it was refused')
  return record
}

function item(n: number) {
  return checkNewItem({ id: 'a', body: { n } }, MAX_BYTES)
}

function move(stage: 'SUCCESS' | 'FAIL' | 'WAITING', more: object = {}) {
  return checkMove({ id: 'a', attempt: 1, stage, ...more }, MAX_BYTES)
}

test('a new item waits at attempt 0, for its delay; put into SUCCESS it has finished', () => {
  expect(put({ delayMs: 50 })).toEqual({
    id: 'a',
    uid: 'u1',
    stage: 'WAITING',
    attempt: 0,
    uncounted: 0,
    priority: 0,
    body: { n: 1 },
    putAt: 100,
    notBeforeAt: 150,
    history: [],
  })
  const done = putRecord(undefined, item(1), { ...ORDER, stage: 'SUCCESS' })
  expect(done.record).toMatchObject({ stage: 'SUCCESS', finishedAt: 100 })
})

test('an id that is there is refused, and compared where that is asked for', () => {
  const known = put()
  expect(putRecord(known, item(1), ORDER).refusal).toEqual({ reason: 'exists', stage: 'WAITING' })
  const compared = [1, 2].map((n) => putRecord(known, item(n), { ...ORDER, compare: true }).refusal?.reason)
  expect(compared).toEqual(['exists-same', 'exists-changed'])
})

test('a claim begins the next attempt, and the views show it', () => {
  const claimed = claimRecord(put(), 200)
  expect(claimed).toMatchObject({
    stage: 'PROCESSING',
    attempt: 1,
    history: [{ attempt: 1, claimedAt: 200 }],
  })
  expect(queueItemOf(claimed)).toEqual({ ...summaryOf(claimed), body: { n: 1 }, putAt: 100, claimedAt: 200 })
  expect(queueItemOf(put())).not.toHaveProperty('claimedAt')
})

test('a move is done, repeated or refused as judgeMove says', () => {
  const claimed = claimRecord(put(), 200)
  const { record, place } = settleRecord(claimed, move('SUCCESS', { result: 7, exitCode: 0 }), 300)
  expect(record).toMatchObject({ stage: 'SUCCESS', result: 7, exitCode: 0, finishedAt: 300 })
  expect(record?.history).toEqual([
    { attempt: 1, claimedAt: 200, endedAt: 300, outcome: 'SUCCESS', exitCode: 0 },
  ])
  expect(place).toBe('new')
  expect(settleRecord(record, move('SUCCESS'), 400)).toEqual({})
  expect(settleRecord(record, move('FAIL'), 400).refusal?.reason).toBe('wrong-stage')
  expect(settleRecord(claimed, move('FAIL', { attempt: 2 }), 400).refusal?.reason).toBe('not-current')
  expect(settleRecord(undefined, move('FAIL'), 400).refusal?.reason).toBe('not-found')
})

test('a release counts or not, waits or keeps its place, and takes the retry state', () => {
  const claimed = claimRecord(put(), 200)
  const back = settleRecord(
    claimed,
    move('WAITING', { delayMs: 10, retryState: { n: 1 }, reason: 'later' }),
    300,
  )
  expect(back).toMatchObject({ place: 'new', record: { notBeforeAt: 310, reason: 'later', uncounted: 0 } })
  const unsent = settleRecord(claimed, move('WAITING', { unsent: true, keepPlace: true }), 300)
  expect(unsent).toMatchObject({ place: 'returned', record: { uncounted: 1, history: [{ unsent: true }] } })
  expect(unsent.record).not.toHaveProperty('notBeforeAt')
  if (back.record === undefined) throw new Error('it was refused')
  expect(claimRecord(back.record, 400).retryState).toEqual({ n: 1 })
})

test('a requeue takes the outcome off the record and keeps the history', () => {
  const end = { reason: 'no', failureClass: 'failed', exitCode: 3, jobUid: 'j' }
  const { record: failed } = settleRecord(claimRecord(put(), 200), move('FAIL', end), 300)
  expect(failed).toMatchObject({ stage: 'FAIL', ...end, finishedAt: 300 })
  const { record } = requeueRecord(failed, { delayMs: 5, priority: 2 }, 400)
  expect(record).toMatchObject({ stage: 'WAITING', uncounted: 1, priority: 2, notBeforeAt: 405 })
  for (const field of [...Object.keys(end), 'finishedAt']) expect(record).not.toHaveProperty(field)
  expect(record?.history).toMatchObject([end])
  expect(requeueRecord(record, { delayMs: 0 }, 400).refusal).toBe('wrong-stage')
})

const NO_CHANGE = {
  id: 'a',
  uid: undefined,
  bodyText: undefined,
  priority: undefined,
  notBeforeAt: undefined,
  resources: undefined,
  limitKey: undefined,
}

test('an update changes resources and limit key, or takes them away', () => {
  const chosen = { resources: { gpu: 1 }, limitKey: 'k' }
  const { record } = updateRecord(put(), { ...NO_CHANGE, ...chosen }, 300)
  if (record === undefined) throw new Error('it was refused')
  expect(record).toMatchObject({ ...chosen, body: put().body })
  expect(summaryOf(record)).toMatchObject(chosen)
  expect(updateRecord(record, { ...NO_CHANGE, bodyText: '2' }, 300).record).toMatchObject(chosen)
  const without = updateRecord(record, { ...NO_CHANGE, resources: null }, 300)
  expect(without.place).toBe('same')
  expect(without.record).not.toHaveProperty('resources')
  expect(without.record).toHaveProperty('limitKey', 'k')
})

test('an update changes what waits; a new instant gives a new place', () => {
  const change = { ...NO_CHANGE, bodyText: '2' }
  expect(updateRecord(put(), change, 300)).toMatchObject({ place: 'same', record: { body: 2, priority: 0 } })
  const later = updateRecord(put(), { ...change, notBeforeAt: 0 }, 300)
  expect(later).toMatchObject({ place: 'new', record: { notBeforeAt: 300 } })
  expect(updateRecord(put(), { ...change, uid: 'other' }, 300).refusal).toBe('not-current')
  expect(updateRecord(claimRecord(put(), 200), change, 300).refusal).toBe('wrong-stage')
})
