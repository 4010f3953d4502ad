import { MAX_PRIORITY } from '@sluice/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeKey, encodeKey, shardOf } from '../../src/format/key-encoding.js'
import { s3Error } from '../../src/store/s3-errors.js'
import { failureOf } from '../../src/store/s3-failures.js'
import { packText, parseEntry, parseState, unpackText } from '../../src/format/object-texts.js'
import {
  afterPriority,
  parseAttemptKey,
  attemptKeyText,
  type AttemptKey,
} from '../../src/format/attempt-key.js'
import { StoreClock } from '../../src/store/store-clock.js'

const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 300 })
const attempts: fc.Arbitrary<AttemptKey> = fc.record({
  shard: fc.constantFrom('00', '0a', 'ff'),
  priority: fc.integer({ min: -MAX_PRIORITY, max: MAX_PRIORITY }),
  availableAt: fc.integer({ min: 0, max: 8_640_000_000_000_000 }),
  delayed: fc.boolean(),
  turn: fc.integer({ min: 0, max: 1_000_000 }),
  attempt: fc.integer({ min: 1, max: 1_000_000 }),
  updates: fc.nat(1_000_000),
  uncounted: fc.nat(1_000_000),
  hasRetryState: fc.boolean(),
  generation: fc.integer({ min: 1, max: 99 }),
  uid: fc.uuid(),
  additions: fc.constantFrom('', 'x=1', 'tag=a_b-c,h=', 'a=123456789-123456789-123'),
  key: text.map(encodeKey),
})

describe('keys', () => {
  test('hold any id in [a-z0-9_-], different for different ids, and give it back or are a hash', () => {
    fc.assert(
      fc.property(text, text, (one, two) => {
        const key = encodeKey(one)
        expect(key).toMatch(/^[a-z0-9_-]{1,132}$/)
        expect(decodeKey(key) ?? one).toBe(one)
        expect(encodeKey(two) === key).toBe(one === two)
      }),
    )
    expect(decodeKey(encodeKey('x'.repeat(133)))).toBeUndefined()
    expect(encodeKey('..')).toBe('_2e_2e')
  })

  test('shards are evenly used', () => {
    const counts = new Map<string, number>()
    for (let index = 0; index < 4_000; index++) {
      const shard = shardOf(`id${index}`, 4)
      counts.set(shard, (counts.get(shard) ?? 0) + 1)
    }
    expect([...counts.keys()].toSorted()).toEqual(['00', '01', '02', '03'])
    for (const count of counts.values()) expect(count).toBeGreaterThan(800)
  })
})

describe('names of attempts', () => {
  test('come back as they were', () => {
    fc.assert(
      fc.property(attempts, (attemptKey) => {
        expect(parseAttemptKey(attemptKeyText(attemptKey))).toEqual(attemptKey)
      }),
    )
  })

  test('sort by priority downwards, then instant, then turn', () => {
    fc.assert(
      fc.property(attempts, attempts, (one, two) => {
        const [a, b] = [
          { ...one, shard: '00' },
          { ...two, shard: '00' },
        ]
        const order = b.priority - a.priority || a.availableAt - b.availableAt
        const [nameA, nameB] = [attemptKeyText(a), attemptKeyText(b)]
        expect(order === 0 || nameA < nameB === order < 0).toBe(true)
        expect(a.priority === b.priority || afterPriority(a) < nameB === a.priority > b.priority).toBe(true)
        expect(afterPriority(a) > nameA).toBe(true)
      }),
    )
  })

  test('anything else is none', () => {
    for (const name of ['', 'readme.txt', '00/', '00/x', '../00/7fffffff'])
      expect(parseAttemptKey(name)).toBeUndefined()
    fc.assert(
      fc.property(text, (name) => {
        expect(parseAttemptKey(name)).toBeUndefined()
      }),
    )
  })
})

test('what is cut off anywhere is no object of ours', () => {
  const entry = JSON.stringify({
    sluice: 1,
    id: 'a',
    uid: 'u',
    first: 'f',
    priority: 0,
    putAt: 1,
    body: { a: 1 },
  })
  const state = JSON.stringify({ sluice: 1, id: 'a', history: [] })
  for (let end = 0; end < entry.length; end++) expect(parseEntry(entry.slice(0, end))).toBeUndefined()
  for (let end = 0; end < state.length; end++) expect(parseState(state.slice(0, end))).toBeUndefined()
  expect(parseEntry(entry)?.body).toEqual({ a: 1 })
})

test('a reason in metadata is cut between two characters', () => {
  expect(unpackText(packText(`${'x'.repeat(199)}😀`))).toBe('x'.repeat(199))
  expect(unpackText(packText(`${'x'.repeat(198)}😀y`))).toBe(`${'x'.repeat(198)}😀`)
})

