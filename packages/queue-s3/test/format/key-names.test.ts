import { MAX_ID_BYTES, MAX_PRIORITY } from '@sluice/core'
import { describe, expect, test } from 'vitest'
import { decodeKey, encodeKey, encodeQueueName, MAX_KEY_BYTES } from '../../src/format/key-encoding.js'
import { KeyLimits, MAX_SEGMENT_BYTES } from '../../src/format/key-limits.js'
import { Layout, type Folder } from '../../src/format/layout.js'
import { parseAttemptKey, attemptKeyText, type AttemptKey } from '../../src/format/attempt-key.js'

/** Bytes of every name that are kept for parts to come. */

/** An id of a given length, for each kind. */
const KINDS = {
  letters: (bytes: number) => 'x'.repeat(bytes),
  'capital letters': (bytes: number) => 'X'.repeat(bytes),
  'bytes that are escaped': (bytes: number) => 'é'.repeat(bytes >> 1) + (bytes % 2 === 0 ? '' : '/'),
  mixed: (bytes: number) => 'aé/B-'.repeat(bytes).slice(0, bytes),
} as const

const exactly = (id: string, bytes: number): string => {
  let cut = id
  while (Buffer.byteLength(cut) > bytes) cut = cut.slice(0, -1)
  return cut + 'z'.repeat(bytes - Buffer.byteLength(cut))
}

const LARGEST: Omit<AttemptKey, 'key'> = {
  shard: 'ff',
  priority: -MAX_PRIORITY,
  availableAt: 8_640_000_000_000_000,
  delayed: true,
  turn: 36 ** 8 - 1,
  attempt: 99_999,
  updates: 99_999,
  uncounted: 99_999,
  hasRetryState: true,
  generation: 99_999,
  uid: '0b6e6c0e-5b1f-4f0e-9d52-5d6c9a1f3c11',
  additions: `a=${'z'.repeat(23)}`,
}

const longestPart = (key: string) => Math.max(...key.split('/').map((part) => Buffer.byteLength(part)))

describe.each(Object.entries(KINDS))('the names of ids of 1 to 1,024 bytes: %s', (_, make) => {
  const ids = Array.from({ length: MAX_ID_BYTES }, (__, index) => exactly(make(index + 1), index + 1))
  const layout = new Layout('p'.repeat(255), 'Q'.repeat(200))

  test('have 255 bytes between two slashes at most with 99,999 in each number and 26 bytes of additions; 1,024 in all', () => {
    for (const [index, id] of ids.entries()) {
      expect(Buffer.byteLength(id)).toBe(index + 1)
      const key = encodeKey(id)
      const attemptKey = { ...LARGEST, key }
      const name = attemptKeyText(attemptKey)
      expect(parseAttemptKey(name)).toEqual(attemptKey)
      const folders = ['WAITING', 'PROCESSING', 'SUCCESS', 'FAIL', 'LEFT'] as const satisfies Folder[]
      const keys = [layout.index(attemptKey), ...folders.map((folder) => layout.at(folder, name))]
      for (const one of keys) {
        expect(longestPart(one)).toBeLessThanOrEqual(MAX_SEGMENT_BYTES)
        expect(Buffer.byteLength(one)).toBeLessThanOrEqual(1_024)
      }
      expect(() => new KeyLimits().assertFit(id, layout.keysOf(attemptKey, name))).not.toThrow()
    }
  })

  test('are all different, also where upper and lower case are the same, and give the id back or are a hash', () => {
    const keys = new Set(ids.map((id) => encodeKey(id).toLowerCase()))
    expect(keys.size).toBe(ids.length)
    for (const id of ids) {
      const key = encodeKey(id)
      expect(key).toMatch(/^[a-z0-9_-]{1,132}$/)
      expect(decodeKey(key) ?? id).toBe(id)
    }
  })
})

test('the limit is the longest there can be: one more byte of a key would not fit beside the longest other parts', () => {
  const name = attemptKeyText({ ...LARGEST, key: 'x'.repeat(MAX_KEY_BYTES) })
  expect(longestPart(name)).toBe(MAX_SEGMENT_BYTES)
  expect(encodeKey('x'.repeat(MAX_KEY_BYTES))).toBe('x'.repeat(MAX_KEY_BYTES))
  expect(decodeKey(encodeKey('x'.repeat(MAX_KEY_BYTES + 1)))).toBeUndefined()
})

test('all names of an item are as long as its first', () => {
  const first = { ...LARGEST, attempt: 1, updates: 0, uncounted: 0, generation: 1, key: 'a' }
  const lengths = [1, 9, 10, 999, 99_999].flatMap((attempt) =>
    [false, true].map((hasRetryState) => attemptKeyText({ ...first, attempt, hasRetryState }).length),
  )
  expect(new Set(lengths).size).toBe(1)
})

test('ids that resemble an encoded or a hashed one are others', () => {
  const hashed = encodeKey('x'.repeat(500))
  const ids = [
    'a/b',
    'a_2fb',
    'a_2Fb',
    'A/b',
    '_h',
    hashed,
    hashed.toUpperCase(),
    'x'.repeat(500),
    '_',
    '_5f',
    'a.2',
  ]
  const keys = ids.map(encodeKey)
  expect(new Set(keys.map((key) => key.toLowerCase())).size).toBe(ids.length)
  expect(keys.map((key) => decodeKey(key) ?? 'x'.repeat(500))).toEqual(ids)
})

test('a longer uid than a UUID, a number without its zeros or with too many, and a capital letter make no name', () => {
  const attemptKey = { ...LARGEST, hasRetryState: false, attempt: 1, key: 'a' }
  expect(parseAttemptKey(attemptKeyText({ ...attemptKey, uid: 'u'.repeat(36) }))).toBeDefined()
  expect(parseAttemptKey(attemptKeyText({ ...attemptKey, uid: 'u'.repeat(37) }))).toBeUndefined()
  const name = attemptKeyText(attemptKey)
  expect(parseAttemptKey(name.replace('.00001.', '.1.'))).toBeUndefined()
  expect(parseAttemptKey(name.replace('.00001.', '.000001.'))).toBeUndefined()
  expect(parseAttemptKey(attemptKeyText({ ...attemptKey, attempt: 100_000 }))?.attempt).toBe(100_000)
  for (const key of ['A', '_', 'a_', '_5F', '_zz', '_hx', `_h${'0'.repeat(63)}`, '', 'x'.repeat(133)])
    expect(parseAttemptKey(attemptKeyText({ ...attemptKey, key }))).toBeUndefined()
  for (const key of [encodeKey('x'.repeat(999)), encodeKey('_'), 'x'.repeat(132)])
    expect(parseAttemptKey(attemptKeyText({ ...attemptKey, key }))?.key).toBe(key)
})

test('the name of an item that was put into SUCCESS has a form of its own, no longer than others, and says the same', () => {
  const done = {
    ...LARGEST,
    delayed: false,
    attempt: 0,
    updates: 0,
    uncounted: 0,
    hasRetryState: false,
    key: 'a',
  }
  const name = attemptKeyText(done)
  expect(parseAttemptKey(name)).toEqual(done)
  expect(name.length).toBeLessThan(attemptKeyText({ ...done, attempt: 1 }).length)
  // The usual form at attempt 0 is foreign: two names of one item would be one too many.
  const usual = attemptKeyText({ ...done, attempt: 1 })
  expect(parseAttemptKey(usual.replace('.00001.', '.00000.'))).toBeUndefined()
  for (const wrong of [name.toUpperCase(), name.replace('done.', 'done'), name.replace('/done', '/gone')])
    expect(parseAttemptKey(wrong)).toBeUndefined()
  const [early, late] = [1, 2].map((turn) => attemptKeyText({ ...done, turn, priority: turn }))
  expect(early && late && early < late).toBe(true)
})

test('the folder of a queue is as in format 1, and different for different names', () => {
  expect(encodeQueueName('Tiles of ü')).toBe('Tiles_20of_20_C3_BC')
  const names = [
    'a',
    'A',
    'a/b',
    'a_2Fb',
    '..',
    'x'.repeat(200),
    'é'.repeat(200),
    'é'.repeat(199),
    '漢'.repeat(200),
  ]
  const folders = names.map(encodeQueueName)
  expect(new Set(folders).size).toBe(names.length)
  for (const folder of folders) expect(folder).toMatch(/^[A-Za-z0-9_-]{1,200}$/)
})

test('a store’s limit is learned from what it refuses, and reported with the item', () => {
  const limits = new KeyLimits()
  limits.assertFit('a', [`p/${'x'.repeat(140)}`])
  limits.refused(`p/${'x'.repeat(140)}`)
  limits.refused(`p/${'x'.repeat(150)}`)
  limits.assertFit('a', [`p/${'x'.repeat(139)}`])
  expect(() => limits.assertFit('a', ['p/y', `p/${'x'.repeat(140)}`])).toThrow(/item "a".*140 bytes/s)
  expect(() => new KeyLimits().assertFit('a', ['pp/'.repeat(342)])).toThrow(/1026 in all/)
})