/** Answers, one each 10 ms, whose `Date` is some seconds from the clock of the process. */
function observed(aheadS: readonly number[]) {
  let mono = 1_000_000
  const runtime = new StoreClock(() => mono)
  const answer = (ahead: number) => {
    mono += 10
    runtime.observe(Math.floor(mono / 1_000) * 1_000 + ahead * 1_000, mono - 1, mono)
  }
  for (const ahead of aheadS) answer(ahead)
  return { runtime, answer, off: () => runtime.now() - mono }
}

describe('the store’s clock', () => {
  test('is narrowed by each answer, is never ahead of the store, and never goes back', () => {
    let mono = 0
    const runtime = new StoreClock(() => mono)
    const storeAhead = 1_000_000_457
    let latest = 0
    for (let answer = 0; answer < 200; answer++) {
      const sentAt = mono
      mono += 7
      runtime.observe(Math.floor((mono + storeAhead) / 1_000) * 1_000, sentAt, mono + 6)
      mono += 6
      const now = runtime.now()
      expect(now).toBeLessThanOrEqual(mono + storeAhead)
      expect(now).toBeGreaterThanOrEqual(latest)
      latest = now
    }
    expect(mono + storeAhead - latest).toBeLessThan(30)
  })

  test.each([60, -60, 3_600, -3_600, -1e9])(
    'one `Date` %i s off moves nothing, first, last or between',
    (off) => {
      for (const at of [0, 1, 2, 3, 10]) {
        const answers = Array.from({ length: 11 }, (_, index) => (index === at ? off : 0))
        const { runtime, off: error } = observed(answers)
        expect(Math.abs(error())).toBeLessThanOrEqual(1_000)
        expect(runtime.isSure).toBe(true)
        // Not even for a moment, as soon as another answer has come.
        expect(observed([off, 0]).off()).toBeLessThanOrEqual(0)
      }
    },
  )

  test('one of three gateways that is 60 s ahead is never believed, however long it goes on', () => {
    const { answer, off } = observed([0, 0, 0])
    for (let index = 0; index < 3_000; index++) {
      answer(index % 3 === 0 ? 60 : 0)
      expect(off()).toBeLessThanOrEqual(0)
    }
  })

  test('gateways whose clocks differ by seconds: their spread is known', () => {
    const { runtime, answer, off } = observed([0, 0, 0])
    for (let index = 0; index < 100; index++) {
      answer(index % 2 === 0 ? 5 : 0)
      expect(off()).toBeLessThanOrEqual(0)
    }
    expect(runtime.spreadMs).toBeGreaterThanOrEqual(4_000)
  })

  test('follows the store when its clock is set on, once 13 answers say so, and knows that it was', () => {
    const { runtime, answer, off } = observed([0, 0, 0, 0, 0])
    const before = runtime.now()
    for (let index = 0; index < 12; index++) answer(900)
    expect(off()).toBeLessThanOrEqual(0)
    expect(runtime.isSteadySince(before)).toBe(true)
    answer(900)
    expect(Math.abs(off() - 900_000)).toBeLessThanOrEqual(1_000)
    expect(runtime.isSteadySince(before)).toBe(false)
    expect(runtime.isSteadySince(runtime.now() + 1)).toBe(true)
  })

  test('stops when the store’s is set back, and goes on from there', () => {
    const { answer, runtime, off } = observed([0, 0, 0, 0, 0])
    const before = runtime.now()
    for (let index = 0; index < 15; index++) answer(-10)
    expect(runtime.now()).toBeGreaterThanOrEqual(before)
    expect(runtime.now() - before).toBeLessThanOrEqual(200)
    expect(off()).toBeLessThanOrEqual(0)
  })
})

describe('a name that no host has', () => {
  const error = Object.assign(new Error('getaddrinfo ENOTFOUND minoi'), { code: 'ENOTFOUND' })

  test('is not asked for again until the patience ends, as a host that does not answer is', () => {
    expect(failureOf(error)).toBe('fatal')
    expect(failureOf(Object.assign(new Error('read'), { code: 'ECONNRESET' }))).toBe('retry')
    expect(failureOf(Object.assign(new Error('getaddrinfo'), { code: 'EAI_AGAIN' }))).toBe('retry')
  })

  test('is reported as one', () => {
    const { code, message } = s3Error(error, 'list', {
      bucket: 'b',
      endpoint: 'http://minoi:9000',
      root: 'r/',
    })
    expect([code, message]).toEqual([
      'SLUICE_QUEUE_UNAVAILABLE',
      'Cannot list in bucket "b", prefix "r/" at http://minoi:9000: no host of that name is known (ENOTFOUND). Check `endpoint`, or `region`',
    ])
  })
})
